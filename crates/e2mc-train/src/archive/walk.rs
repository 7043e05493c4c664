//! The tensors of a pickle by their names: the way through its dictionaries, lists and objects.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use super::contents::{MAX_NAME, MAX_TENSORS};
use super::pickle::{MAX_OPERATIONS, exceeded};
use super::pickle_value::{Container, Heap, Node, Stored, Value};
use super::problem::{Problem, brief};

/// Dictionaries in dictionaries. A checkpoint has five.
const MAX_DEPTH: usize = 64;
/// Attributes under which torch's modules keep their tensors and their parts.
const MODULE: [&str; 3] = ["_modules", "_parameters", "_buffers"];
/// Objects that a list of what is skipped names.
const SHOWN: usize = 3;

/// What a walk has found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) tensors: BTreeMap<String, Rc<Stored>>,
    /// Classes of values that are no data of ours, in the order of the file.
    classes: Vec<Rc<str>>,
    /// Values that no name leads to.
    nameless: bool,
    /// Tensors whose name another has.
    twice: bool,
}

impl Found {
    /// What is skipped, in words for a list.
    pub(super) fn passed_over(&self) -> Vec<String> {
        let shown = self.classes.iter().take(SHOWN);
        let mut words: Vec<String> = shown
            .map(|class| format!("an object of `{}`", brief(class)))
            .collect();
        if let Some(more @ 1..) = self.classes.len().checked_sub(SHOWN) {
            words.push(format!("objects of {more} other classes"));
        }
        if self.nameless {
            words.push("values under keys that are no names".into());
        }
        if self.twice {
            words.push("tensors under names that others have".into());
        }
        words
    }
}

/// Walks over what `root` refers to.
pub(super) fn walk(root: &Value, heap: &Heap) -> Result<Found, Problem> {
    let mut walk = Walk {
        heap,
        found: Found::default(),
        // A node is counted twice: where it is referred to, and where it is looked at.
        left: 2 * MAX_OPERATIONS,
        seen: HashSet::new(),
        classes: HashSet::new(),
        above: Vec::new(),
    };
    walk.value("", root)?;
    Ok(walk.found)
}

struct Walk<'a> {
    heap: &'a Heap,
    found: Found,
    /// Values that may still be looked at: one list may be in many others.
    left: u64,
    /// Objects that were looked at: those refer to each other in circles.
    seen: HashSet<usize>,
    /// Where the names of the classes are that were compared with those found.
    classes: HashSet<*const u8>,
    /// Containers around the one at hand.
    above: Vec<usize>,
}

impl Walk<'_> {
    fn look(&mut self) -> Result<(), Problem> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| {
            exceeded(format!(
                "at most {MAX_OPERATIONS} values beside the tensors"
            ))
        })?;
        Ok(())
    }

    fn value(&mut self, name: &str, value: &Value) -> Result<(), Problem> {
        self.look()?;
        let Value::Node(place) = *value else {
            return Ok(());
        };
        let heap = self.heap;
        match &heap[place] {
            Node::Storage(_) => Ok(()),
            Node::Tensor(tensor) => {
                self.tensor(name, tensor);
                match self.found.tensors.len() {
                    ..=MAX_TENSORS => Ok(()),
                    _ => Err(exceeded(format!("at most {MAX_TENSORS} tensors"))),
                }
            }
            Node::Container(container) => {
                if self.above.contains(&place) || self.above.len() >= MAX_DEPTH {
                    return Ok(());
                }
                if let Some(class) = &container.class {
                    if !self.seen.insert(place) {
                        return Ok(());
                    }
                    // Text is compared once for each place in memory, not once for each object.
                    let new = self.classes.insert(Rc::as_ptr(class).cast());
                    if new && self.found.classes.len() < 1000 && !self.found.classes.contains(class)
                    {
                        self.found.classes.push(class.clone());
                    }
                }
                self.above.push(place);
                let result = self.container(name, container);
                let _ = self.above.pop();
                result
            }
        }
    }

    fn tensor(&mut self, name: &str, tensor: &Rc<Stored>) {
        match self.found.tensors.get(name) {
            None => {
                let _ = self.found.tensors.insert(name.to_owned(), tensor.clone());
            }
            Some(other) if Rc::ptr_eq(other, tensor) => {}
            Some(_) => self.found.twice = true,
        }
    }

    fn container(&mut self, name: &str, container: &Container) -> Result<(), Problem> {
        for (index, value) in container.values.iter().enumerate() {
            self.look()?;
            if let Value::Node(_) = value {
                self.value(&joined(name, &index.to_string())?, value)?;
            }
        }
        for (key, value) in &container.entries {
            self.look()?;
            let Value::Node(_) = value else { continue };
            match key.as_part(self.heap) {
                Some(part) => self.value(&joined(name, &part)?, value)?,
                None => self.found.nameless = true,
            }
        }
        for state in &container.states {
            self.state(name, container.class.is_some(), state)?;
        }
        Ok(())
    }

    /// The attributes of an object are under the object's own name.
    fn state(&mut self, name: &str, of_object: bool, state: &Value) -> Result<(), Problem> {
        self.look()?;
        let Value::Node(place) = *state else {
            return Ok(());
        };
        let Node::Container(attributes) = &self.heap[place] else {
            return self.value(name, state);
        };
        if self.above.contains(&place) || self.above.len() >= MAX_DEPTH {
            return Ok(());
        }
        let is_plain = attributes.class.is_none() && attributes.states.is_empty();
        if !of_object || !is_plain {
            return self.value(name, state);
        }
        self.above.push(place);
        let mut result = Ok(());
        // Attributes in two parts: those in a dictionary, and those in slots.
        if attributes.entries.is_empty() && attributes.values.len() == 2 {
            for part in &attributes.values {
                result = result.and_then(|()| self.state(name, of_object, part));
            }
        } else {
            for (key, value) in &attributes.entries {
                result = result.and_then(|()| self.look());
                if result.is_err() {
                    break;
                }
                let inner = match key {
                    Value::Text(key) if MODULE.contains(&&**key) => Ok(name.to_owned()),
                    key => match key.as_part(self.heap) {
                        Some(part) => joined(name, &part),
                        None => continue,
                    },
                };
                result = result.and_then(|()| self.value(&inner?, value));
            }
        }
        let _ = self.above.pop();
        result
    }
}

fn joined(name: &str, part: &str) -> Result<String, Problem> {
    let joined = match name {
        "" => part.to_owned(),
        name => format!("{name}.{part}"),
    };
    match joined.len() {
        ..=MAX_NAME => Ok(joined),
        length => Err(Problem {
            expected: format!("names of at most {MAX_NAME} bytes"),
            found: format!("a name of {length} bytes"),
            advice: crate::advice::Advice::words(
                "this is not a checkpoint of a network that e2mc supports",
            ),
        }),
    }
}
