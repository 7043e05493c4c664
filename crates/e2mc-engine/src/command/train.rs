//! `e2mc pretrain`, a base model from scratch, and `e2mc continue`, the paper's second step.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_cli::failure::STOPPED_EARLY;
use e2mc_cli::options::{ContinueOptions, PretrainOptions, TrainOptions};
use e2mc_cli::output;
use e2mc_lab::continuation::{self, Continuation};
use e2mc_lab::notice::Notices;
use e2mc_lab::recipe;
use e2mc_lab::run::{self, FinishedRun, RunPlan, Surroundings, base_checkpoint};
use e2mc_record::{RunFolder, RunOutcome, RunSettings};
use e2mc_train::{Recipe, Trainer, device};
use serde_json::{Map, Value, json};

use crate::screen::{RunScreen, Screen};
use crate::settings;
use crate::signals::stop_flag;

pub(crate) fn pretrain(options: &PretrainOptions) -> Result<ExitCode> {
    let options = &options.train;
    let (screen, device) = (Screen::new(), device(&options.machine.device)?);
    if options.resume {
        return go_on(options, &screen);
    }
    let changes = settings::changes(options)?;
    let mut recipe = recipe::resolve(None, options.recipe.as_deref(), &changes)?;
    recipe::prepare(&mut recipe, &(&options.preparation).into())?;
    if options.dry_run {
        return print_plan(&recipe, options, &screen);
    }
    let trainer = Trainer::new(recipe, device, options.machine.seed)?;
    execute(trainer, settings::run_settings(options), options, &screen)
}

pub(crate) fn continue_(command: &ContinueOptions) -> Result<ExitCode> {
    let options = &command.train;
    let (screen, device) = (Screen::new(), device(&options.machine.device)?);
    let Some(continuation) = continuation(command)? else {
        return go_on(options, &screen);
    };
    let (checkpoint, recipe) = continuation.plan(&*screen)?;
    if options.dry_run {
        return print_plan(&recipe, options, &screen);
    }
    let seed = options.machine.seed;
    let trainer = continuation::start(recipe, &checkpoint, device, seed, &*screen)?;
    let mut run = settings::run_settings(options);
    run.base = Some(base_checkpoint(&continuation.checkpoint)?);
    execute(trainer, run, options, &screen)
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

/// Goes on with the run in `--out`.
fn go_on(options: &TrainOptions, screen: &Arc<Screen>) -> Result<ExitCode> {
    let checkpoint = continuation::interrupted(&RunFolder::new(options.out()).checkpoint())?;
    let device = device(&options.machine.device)?;
    let trainer = Trainer::resume(&checkpoint, device, options.epochs)?;
    execute(
        trainer,
        settings::interrupted_settings(options)?,
        options,
        screen,
    )
}

/// Prints the plan of `--dry-run`.
fn print_plan(recipe: &Recipe, options: &TrainOptions, screen: &Arc<Screen>) -> Result<ExitCode> {
    let run = settings::run_settings(options);
    let (seed, threads) = (options.machine.seed, options.machine.threads());
    let notices: Arc<dyn Notices> = screen.clone();
    let preview = run::preview(recipe, &run, threads, &notices)?;
    let (data, text) = (&run.data, recipe::to_toml(recipe)?);
    let plan = json!({
        "data": data, "images": preview.images, "held_out": preview.held_out, "out": options.out(),
        "device": options.machine.device, "threads": threads, "seed": seed, "recipe": recipe,
    });
    output::result(options.json, &plan, || {
        format!(
            "# {} images of {}, {} of them held out, {} steps an epoch, into {}\n# device {}, {} threads, seed {}\n\n{text}",
            preview.images,
            data.data.display(),
            preview.held_out,
            preview.steps,
            options.out().display(),
            options.machine.device,
            threads,
            seed,
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// Trains, then says how it ended.
fn execute(
    mut trainer: Trainer,
    settings: RunSettings,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    let folder = RunFolder::new(options.out());
    let plan = RunPlan {
        folder: folder.clone(),
        settings,
        threads: options.machine.threads(),
        resumed: options.resume,
    };
    let stop = stop_flag()?;
    let notices: Arc<dyn Notices> = screen.clone();
    let finished = run::train(
        &mut trainer,
        plan,
        Surroundings {
            stop: &stop,
            observer: &mut RunScreen::new(screen),
            notices: &notices,
        },
    )?;
    report(options, &folder, &finished, trainer.recipe.training.epochs);
    Ok(match finished.outcome {
        RunOutcome::Finished => ExitCode::SUCCESS,
        _ => ExitCode::from(STOPPED_EARLY),
    })
}

fn report(options: &TrainOptions, folder: &RunFolder, finished: &FinishedRun, epochs: u64) {
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
        "epochs": last.map(|last| last.epoch),
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
            _ => format!("done: {epochs} epochs"),
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
