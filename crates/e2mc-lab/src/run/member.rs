//! The part of a run that is done by a process other than the first: it trains, and writes nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use e2mc_data::Dataset;
use e2mc_record::{RunOutcome, RunSettings};
use e2mc_train::{Control, EpochSummary, Model, Observer, Outcome, RunOptions, StepLog, Trainer};

use super::FinishedRun;
use crate::error::Error;

/// Trains with the others. Before and after, this process waits while the first one measures and writes.
pub(super) fn train(
    trainer: &mut Trainer,
    dataset: Arc<dyn Dataset>,
    settings: &RunSettings,
    (threads, stop): (usize, &AtomicBool),
) -> Result<FinishedRun, Error> {
    let world = trainer.world().clone();
    let options = RunOptions {
        threads,
        log_every: settings.log_every,
        checkpoint: None::<PathBuf>,
    };
    world.after_first()?;
    let outcome = trainer.run(dataset, &options, stop, &mut Follower)?;
    world.after_first()?;
    Ok(FinishedRun {
        outcome: match outcome {
            Outcome::Finished => RunOutcome::Finished,
            Outcome::Interrupted => RunOutcome::Interrupted,
            Outcome::StoppedByObserver => RunOutcome::StoppedByGuard,
        },
        knn: Vec::new(),
        knn_change: None,
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
