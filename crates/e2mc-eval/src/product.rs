//! Matrix products on slices of float32 or float64: the one place that calls the `gemm` kernels.
//!
//! Every product runs on the calling thread. Callers split their work into blocks whose sizes
//! depend on the data alone and hand the blocks to rayon, so that no result depends on the number
//! of threads.

use gemm::Parallelism;

/// The numbers that `gemm` has kernels for and that are used here.
pub(crate) trait Number: Copy + 'static {
    const ONE: Self;
}

impl Number for f32 {
    const ONE: Self = 1.0;
}

impl Number for f64 {
    const ONE: Self = 1.0;
}

/// A row-major `(rows, cols)` operand, read as it is or transposed.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
}

impl<'a, T> Operand<'a, T> {
    /// `data` as `rows` rows of `cols` values.
    pub(crate) fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "operand of {rows} x {cols}");
        Self {
            data,
            rows,
            cols,
            row_stride: cols as isize,
            col_stride: 1,
        }
    }

    /// Its columns.
    pub(crate) fn cols(self) -> usize {
        self.cols
    }

    /// The same values with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
}

/// Writes `lhs * rhs` to `out`, row-major `(lhs.rows, rhs.cols)`.
pub(crate) fn multiply<T: Number>(out: &mut [T], lhs: Operand<'_, T>, rhs: Operand<'_, T>) {
    run(out, lhs, rhs, false);
}

/// Adds `lhs * rhs` to `out`, row-major `(lhs.rows, rhs.cols)`.
pub(crate) fn multiply_add<T: Number>(out: &mut [T], lhs: Operand<'_, T>, rhs: Operand<'_, T>) {
    run(out, lhs, rhs, true);
}

fn run<T: Number>(out: &mut [T], lhs: Operand<'_, T>, rhs: Operand<'_, T>, add: bool) {
    assert_eq!(lhs.cols, rhs.rows, "inner dimensions of a product");
    assert_eq!(out.len(), lhs.rows * rhs.cols, "output of a product");
    // SAFETY: `Operand` holds exactly rows * cols values and its strides stay within them, in both
    // readings; `out` holds lhs.rows * rhs.cols values, is read row-major, and is exclusively
    // borrowed.
    unsafe {
        gemm::gemm(
            lhs.rows,
            rhs.cols,
            lhs.cols,
            out.as_mut_ptr(),
            1,
            rhs.cols as isize,
            add,
            lhs.data.as_ptr(),
            lhs.col_stride,
            lhs.row_stride,
            rhs.data.as_ptr(),
            rhs.col_stride,
            rhs.row_stride,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(len: usize, step: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn every_reading_of_the_operands_agrees_with_three_loops() {
        for (m, n, k) in [
            (1, 1, 1),
            (3, 5, 2),
            (17, 1, 40),
            (1, 33, 7),
            (40, 50, 60),
            (9, 4, 0),
        ] {
            let (a, b) = (filled(m * k, 0.7), filled(k * n, 0.3));
            let transpose = |x: &[f32], rows: usize, cols: usize| -> Vec<f32> {
                (0..rows * cols)
                    .map(|i| x[(i % rows) * cols + i / rows])
                    .collect()
            };
            let (at, bt) = (transpose(&a, m, k), transpose(&b, k, n));
            let expected: Vec<f32> = (0..m * n)
                .map(|i| (0..k).map(|l| a[i / n * k + l] * b[l * n + i % n]).sum())
                .collect();
            for lhs in [Operand::new(&a, m, k), Operand::new(&at, k, m).transposed()] {
                for rhs in [Operand::new(&b, k, n), Operand::new(&bt, n, k).transposed()] {
                    let mut out = vec![f32::NAN; m * n];
                    multiply(&mut out, lhs, rhs);
                    multiply_add(&mut out, lhs, rhs);
                    for (found, wanted) in out.iter().zip(&expected) {
                        assert!((found - 2.0 * wanted).abs() < 1e-5, "{m} {n} {k}");
                    }
                }
            }
        }
    }
}
