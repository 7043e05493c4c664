//! Between tensors and the plain matrices of crate `e2mc`.

use tch::{Device, Kind, Tensor};

use e2mc::MatrixView;

use crate::Error;

/// A contiguous float32 matrix on the CPU that nothing else writes to.
pub(super) struct Plain {
    pub(super) tensor: Tensor,
    rows: usize,
    cols: usize,
}

impl Plain {
    /// The values of an embedding `(n, d)`.
    pub(super) fn of(z: &Tensor) -> Result<Self, Error> {
        let (rows, cols) = z.size2()?;
        Ok(Self {
            tensor: z.detach().to_kind(Kind::Float).contiguous(),
            rows: rows as usize,
            cols: cols as usize,
        })
    }

    /// One row of numbers that nothing else refers to.
    pub(super) fn owner_of(tensor: Tensor) -> Self {
        let cols = tensor.numel();
        Self {
            tensor,
            rows: 1,
            cols,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Memory of the same shape, not set.
    pub(super) fn empty(&self) -> Self {
        let size = [self.rows as i64, self.cols as i64];
        Self {
            tensor: Tensor::empty(size, (Kind::Float, Device::Cpu)),
            ..*self
        }
    }

    pub(super) fn view(&self) -> Result<MatrixView<'_>, Error> {
        let start = self.tensor.data_ptr().cast::<f32>();
        // SAFETY: the tensor is contiguous float32 on the CPU with rows * cols elements, and lives
        // as long as the borrow; nothing writes to an embedding while its criterion is computed.
        let values = unsafe { std::slice::from_raw_parts(start, self.rows * self.cols) };
        Ok(MatrixView::new(values, self.rows, self.cols)?)
    }

    /// The values of a matrix that [`Plain::empty`] or [`Plain::owner_of`] made.
    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        let start = self.tensor.data_ptr().cast::<f32>();
        // SAFETY: as in `view`, and only matrices to whose memory nothing else refers are written
        // to.
        unsafe { std::slice::from_raw_parts_mut(start, self.rows * self.cols) }
    }
}

/// A scalar that equals `value` and whose gradient with respect to `z` is `gradient`, both exact.
pub(super) fn with_gradient(z: &Tensor, gradient: &Tensor, value: f64) -> Tensor {
    let linear = (z * gradient).sum(Kind::Float);
    &linear - linear.detach() + value
}
