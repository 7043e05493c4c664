//! How the learning rate moves over a run: linear warm-up, then constant, cosine or steps.

use e2mc_base::schedule;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::range::at_least_zero;

/// A learning-rate schedule, in epochs. It is evaluated at every step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// The base rate throughout: the paper's continued pre-training.
    Constant {
        /// Epochs of linear warm-up.
        #[serde(default)]
        warmup: f64,
    },
    /// Half a cosine from the base rate to `end` times it, after the warm-up.
    Cosine {
        /// Epochs of linear warm-up.
        #[serde(default)]
        warmup: f64,
        /// The last rate relative to the base rate.
        #[serde(default)]
        end: f64,
    },
    /// The base rate times `factor` for every milestone that is passed.
    Step {
        /// Epochs of linear warm-up.
        #[serde(default)]
        warmup: f64,
        /// Epochs, counted from 0, at whose start the rate falls; ascending.
        milestones: Vec<u64>,
        /// What it is multiplied by.
        factor: f64,
    },
}

impl ScheduleConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// Names the first one that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        at_least_zero("schedule.warmup", self.warmup())?;
        match self {
            Self::Constant { .. } => Ok(()),
            Self::Cosine { end, .. } => at_least_zero("schedule.end", *end),
            Self::Step {
                milestones, factor, ..
            } => {
                at_least_zero("schedule.factor", *factor)?;
                if milestones.is_sorted_by(|a, b| a < b) {
                    return Ok(());
                }
                let found = format!("{milestones:?}");
                Err(Error::config(
                    "schedule.milestones",
                    "ascending epochs",
                    found,
                ))
            }
        }
    }

    /// The learning rate of step `step`, counted from 0, in a run of `epochs` epochs of
    /// `steps_per_epoch` steps whose base rate is `base`.
    ///
    /// The warm-up's first step is already above 0 and its end meets the schedule without a jump.
    pub fn rate(&self, base: f64, step: u64, steps_per_epoch: u64, epochs: u64) -> f64 {
        let per_epoch = steps_per_epoch.max(1) as f64;
        let warmup = (self.warmup() * per_epoch).round();
        let (at, total) = (step as f64, epochs as f64 * per_epoch);
        if at < warmup {
            return schedule::warm_up(base, at, warmup);
        }
        match self {
            Self::Constant { .. } => base,
            Self::Cosine { end, .. } => {
                let progress = ((at - warmup) / (total - warmup).max(1.0)).min(1.0);
                schedule::cosine(base, *end, progress)
            }
            Self::Step {
                milestones, factor, ..
            } => schedule::steps(base, *factor, milestones, step / steps_per_epoch.max(1)),
        }
    }

    /// Epochs of linear warm-up.
    pub fn warmup(&self) -> f64 {
        let (Self::Constant { warmup } | Self::Cosine { warmup, .. } | Self::Step { warmup, .. }) =
            self;
        *warmup
    }
}
