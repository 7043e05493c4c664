//! What is wrong with a file, before its name is put in front.

use std::fmt::Debug;
use std::path::Path;

use crate::Error;

/// What was expected, what was found, and what to do.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) expected: String,
    pub(super) found: String,
    pub(super) hint: String,
}

impl Problem {
    /// A damaged file.
    pub(super) fn again(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            found: found.into(),
            hint: "take an earlier checkpoint, or copy or download the file again".into(),
        }
    }

    /// A tensor of a kind that libtorch does not compute with.
    pub(super) fn kind(name: &str, kind: impl Debug) -> Self {
        Self {
            expected: "tensors of floating-point or signed whole numbers".into(),
            found: format!("`{name}` of type {kind:?}"),
            hint: "convert the tensor to float32 in Python".into(),
        }
    }

    /// The error of the file at `path`.
    pub(super) fn of(self, path: &Path) -> Error {
        Error::Checkpoint {
            path: path.to_owned(),
            expected: self.expected,
            found: self.found,
            hint: self.hint,
        }
    }
}

/// The start of a text that a file decides: a damaged one may hold a very long name, and a
/// library's message may quote it.
pub(super) fn brief(text: &str) -> String {
    const SHOWN: usize = 200;
    let mut brief: String = text.chars().take(SHOWN).collect();
    if brief.len() < text.len() {
        brief.push('…');
    }
    brief
}
