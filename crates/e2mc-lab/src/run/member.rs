//! The part of a run that is done by a process other than the first: it trains and embeds, and writes nothing.

use e2mc_base::stop::{Phase, Stop};
use e2mc_record::{RunOutcome, RunSettings};
use e2mc_train::{
    Control, Ending, EpochSummary, Model, Observer, Recipe, RunOptions, StepLog, Trainer,
};

use super::recording::{is_due, to_observer};
use super::{FinishedRun, RunImages, of_observer};
use crate::error::Error;
use crate::guard::Guard;

/// What the processes must agree on beside what the trainer compares: the images, and the steps and epochs at
/// which all of them look up.
pub(super) fn facts(settings: &RunSettings) -> [(&'static str, String); 4] {
    let data = &settings.data;
    let images = data.images.unwrap_or(0);
    let fingerprint = data.fingerprint.as_deref().unwrap_or("no fingerprint");
    [
        (
            "set of images",
            format!("{images} images, {fingerprint}, {} held out", data.held_out),
        ),
        ("seed", settings.seed.to_string()),
        (
            "number of steps between saves",
            format!("{:?}", settings.save_every),
        ),
        (
            "number of epochs between checks",
            data.knn_every.to_string(),
        ),
    ]
}

/// Trains with the others. Before and after, this process waits while the first one judges and writes.
pub(super) fn train(
    trainer: &mut Trainer,
    images: RunImages,
    settings: RunSettings,
    (threads, resumed): (usize, bool),
    stop: &Stop,
) -> Result<FinishedRun, Error> {
    // Before the first process can be asked to save: none ends at once while another saves.
    let _heeding = stop.enter(Phase::Heeding);
    let world = trainer.world().clone();
    let options = RunOptions {
        threads,
        log_every: settings.log_every,
        checkpoint: None,
        save_every: settings.save_every,
    };
    let mut follower = Follower {
        guard: images.guard,
        recipe: trainer.recipe.clone(),
        settings,
        stop,
    };
    match follower.begin(trainer, resumed) {
        // The first process ended at once: there is nothing to save yet.
        Err(_) if stop.is_requested() => return Err(Error::untouched()),
        begun => begun?,
    }
    let ending = trainer
        .run(images.train, &options, stop.flag(), &mut follower)
        .map_err(of_observer)?;
    world.after_first()?;
    Ok(FinishedRun {
        outcome: match ending {
            Ending::Finished => RunOutcome::Finished,
            Ending::Interrupted => RunOutcome::Interrupted,
            Ending::StoppedByObserver => RunOutcome::StoppedByGuard,
        },
        knn: Vec::new(),
        knn_change: None,
        epochs: trainer.progress().epoch,
        last: None,
    })
}

/// Leaves what is to be recorded and decided to the first process, and helps it to judge.
struct Follower<'a> {
    guard: Option<Guard>,
    recipe: Recipe,
    settings: RunSettings,
    stop: &'a Stop,
}

impl Follower<'_> {
    /// What comes before the first step, until the first process has begun the record.
    fn begin(&self, trainer: &Trainer, resumed: bool) -> Result<(), Error> {
        let world = trainer.world();
        world.same(&facts(&self.settings))?;
        let stopped = match &self.guard {
            Some(guard) if !resumed => !guard.help(&trainer.model, &self.recipe, self.stop)?,
            _ => false,
        };
        if stopped || world.any(self.stop.is_requested())? {
            return Err(Error::untouched());
        }
        Ok(world.after_first()?)
    }
}

impl Observer for Follower<'_> {
    fn step(&mut self, _: &StepLog) -> Result<(), e2mc_train::Error> {
        Ok(())
    }

    fn epoch(
        &mut self,
        model: &Model,
        summary: &EpochSummary,
    ) -> Result<Control, e2mc_train::Error> {
        let due = is_due(&self.settings, &self.recipe, summary.epoch);
        if let Some(guard) = self.guard.as_ref().filter(|_| due) {
            // Where a stop is requested, the first process decides what becomes of the epoch.
            guard
                .help(model, &self.recipe, self.stop)
                .map_err(to_observer)?;
        }
        Ok(Control::Continue)
    }
}
