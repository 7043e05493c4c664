//! A training run from its plan to its result: what every command that trains shares.
//!
//! A run's folder is locked from before its first file to after its last. Until the untouched model
//! is measured nothing is written, and the run may be killed without a trace; then the log and the
//! first checkpoint are, and from there on the run resumes from its last save, whatever ends it.

mod member;
mod place;
mod recording;
mod rehearsal;
mod settings;
mod tensorboard;

use std::sync::Arc;

use e2mc_base::stop::{Phase, Stop};
use e2mc_base::write_atomically;
use e2mc_data::Dataset;
use e2mc_record::{Computation, EventWriter, RunOutcome, RunSettings};
use e2mc_train::checkpoint;
use e2mc_train::world::{computing_threads, libtorch_version};
use e2mc_train::{Ending, EpochSummary, RunOptions, Trainer, TrainingConfig, World};

use crate::error::{Error, RunError};
use crate::guard::Guard;
use crate::images::fingerprint;
use crate::notice::{Notice, Notices};
use crate::recipe;
use recording::Recording;

pub use crate::difference::Difference;
pub use place::{Left, Place};
pub use recording::{Moment, RunObserver, Unobserved};
pub use rehearsal::{Rehearsal, rehearse};
pub use settings::{Changes, base_checkpoint, interrupted_settings, new_settings};

/// Everything that is decided before training starts.
#[derive(Debug)]
pub struct RunPlan {
    /// Where the run's files are.
    pub place: Place,
    /// What decides it beside its recipe.
    pub settings: RunSettings,
    /// Threads that prepare images, at least 1; they decide nothing.
    pub threads: usize,
    /// Whether the run continues with what is in the folder.
    pub resumed: bool,
}

/// The observers of a run, and the switch that stops it.
pub struct Surroundings<'a> {
    /// Stops the run after the step under way, once it is requested.
    pub stop: &'a Stop,
    /// Is told each event that is recorded.
    pub observer: &'a mut dyn RunObserver,
    /// Is told what the user should know.
    pub notices: &'a Arc<dyn Notices>,
}

/// The images that a run trains on, and the check on others.
pub(crate) struct RunImages {
    /// Trained on.
    pub(crate) train: Arc<dyn Dataset>,
    /// Asked after each epoch whether the features got worse.
    pub(crate) guard: Option<Guard>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    /// How it ended.
    pub outcome: RunOutcome,
    /// Held-out k-NN: epoch (0 is the untouched model), accuracy as a fraction.
    pub knn: Vec<(u64, f64)>,
    /// How far the last check is from the start, if both were measured: the change as a fraction,
    /// and its standard error, image by image.
    pub knn_change: Option<(f64, f64)>,
    /// Whole epochs that are trained in all.
    pub epochs: u64,
    /// The last epoch that was trained now.
    pub last: Option<EpochSummary>,
}

/// The images of a run.
struct Images {
    /// What is trained on.
    train: Arc<dyn Dataset>,
    /// The check on what is held out.
    guard: Option<Guard>,
    /// Images in all.
    all: usize,
}

impl Images {
    /// Opens them; `settings` learn how many there are, and which.
    fn open(
        settings: &mut RunSettings,
        training: &TrainingConfig,
        threads: usize,
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        let (seed, data) = (settings.seed, &mut settings.data);
        let dataset = settings::open(data, seed, notices)?;
        let images = dataset.len();
        let before = data.images.replace(images);
        if let Some(expected) = before.filter(|&before| before != images) {
            return Err(RunError::OtherImages {
                data: data.data.clone(),
                expected,
                found: images,
            }
            .into());
        }
        let found = fingerprint(&data.data, &*dataset);
        let before = data.fingerprint.replace(found.clone());
        if before.is_some_and(|before| before != found) {
            let text = format!(
                "{}: as many images as the run began with, but other names or labels",
                data.data.display()
            );
            notices.tell(&Notice::DataSet { text });
        }
        let (train, guard) = settings::hold_out(data, dataset, seed, threads)?;
        let batch = training.batch;
        if train.len() < batch {
            return Err(RunError::LargeBatch {
                data: data.data.clone(),
                batch,
                images,
                held_out: images - train.len(),
            }
            .into());
        }
        training.check_head_warmup((train.len() / batch) as u64)?;
        if guard.is_none() && data.knn_every > 0 {
            notices.tell(&Notice::NoGuard);
        }
        Ok(Self {
            train,
            guard,
            all: images,
        })
    }
}

/// Trains to the end, or until it is stopped, and writes the run's files.
///
/// # Errors
/// Where the images are not those of the plan or too few, a file cannot be read or written, or a
/// loss is not finite; [`Error::Stopped`] where the run is stopped before it has written anything.
pub fn train(
    trainer: &mut Trainer,
    plan: RunPlan,
    around: Surroundings<'_>,
) -> Result<FinishedRun, Error> {
    let mut plan = plan;
    plan.settings.seed = trainer.progress().seed;
    let training = &trainer.recipe.training;
    let images = Images::open(&mut plan.settings, training, plan.threads, around.notices)?;
    let images = RunImages {
        train: images.train,
        guard: images.guard,
    };
    train_on(trainer, plan, images, around)
}

/// As [`train`], on images that are opened already: the plan's settings are taken as a record of
/// them.
///
/// # Errors
/// As [`train`], but for the images.
pub(crate) fn train_on(
    trainer: &mut Trainer,
    plan: RunPlan,
    images: RunImages,
    around: Surroundings<'_>,
) -> Result<FinishedRun, Error> {
    let RunPlan {
        place,
        mut settings,
        threads,
        resumed,
    } = plan;
    let Surroundings {
        stop,
        observer,
        notices,
    } = around;
    let RunImages { train, mut guard } = images;
    let folder = place.folder();
    settings.seed = trainer.progress().seed;
    let world = trainer.world().clone();
    if let Some(guard) = &mut guard {
        guard.join(world.clone());
    }
    if !world.is_first() {
        let images = RunImages { train, guard };
        return member::train(trainer, images, settings, (threads, resumed), stop);
    }
    world.same(&member::facts(&settings))?;
    notices.tell(&Notice::Precision {
        precision: trainer.recipe.training.precision,
        device: trainer.model.device(),
    });
    // The longest part of a start comes before its first file.
    let mut start = None;
    match (&mut guard, resumed) {
        (Some(guard), true) => guard.load_start(folder)?,
        (Some(guard), false) => {
            let check = guard.check(&trainer.model, &trainer.recipe, stop)?;
            start = Some(check.ok_or_else(Error::untouched)?);
        }
        (None, _) => {}
    }
    let _heeding = stop.enter(Phase::Heeding);
    if world.any(stop.is_requested())? {
        return Err(Error::untouched());
    }
    // Also after a resume, which may change some of them.
    let text = recipe::to_toml(&trainer.recipe)?;
    let path = folder.recipe();
    write_atomically(&path, text.as_bytes()).map_err(|source| Error::write(&path, source))?;
    note_computation(&mut settings, &world, &**notices);
    settings.write(folder)?;

    let reached = trainer.progress();
    let resumed_at = resumed.then_some(reached.step);
    let (log, before) = match resumed_at {
        Some(step) => EventWriter::resume(&folder.metrics(), step, reached.epoch)?,
        None => {
            tensorboard::clear(folder)?;
            (EventWriter::create(&folder.metrics())?, Default::default())
        }
    };
    let recipe = trainer.recipe.clone();
    let mut recording = Recording::new(
        (&recipe, &settings, folder),
        (log, resumed_at),
        (guard, stop),
        (observer, notices),
    )?;
    match resumed_at {
        Some(step) => recording.resume(step, before)?,
        None => {
            recording.start(start)?;
            // From here on there is a run that can go on.
            trainer.save(&folder.checkpoint())?;
        }
    }
    world.after_first()?;

    let options = RunOptions {
        threads,
        log_every: settings.log_every,
        checkpoint: Some(folder.checkpoint()),
        save_every: settings.save_every,
    };
    // A run that goes on beyond its end has another model at the new one.
    let model = folder.model();
    if resumed && model.exists() {
        std::fs::remove_file(&model).map_err(|source| Error::io("remove", &model, source))?;
    }
    let outcome = trainer
        .run(train, &options, stop.flag(), &mut recording)
        .map_err(of_observer)?;
    let outcome = match outcome {
        Ending::Finished => RunOutcome::Finished,
        Ending::Interrupted => RunOutcome::Interrupted,
        Ending::StoppedByObserver => RunOutcome::StoppedByGuard,
    };
    recording.finish(outcome.clone())?;
    let (knn, knn_change, last) = (recording.knn, recording.knn_change, recording.last);
    if outcome != RunOutcome::Interrupted {
        let storage = settings::storage(&settings);
        checkpoint::save_model(&folder.model(), &recipe, &trainer.model, storage)?;
    }
    world.after_first()?;
    Ok(FinishedRun {
        outcome,
        knn,
        knn_change,
        epochs: trainer.progress().epoch,
        last,
    })
}

/// Adds what computes from now on, where nothing has computed yet or something else has.
fn note_computation(settings: &mut RunSettings, world: &World, notices: &dyn Notices) {
    let now = Computation {
        libtorch: libtorch_version(),
        processes: world.size(),
        threads: computing_threads(),
    };
    match settings.computed_by.last() {
        Some(before) if *before == now => return,
        Some(before) => notices.tell(&Notice::OtherComputation {
            before: before.clone(),
            now: now.clone(),
        }),
        None => {}
    }
    settings.computed_by.push(now);
}

/// An error of the recording comes back from training as it was.
fn of_observer(error: e2mc_train::Error) -> Error {
    match error {
        e2mc_train::Error::Observer(inner) => match inner.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => e2mc_train::Error::Observer(other).into(),
        },
        other => other.into(),
    }
}
