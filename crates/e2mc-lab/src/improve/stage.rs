//! What every part of an improvement has at hand.

use std::sync::Arc;

use e2mc_report::pages::improve::{in_slices, untrained};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::layer::Precision;
use e2mc_train::{Device, Model, Recipe};

use super::clock::Clock;
use super::plan::{ImproveFolder, Plan};
use super::work::Improve;
use crate::checkpoint::Reading;
use crate::error::Error;
use crate::notice::{Notice, Notices, Silent};

/// The work, its base and its surroundings.
pub(super) struct Stage<'a> {
    pub(super) work: &'a Improve,
    pub(super) folder: ImproveFolder,
    pub(super) base: Checkpoint,
    /// What the candidates change; its preprocessing is that of all judgements.
    pub(super) common: Recipe,
    pub(super) device: Device,
    pub(super) clock: Clock,
    pub(super) notices: &'a Arc<dyn Notices>,
}

impl Stage<'_> {
    /// The untouched model in float32, as it is evaluated.
    pub(super) fn load_base(&self) -> Result<Model, Error> {
        let mut base = self.reopen_base()?;
        base.recipe.training.precision = Precision::F32;
        Ok(base.to_model(self.device)?)
    }

    /// The base once more, without a word on what was found in it.
    pub(super) fn reopen_base(&self) -> Result<Checkpoint, Error> {
        let reading: &Reading = &self.work.reading;
        reading.read(&self.work.checkpoint, &Silent)
    }

    pub(super) fn say(&self, text: impl Into<String>) {
        let text = text.into();
        self.notices.tell(&Notice::Improve { text });
    }

    pub(super) fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        self.notices.tell(&Notice::Assumed { text });
    }

    /// The plan in one sentence each.
    pub(super) fn say_plan(&self, plan: &Plan) {
        let (measured, training) = (&plan.measured, &plan.recipe.training);
        self.say(format!(
            "{:.0} images a second trained, {:.0} embedded; batches of {}, for an embedding of {} \
             dimensions",
            measured.trained,
            measured.embedded,
            in_slices(training.batch, training.accumulate),
            measured.dims
        ));
        if training.batch < 4 * measured.dims {
            self.say(format!(
                "the criterion uses {} rows of {} dimensions, fewer than four rows a dimension: \
                 the images, the memory, the time or the recipe allow no larger batch",
                training.batch, measured.dims
            ));
        }
        match &plan.timing.schedule {
            Some(schedule) => self.say(format!(
                "{} candidates: {}; compared after {:?} epochs of {} images, the last one trained \
                 to {}",
                plan.candidates.len(),
                plan.candidates.join("; "),
                schedule.rungs,
                schedule.epoch_images,
                schedule.last
            )),
            None => {
                let why = plan.timing.shortage.as_ref().map(untrained);
                self.say(format!(
                    "{}; only maps are tried",
                    why.unwrap_or_else(|| "no candidate is trained".to_owned())
                ));
            }
        }
    }
}
