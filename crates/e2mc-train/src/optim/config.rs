//! Which optimiser, with its constants.

use serde::{Deserialize, Serialize};

use super::{AdamwConfig, LarcConfig, LarsConfig, SgdConfig};
use crate::Error;

/// The name of what the rules with momentum remember of each parameter.
pub(crate) const MOMENTUM: &str = "momentum";

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
        if momentum == 0.0 { &[] } else { &[MOMENTUM] }
    }

    /// The weight decay.
    pub(super) fn weight_decay(&self) -> f64 {
        let (Self::Sgd(SgdConfig { weight_decay, .. })
        | Self::Lars(LarsConfig { weight_decay, .. })
        | Self::Larc(LarcConfig { weight_decay, .. })
        | Self::Adamw(AdamwConfig { weight_decay, .. })) = self;
        *weight_decay
    }

    /// The same rule with another weight decay.
    pub(super) fn with_weight_decay(&self, decay: f64) -> Self {
        let mut config = self.clone();
        let (Self::Sgd(SgdConfig { weight_decay, .. })
        | Self::Lars(LarsConfig { weight_decay, .. })
        | Self::Larc(LarcConfig { weight_decay, .. })
        | Self::Adamw(AdamwConfig { weight_decay, .. })) = &mut config;
        *weight_decay = decay;
        config
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
