//! Limits of gradients: a gradient that is longer than a norm is scaled back to it, as in PyTorch's
//! `clip_grad_norm_`: times `min(1, norm / (|g| + 1e-6))`.

use tch::{Kind, TchError, Tensor};

use crate::Error;
use crate::range::above_zero;

/// How gradients are limited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// Each parameter's gradient on its own, to this Euclidean norm: DINO's code.
    Each(f64),
    /// All gradients as one vector, to this Euclidean norm.
    Together(f64),
}

impl Clip {
    /// Checks the norm.
    pub(super) fn check(self) -> Result<(), Error> {
        let (Self::Each(norm) | Self::Together(norm)) = self;
        above_zero("optimizer clip", norm)
    }

    /// Scales gradients in place. No scalar leaves their device.
    pub(super) fn apply(self, gradients: &mut [Tensor]) -> Result<(), TchError> {
        match self {
            Self::Each(norm) => gradients
                .iter_mut()
                .try_for_each(|gradient| scale(&gradient.f_norm()?, norm, &mut [gradient])),
            Self::Together(norm) if !gradients.is_empty() => {
                let norms = gradients
                    .iter()
                    .map(Tensor::f_norm)
                    .collect::<Result<Vec<_>, _>>()?;
                let whole = Tensor::f_stack(&norms, 0)?.f_norm()?;
                let mut all: Vec<&mut Tensor> = gradients.iter_mut().collect();
                scale(&whole, norm, &mut all)
            }
            Self::Together(_) => Ok(()),
        }
    }
}

/// Scales gradients whose norm is `found` to `norm`, if that is less.
fn scale(found: &Tensor, norm: f64, gradients: &mut [&mut Tensor]) -> Result<(), TchError> {
    let factor = found
        .f_to_kind(Kind::Float)?
        .f_add_scalar(1e-6)?
        .f_reciprocal()?
        .f_mul_scalar(norm)?
        .f_clamp_max(1.0)?;
    for gradient in gradients {
        let _ = gradient.f_mul_(&factor)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(gradient: &Tensor) -> f64 {
        gradient.norm().double_value(&[])
    }

    fn gradients() -> [Tensor; 2] {
        [
            Tensor::from_slice(&[3.0f32, 4.0]),
            Tensor::from_slice(&[0.0f32, 12.0]),
        ]
    }

    #[test]
    fn each_gradient_is_limited_on_its_own() {
        let mut found = gradients();
        Clip::Each(6.0).apply(&mut found).unwrap();
        assert_eq!(found[0], gradients()[0], "shorter than the limit");
        assert!((norm(&found[1]) - 6.0).abs() < 1e-4);
    }

    #[test]
    fn together_they_keep_their_direction() {
        let mut found = gradients();
        // The norm of (5, 12) is 13.
        Clip::Together(6.5).apply(&mut found).unwrap();
        for (found, before) in found.iter().zip(&gradients()) {
            let difference = (found - before * 0.5).abs().max().double_value(&[]);
            assert!(difference < 1e-4, "{difference}");
        }
        let mut short = gradients();
        Clip::Together(14.0).apply(&mut short).unwrap();
        assert_eq!(short, gradients());
        Clip::Together(1.0).apply(&mut []).unwrap();
    }
}
