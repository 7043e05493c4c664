//! A grid over settings of a recipe, every run from the same checkpoint and measured alike.
//!
//! The folder holds the plan (`sweep.json`), a run folder for each combination, and the tables, which
//! are rewritten after every run. The result of a run is written last, to `probe/` in its folder;
//! that is how a resumed sweep knows what is done. The folder is locked while a sweep is at work.
//!
//! Several processes share each training and each embedding; the first one decides, measures and writes
//! (`member` is what the others do).

mod grid;
mod member;
mod page;
mod plan;
mod results;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use e2mc_base::lock::FolderLock;
use e2mc_base::stop::{Phase, Stop};
use e2mc_record::{RESULT, ResultFolder, RunFolder, RunOutcome, Training};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{Device, Model, Recipe, Trainer, World, device};

use crate::checkpoint::digest;
use crate::continuation;
use crate::crew::{self, Network, RunOrder};
use crate::difference::between;
use crate::error::{Error, RunError, SweepError};
use crate::images::{LabelledSplits, fingerprint};
use crate::machine::Machine;
use crate::notice::{Notice, Notices};
use crate::protocol::{self, Judged};
use crate::run::{self, Place, RunObserver, RunPlan, Surroundings};
use member::Order;

pub(crate) use grid::text;
pub use grid::{Axis, Grid, Point};
pub use member::follow;
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
    /// The processes that share the work.
    world: World,
    /// How the folder gets its plan.
    beginning: Beginning,
    _lock: FolderLock,
}

/// What a sweep does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// It leaves its plan; a sweep in the folder is in the way.
    New,
    /// It leaves its plan in the place of the sweep in the folder, all of which goes.
    Overwrite,
    /// It goes on by the plan in the folder.
    GoOn,
}

/// How a sweep came to its end.
pub struct SweptSoFar {
    /// All that is known.
    pub results: SweepResults,
    /// Whether it was stopped before the last run.
    pub interrupted: bool,
}

impl Sweep {
    /// A new sweep from `base` by the processes of `world`, of which this is the first. Its plan is left in
    /// `folder` when it runs.
    ///
    /// # Errors
    /// Where the images cannot be opened, a sweep is in the folder that is not to be overwritten,
    /// or another process writes to it.
    pub fn begin(
        plan: SweepPlan,
        folder: SweepFolder,
        base: Checkpoint,
        overwrite: bool,
        (machine, world): (&Machine, &World),
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        let lock = folder.lock()?;
        let beginning = match overwrite && folder.holds_sweep() {
            true => Beginning::Overwrite,
            false => {
                folder.check_free()?;
                Beginning::New
            }
        };
        if beginning == Beginning::Overwrite {
            // Nobody knows which files are those of a plan that cannot be read.
            SweepPlan::load(&folder)?;
        }
        let place = (folder, lock, beginning);
        Self::open(plan, place, base, (machine, world), notices)
    }

    /// The sweep in `folder`, by the processes of `world`, of which this is the first; `data` is where its
    /// images are now, if they were moved.
    ///
    /// # Errors
    /// Where there is none, or its checkpoint or images cannot be opened.
    pub fn go_on(
        folder: SweepFolder,
        data: Option<PathBuf>,
        (machine, world): (&Machine, &World),
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        folder.check_plan()?;
        let lock = folder.lock()?;
        let mut plan = SweepPlan::load(&folder)?;
        if let Some(data) = data {
            plan.settings.data.data = data;
        }
        let base = plan.reading.read(&plan.checkpoint, &**notices)?;
        let opened = (folder, lock, Beginning::GoOn);
        let sweep = Self::open(plan, opened, base, (machine, world), notices)?;
        sweep.check_same()?;
        Ok(sweep)
    }

    /// Checks that the sweep in `folder` is the one that would begin by `plan`.
    ///
    /// # Errors
    /// Names every setting that differs.
    pub fn check_plan(folder: &SweepFolder, plan: &SweepPlan) -> Result<(), Error> {
        let own = SweepPlan::load(folder)?;
        let differences = between(&own.decisive(), &plan.decisive());
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::OtherSettings {
            folder: folder.root().to_owned(),
            differences,
        }
        .into())
    }

    /// What is measured already must have been of the same checkpoint and images.
    fn check_same(&self) -> Result<(), Error> {
        let other = |path: &Path, what| SweepError::Other {
            path: path.to_owned(),
            what,
        };
        let plan = &self.plan;
        if let Some(base) = &plan.settings.base
            && base.sha256 != digest(&plan.checkpoint)?
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
        (folder, lock, beginning): (SweepFolder, FolderLock, Beginning),
        base: Checkpoint,
        (machine, world): (&Machine, &World),
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        for point in plan.grid.points() {
            let shared = plan.recipe_of(&point)?.training;
            shared
                .check_processes(world.size())
                .map_err(|source| SweepError::Run {
                    settings: plan.grid.describe(&point),
                    source: Box::new(source.into()),
                })?;
        }
        let data = &plan.settings.data;
        Ok(Self {
            splits: LabelledSplits::open(&data.data, data.data_options, notices)?,
            device: device(&machine.device)?,
            threads: machine.threads,
            world: world.clone(),
            plan,
            folder,
            base,
            beginning,
            _lock: lock,
        })
    }

    /// Does what is not done yet, until a stop is requested. While a model is measured nothing is lost
    /// where the process ends. The other processes [`follow`].
    ///
    /// # Errors
    /// Where a run fails, a process is lost, or a file cannot be read or written.
    pub fn run(
        &self,
        stop: &Stop,
        observer: &mut ObserverOf<'_>,
        notices: &Arc<dyn Notices>,
    ) -> Result<SweptSoFar, Error> {
        let swept = self.work(stop, observer, notices)?;
        crew::give(&self.world, &Order::End)?;
        Ok(swept)
    }

    fn work(
        &self,
        stop: &Stop,
        observer: &mut ObserverOf<'_>,
        notices: &Arc<dyn Notices>,
    ) -> Result<SweptSoFar, Error> {
        let plan = &self.plan;
        // The plan is written to its end: what is kept can then go on.
        let writing = stop.enter(Phase::Finishing);
        match self.beginning {
            Beginning::GoOn => {}
            Beginning::New => plan.save(&self.folder)?,
            Beginning::Overwrite => {
                self.folder.clear(&SweepPlan::load(&self.folder)?)?;
                plan.save(&self.folder)?;
            }
        }
        drop(writing);
        let _kept = stop.enter(Phase::Kept);
        if stop.is_requested() {
            return Err(Error::stopped("the plan is saved"));
        }
        if self.world.size() > 1 {
            crew::give(&self.world, plan)?;
            self.world.same(&[member::images(plan, &self.splits)])?;
        }
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
            if stop.is_requested() {
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
        let (notices, stop) = (around.notices, around.stop);
        let recipe = self.plan.recipe_of(&run.point)?;
        let place = Place::lock(run.folder.clone())?;
        let (mut trainer, resumed) = match place.left()? {
            Some(left) => match left.ended(None) {
                // A run that the guard stopped is not trained on.
                Some(outcome) => {
                    let model = left.checkpoint.to_model(self.device)?;
                    let recipe = left.checkpoint.recipe.clone();
                    let outcome = left.complete(&place, outcome)?.outcome;
                    return self
                        .finish(&run.folder, outcome, (&recipe, &model), notices)
                        .map(Some);
                }
                None => (Trainer::resume(&left.checkpoint, self.device, None)?, true),
            },
            None => {
                let (base, device, seed) = (&self.base, self.device, self.plan.seed);
                let trainer = continuation::start(recipe, base, device, seed, &**notices)?;
                (trainer, false)
            }
        };
        let plan = RunPlan {
            place,
            settings: self.plan.settings.clone(),
            threads: self.threads,
            resumed,
        };
        let order = Order::Train(Box::new(RunOrder::of(&trainer, &plan)));
        crew::give(&self.world, &order)?;
        let trained = crew::train(&self.world, stop, &mut trainer, |trainer| {
            run::train(trainer, plan, around)
        });
        let trained = match trained {
            // Before its first file: the sweep goes on with it from the start.
            Err(Error::Stopped { .. }) => return Ok(None),
            trained => trained?,
        };
        if trained.outcome == RunOutcome::Interrupted || stop.is_requested() {
            return Ok(None);
        }
        let network = (&trainer.recipe, &trainer.model);
        self.finish(&run.folder, trained.outcome, network, notices)
            .map(Some)
    }

    fn finish(
        &self,
        folder: &RunFolder,
        outcome: RunOutcome,
        (recipe, model): (&Recipe, &Model),
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
        let order = Order::Embed(Box::new(Network::of(model, recipe)));
        crew::give(&self.world, &order)?;
        model.share_backbone(&self.world)?;
        let data = &self.plan.settings.data;
        let judged = Judged {
            checkpoint,
            data: &data.data,
            taken: data.data_options,
            model,
            recipe,
            splits: &self.splits,
            map: None,
            threads: self.threads,
            world: &self.world,
        };
        let nowhere = &mut ResultFolder::nowhere();
        let mut result = protocol::evaluate("sweep", &judged, &self.plan.probe, nowhere, notices)?;
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

/// Writes tables, page and heat maps.
fn write(results: &SweepResults, folder: &SweepFolder) -> Result<(), Error> {
    results.save(folder)?;
    page::save(results, folder)
}
