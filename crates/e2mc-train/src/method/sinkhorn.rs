//! Codes by the Sinkhorn-Knopp iteration (Cuturi 2013; Caron et al. 2020, section 3.1).
//!
//! The code of an image is a distribution over the prototypes. Of all codes that use every
//! prototype equally over the batch, those are taken that agree best with the scores, up to an
//! entropy term of weight `epsilon`: `diag(u) exp(S / epsilon) diag(v)`, scaled in turn so that
//! every prototype and every image has the same weight. The last scaling is the images', so each
//! row sums to 1 and the prototypes are used equally only in the limit.
//!
//! The largest score is subtracted before the exponential, which the scaling undoes: the numbers
//! stay in float32's range for any `epsilon` down to 0.025, where scores are cosines.

use tch::{Kind, Tensor};

use crate::Error;
use crate::world::World;

/// Scores `(n, prototypes)` to codes of the same shape, each row a distribution. Prototypes are
/// used equally over the rows of all processes. No gradient flows through it. Time and memory are a
/// few passes over the scores.
///
/// # Errors
/// Where libtorch runs out of memory, or a process is lost.
pub fn codes(
    scores: &Tensor,
    epsilon: f64,
    iterations: usize,
    world: &World,
) -> Result<Tensor, Error> {
    let _guard = tch::no_grad_guard();
    let (rows, prototypes) = scores.size2()?;
    let images = rows * world.size() as i64;
    let mut q = scores
        .f_sub(&world.max(scores.f_max()?)?)?
        .f_div_scalar_(epsilon)?
        .f_exp_()?;
    let total = world.sum(q.f_sum(Kind::Float)?)?;
    q = q.f_div_(&total)?;
    for _ in 0..iterations {
        // Every prototype gets 1 / prototypes of the weight, …
        let sums = q.f_sum_dim_intlist([0i64].as_slice(), true, Kind::Float)?;
        q = q.f_div_(&world.sum(sums)?.f_mul_scalar(prototypes as f64)?)?;
        // … then every image 1 / images.
        let sums = q.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?;
        q = q.f_div_(&sums.f_mul_scalar(images as f64)?)?;
    }
    Ok(q.f_mul_scalar_(images as f64)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::seeded;
    use tch::Device;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn many_iterations_use_every_prototype_equally_and_every_row_is_a_distribution() {
        let scores = seeded(1, || Tensor::rand([12, 5], FLOAT)) * 2.0 - 1.0;
        let codes = codes(&scores, 0.05, 200, &World::solo()).unwrap();
        let off = |dimension, expected: f64| {
            let sums = codes.sum_dim_intlist([dimension].as_slice(), false, Kind::Double);
            (sums - expected).abs().max().double_value(&[])
        };
        assert!(off(1, 1.0) < 1e-5, "{}", off(1, 1.0));
        assert!(off(0, 12.0 / 5.0) < 1e-3, "{}", off(0, 2.4));
    }

    #[test]
    fn a_constant_added_to_all_scores_changes_nothing() {
        let scores = seeded(2, || Tensor::rand([7, 9], FLOAT));
        let one = codes(&scores, 0.05, 3, &World::solo()).unwrap();
        // Without the shift by the largest score exp(100 / 0.05) would not be a number.
        let other = codes(&(&scores + 100.0), 0.05, 3, &World::solo()).unwrap();
        let difference = (one - other).abs().max().double_value(&[]);
        assert!(difference < 1e-3, "{difference}");
    }
}
