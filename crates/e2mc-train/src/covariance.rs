//! The off-diagonal covariance in tensor operations: VICReg's term, and the criteria's on devices
//! that crate `e2mc` does not reach.

use tch::{Kind, Tensor};

/// `sum_{j != k} C_jk^2 / d` with `C` the covariance of the columns of `z` `(n, d)` (paper Eq. 8).
///
/// For `n < d` from the `n x n` Gram matrix, which has the same sum of squares.
pub(crate) fn off_diagonal_covariance(z: &Tensor) -> Tensor {
    let (n, d) = (z.size()[0], z.size()[1]);
    let centred = z - z.mean_dim([0i64].as_slice(), true, Kind::Float);
    let product = if n < d {
        centred.matmul(&centred.tr())
    } else {
        centred.tr().matmul(&centred)
    };
    let diagonal = centred
        .square()
        .sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
    let scale = 1.0 / ((n - 1) as f64).powi(2) / d as f64;
    (product.square().sum(Kind::Float) - diagonal.square().sum(Kind::Float)) * scale
}
