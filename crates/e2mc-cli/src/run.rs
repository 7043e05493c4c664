//! A training run from plan to result: what `pretrain`, `continue` and the demo share.

mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use e2mc_train::checkpoint::{self, Checkpoint};
use e2mc_train::{EpochSummary, Outcome, Recipe, RunOptions, Trainer};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;
use crate::progress::{Metrics, Progress};
use e2mc_cli::options::TrainOptions;
pub(crate) use settings::{DataPlan, RunSettings};

/// The files of a run.
pub(crate) struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The whole state, rewritten after each epoch.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint.safetensors")
    }

    /// The weights, written at the end.
    pub(crate) fn model(&self) -> PathBuf {
        self.root.join("model.safetensors")
    }

    /// The log.
    pub(crate) fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    fn recipe(&self) -> PathBuf {
        self.root.join("recipe.toml")
    }

    fn settings(&self) -> PathBuf {
        self.root.join("run.json")
    }

    fn knn_start(&self) -> PathBuf {
        self.root.join("knn-start.json")
    }

    /// Makes the folder, unless a run is in it.
    pub(crate) fn create(&self) -> Result<()> {
        if self.metrics().exists() || self.checkpoint().exists() {
            return Err(Failure::new(
                format!("{} already holds a run", self.root.display()),
                match self.checkpoint().exists() {
                    true => "choose another --out, or add --resume to go on with that run",
                    false => {
                        "it has not saved a checkpoint yet: where it no longer goes on, remove the \
                         folder or choose another --out"
                    }
                },
            ));
        }
        std::fs::create_dir_all(&self.root)
            .with_context(|| format!("cannot make the folder {}", self.root.display()))
    }
}

/// Everything that is decided before training starts.
pub(crate) struct Plan {
    pub(crate) folder: RunFolder,
    pub(crate) settings: RunSettings,
    pub(crate) threads: usize,
    pub(crate) resumed: bool,
}

/// What came out.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    /// Held-out k-NN: epoch (0 is the untouched model), accuracy as a fraction.
    pub(crate) knn: Vec<(u64, f64)>,
    pub(crate) last: Option<EpochSummary>,
}

/// The changes that flags and `--set` make to a recipe, flags last.
pub(crate) fn changes(options: &TrainOptions) -> Result<Vec<(String, toml::Value)>> {
    let mut changes = options
        .set
        .iter()
        .map(|text| crate::recipe::parse_change(text))
        .collect::<Result<Vec<_>>>()?;
    let numbers = [
        ("training.epochs", options.epochs),
        ("training.batch", options.batch.map(|batch| batch as u64)),
        (
            "training.accumulate",
            options.accumulate.map(|parts| parts as u64),
        ),
    ];
    for (key, number) in numbers {
        changes.extend(number.map(|number| (key.to_owned(), toml::Value::Integer(number as i64))));
    }
    Ok(changes)
}

/// The checkpoint of the run in `--out`.
pub(crate) fn interrupted(options: &TrainOptions) -> Result<Checkpoint> {
    let path = RunFolder::new(options.out()).checkpoint();
    if !path.exists() {
        return Err(Failure::new(
            format!("nothing to resume: {} is not there", path.display()),
            "start the run without --resume, in a folder without the rest of an earlier one",
        ));
    }
    Ok(Checkpoint::read(&path)?)
}

/// Prints the plan of `--dry-run`.
pub(crate) fn print_plan(recipe: &Recipe, options: &TrainOptions) -> Result<()> {
    let settings = RunSettings::new(options);
    let data = &settings.data;
    let (seed, threads) = (options.machine.seed, options.machine.threads());
    let dataset = data.open(seed)?;
    let images = dataset.len();
    let train = data.without_held_out(dataset, seed, threads)?.0.len();
    let held_out = images - train;
    let text = toml::to_string(recipe).context("the recipe as TOML")?;
    let plan = json!({
        "data": data, "images": images, "held_out": held_out, "out": options.out(),
        "device": options.machine.device, "threads": threads, "seed": seed, "recipe": recipe,
    });
    output::result(options.json, &plan, || {
        format!(
            "# {images} images of {}, {held_out} of them held out, {} steps an epoch, into {}\n# device {}, {} threads, seed {}\n\n{text}",
            data.data.display(),
            train / recipe.training.batch,
            options.out().display(),
            options.machine.device,
            threads,
            seed,
        )
    });
    Ok(())
}

/// Trains to the end, or to a signal, and writes the run's files.
pub(crate) fn train(trainer: &mut Trainer, plan: Plan) -> Result<Finished> {
    let Plan {
        folder,
        mut settings,
        threads,
        resumed,
    } = plan;
    let data = &mut settings.data;
    let seed = trainer.progress().seed;
    let dataset = data.open(seed)?;
    let (images, batch) = (dataset.len(), trainer.recipe.training.batch);
    if let Some(before) = data
        .images
        .replace(images)
        .filter(|&before| before != images)
    {
        return Err(Failure::new(
            format!(
                "{}: expected the {before} images that the run began with, found {images}",
                data.data.display()
            ),
            "a run goes on with its own images; start a new one with `continue` for others",
        ));
    }
    let (dataset, mut guard) = data.without_held_out(dataset, seed, threads)?;
    if dataset.len() < batch {
        return Err(Failure::new(
            format!(
                "{}: a batch of {batch} is larger than the data set of {images} images, {} of them held out",
                data.data.display(),
                images - dataset.len()
            ),
            format!("give --batch {} or fewer, or more images", dataset.len()),
        ));
    }
    if guard.is_none() && data.knn_every > 0 {
        output::note("no k-NN check: the images have no labels, or are too few");
    }
    match (resumed, &mut guard) {
        (true, Some(guard)) => guard.load_start(&folder.knn_start())?,
        (true, None) => {}
        (false, _) => folder.create()?,
    }
    // Also after a resume, which may change some of them.
    let recipe = toml::to_string(&trainer.recipe).context("the recipe as TOML")?;
    checkpoint::write_atomically(&folder.recipe(), recipe.as_bytes())?;
    let text = serde_json::to_string(&settings).context("the settings as JSON")?;
    checkpoint::write_atomically(&folder.settings(), text.as_bytes())?;
    let resumed_at = resumed.then(|| trainer.progress().step);
    let (metrics, before) = Metrics::open(&folder.metrics(), resumed_at)?;
    let recipe = trainer.recipe.clone();
    let mut progress = Progress::new(&recipe, metrics, guard, &settings);
    match resumed_at {
        Some(step) => progress.resume(step, before)?,
        None => progress.start(&trainer.model, &folder.knn_start())?,
    }

    let options = RunOptions {
        threads,
        log_every: settings.log_every,
        checkpoint: Some(folder.checkpoint()),
    };
    let stop = stop_flag()?;
    let outcome = trainer.run(dataset, &options, &stop, &mut progress)?;
    progress.finish(match outcome {
        Outcome::Finished => "finished",
        Outcome::Interrupted => "interrupted",
        Outcome::StoppedByObserver => "stopped by the guard",
    })?;
    if outcome != Outcome::Interrupted {
        let precision = settings.precision();
        checkpoint::save_model(&folder.model(), &recipe, &trainer.model, precision)?;
    }
    Ok(Finished {
        outcome,
        knn: progress.knn,
        last: progress.last,
    })
}

/// Raised by SIGINT, SIGTERM and SIGUSR1; a second signal ends the program at once. There is one
/// for the whole program: a signal between two runs stops the second.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(stop) = STOP.get() {
        return Ok(stop.clone());
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGUSR1] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .context("cannot watch for signals")?;
    }
    Ok(STOP.get_or_init(|| stop).clone())
}

/// Says how a run ended, for `pretrain` and `continue`.
pub(crate) fn report(options: &TrainOptions, finished: &Finished, epochs: u64) {
    let folder = RunFolder::new(options.out());
    let result = json!({
        "outcome": match finished.outcome {
            Outcome::Finished => "finished",
            Outcome::Interrupted => "interrupted",
            Outcome::StoppedByObserver => "stopped",
        },
        "epochs": finished.last.as_ref().map(|last| last.epoch),
        "loss": finished.last.as_ref().map(|last| last.loss),
        "terms": finished.last.as_ref().map(|last| {
            last.terms.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect::<serde_json::Map<_, _>>()
        }),
        "knn": finished.knn,
        "checkpoint": folder.checkpoint(),
        "model": (finished.outcome != Outcome::Interrupted).then(|| folder.model()),
    });
    output::result(options.json, &result, || {
        let mut text = match finished.outcome {
            Outcome::Finished => format!("done: {epochs} epochs"),
            Outcome::Interrupted => format!(
                "stopped by a signal; the state is saved in {}\ngo on with --resume",
                folder.checkpoint().display()
            ),
            Outcome::StoppedByObserver => "stopped by the guard: the features got worse".into(),
        };
        if let (Some((_, first)), Some((epoch, last))) = (finished.knn.first(), finished.knn.last())
        {
            text.push_str(&format!(
                "\nheld-out k-NN: {:.2} % at start, {:.2} % after epoch {epoch}",
                100.0 * first,
                100.0 * last
            ));
        }
        if finished.outcome != Outcome::Interrupted {
            text.push_str(&format!("\nmodel: {}", folder.model().display()));
        }
        text
    });
}

pub(crate) use e2mc_cli::failure::STOPPED_EARLY;

/// Trains as `pretrain` and `continue` say, then reports.
pub(crate) fn execute(trainer: &mut Trainer, options: &TrainOptions) -> Result<ExitCode> {
    let settings = match options.resume {
        true => RunSettings::of_interrupted(options)?,
        false => RunSettings::new(options),
    };
    let plan = Plan {
        folder: RunFolder::new(options.out()),
        settings,
        threads: options.machine.threads(),
        resumed: options.resume,
    };
    let finished = train(trainer, plan)?;
    report(options, &finished, trainer.recipe.training.epochs);
    Ok(match finished.outcome {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::Interrupted | Outcome::StoppedByObserver => ExitCode::from(STOPPED_EARLY),
    })
}
