//! Embeddings and labels in files: `.npy` and `.safetensors` in, `.npy` out.
//!
//! Read into float32 matrices of one row per image: `.npy` with float16, float32 or float64 values of either byte order,
//! in C or Fortran order; `.safetensors` with F16, BF16, F32 or F64 tensors. What a header claims is compared with the
//! file's true size before anything is allocated. Values may be NaN or infinite (who computes with them says so); a
//! finite float64 that float32 cannot hold is an error.

mod npy;
mod safetensors;
mod source;
mod stream;
mod values;
mod write;

use std::path::Path;

use e2mc::Matrix;

use crate::Error;
use source::Source;

pub use stream::EmbeddingFile;
pub use write::write_npy;

/// Reads the embeddings `(n, d)` that `source` names: `FILE.npy`, `FILE.safetensors:TENSOR`, or `FILE.safetensors` if
/// only one of its tensors has two dimensions.
///
/// # Errors
/// A file that cannot be read, is empty, truncated or longer than its header says, or does not hold a float matrix of
/// at least one row and column; a tensor that does not exist; a value beyond float32. Each names the file.
pub fn read_embeddings(source: impl AsRef<Path>) -> Result<Matrix, Error> {
    match Source::parse(source.as_ref())? {
        Source::Npy { path } => npy::read_matrix(path),
        Source::Safetensors { path, tensor } => safetensors::read_matrix(path, tensor),
    }
}

/// Reads class numbers, one for each row: a one-dimensional `.npy` array of integers of any size and byte order.
///
/// # Errors
/// A file that cannot be read, is empty, truncated or longer than its header says, or is not a list of integers; a
/// negative label. Each names the file.
pub fn read_labels(path: impl AsRef<Path>) -> Result<Vec<usize>, Error> {
    npy::read_labels(path.as_ref())
}

#[cfg(test)]
mod tests;
