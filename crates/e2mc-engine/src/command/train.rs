//! `e2mc pretrain`, a base model from scratch, and `e2mc continue`, the paper's second step.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_base::counted;
use e2mc_cli::failure::STOPPED_EARLY;
use e2mc_cli::options::{ContinueOptions, PretrainOptions, TrainOptions};
use e2mc_cli::{output, signals};
use e2mc_lab::continuation::{self, Continuation};
use e2mc_lab::notice::Notices;
use e2mc_lab::recipe;
use e2mc_lab::run::{self, FinishedRun, Left, Place, RunPlan, Surroundings, base_checkpoint};
use e2mc_record::{RunFolder, RunOutcome, RunSettings};
use e2mc_train::{Recipe, Trainer, device};
use serde_json::{Map, Value, json};

use crate::screen::{RunScreen, Screen, duration};
use crate::settings;

pub(crate) fn pretrain(options: &PretrainOptions) -> Result<ExitCode> {
    let options = &options.train;
    let (screen, device) = (Screen::new(), device(&options.machine.device)?);
    if options.resume {
        return resume(options, &screen);
    }
    let changes = settings::changes(options)?;
    let mut recipe = recipe::resolve(None, options.recipe.as_deref(), &changes)?;
    recipe::prepare(&mut recipe, &(&options.preparation).into())?;
    let make = |recipe| anyhow::Ok(Trainer::new(recipe, device, options.machine.seed)?);
    begin(
        recipe,
        make,
        settings::run_settings(options),
        options,
        &screen,
    )
}

pub(crate) fn continue_(command: &ContinueOptions) -> Result<ExitCode> {
    let options = &command.train;
    let (screen, device) = (Screen::new(), device(&options.machine.device)?);
    let Some(continuation) = continuation(command)? else {
        return resume(options, &screen);
    };
    let (checkpoint, recipe) = continuation.plan(&*screen)?;
    let mut run = settings::run_settings(options);
    run.base = Some(base_checkpoint(&continuation.checkpoint)?);
    let (seed, notices) = (options.machine.seed, &*screen);
    let make = |recipe| {
        anyhow::Ok(continuation::start(
            recipe,
            &checkpoint,
            device,
            seed,
            notices,
        )?)
    };
    begin(recipe, make, run, options, &screen)
}

/// What is continued; `None` where a run in `--out` goes on instead.
pub(super) fn continuation(command: &ContinueOptions) -> Result<Option<Continuation>> {
    let Some(checkpoint) = &command.checkpoint else {
        return Ok(None);
    };
    Ok(Some(Continuation {
        checkpoint: checkpoint.clone(),
        reading: settings::reading_for(&command.reading, &command.train.preparation),
        recipe: command.train.recipe.clone(),
        changes: settings::changes(&command.train)?,
        head_warmup: command.head_warmup,
        criterion: command.criterion.map(settings::criterion),
    }))
}

/// Starts the run, or goes on with it where that is asked for; or tries it.
fn begin(
    recipe: Recipe,
    make: impl FnOnce(Recipe) -> Result<Trainer>,
    settings: RunSettings,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    let folder = RunFolder::new(options.out());
    if options.dry_run {
        return print_plan(make(recipe)?, &settings, options, screen);
    }
    let place = match options.resume_or_start {
        false => Place::free(folder)?,
        true => Place::lock(folder)?,
    };
    if let Some(left) = place.left()? {
        left.check_same(&place, &recipe, &settings)?;
        return go_on(place, left, Some(recipe.training.epochs), options, screen);
    }
    place.folder().check_free()?;
    let plan = RunPlan {
        place,
        settings,
        threads: options.machine.threads(),
        resumed: false,
    };
    execute(make(recipe)?, plan, options, screen)
}

/// Goes on with the run in `--out`, which has to be there.
fn resume(options: &TrainOptions, screen: &Arc<Screen>) -> Result<ExitCode> {
    let place = Place::lock(RunFolder::new(options.out()))?;
    let left = place.interrupted()?;
    go_on(place, left, options.epochs, options, screen)
}

/// Goes on with what an earlier process left, up to `epochs` in all.
fn go_on(
    place: Place,
    left: Left,
    epochs: Option<u64>,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    // A run that is at its end is trained on only where the user says so.
    let trains_on = options.resume && left.is_complete();
    if let Some(outcome) = left.ended(epochs).filter(|_| !trains_on) {
        let finished = left.complete(&place, outcome)?;
        report(options, place.folder(), &finished);
        return Ok(code(&finished));
    }
    let device = device(&options.machine.device)?;
    let trainer = Trainer::resume(&left.checkpoint, device, epochs)?;
    let plan = RunPlan {
        settings: run::interrupted_settings(place.folder(), settings::run_changes(options))?,
        place,
        threads: options.machine.threads(),
        resumed: true,
    };
    execute(trainer, plan, options, screen)
}

/// Prints the plan of `--dry-run`.
fn print_plan(
    mut trainer: Trainer,
    run: &RunSettings,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    let (seed, threads) = (options.machine.seed, options.machine.threads());
    let (recipe, notices): (_, Arc<dyn Notices>) = (trainer.recipe.clone(), screen.clone());
    let folder = RunFolder::new(options.out());
    let tried = run::rehearse(&mut trainer, &folder, run, threads, &notices)?;
    let (data, text) = (&run.data, recipe::to_toml(&recipe)?);
    let plan = json!({
        "data": data, "images": tried.images, "held_out": tried.held_out, "out": options.out(),
        "device": options.machine.device, "threads": threads, "seed": seed, "recipe": recipe,
        "estimate": tried,
    });
    output::result(options.json, &plan, || {
        format!(
            "# {} of {}, {} of them held out, {} an epoch, into {}\n# device {}, {}, seed {}\n\
             # about {}\n\n{text}",
            counted(tried.images, "image"),
            data.data.display(),
            tried.held_out,
            counted(tried.steps, "step"),
            options.out().display(),
            options.machine.device,
            counted(threads, "thread"),
            seed,
            estimate(&tried, 1),
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// What `runs` runs will take, in words.
pub(super) fn estimate(tried: &run::Rehearsal, runs: usize) -> String {
    let mut text = format!(
        "{} of training, {:.2} s a step",
        duration(tried.seconds * runs as f64),
        tried.seconds_per_step
    );
    if tried.seconds_per_check > 0.0 {
        text.push_str(&format!(
            " and {:.1} s a k-NN check",
            tried.seconds_per_check
        ));
    }
    if let Some(memory) = tried.memory {
        text.push_str(&format!(", {:.1} GB of memory", memory as f64 / 1e9));
    }
    text
}

/// Trains, then says how it ended.
fn execute(
    mut trainer: Trainer,
    plan: RunPlan,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    let folder = plan.place.folder().clone();
    let notices: Arc<dyn Notices> = screen.clone();
    let finished = run::train(
        &mut trainer,
        plan,
        Surroundings {
            stop: signals::stop(),
            observer: &mut RunScreen::new(screen),
            notices: &notices,
        },
    )?;
    report(options, &folder, &finished);
    Ok(code(&finished))
}

fn code(finished: &FinishedRun) -> ExitCode {
    match finished.outcome {
        RunOutcome::Finished => ExitCode::SUCCESS,
        _ => ExitCode::from(STOPPED_EARLY),
    }
}

fn report(options: &TrainOptions, folder: &RunFolder, finished: &FinishedRun) {
    let last = finished.last.as_ref();
    let terms = |last: &e2mc_train::EpochSummary| -> Map<String, Value> {
        let terms = last.terms.iter();
        terms
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect()
    };
    let has_model = finished.outcome != RunOutcome::Interrupted;
    let result = json!({
        "outcome": match finished.outcome {
            RunOutcome::StoppedByGuard => "stopped",
            ref outcome => outcome.as_str(),
        },
        "epochs": finished.epochs,
        "loss": last.map(|last| last.loss),
        "terms": last.map(terms),
        "knn": finished.knn,
        "knn_change": finished.knn_change.map(|(change, _)| change),
        "knn_change_error": finished.knn_change.map(|(_, error)| error),
        "checkpoint": folder.checkpoint(),
        "model": has_model.then(|| folder.model()),
    });
    output::result(options.json, &result, || {
        let mut text = match finished.outcome {
            RunOutcome::Interrupted => format!(
                "stopped by a signal; the state is saved in {}\ngo on with --resume",
                folder.checkpoint().display()
            ),
            RunOutcome::StoppedByGuard => "stopped by the guard: the features got worse".to_owned(),
            _ => format!("done: {}", counted(finished.epochs, "epoch")),
        };
        if let (Some((_, first)), Some((epoch, last))) = (finished.knn.first(), finished.knn.last())
        {
            text.push_str(&format!(
                "\nheld-out k-NN: {:.2} % at start, {:.2} % after epoch {epoch}",
                100.0 * first,
                100.0 * last
            ));
            if let Some((change, error)) = finished.knn_change {
                text.push_str(&format!(
                    " ({:+.2} ± {:.2} points, image by image)",
                    100.0 * change,
                    100.0 * error
                ));
            }
        }
        if has_model {
            text.push_str(&format!("\nmodel: {}", folder.model().display()));
        }
        text
    });
}
