//! Maximum manifold capacity (MMCR; Yerxa et al. 2023): minus the nuclear norm of `M` `(n, d)`, the
//! mean over the views of their embeddings with rows of unit length. Checked against the numbers of
//! the E2MC authors' code (paper, Table 3).
//!
//! The gradient with respect to `M = U S V^T` is `-U V^T`. With `G` the smaller of `M M^T` and
//! `M^T M`, the singular values are the roots of its eigenvalues and `U V^T = G^(-1/2) M` or
//! `M G^(-1/2)`: an eigendecomposition of the order `min(n, d)` instead of a singular value
//! decomposition of the whole. All in float64, so that squaring costs no digits that float32 has.
//! The eigendecomposition is `faer`'s, on one thread; the products are cut into blocks of fixed
//! size.
//!
//! Singular values below `1e-8 sqrt(min(n, d))` or so of the largest are noise: they count as zero,
//! and the gradient has nothing in their directions (of the subgradients there, the shortest).

use super::unit::Rows;
use crate::{Error, MatrixView};
use e2mc_base::simd::Level;
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Rows of a product that one thread computes at a time.
const BLOCK: usize = 64;

/// Maximum manifold capacity of several views; it has no parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mmcr;

impl Mmcr {
    /// The value on embeddings of the same images `(n, d)`, one matrix a view: minus the nuclear
    /// norm, from `-sqrt(n min(n, d))` to 0.
    ///
    /// # Errors
    /// No view, views of different shapes, fewer than two rows, no columns, or a value that is not
    /// finite.
    pub fn value(&self, views: &[MatrixView]) -> Result<f64, Error> {
        let views = unit_views(views)?;
        let mean = Mean::new(&views);
        Ok(-mean.spectrum(ComputeEigenvectors::No)?.nuclear_norm())
    }

    /// The value on embeddings `(n, d)`, one matrix a view; writes the gradient with respect to
    /// each view, row-major, to the buffer in its place.
    ///
    /// # Errors
    /// As [`Mmcr::value`], and if there is not one buffer of `n * d` values for each view.
    pub fn value_and_gradients(
        &self,
        views: &[MatrixView],
        gradients: &mut [&mut [f32]],
    ) -> Result<f64, Error> {
        let (expected, found) = (views.len(), gradients.len());
        if expected != found {
            return Err(Error::ViewGradients { expected, found });
        }
        for (view, gradient) in views.iter().zip(gradients.iter()) {
            view.check_gradient(gradient)?;
        }
        let views = unit_views(views)?;
        let mean = Mean::new(&views);
        let spectrum = mean.spectrum(ComputeEigenvectors::Yes)?;
        mean.backward(&views, &spectrum, gradients);
        Ok(-spectrum.nuclear_norm())
    }
}

/// The views with rows of unit length, after checking that they belong together.
fn unit_views<'a>(views: &[MatrixView<'a>]) -> Result<Vec<Rows<'a>>, Error> {
    let first = views.first().ok_or(Error::NoViews)?;
    let (expected_rows, expected_cols) = (first.rows(), first.cols());
    let level = Level::detect();
    let unit = |(view, z): (usize, &MatrixView<'a>)| {
        let (rows, cols) = (z.rows(), z.cols());
        if (rows, cols) != (expected_rows, expected_cols) {
            return Err(Error::ViewShape {
                view,
                rows,
                cols,
                expected_rows,
                expected_cols,
            });
        }
        z.check_batch()?;
        Rows::unit(level, *z)
    };
    views.iter().enumerate().map(unit).collect()
}

/// The mean of the views' rows of unit length.
struct Mean {
    values: Vec<f64>,
    n: usize,
    d: usize,
}

/// Eigenvalues of the smaller Gram matrix in rising order, and its eigenvectors.
struct Spectrum {
    values: Vec<f64>,
    vectors: Mat<f64>,
    /// Index of the first eigenvalue that is not noise.
    first: usize,
}

impl Mean {
    fn new(views: &[Rows]) -> Self {
        let (n, d) = (views[0].z().rows(), views[0].z().cols());
        let mut values = vec![0.0_f64; n * d];
        let lines = values.par_chunks_mut(d).enumerate();
        lines.with_min_len(BLOCK).for_each(|(index, line)| {
            for view in views {
                let factor = view.factor(index) / views.len() as f64;
                for (value, z) in line.iter_mut().zip(view.z().row(index)) {
                    *value += factor * f64::from(*z);
                }
            }
        });
        Self { values, n, d }
    }

    fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.n, self.d)
    }

    fn spectrum(&self, vectors: ComputeEigenvectors) -> Result<Spectrum, Error> {
        let m = self.matrix();
        let a = if self.n <= self.d { m } else { m.transpose() };
        let order = a.nrows();
        // The lower half by blocks of rows; the upper one is not read.
        let mut gram = vec![0.0_f64; order * order];
        by_rows(&mut gram, order, |first, out| {
            let rows = out.nrows();
            let end = first + rows;
            let (left, right) = (a.subrows(first, rows), a.subrows(0, end));
            let out = out.subcols_mut(0, end);
            matmul(out, Accum::Replace, left, right.transpose(), 1.0, Par::Seq);
        });
        let gram = MatRef::from_row_major_slice(&gram, order, order);
        let mut values = Diag::<f64>::zeros(order);
        let wanted = matches!(vectors, ComputeEigenvectors::Yes);
        let side = if wanted { order } else { 0 };
        let mut basis = Mat::<f64>::zeros(side, side);
        let memory = self_adjoint_evd_scratch::<f64>(order, vectors, Par::Seq, Default::default());
        self_adjoint_evd(
            gram,
            values.as_mut(),
            wanted.then_some(basis.as_mut()),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(memory)),
            Default::default(),
        )
        .map_err(|_| Error::Eigenvalues { order })?;
        let values: Vec<f64> = (0..order).map(|i| values[i]).collect();
        let noise = values[order - 1] * order as f64 * f64::EPSILON;
        let first = values.partition_point(|value| *value <= noise);
        Ok(Spectrum {
            values,
            vectors: basis,
            first,
        })
    }

    /// Writes `-U V^T / v`, taken back through each of `v` views' normalisation.
    fn backward(&self, views: &[Rows], spectrum: &Spectrum, gradients: &mut [&mut [f32]]) {
        let order = spectrum.values.len();
        // G^(-1/2) = B B^T, where B are the eigenvectors over the fourth roots of their
        // eigenvalues.
        let kept = order - spectrum.first;
        let root = Mat::from_fn(order, kept, |i, j| {
            let j = spectrum.first + j;
            spectrum.vectors[(i, j)] / spectrum.values[j].powf(0.25)
        });
        let root = root.as_ref();
        let mut inverse = vec![0.0_f64; order * order];
        by_rows(&mut inverse, order, |first, out| {
            let left = root.subrows(first, out.nrows());
            matmul(out, Accum::Replace, left, root.transpose(), 1.0, Par::Seq);
        });
        let inverse = MatRef::from_row_major_slice(&inverse, order, order);
        let m = self.matrix();
        let (left, right) = if self.n <= self.d {
            (inverse, m)
        } else {
            (m, inverse)
        };
        let mut polar = vec![0.0_f64; self.n * self.d];
        by_rows(&mut polar, self.d, |first, out| {
            let left = left.subrows(first, out.nrows());
            matmul(
                out,
                Accum::Replace,
                left,
                right,
                -1.0 / views.len() as f64,
                Par::Seq,
            );
        });
        for (view, gradient) in views.iter().zip(gradients) {
            let lines = gradient
                .par_chunks_mut(self.d)
                .zip(polar.par_chunks(self.d));
            let lines = lines.enumerate().with_min_len(BLOCK);
            lines.for_each(|(index, (gradient, polar))| {
                for (gradient, polar) in gradient.iter_mut().zip(polar) {
                    *gradient = *polar as f32;
                }
                view.backward(index, gradient);
            });
        }
    }
}

impl Spectrum {
    fn nuclear_norm(&self) -> f64 {
        self.values[self.first..]
            .iter()
            .map(|value| value.sqrt())
            .sum()
    }
}

/// Lets `work` fill a row-major matrix by blocks of rows, given each block's first row.
fn by_rows(values: &mut [f64], cols: usize, work: impl Fn(usize, MatMut<'_, f64>) + Sync) {
    let blocks = values.par_chunks_mut(BLOCK * cols).enumerate();
    blocks.for_each(|(index, block)| {
        let rows = block.len() / cols;
        work(
            index * BLOCK,
            MatMut::from_row_major_slice_mut(block, rows, cols),
        );
    });
}
