//! `e2mc pretrain`, a base model from scratch, and `e2mc continue`, the paper's second step.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_base::{counted, duration};
use e2mc_cli::failure::STOPPED_EARLY;
use e2mc_cli::options::{ContinueOptions, PretrainOptions, TrainOptions};
use e2mc_cli::{output, signals};
use e2mc_lab::continuation::{self, Continuation};
use e2mc_lab::notice::Notices;
use e2mc_lab::recipe;
use e2mc_lab::run::{self, FinishedRun, Left, Place, RunPlan, Surroundings, base_checkpoint};
use e2mc_record::{RunFolder, RunOutcome, RunSettings};
use e2mc_report::Change;
use e2mc_train::{Device, Recipe, Trainer, World, device};
use serde_json::{Map, Value, json};

use crate::processes;
use crate::screen::{RunScreen, Screen};
use crate::settings;

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
        return resume(world, options, &screen);
    }
    let changes = settings::changes(options)?;
    let mut recipe = recipe::resolve(None, options.recipe.as_deref(), &changes)?;
    recipe::prepare(&mut recipe, &(&options.preparation).into())?;
    let make = |recipe| anyhow::Ok(Trainer::new(recipe, device, options.machine.seed)?);
    let run = settings::run_settings(options);
    begin(world, (recipe, make), run, options, &screen)
}

pub(crate) fn continue_(command: &ContinueOptions) -> Result<ExitCode> {
    let options = &command.train;
    together(options, |world, device| continue_in(world, device, command))
}

fn continue_in(world: &World, device: Device, command: &ContinueOptions) -> Result<ExitCode> {
    let options = &command.train;
    let screen = Screen::of(world);
    let Some(mut continuation) = continuation(command)? else {
        return resume(world, options, &screen);
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
    begin(world, (recipe, make), run, options, &screen)
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

/// Starts the run, or continues with it where that is asked for; or tries it.
fn begin(
    world: &World,
    (recipe, make): (Recipe, impl FnOnce(Recipe) -> Result<Trainer>),
    settings: RunSettings,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    let folder = RunFolder::new(options.out());
    if options.dry_run {
        return print_plan(make(recipe)?, &settings, options, screen);
    }
    let place = Place::within(world, folder)?;
    let left = match options.resume_or_start {
        false => None,
        true => place.left()?,
    };
    if let Some(left) = left {
        left.check_same(&place, &recipe, &settings)?;
        return go_on(
            world,
            (place, left),
            Some(recipe.training.epochs),
            options,
            screen,
        );
    }
    place.folder().check_free()?;
    let plan = RunPlan {
        place,
        settings,
        threads: processes::threads(world, &options.machine),
        resumed: false,
    };
    execute(world, make(recipe)?, plan, options, screen)
}

/// Goes on with the run in `--out`, which has to be there.
fn resume(world: &World, options: &TrainOptions, screen: &Arc<Screen>) -> Result<ExitCode> {
    let place = Place::within(world, RunFolder::new(options.out()))?;
    let left = place.interrupted()?;
    go_on(world, (place, left), options.epochs, options, screen)
}

/// Goes on with what an earlier process left, up to `epochs` in all.
fn go_on(
    world: &World,
    (place, left): (Place, Left),
    epochs: Option<u64>,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    // A run that is at its end is trained on only where the user says so.
    let trains_on = options.resume && left.is_complete();
    let ended = left.ended(epochs).filter(|_| !trains_on);
    // Process 0 changes nothing until all have seen what was left.
    world.same(&[("state of the run", format!("{:?}", (trains_on, &ended)))])?;
    if let Some(outcome) = ended {
        if !world.is_first() {
            return Ok(code(&outcome));
        }
        let finished = left.complete(&place, outcome)?;
        report(options, place.folder(), &finished);
        return Ok(code(&finished.outcome));
    }
    let device = processes::own_device(world, &options.machine.device)?;
    let trainer = Trainer::resume(&left.checkpoint, device, epochs)?;
    let plan = RunPlan {
        settings: run::interrupted_settings(place.folder(), settings::run_changes(options))?,
        place,
        threads: processes::threads(world, &options.machine),
        resumed: true,
    };
    execute(world, trainer, plan, options, screen)
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
    world: &World,
    mut trainer: Trainer,
    plan: RunPlan,
    options: &TrainOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    trainer.join(world.clone())?;
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
    if world.is_first() {
        report(options, &folder, &finished);
    }
    Ok(code(&finished.outcome))
}

fn code(outcome: &RunOutcome) -> ExitCode {
    match outcome {
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
                "stopped by a signal; the state is saved in {}\nresume with: {}",
                folder.checkpoint().display(),
                resume_command(options, folder)
            ),
            RunOutcome::StoppedByGuard => "stopped by the guard: the features became \
                worse"
                .to_owned(),
            _ => format!("done: {}", counted(finished.epochs, "epoch")),
        };
        text.push_str(&knn_said(finished));
        if has_model {
            text.push_str(&format!("\nmodel: {}", folder.model().display()));
        }
        text
    });
}

/// What was measured on held-out images, as lines.
fn knn_said(finished: &FinishedRun) -> String {
    let Some(((_, first), later)) = finished.knn.split_first() else {
        return String::new();
    };
    let start = format!("\nheld-out k-NN: {:.2} % at start", 100.0 * first);
    let Some((epoch, last)) = later.last() else {
        return format!("{start}; not measured since");
    };
    let mut text = format!("{start}, {:.2} % after epoch {epoch}", 100.0 * last);
    if let Some((change, error)) = finished.knn_change {
        let change = Change {
            value: 100.0 * change,
            standard_error: Some(100.0 * error),
            samples: None,
        };
        text.push_str(&format!(" ({}; image by image)", change.in_words(1, "")));
    }
    text
}

/// What to type to go on with the run in `folder`.
fn resume_command(options: &TrainOptions, folder: &RunFolder) -> String {
    // Only a run from random weights has no base.
    let has_base = RunSettings::read(folder).is_ok_and(|settings| settings.base.is_some());
    let command = if has_base { "continue" } else { "pretrain" };
    resume_line(command, options, folder.root())
}

/// What to type to go on with the work of `command` in `out`.
pub(super) fn resume_line(command: &str, options: &TrainOptions, out: &Path) -> String {
    let out = output::for_a_shell(&out.to_string_lossy());
    let mut line = format!("e2mc {command} --resume --out {out}");
    // What a folder does not say: where the rest is computed.
    if options.machine.device != "cpu" {
        line.push_str(&format!(" --device {}", options.machine.device));
    }
    if let Some(processes) = options.processes.nproc {
        line.push_str(&format!(" --nproc {processes}"));
    } else if matches!(e2mc_train::world::Place::from_env(), Ok(Some(_))) {
        line.push_str(", by the launcher that started this run");
    }
    line
}
