//! Embeddings and labels in files: `.npy`, `.npz` and `.safetensors` in, `.npy` and `.npz` out.
//!
//! Read into float32 matrices of one row per image: `.npy` (alone or in an `.npz`) with float16,
//! float32 or float64 values of either byte order, in C or Fortran order; `.safetensors` with F16,
//! BF16, F32 or F64 tensors. What a header claims is compared with the file's true size before
//! anything is allocated. Values may be NaN or infinite (who computes with them says so); a finite
//! float64 that float32 cannot hold is an error.

mod integers;
mod npy;
mod npz;
mod rows;
mod safetensors;
mod source;
mod stream;
mod targets;
mod values;
mod write;

use std::path::Path;

use e2mc::Matrix;

use crate::Error;
use source::Source;

pub use npz::{Column, npz_names, write_npz};
pub use rows::{EmbeddingFile, Rows};
pub use stream::{RowWriter, Stored};
pub use targets::{MultiLabels, Presence, Targets, read_targets};
pub use write::{write_labels, write_npy, write_npy_tensor};

/// Reads the embeddings `(n, d)` that `source` names: `FILE.npy`, `FILE.safetensors:TENSOR`,
/// `FILE.npz:ARRAY`, or without a name if only one of the file's tensors has two dimensions.
///
/// # Errors
/// A file that cannot be read, is empty, truncated or longer than its header says, or does not hold
/// a float matrix of at least one row and column; a tensor that does not exist; a value beyond
/// float32. Each names the file.
pub fn read_embeddings(source: impl AsRef<Path>) -> Result<Matrix, Error> {
    match Source::parse(source.as_ref())? {
        Source::Npy { path } => npy::read_matrix(path),
        Source::Npz { path, array } => npz::read_matrix(path, array),
        Source::Safetensors { path, tensor } => safetensors::read_matrix(path, tensor),
    }
}

/// Reads images `(n, c, h, w)` that are already normalised, named as for [`read_embeddings`]: a
/// matrix of one row per image, and the shape.
///
/// # Errors
/// As [`read_embeddings`], for a tensor of four dimensions.
pub fn read_images(source: impl AsRef<Path>) -> Result<(Matrix, [usize; 4]), Error> {
    let (matrix, shape) = match Source::parse(source.as_ref())? {
        Source::Npy { path } => npy::read_tensor(path, 4)?,
        Source::Npz { path, array } => npz::read_tensor(path, array, 4)?,
        Source::Safetensors { path, tensor } => safetensors::read_tensor(path, tensor, 4)?,
    };
    let shape = shape
        .try_into()
        .expect("the readers checked that there are four");
    Ok((matrix, shape))
}

/// Reads class numbers, one for each row: a one-dimensional array of integers of any size and byte
/// order, named as for [`read_embeddings`].
///
/// # Errors
/// A file that cannot be read, is empty, truncated or longer than its header says, or is not a list
/// of integers; a negative label. Each names the file.
pub fn read_labels(source: impl AsRef<Path>) -> Result<Vec<usize>, Error> {
    let source = Source::parse(source.as_ref())?;
    let path = source.path();
    targets::read_integers(&source, 1, |row, value| integers::label(path, row, value))
}

#[cfg(test)]
mod tests;
