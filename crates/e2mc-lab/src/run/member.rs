//! The part of a run that is done by a process other than the first: it trains, and writes nothing.

use std::sync::Arc;

use e2mc_base::stop::{Phase, Stop};
use e2mc_data::Dataset;
use e2mc_record::{RunOutcome, RunSettings};
use e2mc_train::{Control, Ending, EpochSummary, Model, Observer, RunOptions, StepLog, Trainer};

use super::FinishedRun;
use crate::error::Error;

/// What the processes must agree on beside what the trainer compares: the images, and the steps at
/// which all of them look up.
pub(super) fn facts(settings: &RunSettings) -> [(&'static str, String); 3] {
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
    ]
}

/// Trains with the others. Before and after, this process waits while the first one measures and
/// writes.
pub(super) fn train(
    trainer: &mut Trainer,
    images: Arc<dyn Dataset>,
    settings: &RunSettings,
    (threads, stop): (usize, &Stop),
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
    let begun = world
        .same(&facts(settings))
        .and_then(|()| world.after_first());
    match begun {
        // The first process ended at once: there is nothing to save yet.
        Err(_) if stop.is_requested() => return Err(Error::untouched()),
        begun => begun?,
    }
    let ending = trainer.run(images, &options, stop.flag(), &mut Follower)?;
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

/// Leaves what is to be recorded and decided to the first process.
struct Follower;

impl Observer for Follower {
    fn step(&mut self, _: &StepLog) -> Result<(), e2mc_train::Error> {
        Ok(())
    }

    fn epoch(&mut self, _: &Model, _: &EpochSummary) -> Result<Control, e2mc_train::Error> {
        Ok(Control::Continue)
    }
}
