//! What a pickle describes: values that are data, and stand-ins for everything else.
//!
//! Containers live in one list and are named by their place in it, so a pickle that puts a list
//! into itself, or one list into many, costs what it says and no more.

use std::rc::Rc;

use super::contents::MAX_NAME;
use super::element::Element;

/// A value on a pickle's stack. Copies are cheap: texts and containers are shared.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    /// A class or function by its dotted name. It is never looked up.
    Global(Rc<str>),
    /// What is not kept: bytes, long texts, numbers of more than 64 bits.
    Opaque,
    /// The container, storage or tensor at this place of the [`Heap`].
    Node(usize),
}

/// Values that hold others, or stand for numbers in the file.
pub(super) type Heap = Vec<Node>;

/// One entry of the [`Heap`].
#[derive(Debug)]
pub(super) enum Node {
    Container(Container),
    Storage(Rc<Storage>),
    Tensor(Rc<Stored>),
}

/// A list, tuple, set, dictionary or an object of any class: all of them at once, as a subclass
/// of a dictionary with attributes is.
#[derive(Debug, Default)]
pub(super) struct Container {
    /// The class of an object that is no container of Python's own.
    pub(super) class: Option<Rc<str>>,
    /// What a list, tuple or set has.
    pub(super) values: Vec<Value>,
    /// What a dictionary has.
    pub(super) entries: Vec<(Value, Value)>,
    /// What an object was made from: its attributes, and its arguments if those are a container.
    pub(super) states: Vec<Value>,
}

/// A storage: numbers in a row, which tensors are views of.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub(super) key: Rc<str>,
    pub(super) element: Element,
    /// Numbers in the whole storage that the file has under the key.
    pub(super) count: u64,
    /// The part of it that is meant: first number and count.
    pub(super) view: (u64, u64),
}

/// A tensor as a file describes it.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its type, or what it is instead of a plain tensor: `sparse`, `quantized`.
    pub(super) what: Result<Element, &'static str>,
    pub(super) storage: Option<Rc<Storage>>,
    /// In numbers, from the storage's start.
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    /// Numbers between neighbours in each dimension.
    pub(super) strides: Vec<u64>,
}

impl Value {
    /// The part of a tensor's name that this value is as a dictionary's key.
    pub(super) fn as_part(&self, heap: &Heap) -> Option<String> {
        Some(match self {
            Self::Text(text) if text.len() > MAX_NAME => return None,
            Self::Text(text) => text.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => format!("{number:?}"),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::None => "None".into(),
            Self::Global(_) | Self::Opaque => return None,
            Self::Node(place) => match &heap[*place] {
                Node::Container(Container { values, .. }) if values.len() <= 8 => {
                    let parts: Option<Vec<String>> = values
                        .iter()
                        .map(|value| match value {
                            Self::Node(_) => None,
                            value => value.as_part(heap),
                        })
                        .collect();
                    format!("({})", parts?.join(", "))
                }
                _ => return None,
            },
        })
    }
}
