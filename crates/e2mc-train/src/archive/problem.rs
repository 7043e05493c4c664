//! What is wrong with a file, before its name is put in front.

use std::path::Path;

use crate::Error;
use crate::advice::Advice;

/// What was expected, what was found, and what to do.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
    /// What the user can do.
    pub advice: Advice,
}

impl Problem {
    /// A damaged file.
    pub(crate) fn again(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            found: found.into(),
            advice: Advice::words("use an earlier checkpoint, or copy or download the file again"),
        }
    }

    /// A tensor of a kind that libtorch does not compute with.
    pub(crate) fn kind(name: &str, kind: &str) -> Self {
        let advice = match kind {
            "meta" => {
                "a tensor on torch's meta device has a shape and no numbers: load the weights before saving"
            }
            "sparse" => "convert the tensor in Python with `.to_dense()`",
            "quantized" => "convert the tensor in Python with `.dequantize()`",
            _ => "convert the tensor to float32 in Python",
        };
        Self {
            expected: "tensors of floating-point or signed whole numbers".into(),
            found: format!("`{}` of type {kind}", brief(name)),
            advice: Advice::words(advice),
        }
    }

    /// The error of the file at `path`.
    pub(crate) fn of(self, path: &Path) -> Error {
        Error::Checkpoint {
            path: path.to_owned(),
            expected: self.expected,
            found: self.found,
            advice: self.advice,
        }
    }
}

/// The start of a text that a file decides: a damaged one may hold a very long name, and a
/// library's message may quote it.
pub(crate) fn brief(text: &str) -> String {
    const SHOWN: usize = 200;
    let mut brief: String = text.chars().take(SHOWN).collect();
    if brief.len() < text.len() {
        brief.push('…');
    }
    brief
}
