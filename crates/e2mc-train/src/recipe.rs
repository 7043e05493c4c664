//! The recipe: every setting of a run in one plain structure, saved with what it produced.

use serde::{Deserialize, Serialize};

use e2mc_data::{Augmentation, Evaluation};

use crate::Error;
use crate::backbone::BackboneConfig;
use crate::criterion::CriterionConfig;
use crate::layer::Precision;
use crate::method::MethodConfig;
use crate::optim::{OptimizerConfig, ScheduleConfig};

/// All settings of a training run. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The recipe's name, for logs and tables.
    pub name: String,
    /// One sentence: what it is for and where its values are from.
    #[serde(default)]
    pub description: String,
    /// The network whose features are wanted.
    pub backbone: BackboneConfig,
    /// The method with its head and loss weights.
    pub method: MethodConfig,
    /// What is added to the method's loss.
    pub criterion: CriterionConfig,
    /// Length, batch and precision.
    pub training: TrainingConfig,
    /// The optimiser and its constants.
    pub optimizer: OptimizerConfig,
    /// How the learning rate moves.
    pub schedule: ScheduleConfig,
    /// How training views are made.
    pub augmentation: Augmentation,
    /// How images are prepared for evaluation.
    pub evaluation: Evaluation,
}

/// Length, batch and precision of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Passes over the data, at least 1.
    pub epochs: u64,
    /// Images a step, at least 2; the last short batch of an epoch is dropped.
    pub batch: usize,
    /// The learning rate that the schedule starts from; not scaled by the batch.
    pub learning_rate: f64,
    /// `f32`, or `bf16` for convolutions and linear layers (losses and statistics stay float32).
    #[serde(default)]
    pub precision: Precision,
    /// Whether `continue` takes the optimiser's state over from the checkpoint, where it has one.
    #[serde(default)]
    pub load_optimizer: bool,
}

impl Recipe {
    /// Checks every setting and how they fit together, before any file or device is touched.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        let training = &self.training;
        if training.epochs == 0 {
            return Err(Error::config("training.epochs", "at least 1", 0));
        }
        if training.batch < 2 {
            return Err(Error::config(
                "training.batch",
                "at least 2: batch statistics need two rows",
                training.batch,
            ));
        }
        if !(training.learning_rate.is_finite() && training.learning_rate > 0.0) {
            return Err(Error::config(
                "training.learning_rate",
                "a number above 0",
                training.learning_rate,
            ));
        }
        self.backbone.check()?;
        self.criterion.check()?;
        self.optimizer.check()?;
        self.schedule.check()?;
        self.augmentation.check()?;
        self.evaluation.check()?;
        self.method.check_views(self.augmentation.view_count())?;
        for (field, channels) in [
            ("augmentation.channels", self.augmentation.channels),
            ("evaluation.channels", self.evaluation.channels),
        ] {
            if channels != self.backbone.channels {
                return Err(Error::config(
                    field,
                    format!("{}, as backbone.channels", self.backbone.channels),
                    channels,
                ));
            }
        }
        Ok(())
    }
}
