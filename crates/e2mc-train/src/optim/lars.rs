//! LARS, layer-wise adaptive rate scaling (You, Gitman and Ginsburg 2017), as in VICReg's code:
//! the direction `d = g + weight_decay * p` is scaled by `eta * |p| / |d|`, by 1 where either norm
//! is 0, and goes through the momentum. One-dimensional parameters (biases, batch norm) get neither
//! the decay nor the scale.
//!
//! Not to be confused with LARC, whose ratio has another denominator and no exceptions.

use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

use super::sgd::{Direction, decayed};
use crate::Error;
use crate::range::{above_zero, at_least_zero, decay_rate};

/// LARS's constants. The defaults are VICReg's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LarsConfig {
    /// How much of the last step is kept, from 0 to below 1.
    pub momentum: f64,
    /// Weight decay, for parameters of two dimensions or more.
    pub weight_decay: f64,
    /// The length of a step of rate 1, relative to the parameter's norm.
    pub eta: f64,
}

impl Default for LarsConfig {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            weight_decay: 1e-6,
            eta: 0.001,
        }
    }
}

impl LarsConfig {
    pub(super) fn check(&self) -> Result<(), Error> {
        decay_rate("optimizer.momentum", self.momentum)?;
        at_least_zero("optimizer.weight_decay", self.weight_decay)?;
        above_zero("optimizer.eta", self.eta)
    }

    pub(super) fn direction(
        &self,
        parameter: &Tensor,
        gradient: &Tensor,
    ) -> Result<Direction, TchError> {
        if parameter.dim() < 2 {
            return Ok(Direction {
                tensor: gradient.shallow_clone(),
                scale: None,
            });
        }
        let tensor = decayed(parameter, gradient, self.weight_decay)?;
        let (weight, update) = (parameter.f_norm()?, tensor.f_norm()?);
        let usable = weight.f_gt(0.0)?.f_logical_and(&update.f_gt(0.0)?)?;
        let ratio = weight.f_mul_scalar(self.eta)?.f_div(&update)?;
        Ok(Direction {
            tensor,
            scale: Some(ratio.f_where_scalarother(&usable, 1.0)?),
        })
    }
}
