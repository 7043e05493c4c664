//! Views as tensors.

use std::ops::Range;

use e2mc_data::View;
use tch::Tensor;

use crate::Error;

/// Some of a view's images as a tensor `(rows, c, h, w)` on the CPU.
///
/// # Errors
/// Where libtorch cannot allocate it.
pub(crate) fn images(view: &View, rows: Range<usize>) -> Result<Tensor, Error> {
    let [_, channels, height, width] = view.shape;
    let image = channels * height * width;
    let data = &view.data[rows.start * image..rows.end * image];
    let shape = [rows.len(), channels, height, width].map(|size| size as i64);
    Ok(Tensor::f_from_slice(data)?.f_view(shape)?)
}
