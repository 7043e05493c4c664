//! Eigenvalues of a symmetric matrix, by `faer` on one thread: results do not depend on the number
//! of threads.

use faer::{MatRef, Side};

use crate::Error;

/// All eigenvalues of the symmetric `matrix` of `order` rows, largest first. Reads the lower half
/// alone. The absolute error is a few times `order` rounding units of the largest.
///
/// # Errors
/// If the iteration does not converge.
pub(super) fn eigenvalues(matrix: &[f64], order: usize) -> Result<Vec<f64>, Error> {
    // Without its feature `rayon`, faer knows one thread only.
    let mut values = MatRef::from_row_major_slice(matrix, order, order)
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|_| Error::Eigenvalues { order })?;
    values.reverse();
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_of_three_diagonals_has_its_closed_form_largest_first() {
        // 2 on the diagonal, -1 below it: 2 - 2 cos(k pi / (n + 1)). The upper half is not read.
        let n = 150;
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = 2.0;
            if i > 0 {
                a[i * n + i - 1] = -1.0;
                a[(i - 1) * n + i] = 77.0;
            }
        }
        for (k, found) in eigenvalues(&a, n).unwrap().into_iter().enumerate() {
            let angle = std::f64::consts::PI * (n - k) as f64 / (n + 1) as f64;
            assert!((found - (2.0 - 2.0 * angle.cos())).abs() < 1e-12);
        }
    }

    #[test]
    fn many_orders_of_magnitude_keep_their_absolute_accuracy() {
        // A reflection I - 2 w w' / w'w on both sides of a diagonal matrix.
        let n = 40;
        let w: Vec<f64> = (0..n).map(|i| (i as f64 + 0.5).sin()).collect();
        let square: f64 = w.iter().map(|w| w * w).sum();
        let reflect = |i: usize, k: usize| f64::from(u8::from(i == k)) - 2.0 * w[i] * w[k] / square;
        let value = |k: usize| 10f64.powi(200 - k as i32);
        let a: Vec<f64> = (0..n * n)
            .map(|ij| {
                (0..n)
                    .map(|k| reflect(ij / n, k) * value(k) * reflect(ij % n, k))
                    .sum()
            })
            .collect();
        for (k, found) in eigenvalues(&a, n).unwrap().into_iter().enumerate() {
            assert!((found - value(k)).abs() < 1e-13 * value(0), "{k}: {found}");
        }
    }
}
