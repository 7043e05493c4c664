//! A grid over settings of a recipe, every run from the same checkpoint and measured alike.
//!
//! The folder holds the plan (`sweep.json`), a run folder for each combination, and the tables, which
//! are rewritten after every run. The result of a run is written last, to `probe/` in its folder;
//! that is how a resumed sweep knows what is done.

mod grid;
mod page;
mod plan;
mod results;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2mc_record::{RESULT, RunFolder, RunLog, RunOutcome, Training, sha256};
use e2mc_train::checkpoint::{self, Checkpoint};
use e2mc_train::{Device, Model, Recipe, Trainer, device};

use crate::continuation;
use crate::error::{Error, SweepError};
use crate::images::{LabelledSplits, fingerprint};
use crate::machine::Machine;
use crate::notice::{Notice, Notices};
use crate::protocol::{self, Judged};
use crate::run::{self, RunObserver, RunPlan, Surroundings};

pub(crate) use grid::text;
pub use grid::{Axis, Grid, Point};
pub use plan::{SweepFolder, SweepPlan};
pub use results::{Measured, Metric, SweepResults, SweepRun, settings};

/// The outcome of the checkpoint itself.
const UNTOUCHED: &str = "untouched";

/// Makes what watches one run of a sweep.
pub type ObserverOf<'a> = dyn FnMut() -> Box<dyn RunObserver> + 'a;

/// A sweep that is ready to run.
pub struct Sweep {
    plan: SweepPlan,
    folder: SweepFolder,
    base: Checkpoint,
    splits: LabelledSplits,
    threads: usize,
    device: Device,
}

/// How a sweep came to its end.
pub struct SweptSoFar {
    /// All that is known.
    pub results: SweepResults,
    /// Whether it was stopped before the last run.
    pub interrupted: bool,
}

impl Sweep {
    /// A new sweep from `base`, whose plan is left in `folder`.
    ///
    /// # Errors
    /// Where the images cannot be opened, or a sweep is in the folder.
    pub fn begin(
        plan: SweepPlan,
        folder: SweepFolder,
        base: Checkpoint,
        machine: &Machine,
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        let sweep = Self::open(plan, folder, base, machine, notices)?;
        sweep.plan.save(&sweep.folder)?;
        Ok(sweep)
    }

    /// The sweep in `folder`; `data` is where its images are now, if they were moved.
    ///
    /// # Errors
    /// Where there is none, or its checkpoint or images cannot be opened.
    pub fn go_on(
        folder: SweepFolder,
        data: Option<PathBuf>,
        machine: &Machine,
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        let mut plan = SweepPlan::load(&folder)?;
        if let Some(data) = data {
            plan.settings.data.data = data;
        }
        let base = plan.reading.read(&plan.checkpoint, &**notices)?;
        let sweep = Self::open(plan, folder, base, machine, notices)?;
        sweep.check_same()?;
        Ok(sweep)
    }

    /// What is measured already must have been of the same checkpoint and images.
    fn check_same(&self) -> Result<(), Error> {
        let other = |path: &Path, what| SweepError::Other {
            path: path.to_owned(),
            what,
        };
        let plan = &self.plan;
        if let Some(base) = &plan.settings.base
            && base.sha256 != sha256(&plan.checkpoint)?
        {
            return Err(other(&plan.checkpoint, "checkpoint").into());
        }
        let Some(base) = Measured::load(&self.folder.base())? else {
            return Ok(());
        };
        let (data, recorded) = (&plan.settings.data.data, &base.result.splits);
        for (then, now) in [
            (&recorded.train, &self.splits.train),
            (&recorded.test, &self.splits.test),
        ] {
            let then = then.as_ref().and_then(|split| split.fingerprint.as_ref());
            if then.is_some_and(|then| *then != fingerprint(data, &**now.dataset())) {
                return Err(other(data, "images").into());
            }
        }
        Ok(())
    }

    fn open(
        plan: SweepPlan,
        folder: SweepFolder,
        base: Checkpoint,
        machine: &Machine,
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        let data = &plan.settings.data;
        Ok(Self {
            splits: LabelledSplits::open(&data.data, data.data_options, notices)?,
            device: device(&machine.device)?,
            threads: machine.threads,
            plan,
            folder,
            base,
        })
    }

    /// Does what is not done yet, until `stop` is true.
    ///
    /// # Errors
    /// Where a run fails, or a file cannot be read or written.
    pub fn run(
        &self,
        stop: &AtomicBool,
        observer: &mut ObserverOf<'_>,
        notices: &Arc<dyn Notices>,
    ) -> Result<SweptSoFar, Error> {
        let plan = &self.plan;
        let base = match Measured::load(&self.folder.base())? {
            Some(measured) => measured,
            None => {
                let recipe = plan.recipe.clone();
                let start =
                    continuation::start(recipe, &self.base, self.device, plan.seed, &**notices)?;
                let training = training(UNTOUCHED, 0);
                let place = (&*plan.checkpoint, &*self.folder.base());
                self.measure(training, place, &plan.recipe, &start.model, notices)?
            }
        };
        let mut results = SweepResults {
            plan: plan.clone(),
            base,
            runs: Vec::new(),
        };
        for (index, point) in plan.grid.points().into_iter().enumerate() {
            let folder = self.folder.run(index, &plan.grid, &point);
            results.runs.push(SweepRun {
                measured: Measured::load(&result_folder(&folder))?,
                folder,
                point,
            });
        }
        write(&results, &self.folder)?;
        let runs = results.runs.len();
        for index in 0..runs {
            let run = &results.runs[index];
            if run.measured.is_some() {
                continue;
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(SweptSoFar {
                    results,
                    interrupted: true,
                });
            }
            let settings = plan.grid.describe(&run.point);
            notices.tell(&Notice::SweepRun {
                number: index + 1,
                runs,
                settings: settings.clone(),
            });
            let mut observer = observer();
            let around = Surroundings {
                stop,
                observer: &mut *observer,
                notices,
            };
            let measured = self.one(run, around).map_err(|source| SweepError::Run {
                settings,
                source: Box::new(source),
            })?;
            let Some(measured) = measured else {
                return Ok(SweptSoFar {
                    results,
                    interrupted: true,
                });
            };
            results.runs[index].measured = Some(measured);
            write(&results, &self.folder)?;
        }
        Ok(SweptSoFar {
            results,
            interrupted: false,
        })
    }

    /// Trains and measures one run, from where it was left; `None` where it was stopped.
    fn one(&self, run: &SweepRun, around: Surroundings<'_>) -> Result<Option<Measured>, Error> {
        let folder = run.folder.clone();
        let notices = around.notices;
        let recipe = self.plan.recipe_of(&run.point)?;
        let left = match folder.checkpoint().exists() {
            true => Some(Checkpoint::read(&folder.checkpoint())?),
            false => None,
        };
        // A run that the guard stopped is not trained on.
        let ended = RunLog::read(folder.root()).ok().and_then(|log| log.end);
        let stopped = ended.is_some_and(|end| end.outcome == RunOutcome::StoppedByGuard);
        let seed = self.plan.seed;
        let (mut trainer, resumed) = match &left {
            Some(checkpoint) if stopped || is_trained(checkpoint) => {
                let model = Model::new(&recipe, self.device, seed)?;
                checkpoint.apply_to(&model)?;
                if !folder.model().exists() {
                    let storage = run::storage(&self.plan.settings);
                    checkpoint::save_model(&folder.model(), &recipe, &model, storage)?;
                }
                let outcome = match stopped {
                    true => RunOutcome::StoppedByGuard,
                    false => RunOutcome::Finished,
                };
                return self
                    .finish(&folder, outcome, &recipe, &model, notices)
                    .map(Some);
            }
            Some(checkpoint) => (Trainer::resume(checkpoint, self.device, None)?, true),
            None => {
                clear(&folder)?;
                let (base, device) = (&self.base, self.device);
                let trainer = continuation::start(recipe, base, device, seed, &**notices)?;
                (trainer, false)
            }
        };
        let plan = RunPlan {
            folder: folder.clone(),
            settings: self.plan.settings.clone(),
            threads: self.threads,
            resumed,
        };
        let outcome = run::train(&mut trainer, plan, around)?.outcome;
        if outcome == RunOutcome::Interrupted {
            return Ok(None);
        }
        let (recipe, model) = (&trainer.recipe, &trainer.model);
        self.finish(&folder, outcome, recipe, model, notices)
            .map(Some)
    }

    fn finish(
        &self,
        folder: &RunFolder,
        outcome: RunOutcome,
        recipe: &Recipe,
        model: &Model,
        notices: &Arc<dyn Notices>,
    ) -> Result<Measured, Error> {
        let checkpoint = Checkpoint::read(&folder.checkpoint())?;
        let epochs = checkpoint.progress.map_or(0, |progress| progress.epoch);
        let training = training(outcome.as_str(), epochs);
        let place = (&*folder.model(), &*result_folder(folder));
        self.measure(training, place, recipe, model, notices)
    }

    /// Measures a model, and writes the result.
    fn measure(
        &self,
        training: Training,
        (checkpoint, out): (&Path, &Path),
        recipe: &Recipe,
        model: &Model,
        notices: &Arc<dyn Notices>,
    ) -> Result<Measured, Error> {
        let data = &self.plan.settings.data;
        let judged = Judged {
            checkpoint,
            data: &data.data,
            taken: data.data_options,
            model,
            recipe,
            splits: &self.splits,
            threads: self.threads,
        };
        let mut result = protocol::evaluate("sweep", &judged, &self.plan.probe, notices)?;
        result.training = Some(training);
        fs::create_dir_all(out).map_err(|source| Error::io("make", out, source))?;
        result.write(&out.join(RESULT))?;
        Ok(Measured::of(result))
    }
}

fn training(outcome: &str, epochs: u64) -> Training {
    Training {
        outcome: outcome.to_owned(),
        epochs,
    }
}

/// Where the result of a run is.
fn result_folder(run: &RunFolder) -> PathBuf {
    run.root().join("probe")
}

/// Whether a run's checkpoint has nothing left to train.
pub(crate) fn is_trained(checkpoint: &Checkpoint) -> bool {
    let epochs = checkpoint.recipe.training.epochs;
    checkpoint
        .progress
        .is_some_and(|progress| progress.epoch >= epochs)
}

/// Removes what a run left that was stopped before its first checkpoint.
pub(crate) fn clear(run: &RunFolder) -> Result<(), Error> {
    if run.metrics().exists() {
        let root = run.root();
        fs::remove_dir_all(root).map_err(|source| Error::io("remove", root, source))?;
    }
    Ok(())
}

/// Writes tables, page and heat maps.
fn write(results: &SweepResults, folder: &SweepFolder) -> Result<(), Error> {
    results.save(folder)?;
    page::save(results, folder)
}
