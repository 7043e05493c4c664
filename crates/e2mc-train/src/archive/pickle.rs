//! A reader of pickles that calls nothing.
//!
//! A pickle is a program for a stack machine, which in Python imports what it names and calls it.
//! This machine carries out the operations that move data. A call makes a tensor's description or
//! a container if it is of one of the few functions in [`pickle_call`](super::pickle_call); of any
//! other it makes an object that knows its class's name and what it was given. So a file with an
//! optimiser, a configuration or a class of somebody's own beside the weights is read for its
//! weights.
//!
//! No reader of a library does both: one that refuses unknown values loses sound files, and one
//! that keeps them has no bounds. The bounds here are counted as the pickle is read: operations
//! (each makes a value of some hundred bytes at most), values that an operation copies, and bytes
//! of text that is kept. Bytes that are not kept, a picture or a whole archive beside the weights,
//! are skipped without memory. The operations are those of Python's `pickletools`.

use std::io::{self, BufRead, Read};
use std::rc::Rc;

use super::pickle_value::{Container, Heap, Node, Value};
use super::problem::{Problem, brief};
use crate::advice::Advice;

/// Operations of a file's pickles, and values that they copy. A ResNet-50 with its optimiser has
/// 20 thousand.
pub(super) const MAX_OPERATIONS: u64 = 2_000_000;
/// Bytes of text that is kept of a file's pickles. A ResNet-50 with its optimiser has 0.1 MB.
const MAX_TEXT: u64 = 32 << 20;
/// Bytes of one text that is kept. A recipe in one of our own files has some thousand.
const MAX_ONE_TEXT: u64 = 1 << 20;
/// Modules of which no checkpoint needs anything, and with which pickles do harm.
const DANGEROUS: [&str; 9] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "socket",
    "runpy",
    "importlib",
];
/// The same of Python's own functions, which also name harmless types.
const DANGEROUS_BUILTINS: [&str; 5] = ["eval", "exec", "compile", "open", "__import__"];

/// What a file's pickles have left.
pub(super) struct Budget {
    operations: u64,
    text: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            operations: MAX_OPERATIONS,
            text: MAX_TEXT,
        }
    }
}

/// The machine: what the operations work on.
pub(super) struct Machine<'a, R> {
    reader: R,
    budget: &'a mut Budget,
    pub(super) heap: Heap,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: std::collections::HashMap<u64, Value>,
}

/// Reads one pickle, leaving `reader` behind its end: its value, and what the value refers to.
pub(super) fn read<R: BufRead>(reader: R, budget: &mut Budget) -> Result<(Value, Heap), Problem> {
    let mut machine = Machine {
        reader,
        budget,
        heap: Heap::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: std::collections::HashMap::new(),
    };
    let value = machine.run()?;
    Ok((value, machine.heap))
}

impl<R: BufRead> Machine<'_, R> {
    fn run(&mut self) -> Result<Value, Problem> {
        loop {
            self.charge(1)?;
            let operation = self.byte()?;
            match operation {
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => self.drop_top()?,
                b'1' => drop(self.marked()?),
                b'2' => {
                    let top = self.top()?.clone();
                    self.stack.push(top);
                }
                0x80 | 0x82 => self.skip(1)?,
                0x83 => self.skip(2)?,
                0x84 => self.skip(4)?,
                0x95 => self.skip(8)?,
                0x98 => {}
                0x97 => self.stack.push(Value::Opaque),
                b'b' | b'R' | b'o' | b'i' | 0x81 | 0x92 | b'P' | b'Q' | b'c' | 0x93 => {
                    self.object(operation)?;
                }
                b'g' | b'h' | b'j' | b'p' | b'q' | b'r' | 0x94 => self.memory(operation)?,
                b'a' | b'e' | b's' | b'u' | 0x90 => self.fill(operation)?,
                _ => self.literal(operation)?,
            }
            // An extension's code stands for a class that only the writer's registry knows.
            if matches!(operation, 0x82..=0x84) {
                self.stack.push(Value::Opaque);
            }
        }
    }

    /// Operations that push a value.
    fn literal(&mut self, operation: u8) -> Result<(), Problem> {
        let value = match operation {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(self.number(1)? as i64),
            b'M' => Value::Int(self.number(2)? as i64),
            b'J' => Value::Int(i64::from(self.number(4)? as u32 as i32)),
            b'G' => Value::Float(f64::from_bits(self.number(8)?.swap_bytes())),
            b'I' | b'L' => match self.line()?.trim_end_matches('L') {
                "00" if operation == b'I' => Value::Bool(false),
                "01" if operation == b'I' => Value::Bool(true),
                digits => digits.parse().map_or(Value::Opaque, Value::Int),
            },
            b'F' => self.line()?.parse().map_or(Value::Opaque, Value::Float),
            b'S' => {
                let line = self.line()?;
                let text = line.trim_matches(['\'', '"']);
                Value::Text(text.into())
            }
            b'V' => Value::Text(self.line()?.into()),
            0x8a | 0x8b => {
                let length = self.number(if operation == 0x8a { 1 } else { 4 })?;
                if length <= 8 {
                    let bits = self.number(length as usize)?;
                    let unused = 64 - 8 * length as u32;
                    let signed = bits.checked_shl(unused).unwrap_or(0) as i64;
                    Value::Int(signed.checked_shr(unused).unwrap_or(0))
                } else {
                    self.skip(length)?;
                    Value::Opaque
                }
            }
            b'X' | 0x8c | 0x8d | b'U' | b'T' => {
                let width = match operation {
                    0x8c | b'U' => 1,
                    0x8d => 8,
                    _ => 4,
                };
                let length = self.number(width)?;
                self.text(length)?
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let width = match operation {
                    b'C' => 1,
                    b'B' => 4,
                    _ => 8,
                };
                let length = self.number(width)?;
                self.skip(length)?;
                Value::Opaque
            }
            b')' | b']' | b'}' | 0x8f => self.node(Container::default()),
            b'l' | b't' | 0x91 => {
                let values = self.marked()?;
                self.sequence(values)
            }
            0x85..=0x87 => {
                let count = usize::from(operation - 0x84);
                let values = self.last(count)?;
                self.sequence(values)
            }
            b'd' => {
                let entries = pairs(self.marked()?)?;
                self.node(Container {
                    entries,
                    ..Container::default()
                })
            }
            other => {
                return Err(Problem::again(
                    "a pickle",
                    format!("the byte {other:#04x} where an operation should be"),
                ));
            }
        };
        self.stack.push(value);
        Ok(())
    }

    /// Operations that name, make or fill objects.
    fn object(&mut self, operation: u8) -> Result<(), Problem> {
        let value = match operation {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.global(&module, &name)?,
                _ => return Err(malformed("a name that is no text")),
            },
            b'b' => {
                let state = self.pop()?;
                if let Value::Node(place) = *self.top()?
                    && let Node::Container(container) = &mut self.heap[place]
                {
                    container.states.push(state);
                }
                return Ok(());
            }
            b'P' => {
                let _ = self.line()?;
                Value::Opaque
            }
            b'Q' => {
                let id = self.pop()?;
                self.persistent(&id)?
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let class = self.global(&module, &name)?;
                let arguments = self.marked()?;
                self.call(&class, &arguments)?
            }
            b'o' => {
                let mut arguments = self.marked()?;
                if arguments.is_empty() {
                    return Err(malformed("an object of no class"));
                }
                let class = arguments.remove(0);
                self.call(&class, &arguments)?
            }
            _ => {
                if operation == 0x92 {
                    self.drop_top()?;
                }
                let arguments = self.pop()?;
                let function = self.pop()?;
                let arguments = self.values(&arguments)?;
                self.call(&function, &arguments)?
            }
        };
        self.stack.push(value);
        Ok(())
    }

    /// Operations that keep a value, or take one that was kept.
    fn memory(&mut self, operation: u8) -> Result<(), Problem> {
        let place = match operation {
            b'g' | b'p' => {
                let line = self.line()?;
                line.parse()
                    .map_err(|_| malformed("a place that is no number"))?
            }
            b'h' | b'q' => self.number(1)?,
            b'j' | b'r' => self.number(4)?,
            _ => self.memo.len() as u64,
        };
        if matches!(operation, b'g' | b'h' | b'j') {
            let value = self.memo.get(&place);
            let value = value.ok_or_else(|| malformed("a value that was not kept"))?;
            self.stack.push(value.clone());
        } else {
            let value = self.top()?.clone();
            self.memo.insert(place, value);
        }
        Ok(())
    }

    /// Operations that put values into the container below them.
    fn fill(&mut self, operation: u8) -> Result<(), Problem> {
        let values = match operation {
            b'a' => self.last(1)?,
            b's' => self.last(2)?,
            _ => self.marked()?,
        };
        let Value::Node(place) = *self.top()? else {
            return Ok(());
        };
        if let Node::Container(container) = &mut self.heap[place] {
            match operation {
                b's' | b'u' => container.entries.extend(pairs(values)?),
                _ => container.values.extend(values),
            }
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<Value, Problem> {
        let full = format!("{module}.{name}");
        let dangerous = match module {
            "builtins" | "__builtin__" => DANGEROUS_BUILTINS.contains(&name),
            _ => DANGEROUS.contains(&module.split('.').next().unwrap_or(module)),
        };
        if dangerous {
            return Err(Problem {
                expected: "a checkpoint that holds data only".into(),
                found: format!("a call of `{}`, which was not executed", brief(&full)),
                advice: Advice::words(
                    "do not load this file in Python either; get it from another source",
                ),
            });
        }
        // The parts of the name may be texts that are used again and again.
        self.keep(full.len() as u64)?;
        Ok(Value::Global(full.into()))
    }

    /// Puts a container on the heap.
    pub(super) fn node(&mut self, container: Container) -> Value {
        self.put(Node::Container(container))
    }

    pub(super) fn put(&mut self, node: Node) -> Value {
        self.heap.push(node);
        Value::Node(self.heap.len() - 1)
    }

    fn sequence(&mut self, values: Vec<Value>) -> Value {
        self.node(Container {
            values,
            ..Container::default()
        })
    }

    /// A copy of what a list or tuple holds; nothing of another value.
    pub(super) fn values(&mut self, of: &Value) -> Result<Vec<Value>, Problem> {
        let Value::Node(place) = *of else {
            return Ok(Vec::new());
        };
        let Node::Container(container) = &self.heap[place] else {
            return Ok(Vec::new());
        };
        let count = container.values.len() as u64;
        let values = container.values.clone();
        self.charge(count)?;
        Ok(values)
    }

    /// Takes operations off the budget.
    fn charge(&mut self, operations: u64) -> Result<(), Problem> {
        let left = self.budget.operations.checked_sub(operations);
        self.budget.operations = left.ok_or_else(|| {
            exceeded(format!(
                "at most {MAX_OPERATIONS} values beside the tensors"
            ))
        })?;
        Ok(())
    }

    /// Takes bytes of text off the budget.
    fn keep(&mut self, bytes: u64) -> Result<(), Problem> {
        let left = self.budget.text.checked_sub(bytes);
        self.budget.text = left.ok_or_else(|| {
            exceeded(format!(
                "at most {MAX_TEXT} bytes that describe the tensors"
            ))
        })?;
        Ok(())
    }

    fn top(&self) -> Result<&Value, Problem> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.get(bottom..).and_then(<[Value]>::last);
        top.ok_or_else(|| malformed("an operation without its value"))
    }

    fn pop(&mut self) -> Result<Value, Problem> {
        let _ = self.top()?;
        self.stack.pop().ok_or_else(|| malformed("an empty stack"))
    }

    /// Drops the value on top, or the mark that stands there.
    fn drop_top(&mut self) -> Result<(), Problem> {
        if self.marks.last() == Some(&self.stack.len()) {
            let _ = self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn last(&mut self, count: usize) -> Result<Vec<Value>, Problem> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count);
        let start = start.filter(|&start| start >= bottom);
        let start = start.ok_or_else(|| malformed("an operation without its values"))?;
        Ok(self.stack.split_off(start))
    }

    fn marked(&mut self) -> Result<Vec<Value>, Problem> {
        let mark = self.marks.pop();
        let mark = mark.filter(|&mark| mark <= self.stack.len());
        let mark = mark.ok_or_else(|| malformed("an operation without its mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8, Problem> {
        Ok(self.number(1)? as u8)
    }

    /// A number of so many bytes, at most 8, the least first.
    fn number(&mut self, width: usize) -> Result<u64, Problem> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes[..width]).map_err(cut)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A line of text without its end.
    fn line(&mut self) -> Result<String, Problem> {
        let mut line = Vec::new();
        let limit = MAX_ONE_TEXT + 1;
        let mut limited = (&mut self.reader).take(limit);
        let read = limited.read_until(b'\n', &mut line).map_err(cut)? as u64;
        if line.pop() != Some(b'\n') {
            return Err(match read == limit {
                true => exceeded(format!("lines of at most {MAX_ONE_TEXT} bytes")),
                false => cut(io::ErrorKind::UnexpectedEof.into()),
            });
        }
        self.keep(read)?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn text(&mut self, length: u64) -> Result<Value, Problem> {
        if length > MAX_ONE_TEXT {
            self.skip(length)?;
            return Ok(Value::Opaque);
        }
        self.keep(length)?;
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes);
        if (read.map_err(cut)? as u64) < length {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
        let text: Rc<str> = String::from_utf8_lossy(&bytes).into();
        Ok(Value::Text(text))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Problem> {
        let mut skipped = (&mut self.reader).take(bytes);
        if io::copy(&mut skipped, &mut io::sink()).map_err(cut)? < bytes {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }
}

/// Keys and values in turn.
fn pairs(values: Vec<Value>) -> Result<Vec<(Value, Value)>, Problem> {
    if values.len() % 2 == 1 {
        return Err(malformed("a key without a value"));
    }
    let mut values = values.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    Ok(pairs)
}

pub(super) fn malformed(found: &str) -> Problem {
    Problem {
        expected: "a pickle".into(),
        found: found.into(),
        advice: Advice::words("load the file in PyTorch and save the model's state_dict"),
    }
}

pub(super) fn exceeded(expected: String) -> Problem {
    Problem {
        expected,
        found: "more".into(),
        advice: Advice::words("save the model's state_dict alone with torch.save"),
    }
}

fn cut(error: io::Error) -> Problem {
    Problem::again(
        "a whole PyTorch file",
        format!("a pickle that ends early ({error})"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(pickle: &[u8]) -> Result<usize, Problem> {
        let mut rest = pickle;
        read(&mut rest, &mut Budget::default())?;
        Ok(pickle.len() - rest.len())
    }

    #[test]
    fn a_pickle_is_read_to_its_end_and_no_further() {
        // pickle.dumps({'a': [1, 300, 70000, 1.5, None, b'x']}, protocol=2), then another byte.
        let pickle = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01]q\x02(K\x01M,\x01Jp\x11\x01\x00G?\xf8\x00\
            \x00\x00\x00\x00\x00Nc_codecs\nencode\nq\x03X\x01\x00\x00\x00xq\x04X\x06\x00\x00\x00latin1q\
            \x05\x86q\x06Rq\x07es.!";
        assert_eq!(walk(pickle).unwrap(), pickle.len() - 1);
        for end in 0..pickle.len() - 1 {
            let problem = walk(&pickle[..end]).unwrap_err();
            assert!(problem.found.contains("ends early"), "{problem:?}");
        }
    }

    #[test]
    fn what_no_checkpoint_needs_is_refused() {
        let many = vec![b'N'; MAX_OPERATIONS as usize + 1];
        let problem = walk(&many).unwrap_err();
        assert!(
            problem.expected.contains("at most 2000000 values"),
            "{problem:?}"
        );
        // Texts of a mebibyte each: the 33rd is too many.
        let mut texts = Vec::new();
        for _ in 0..33 {
            texts.extend(b"X\x00\x00\x10\x00");
            texts.resize(texts.len() + (1 << 20), b'a');
        }
        let problem = walk(&texts).unwrap_err();
        assert!(
            problem.expected.contains("at most 33554432 bytes"),
            "{problem:?}"
        );
        let line = [b"S".as_slice(), &vec![b'a'; 2 << 20]].concat();
        assert!(
            walk(&line)
                .unwrap_err()
                .expected
                .contains("lines of at most")
        );
        assert!(walk(b"\xff").unwrap_err().found.contains("0xff"));
        // Lengths beyond the end take no memory.
        for pickle in [
            b"X\xff\xff\xff\xff".as_slice(),
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(walk(pickle).unwrap_err().found.contains("ends early"));
        }
    }

    #[test]
    fn copies_of_a_long_list_count() {
        // One list of a thousand, taken as arguments again and again.
        let mut pickle = b"ccopy\ncopy\nq\x00(".to_vec();
        pickle.extend([b'N'; 1000]);
        pickle.extend(b"tq\x01R");
        for _ in 0..2000 {
            pickle.extend(b"h\x00h\x01R0");
        }
        pickle.push(b'.');
        let problem = walk(&pickle).unwrap_err();
        assert!(problem.expected.contains("values"), "{problem:?}");
    }

    #[test]
    fn operations_without_their_values_are_refused() {
        for pickle in [
            b".".as_slice(),
            b"0.",
            b"1.",
            b"a.",
            b"(a.",
            b"N(s.",
            b"R.",
            b"NR.",
            b"b.",
            b"h\x05.",
            b"gx\n.",
            b"(Nd.",
            b"(o.",
            b"t.",
            b"\x87.",
            b"NN\x93.",
            b"NQ",
        ] {
            let problem = walk(pickle).unwrap_err();
            assert!(!problem.found.is_empty(), "{pickle:?}");
        }
    }
}
