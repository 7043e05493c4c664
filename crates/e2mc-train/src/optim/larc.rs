//! LARC, layer-wise adaptive rate control (NVIDIA's apex) without clipping, around SGD, as in
//! SwAV's code: `(g + weight_decay * p) * trust * |p| / (|g| + weight_decay * |p| + epsilon)` for
//! every parameter, biases too; where either norm is 0, the bare gradient. Then the momentum.
//!
//! Not to be confused with LARS, whose denominator is the norm of the whole direction.

use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

use super::sgd::Direction;
use crate::Error;
use crate::range::{above_zero, at_least_zero, decay_rate};

/// LARC's constants. The defaults are those of SwAV's code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LarcConfig {
    /// How much of the last step is kept, from 0 to below 1.
    pub momentum: f64,
    /// Weight decay, for every parameter.
    pub weight_decay: f64,
    /// The length of a step of rate 1, relative to the parameter's norm.
    pub trust: f64,
    /// Added to the denominator.
    pub epsilon: f64,
}

impl Default for LarcConfig {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            weight_decay: 1e-6,
            trust: 0.001,
            epsilon: 1e-8,
        }
    }
}

impl LarcConfig {
    pub(super) fn check(&self) -> Result<(), Error> {
        decay_rate("optimizer.momentum", self.momentum)?;
        at_least_zero("optimizer.weight_decay", self.weight_decay)?;
        above_zero("optimizer.trust", self.trust)?;
        at_least_zero("optimizer.epsilon", self.epsilon)
    }

    pub(super) fn direction(
        &self,
        parameter: &Tensor,
        gradient: &Tensor,
    ) -> Result<Direction, TchError> {
        let (weight, slope) = (parameter.f_norm()?, gradient.f_norm()?);
        let usable = weight.f_gt(0.0)?.f_logical_and(&slope.f_gt(0.0)?)?;
        let denominator = weight
            .f_mul_scalar(self.weight_decay)?
            .f_add_(&slope)?
            .f_add_scalar_(self.epsilon)?;
        let ratio = weight.f_mul_scalar(self.trust)?.f_div(&denominator)?;
        // Where the ratio is not usable, the gradient goes on without the decay.
        let decay = usable
            .f_to_kind(parameter.kind())?
            .f_mul_scalar_(self.weight_decay)?;
        let tensor = gradient.f_addcmul(parameter, &decay)?;
        Ok(Direction {
            tensor,
            scale: Some(ratio.f_where_scalarother(&usable, 1.0)?),
        })
    }
}
