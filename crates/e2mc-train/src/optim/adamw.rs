//! AdamW (Loshchilov and Hutter 2019) in PyTorch's convention: `p = p * (1 - rate * weight_decay)`,
//! `m` and `v` the running means of `g` and `g^2`, then
//! `p = p - rate * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)` at step `t` from 1.

use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

use crate::Error;
use crate::range::{above_zero, at_least_zero, decay_rate};

/// AdamW's constants. The defaults are PyTorch's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamwConfig {
    /// How much of the mean gradient is kept, from 0 to below 1.
    pub beta1: f64,
    /// How much of the mean squared gradient is kept, from 0 to below 1.
    pub beta2: f64,
    /// Weight decay, for every parameter.
    pub weight_decay: f64,
    /// Added to the root of the mean squared gradient.
    pub epsilon: f64,
}

impl Default for AdamwConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            weight_decay: 0.01,
            epsilon: 1e-8,
        }
    }
}

impl AdamwConfig {
    pub(super) fn check(&self) -> Result<(), Error> {
        decay_rate("optimizer.beta1", self.beta1)?;
        decay_rate("optimizer.beta2", self.beta2)?;
        at_least_zero("optimizer.weight_decay", self.weight_decay)?;
        above_zero("optimizer.epsilon", self.epsilon)
    }

    /// Moves `parameter` at step `t`, counted from 1; `buffers` are `m` and `v`.
    pub(super) fn update(
        &self,
        parameter: &mut Tensor,
        gradient: &Tensor,
        buffers: &mut [Tensor],
        rate: f64,
        t: u64,
    ) -> Result<(), TchError> {
        let [mean, square] = buffers else {
            unreachable!("AdamW keeps two buffers")
        };
        let t = t as f64;
        let (bias1, bias2) = (1.0 - self.beta1.powf(t), 1.0 - self.beta2.powf(t));
        if self.weight_decay != 0.0 {
            let _ = parameter.f_mul_scalar_(1.0 - rate * self.weight_decay)?;
        }
        let _ = mean.f_lerp_(gradient, 1.0 - self.beta1)?;
        let _ = square.f_lerp_(&gradient.f_square()?, 1.0 - self.beta2)?;
        // The fraction times sqrt(1 - beta2^t): one pass less over v.
        let bias2 = bias2.sqrt();
        let root = square.f_sqrt()?.f_add_scalar_(self.epsilon * bias2)?;
        let _ = parameter.f_addcdiv_(&mean.f_mul_scalar(-rate * bias2 / bias1)?, &root)?;
        Ok(())
    }
}
