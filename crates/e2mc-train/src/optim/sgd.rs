//! Stochastic gradient descent with momentum (Sutskever et al. 2013), in PyTorch's convention:
//! `b = momentum * b + d`, `p = p - rate * b`, with the direction `d = g + weight_decay * p`.
//! Nesterov's variant moves by `d + momentum * b` instead of `b`.

use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

use crate::Error;
use crate::range::{at_least_zero, decay_rate};

/// SGD's constants. Without further ones the paper's: momentum 0.9, no weight decay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// How much of the last step is kept, from 0 to below 1.
    pub momentum: f64,
    /// Weight decay, for every parameter.
    pub weight_decay: f64,
    /// Nesterov's variant.
    pub nesterov: bool,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            weight_decay: 0.0,
            nesterov: false,
        }
    }
}

impl SgdConfig {
    pub(super) fn check(&self) -> Result<(), Error> {
        decay_rate("optimizer.momentum", self.momentum)?;
        at_least_zero("optimizer.weight_decay", self.weight_decay)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::config(
                "optimizer.momentum",
                "a number above 0 for nesterov",
                self.momentum,
            ));
        }
        Ok(())
    }

    pub(super) fn direction(
        &self,
        parameter: &Tensor,
        gradient: &Tensor,
    ) -> Result<Direction, TchError> {
        Ok(Direction {
            tensor: decayed(parameter, gradient, self.weight_decay)?,
            scale: None,
        })
    }
}

/// Where a parameter should go, before the momentum: `scale * tensor`.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) tensor: Tensor,
    /// A scalar on the parameter's device; 1 if absent.
    pub(super) scale: Option<Tensor>,
}

/// `gradient + weight_decay * parameter`.
pub(super) fn decayed(
    parameter: &Tensor,
    gradient: &Tensor,
    weight_decay: f64,
) -> Result<Tensor, TchError> {
    if weight_decay == 0.0 {
        return Ok(gradient.shallow_clone());
    }
    parameter.f_mul_scalar(weight_decay)?.f_add_(gradient)
}

/// Moves `parameter` along `direction`, through the momentum's buffer if there is one.
/// `descent` is minus the rate, a scalar on the parameter's device: with it, scaling and adding
/// are one pass.
pub(super) fn descend(
    parameter: &mut Tensor,
    direction: &Direction,
    buffers: &mut [Tensor],
    momentum: f64,
    nesterov: bool,
    descent: &Tensor,
) -> Result<(), TchError> {
    let Direction { tensor, scale } = direction;
    let step = match buffers {
        [] => match scale {
            Some(scale) => tensor.f_mul(scale)?,
            None => tensor.shallow_clone(),
        },
        [buffer, ..] => {
            let _ = buffer.f_mul_scalar_(momentum)?;
            let _ = match scale {
                Some(scale) => buffer.f_addcmul_(tensor, scale)?,
                None => buffer.f_add_(tensor)?,
            };
            if nesterov {
                buffer.f_mul_scalar(momentum)?.f_add_(tensor)?
            } else {
                buffer.shallow_clone()
            }
        }
    };
    let _ = parameter.f_addcmul_(&step, descent)?;
    Ok(())
}
