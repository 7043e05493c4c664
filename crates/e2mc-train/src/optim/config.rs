//! Which optimiser, with its constants.

use serde::{Deserialize, Serialize};

use super::{AdamwConfig, LarcConfig, LarsConfig, SgdConfig};
use crate::Error;

/// The update rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum OptimizerConfig {
    /// Stochastic gradient descent with momentum.
    Sgd(SgdConfig),
    /// Layer-wise adaptive rates, as in VICReg's code.
    Lars(LarsConfig),
    /// SGD within layer-wise adaptive rate control, as in SwAV's code.
    Larc(LarcConfig),
    /// Adam with decoupled weight decay: the choice for small data.
    Adamw(AdamwConfig),
}

impl OptimizerConfig {
    /// The rule's name, as in a recipe.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd(_) => "sgd",
            Self::Lars(_) => "lars",
            Self::Larc(_) => "larc",
            Self::Adamw(_) => "adamw",
        }
    }

    /// The names of what the rule remembers of each parameter.
    pub(super) fn buffers(&self) -> &'static [&'static str] {
        let momentum = match self {
            Self::Adamw(_) => return &["mean", "square"],
            Self::Sgd(config) => config.momentum,
            Self::Lars(config) => config.momentum,
            Self::Larc(config) => config.momentum,
        };
        if momentum == 0.0 { &[] } else { &["momentum"] }
    }

    /// Checks every constant.
    ///
    /// # Errors
    /// Names the first one that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Sgd(config) => config.check(),
            Self::Lars(config) => config.check(),
            Self::Larc(config) => config.check(),
            Self::Adamw(config) => config.check(),
        }
    }
}

/// Refuses a value that is not a finite number of at least 0.
pub(super) fn at_least_zero(field: &str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::config(field, "a number of at least 0", value))
}

/// Refuses a value that is not a finite number above 0.
pub(super) fn above_zero(field: &str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::config(field, "a number above 0", value))
}

/// Refuses a decay rate that would never forget.
pub(super) fn decay_rate(field: &str, value: f64) -> Result<(), Error> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::config(field, "a number from 0 to below 1", value))
}
