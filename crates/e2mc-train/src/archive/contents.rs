//! What a file of tensors holds, and the limits that every one is held against.

use std::collections::BTreeMap;

use super::problem::{Problem, brief};
use super::unread::Unread;
use crate::advice::Advice;

/// The key under which this project's own files say how a network was made.
pub(crate) const METADATA_KEY: &str = "e2mc";
/// The key under which a file with others' names says that it holds a map and where.
pub(crate) const FOLDED_KEY: &str = "e2mc_folded_map";
/// Tensors in a file. The largest networks here have a thousand, with their optimiser three.
pub(super) const MAX_TENSORS: usize = 100_000;
/// Dimensions of a tensor.
pub(super) const MAX_RANK: usize = 8;
/// Bytes of a tensor's name, the path through the dictionaries included.
pub(super) const MAX_NAME: usize = 1000;
/// Bytes of a safetensors header: some hundred for each tensor.
pub(super) const MAX_HEADER: u64 = 32 << 20;
/// A file's tensors together, over its length. Tensors may share their storage, but a file of
/// views that unfold a small storage many times over is none that anybody needs.
const MAX_UNFOLDING: u64 = 4;

/// A file of tensors.
#[derive(Debug)]
pub(crate) struct Archive {
    /// The JSON that this project puts into its own files.
    pub(crate) header: Option<String>,
    /// What a file with others' names says of the map that is folded into the network.
    pub(crate) folded: Option<String>,
    /// The epoch that a PyTorch file says it was saved after.
    pub(crate) epoch: Option<u64>,
    /// The tensors by their names in the file: the path through its dictionaries, with dots.
    pub(crate) tensors: BTreeMap<String, Unread>,
    /// What else the file has and is skipped, in words for a list.
    pub(crate) passed_over: Vec<String>,
}

impl Archive {
    /// Holds every tensor against the limits.
    pub(super) fn check(&self, length: u64) -> Result<(), Problem> {
        let beyond = |expected: String, found: String| Problem {
            expected,
            found,
            advice: Advice::words("this is not a checkpoint of a network that e2mc supports"),
        };
        if self.tensors.len() > MAX_TENSORS {
            let found = format!("{} tensors", self.tensors.len());
            return Err(beyond(format!("at most {MAX_TENSORS} tensors"), found));
        }
        let mut total = 0u64;
        for (name, tensor) in &self.tensors {
            if name.len() > MAX_NAME {
                let found = format!("a name of {} bytes", name.len());
                return Err(beyond(format!("names of at most {MAX_NAME} bytes"), found));
            }
            let shape = tensor.size();
            if shape.len() > MAX_RANK {
                return Err(beyond(
                    format!("tensors of at most {MAX_RANK} dimensions"),
                    format!("`{}` of {}", brief(name), shape.len()),
                ));
            }
            // libtorch multiplies sizes without looking, zeros or not.
            let numbers = shape.iter().try_fold(1u64, |product, &size| {
                product.checked_mul(size.max(1) as u64)
            });
            let bytes = numbers.and_then(|numbers| numbers.checked_mul(tensor.number_size()));
            let fits = bytes.is_some_and(|bytes| bytes <= length);
            total = total.saturating_add(bytes.unwrap_or(u64::MAX));
            if !fits || total > length.saturating_mul(MAX_UNFOLDING) {
                return Err(beyond(
                    format!("tensors that fit into the file's {length} bytes"),
                    format!("`{}` of shape {shape:?}", brief(name)),
                ));
            }
        }
        Ok(())
    }
}

/// A shape as libtorch wants it.
pub(super) fn shape(name: &str, sizes: &[usize]) -> Result<Vec<i64>, Problem> {
    sizes
        .iter()
        .map(|&size| i64::try_from(size))
        .collect::<Result<_, _>>()
        .map_err(|_| {
            Problem::again(
                "dimensions of less than 2^63",
                brief(&format!("`{name}` of shape {sizes:?}")),
            )
        })
}
