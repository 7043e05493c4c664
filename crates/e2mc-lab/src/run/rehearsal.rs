//! What a run would do, tried: everything that a run refuses is refused, and a few steps are
//! measured. Nothing is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use e2mc_base::lock::FolderLock;
use e2mc_base::process::peak_memory;
use e2mc_record::{RunFolder, RunSettings};
use e2mc_train::{Control, EpochSummary, Model, Observer, RunOptions, StepLog, Trainer};
use serde::Serialize;

use super::Images;
use crate::error::Error;
use crate::notice::Notices;

/// Steps that are measured after the first, which is slower than others.
const STEPS: usize = 3;
/// No step is begun after this time, so that a plan of slow steps is printed at all.
const LONGEST: Duration = Duration::from_secs(60);

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rehearsal {
    /// Images in all.
    pub images: usize,
    /// The number of them held out from training.
    pub held_out: usize,
    /// Optimiser steps an epoch, at least 1.
    pub steps: usize,
    /// Seconds that a step takes, as measured.
    pub seconds_per_step: f64,
    /// Seconds that a check of the held-out images takes, as its first batch tells; 0 without one.
    pub seconds_per_check: f64,
    /// Seconds of the whole run.
    pub seconds: f64,
    /// Bytes of memory that the process has taken at most; none if the system does not say.
    pub memory: Option<u64>,
}

/// Opens the images of a run, trains a few steps, and writes nothing. The trainer is of no use
/// afterwards.
///
/// # Errors
/// As [`train`](super::train), and where the folder is not free.
pub fn rehearse(
    trainer: &mut Trainer,
    folder: &RunFolder,
    settings: &RunSettings,
    threads: usize,
    notices: &Arc<dyn Notices>,
) -> Result<Rehearsal, Error> {
    folder.check_free()?;
    FolderLock::check(folder.root()).map_err(e2mc_record::Error::from)?;
    let training = trainer.recipe.training.clone();
    let mut settings = settings.clone();
    let Images { train, guard, all } = Images::open(&mut settings, &training, threads, notices)?;
    let (held_out, steps) = (all - train.len(), train.len() / training.batch);
    let (checks, seconds_per_check) = match &guard {
        None => (0, 0.0),
        Some(guard) => {
            let seconds = guard.seconds(&trainer.model, &trainer.recipe)?;
            // The untouched model, then after so many epochs, and after the last.
            let checks = 1 + training.epochs.div_ceil(settings.data.knn_every.max(1));
            (checks, seconds)
        }
    };
    let options = RunOptions {
        threads,
        log_every: 1,
        checkpoint: None,
        save_every: None,
    };
    let enough = AtomicBool::new(false);
    let mut clock = Clock {
        started: Instant::now(),
        steps: Vec::new(),
        enough: &enough,
    };
    trainer.run(train, &options, &enough, &mut clock)?;
    let seconds_per_step = clock.seconds_per_step();
    let all_steps = steps as f64 * training.epochs as f64;
    Ok(Rehearsal {
        images: all,
        held_out,
        steps,
        seconds_per_step,
        seconds_per_check,
        seconds: seconds_per_step * all_steps + seconds_per_check * checks as f64,
        memory: peak_memory(),
    })
}

/// Measures steps until they are enough.
struct Clock<'a> {
    started: Instant,
    /// When each step was done.
    steps: Vec<Instant>,
    enough: &'a AtomicBool,
}

impl Clock<'_> {
    fn seconds_per_step(&self) -> f64 {
        let seconds = |from: Instant, to: Instant| (to - from).as_secs_f64();
        match self.steps.as_slice() {
            [] => 0.0,
            [alone] => seconds(self.started, *alone),
            [first, .., last] => seconds(*first, *last) / (self.steps.len() - 1) as f64,
        }
    }
}

impl Observer for Clock<'_> {
    fn step(&mut self, _: &StepLog) -> Result<(), e2mc_train::Error> {
        self.steps.push(Instant::now());
        if self.steps.len() > STEPS || self.started.elapsed() > LONGEST {
            self.enough.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn epoch(&mut self, _: &Model, _: &EpochSummary) -> Result<Control, e2mc_train::Error> {
        Ok(match self.enough.load(Ordering::Relaxed) {
            true => Control::Stop,
            false => Control::Continue,
        })
    }
}
