//! Parameters with a rate of their own.

use crate::Error;
use crate::range::at_least_zero;

/// Where a group's learning rate comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// The step's rate times this.
    Scaled(f64),
    /// This rate at every step, for instance SimSiam's predictor.
    Fixed(f64),
}

impl Rate {
    /// The rate at a step whose schedule says `scheduled`.
    pub(super) fn at(self, scheduled: f64) -> f64 {
        match self {
            Self::Scaled(scale) => scheduled * scale,
            Self::Fixed(rate) => rate,
        }
    }
}

/// A rule for the parameters whose names start with `prefix`.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamGroup {
    /// The start of the names: `prototypes.`.
    pub prefix: String,
    /// The learning rate.
    pub rate: Rate,
    /// Steps at the start during which they do not move and gather no momentum: SwAV's
    /// prototypes.
    pub frozen_steps: u64,
}

impl ParamGroup {
    /// A group that follows the schedule at `scale` times its rate, never frozen.
    pub fn scaled(prefix: impl Into<String>, scale: f64) -> Self {
        Self {
            prefix: prefix.into(),
            rate: Rate::Scaled(scale),
            frozen_steps: 0,
        }
    }

    /// A group that stays at `rate`, never frozen.
    pub fn fixed(prefix: impl Into<String>, rate: f64) -> Self {
        Self {
            prefix: prefix.into(),
            rate: Rate::Fixed(rate),
            frozen_steps: 0,
        }
    }

    /// A group that follows the schedule after `steps` steps.
    pub fn frozen(prefix: impl Into<String>, steps: u64) -> Self {
        Self {
            prefix: prefix.into(),
            rate: Rate::Scaled(1.0),
            frozen_steps: steps,
        }
    }

    /// What applies to parameters that no group names.
    pub(super) fn rest() -> Self {
        Self::scaled("", 1.0)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let (Rate::Scaled(value) | Rate::Fixed(value)) = self.rate;
        at_least_zero(&format!("optimizer rate of `{}`", self.prefix), value)
    }
}
