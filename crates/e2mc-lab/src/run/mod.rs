//! A training run from its plan to its result: what every command that trains shares.

mod member;
mod recording;
mod settings;
mod tensorboard;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use e2mc_base::write_atomically;
use e2mc_record::{EventWriter, RunFolder, RunOutcome, RunSettings};
use e2mc_train::checkpoint;
use e2mc_train::{EpochSummary, Outcome, Recipe, RunOptions, Trainer};

use crate::error::{Error, RunError};
use crate::images::fingerprint;
use crate::notice::{Notice, Notices};
use crate::recipe;
use recording::Recording;

pub use recording::{Moment, RunObserver, Unobserved};
pub(crate) use settings::storage;
pub use settings::{Changes, base_checkpoint, interrupted_settings, new_settings};

/// Everything that is decided before training starts.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Where the run's files are.
    pub folder: RunFolder,
    /// What decides it beside its recipe.
    pub settings: RunSettings,
    /// Threads that prepare images, at least 1; they decide nothing.
    pub threads: usize,
    /// Whether the run goes on with what is in the folder.
    pub resumed: bool,
}

/// Who is told of a run, and what may stop it.
pub struct Surroundings<'a> {
    /// Stops the run after the step under way, once it is true.
    pub stop: &'a AtomicBool,
    /// Is told each event that is recorded.
    pub observer: &'a mut dyn RunObserver,
    /// Is told what the user should know.
    pub notices: &'a Arc<dyn Notices>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    /// How it ended.
    pub outcome: RunOutcome,
    /// Held-out k-NN: epoch (0 is the untouched model), accuracy as a fraction.
    pub knn: Vec<(u64, f64)>,
    /// How far the last check is from the start, if both were measured: the change as a fraction, and its
    /// standard error, image by image.
    pub knn_change: Option<(f64, f64)>,
    /// The last epoch that was trained now.
    pub last: Option<EpochSummary>,
}

/// What a run would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Images in all.
    pub images: usize,
    /// Of these, kept out of training.
    pub held_out: usize,
    /// Optimiser steps an epoch.
    pub steps: usize,
}

/// Opens the images of a run, and trains nothing.
///
/// # Errors
/// Where the images cannot be opened.
pub fn preview(
    recipe: &Recipe,
    settings: &RunSettings,
    threads: usize,
    notices: &Arc<dyn Notices>,
) -> Result<Preview, Error> {
    let (data, seed) = (&settings.data, settings.seed);
    let dataset = settings::open(data, seed, notices)?;
    let images = dataset.len();
    let train = settings::hold_out(data, dataset, seed, threads)?.0.len();
    Ok(Preview {
        images,
        held_out: images - train,
        steps: train / recipe.training.batch,
    })
}

/// Trains to the end, or until it is stopped, and writes the run's files.
///
/// # Errors
/// Where the images are not those of the plan or too few, a file cannot be read or written, or a loss
/// is not finite.
pub fn train(
    trainer: &mut Trainer,
    plan: RunPlan,
    around: Surroundings<'_>,
) -> Result<FinishedRun, Error> {
    let RunPlan {
        folder,
        mut settings,
        threads,
        resumed,
    } = plan;
    let Surroundings {
        stop,
        observer,
        notices,
    } = around;
    let (seed, batch) = (trainer.progress().seed, trainer.recipe.training.batch);
    settings.seed = seed;
    let data = &mut settings.data;
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
    let world = trainer.world().clone();
    world.same(&[
        ("set of images", format!("{images} images, {found}")),
        ("seed", seed.to_string()),
    ])?;
    let (dataset, mut guard) = settings::hold_out(data, dataset, seed, threads)?;
    if dataset.len() < batch {
        return Err(RunError::LargeBatch {
            data: data.data.clone(),
            batch,
            images,
            held_out: images - dataset.len(),
        }
        .into());
    }
    if !world.is_first() {
        return member::train(trainer, dataset, &settings, (threads, stop));
    }
    if guard.is_none() && data.knn_every > 0 {
        notices.tell(&Notice::NoGuard);
    }
    match (resumed, &mut guard) {
        (true, Some(guard)) => guard.load_start(&folder)?,
        (true, None) => {}
        (false, _) => folder.create()?,
    }
    // Also after a resume, which may change some of them.
    let text = recipe::to_toml(&trainer.recipe)?;
    let path = folder.recipe();
    write_atomically(&path, text.as_bytes()).map_err(|source| Error::write(&path, source))?;
    settings.write(&folder)?;

    let resumed_at = resumed.then(|| trainer.progress().step);
    let (log, before) = match resumed_at {
        Some(step) => EventWriter::resume(&folder.metrics(), step)?,
        None => (EventWriter::create(&folder.metrics())?, Default::default()),
    };
    let recipe = trainer.recipe.clone();
    let mut recording = Recording::new(
        (&recipe, &settings, &folder),
        (log, resumed_at),
        guard,
        (observer, notices),
    )?;
    match resumed_at {
        Some(step) => recording.resume(step, before)?,
        None => recording.start(&trainer.model)?,
    }
    world.after_first()?;

    let options = RunOptions {
        threads,
        log_every: settings.log_every,
        checkpoint: Some(folder.checkpoint()),
    };
    let outcome = trainer
        .run(dataset, &options, stop, &mut recording)
        .map_err(of_observer)?;
    let outcome = match outcome {
        Outcome::Finished => RunOutcome::Finished,
        Outcome::Interrupted => RunOutcome::Interrupted,
        Outcome::StoppedByObserver => RunOutcome::StoppedByGuard,
    };
    recording.finish(outcome.clone())?;
    let (knn, knn_change, last) = (recording.knn, recording.knn_change, recording.last);
    if outcome != RunOutcome::Interrupted {
        let storage = storage(&settings);
        checkpoint::save_model(&folder.model(), &recipe, &trainer.model, storage)?;
    }
    world.after_first()?;
    Ok(FinishedRun {
        outcome,
        knn,
        knn_change,
        last,
    })
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
