//! The recipe: every setting of a run in one plain structure, saved with what it produced.

use serde::{Deserialize, Serialize};

use e2mc::Transform;
use e2mc_data::{Augmentation, Preprocessing};

use crate::Error;
use crate::backbone::BackboneConfig;
use crate::criterion::CriterionConfig;
use crate::layer::Precision;
use crate::method::MethodConfig;
use crate::optim::{OptimizerConfig, ScheduleConfig};
use crate::range::{above_zero, at_least_zero};

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
    pub evaluation: Preprocessing,
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
    /// `f32`, or `bf16` for convolutions and linear layers (losses and statistics stay float32), or
    /// `auto`: bf16 on a GPU that has it, f32 elsewhere. A run keeps what was chosen when it began.
    #[serde(default)]
    pub precision: Precision,
    /// Parts of equal size that a batch goes through the backbone in. The loss and the criterion
    /// see the whole batch whatever this is; memory is that of one part. Each part has batch
    /// statistics of its own.
    #[serde(default = "TrainingConfig::one_part")]
    pub accumulate: usize,
    /// Whether the backbone's blocks are computed a second time for the gradient, so that memory is
    /// that of one block's activations. The gradient is the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checkpoint_blocks: bool,
    /// Whether batch norm in the backbone normalises by its running statistics and keeps them, as
    /// in evaluation.
    #[serde(default)]
    pub freeze_batch_norm: bool,
    /// Whether `continue` takes the optimiser's state over from the checkpoint, where it has one.
    #[serde(default)]
    pub load_optimizer: bool,
    /// Steps at the start in which the heads train and the backbone stays as it is; where they are
    /// new, its features are worth more than their first gradients. 0 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_warmup_steps: Option<u64>,
    /// What a layer's rate is multiplied by from layer to layer of the backbone towards the images,
    /// in (0, 1]; 1 if absent. Heads have the full rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_decay: Option<f64>,
    /// Whether matrices alone have weight decay: no bias, and no scale of a normalisation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decay_matrices_only: bool,
    /// How many blocks of the backbone stay unchanged, with what comes before them: counted from
    /// the images, through the stages. Their running statistics follow `freeze_batch_norm`. None if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_blocks: Option<usize>,
    /// The Euclidean norm that the gradients of all parameters together are limited to, above 0; no
    /// limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_gradients: Option<f64>,
    /// The Euclidean norm that the gradient of each parameter is limited to on its own, before
    /// `clip_gradients`, above 0; no limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_each_gradient: Option<f64>,
    /// The weight decay at the end of the run, at least 0: half a cosine leads there from the
    /// optimiser's. It stays as it is if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay_end: Option<f64>,
}

impl TrainingConfig {
    /// A batch in one part.
    fn one_part() -> usize {
        1
    }
}

impl Default for TrainingConfig {
    /// What a recipe need not say; length, batch and rate are 0 and must be set.
    fn default() -> Self {
        Self {
            epochs: 0,
            batch: 0,
            learning_rate: 0.0,
            precision: Precision::default(),
            accumulate: Self::one_part(),
            checkpoint_blocks: false,
            freeze_batch_norm: false,
            load_optimizer: false,
            head_warmup_steps: None,
            layer_decay: None,
            decay_matrices_only: false,
            freeze_blocks: None,
            clip_gradients: None,
            clip_each_gradient: None,
            weight_decay_end: None,
        }
    }
}

impl Recipe {
    /// The map to the unit interval under which entropies are reported: the criterion's, or the
    /// method's where the criterion has none.
    pub fn transform(&self) -> Transform {
        match self.criterion {
            CriterionConfig::E2mc { transform, .. } => transform.into(),
            _ => self.method.transform(),
        }
    }

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
        let parts = training.accumulate;
        if parts == 0 || !training.batch.is_multiple_of(parts) || training.batch / parts < 2 {
            return Err(Error::config(
                "training.accumulate",
                format!(
                    "a number that divides training.batch, {}, into parts of at least 2 images",
                    training.batch
                ),
                parts,
            ));
        }
        above_zero("training.learning_rate", training.learning_rate)?;
        if let Some(norm) = training.clip_gradients {
            above_zero("training.clip_gradients", norm)?;
        }
        if let Some(norm) = training.clip_each_gradient {
            above_zero("training.clip_each_gradient", norm)?;
        }
        if let Some(decay) = training.weight_decay_end {
            at_least_zero("training.weight_decay_end", decay)?;
        }
        if let Some(decay) = training
            .layer_decay
            .filter(|&decay| !(decay > 0.0 && decay <= 1.0))
        {
            let expected = "above 0 and at most 1";
            return Err(Error::config("training.layer_decay", expected, decay));
        }
        let blocks = self.backbone.layers() - 1;
        if let Some(count) = training.freeze_blocks.filter(|&count| count > blocks) {
            let expected = format!("at most the {blocks} blocks of {}", self.backbone);
            return Err(Error::config("training.freeze_blocks", expected, count));
        }
        if training.freeze_batch_norm && !self.backbone.has_batch_norm() {
            let expected = format!("false for {}, which has no batch norm", self.backbone);
            return Err(Error::config("training.freeze_batch_norm", expected, true));
        }
        self.backbone.check()?;
        self.criterion.check()?;
        self.optimizer.check()?;
        self.schedule.check()?;
        self.augmentation.check()?;
        self.evaluation.check()?;
        self.method
            .check(self.augmentation.view_count(), training.batch)?;
        let views = self
            .augmentation
            .views
            .iter()
            .map(|view| ("augmentation.views", view.size));
        for (field, side) in views.chain([("evaluation.crop", self.evaluation.crop)]) {
            if let Some(expected) = self.backbone.side_expected(side) {
                return Err(Error::config(field, expected, side));
            }
        }
        for (field, channels) in [
            ("augmentation.channels", self.augmentation.channels),
            ("evaluation.channels", self.evaluation.channels),
        ] {
            if channels != self.backbone.channels() {
                return Err(Error::config(
                    field,
                    format!("{}, as backbone.channels", self.backbone.channels()),
                    channels,
                ));
            }
        }
        Ok(())
    }
}
