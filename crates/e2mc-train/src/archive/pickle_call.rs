//! The calls of a pickle that stand for data, by the function's name. None is made.

use std::io::BufRead;
use std::rc::Rc;

use super::contents::MAX_RANK;
use super::element::Element;
use super::pickle::{Machine, malformed};
use super::pickle_value::{Container, Node, Storage, Stored, Value};
use super::problem::{Problem, brief};
use crate::advice::Advice;

/// Classes whose values are no more than their arguments, and classes that hold no tensor: not
/// worth a word to the user.
const PLAIN: [&str; 20] = [
    "_codecs.encode",
    "__builtin__.bytearray",
    "__builtin__.bytes",
    "__builtin__.complex",
    "__builtin__.frozenset",
    "__builtin__.list",
    "__builtin__.set",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.complex",
    "builtins.frozenset",
    "builtins.list",
    "builtins.set",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "torch.Size",
    "torch._C._nn_Size",
    "torch.device",
];
/// Functions that make tensors of other kinds than rows of numbers, and what those are called.
const OTHER_TENSORS: [(&str, &str); 9] = [
    ("_rebuild_sparse_tensor", "sparse"),
    ("_rebuild_sparse_csr_tensor", "sparse"),
    ("_rebuild_qtensor", "quantized"),
    ("_rebuild_nested_tensor", "nested"),
    ("_rebuild_meta_tensor_no_storage", "meta"),
    ("_rebuild_device_tensor_from_numpy", "numpy"),
    ("_rebuild_device_tensor_from_cpu_tensor", "device"),
    ("_rebuild_wrapper_subclass", "subclass"),
    ("_rebuild_xla_tensor", "xla"),
];
/// Functions that make an object of the class that they are given.
const RECONSTRUCTORS: [&str; 3] = [
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
    "copyreg.__newobj__",
];

/// Whether a function makes a value itself, rather than by another that it is given: a pickle can
/// make two such give each other.
fn is_direct(name: &str) -> bool {
    !RECONSTRUCTORS.contains(&name) && !name.contains("._rebuild_from_type")
}

impl<R: BufRead> Machine<'_, R> {
    /// What a call of `function` stands for.
    pub(super) fn call(&mut self, function: &Value, arguments: &[Value]) -> Result<Value, Problem> {
        let Value::Global(name) = function else {
            return Ok(self.node(Container {
                class: Some("a value".into()),
                ..Container::default()
            }));
        };
        let own = ["torch._utils.", "torch._tensor.", "torch.tensor."];
        if let Some(own) = own.iter().find_map(|module| name.strip_prefix(module)) {
            let place = |place: usize| arguments.get(place).cloned().unwrap_or(Value::None);
            match own {
                "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" => {
                    return self.tensor(arguments);
                }
                "_rebuild_parameter" | "_rebuild_parameter_with_state" => return Ok(place(0)),
                "_rebuild_from_type" | "_rebuild_from_type_v2" => {
                    let inner = self.values(&place(2))?;
                    // Its own function is another of this list, or the value is no tensor.
                    return match place(0) {
                        Value::Global(inside) if is_direct(&inside) => {
                            self.call(&Value::Global(inside), &inner)
                        }
                        _ => Ok(Value::Opaque),
                    };
                }
                _ => {}
            }
            if let Some(&(_, what)) = OTHER_TENSORS.iter().find(|known| known.0 == own) {
                return Ok(self.put(Node::Tensor(Rc::new(Stored {
                    what: Err(what),
                    storage: None,
                    offset: 0,
                    shape: Vec::new(),
                    strides: Vec::new(),
                }))));
            }
        }
        if RECONSTRUCTORS.contains(&name.as_ref()) {
            return match arguments.first() {
                Some(class @ Value::Global(inside)) if is_direct(inside) => {
                    self.call(&class.clone(), arguments.get(2..).unwrap_or(&[]))
                }
                _ => Ok(Value::Opaque),
            };
        }
        let class = (!PLAIN.contains(&name.as_ref())).then(|| name.clone());
        let mut container = Container {
            class,
            ..Container::default()
        };
        match name.as_ref() {
            "collections.OrderedDict" => {
                let pairs = match arguments.first() {
                    Some(pairs) => self.values(pairs)?,
                    None => Vec::new(),
                };
                for pair in pairs {
                    if let [key, value] = self.values(&pair)?.as_slice() {
                        container.entries.push((key.clone(), value.clone()));
                    }
                }
            }
            "_codecs.encode" => return Ok(Value::Opaque),
            _ => {}
        }
        // What a container is made from is in it; of other arguments only the function knows.
        if let [Value::Node(place)] = arguments
            && let Node::Container(_) = self.heap[*place]
        {
            container.states.push(Value::Node(*place));
        }
        Ok(self.node(container))
    }

    /// `(storage, offset, shape, strides, …)`, and as the seventh the type where the storage has
    /// none.
    fn tensor(&mut self, arguments: &[Value]) -> Result<Value, Problem> {
        let [storage, Value::Int(offset), shape, strides, rest @ ..] = arguments else {
            return Err(malformed(
                "a tensor without storage, offset, shape and strides",
            ));
        };
        let storage = match storage {
            Value::Node(place) => match &self.heap[*place] {
                Node::Storage(storage) => storage.clone(),
                _ => return Err(malformed("a tensor whose storage is none")),
            },
            _ => return Err(malformed("a tensor whose storage is none")),
        };
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        let offset = u64::try_from(*offset).map_err(|_| malformed("an offset below 0"))?;
        if shape.len() != strides.len() {
            return Err(malformed("a tensor with other strides than dimensions"));
        }
        let what = match rest.get(2) {
            Some(Value::Global(name)) => match Element::of_type(name) {
                Some(element) => Ok(element),
                None => Err("a type that is not known"),
            },
            _ => Ok(storage.element),
        };
        if let Ok(element) = what {
            check_extent(&storage, element, offset, &shape, &strides)?;
        }
        Ok(self.put(Node::Tensor(Rc::new(Stored {
            what,
            storage: Some(storage),
            offset,
            shape: shape.into_iter().map(|size| size as usize).collect(),
            strides,
        }))))
    }

    fn sizes(&mut self, of: &Value) -> Result<Vec<u64>, Problem> {
        let values = self.values(of)?;
        if values.len() > MAX_RANK {
            return Err(Problem {
                expected: format!("tensors of at most {MAX_RANK} dimensions"),
                found: format!("one of {}", values.len()),
                advice: Advice::words("this is not a checkpoint of a network that e2mc supports"),
            });
        }
        let size = |value: &Value| match value {
            Value::Int(size) => u64::try_from(*size).ok(),
            _ => None,
        };
        let sizes: Option<Vec<u64>> = values.iter().map(size).collect();
        sizes.ok_or_else(|| malformed("a size that is no whole number from 0 on"))
    }

    /// What an identity stands for: `("storage", class, key, place, count[, view])`.
    pub(super) fn persistent(&mut self, id: &Value) -> Result<Value, Problem> {
        let parts = self.values(id)?;
        let (class, key, count, view) = match parts.as_slice() {
            [Value::Text(kind), class, ..] if &**kind == "module" => return Ok(class.clone()),
            [
                Value::Text(kind),
                class,
                Value::Text(key),
                _,
                Value::Int(count),
                view @ ..,
            ] if &**kind == "storage" => (class, key, count, view.first()),
            _ => return Err(malformed("an identity that is no storage's")),
        };
        let element = match class {
            Value::Global(class) => Element::of_storage(class).ok_or_else(|| Problem {
                expected: "storages of torch's own types".into(),
                found: brief(&format!("`{class}`")),
                advice: Advice::words("convert the tensors to float32 in Python"),
            })?,
            _ => return Err(malformed("a storage of no class")),
        };
        let count = u64::try_from(*count).map_err(|_| malformed("a storage of a size below 0"))?;
        let (key, view) = (key.clone(), view.cloned());
        let view = match view.map(|view| self.values(&view)).transpose()?.as_deref() {
            Some([_, Value::Int(from), Value::Int(numbers)]) => {
                let (from, numbers) = (u64::try_from(*from), u64::try_from(*numbers));
                let (Ok(from), Ok(numbers)) = (from, numbers) else {
                    return Err(malformed("a view of a size below 0"));
                };
                if from.checked_add(numbers).is_none_or(|end| end > count) {
                    return Err(malformed("a view beyond its storage"));
                }
                (from, numbers)
            }
            _ => (0, count),
        };
        Ok(self.put(Node::Storage(Rc::new(Storage {
            key,
            element,
            count,
            view,
        }))))
    }
}

/// Checks that a tensor lies within its storage.
fn check_extent(
    storage: &Storage,
    element: Element,
    offset: u64,
    shape: &[u64],
    strides: &[u64],
) -> Result<(), Problem> {
    if shape.contains(&0) {
        return Ok(());
    }
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(offset, |place, (&size, &stride)| {
            place.checked_add((size - 1).checked_mul(stride)?)
        });
    let end = last.and_then(|last| last.checked_add(1)?.checked_mul(element.size));
    let held = storage.view.1.checked_mul(storage.element.size);
    match (end, held) {
        (Some(end), Some(held)) if end <= held => Ok(()),
        _ => Err(Problem::again(
            "tensors within their storages",
            brief(&format!(
                "one of shape {shape:?} in a storage of {} numbers",
                storage.view.1
            )),
        )),
    }
}
