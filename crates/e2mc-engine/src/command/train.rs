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
use e2mc_train::world::threads_each;
use e2mc_train::{Device, Recipe, Trainer, World, device};
use serde_json::{Map, Value, json};

use crate::processes;
use crate::screen::{RunScreen, Screen};
use crate::settings;
use crate::signals::stop_flag;

pub(crate) fn pretrain(options: &PretrainOptions) -> Result<ExitCode> {
    let options = &options.train;
    together(options, |world, device| pretrain_in(world, device, options))
}

/// Does `work` with all processes that take part; a plan is printed by one.
fn together(
    options: &TrainOptions,
    work: impl FnOnce(&World, Device) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let name = &options.machine.device;
    match options.dry_run {
        true => work(&World::solo(), device(name)?),
        false => processes::with(options.processes, name, work),
    }
}

fn pretrain_in(world: &World, device: Device, options: &TrainOptions) -> Result<ExitCode> {
    let screen = Screen::of(world);
    if options.resume {
        return go_on(world, device, options, &screen);
    }
    let changes = settings::changes(options)?;
    let recipe = recipe::resolve(None, options.recipe.as_deref(), &changes)?;
    if options.dry_run {
        return print_plan(&recipe, options, &screen);
    }
    let trainer = Trainer::new(recipe, device, options.machine.seed)?;
    let run = settings::run_settings(options);
    execute(world, trainer, run, options, &screen)
}

pub(crate) fn continue_(command: &ContinueOptions) -> Result<ExitCode> {
    let options = &command.train;
    together(options, |world, device| continue_in(world, device, command))
}

fn continue_in(world: &World, device: Device, command: &ContinueOptions) -> Result<ExitCode> {
    let options = &command.train;
    let screen = Screen::of(world);
    let Some(continuation) = continuation(command)? else {
        return go_on(world, device, options, &screen);
    };
    let (checkpoint, recipe) = continuation.plan(&*screen)?;
    if options.dry_run {
        return print_plan(&recipe, options, &screen);
    }
    let seed = options.machine.seed;
    let trainer = continuation::start(recipe, &checkpoint, device, seed, &*screen)?;
    let mut run = settings::run_settings(options);
    run.base = Some(base_checkpoint(&continuation.checkpoint)?);
    execute(world, trainer, run, options, &screen)
}

/// What is continued; `None` where a run in `--out` goes on instead.
pub(super) fn continuation(command: &ContinueOptions) -> Result<Option<Continuation>> {
    let Some(checkpoint) = &command.checkpoint else {
        return Ok(None);
    };
    Ok(Some(Continuation {
        checkpoint: checkpoint.clone(),
        reading: settings::reading(&command.reading),
        recipe: command.train.recipe.clone(),
        changes: settings::changes(&command.train)?,
        head_warmup: command.head_warmup,
        criterion: command.criterion.map(settings::criterion),
    }))
}

/// Goes on with the run in `--out`.
fn go_on(
    world: &World,
    device: Device,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    let checkpoint = continuation::interrupted(&RunFolder::new(options.out()).checkpoint())?;
    let trainer = Trainer::resume(&checkpoint, device, options.epochs)?;
    let run = settings::interrupted_settings(options)?;
    execute(world, trainer, run, options, screen)
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
    world: &World,
    mut trainer: Trainer,
    settings: RunSettings,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    trainer.join(world.clone())?;
    let folder = RunFolder::new(options.out());
    let typed = options.machine.threads.map(usize::from);
    let plan = RunPlan {
        folder: folder.clone(),
        settings,
        threads: typed.unwrap_or_else(|| threads_each(world.local_size())),
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
    if world.is_first() {
        report(options, &folder, &finished, trainer.recipe.training.epochs);
    }
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
