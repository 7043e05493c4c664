//! The off-diagonal covariance in tensor operations: VICReg's term, and the criteria's on devices
//! that crate `e2mc` does not reach.

use tch::{Kind, Tensor};

use crate::Error;
use crate::world::World;

/// [`off_diagonal_covariance`] of embeddings of `d` columns, whatever the number of processes.
///
/// With many processes `z` is `(n, own)`, all rows of own columns, and what comes back is this
/// process's share: the sum of the shares is the value, that of their gradients its gradient.
///
/// # Errors
/// Where a process is lost.
pub(crate) fn shared_covariance(z: &Tensor, d: i64, world: &World) -> Result<Tensor, Error> {
    if world.size() == 1 {
        return Ok(off_diagonal_covariance(z));
    }
    let n = z.size()[0];
    let centred = z - z.mean_dim([0i64].as_slice(), true, Kind::Float);
    let own = centred.matmul(&centred.tr());
    // |sum_p K_p|^2 = sum_p <K, K_p>. As a function of K_p it grows twice as fast as with K fixed.
    let all = world.sum(own.detach())?;
    let inner = (all * own).sum(Kind::Float);
    let squares = &inner * 2.0 - inner.detach();
    let diagonal = centred
        .square()
        .sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
    let scale = 1.0 / ((n - 1) as f64).powi(2) / d as f64;
    Ok((squares - diagonal.square().sum(Kind::Float)) * scale)
}

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
