//! `e2mc continue`: the paper's second step, on a model that is already trained.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{DEFAULT_HEAD_WARMUP, Device, Recipe, Trainer, device};
use toml::Value;

use crate::checkpoint::Reading;
use crate::failure::Failure;
use crate::output;
use crate::recipe;
use crate::run;
use e2mc_cli::options::ContinueOptions;

pub(crate) fn run(command: &ContinueOptions) -> Result<ExitCode> {
    let options = &command.train;
    let device = device(&options.machine.device)?;
    let mut trainer = match &command.checkpoint {
        None => Trainer::resume(&run::interrupted(options)?, device, options.epochs)?,
        Some(path) => {
            let (checkpoint, recipe) = plan(command, path)?;
            if options.dry_run {
                run::print_plan(&recipe, options)?;
                return Ok(ExitCode::SUCCESS);
            }
            start(recipe, &checkpoint, device, options.machine.seed)?
        }
    };
    run::execute(&mut trainer, options)
}

/// What to start from and the settings of the new run.
pub(crate) fn plan(command: &ContinueOptions, path: &Path) -> Result<(Checkpoint, Recipe)> {
    let options = &command.train;
    let checkpoint = command.reading.read(path)?;
    let mut changes = run::changes(options)?;
    if let Some(steps) = command.head_warmup {
        let steps = Value::Integer(i64::try_from(steps).unwrap_or(i64::MAX));
        changes.push(("training.head_warmup_steps".into(), steps));
    }
    let base = inherited(&checkpoint.recipe);
    let resolve = |changes: &[(String, Value)]| {
        recipe::resolve_with(command.criterion, &base, options.recipe.as_deref(), changes)
    };
    let mut recipe = resolve(&changes)?;
    let widths = widths_of_heads(&checkpoint, &recipe, &changes)?;
    if !widths.is_empty() {
        changes.extend(widths);
        recipe = resolve(&changes)?;
    }
    check_architecture(&recipe, &checkpoint)?;
    warm_up_new_heads(&mut recipe, &checkpoint);
    Ok((checkpoint, recipe))
}

/// What a new run takes over of a checkpoint's recipe: all but how the run before got there.
fn inherited(recipe: &Recipe) -> Recipe {
    let mut recipe = recipe.clone();
    recipe.training.accumulate = 1;
    recipe.training.freeze_batch_norm = false;
    recipe.training.load_optimizer = false;
    recipe.training.head_warmup_steps = None;
    recipe
}

/// The checkpoint's widths of heads where the recipe, but no `changes` of the user, has others: a recipe's are for heads
/// that start anew.
fn widths_of_heads(
    checkpoint: &Checkpoint,
    recipe: &Recipe,
    changes: &[(String, Value)],
) -> Result<Vec<(String, Value)>> {
    if recipe.method.name() != checkpoint.recipe.method.name() {
        return Ok(Vec::new());
    }
    let found = Value::try_from(&checkpoint.recipe.method).context("the checkpoint's method")?;
    let planned = Value::try_from(&recipe.method).context("the recipe's method")?;
    Ok(["projector", "prototypes", "predictor"]
        .into_iter()
        .filter(|&name| found.get(name) != planned.get(name))
        .filter_map(|name| Some((format!("method.{name}"), found.get(name)?.clone())))
        .filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key))
        .collect())
}

/// A new run from a checkpoint's weights.
pub(crate) fn start(
    recipe: Recipe,
    checkpoint: &Checkpoint,
    device: Device,
    seed: u64,
) -> Result<Trainer> {
    let wants_optimizer = recipe.training.load_optimizer;
    let (trainer, taken) = Trainer::from_weights(recipe, checkpoint, device, seed)?;
    if wants_optimizer && !taken {
        output::note("the checkpoint has no state for this optimiser: it starts fresh");
    }
    note_missing(checkpoint, &trainer);
    Ok(trainer)
}

/// The recipe may leave the network to the checkpoint, but not contradict it.
fn check_architecture(recipe: &Recipe, checkpoint: &Checkpoint) -> Result<()> {
    let found = &checkpoint.recipe;
    let same_method = recipe.method.name() == found.method.name();
    if checkpoint.is_of(&recipe.backbone) && (same_method || checkpoint.is_headless()) {
        return Ok(());
    }
    let describe = |recipe: &Recipe| format!("{} on {}", recipe.method.name(), recipe.backbone);
    Err(Failure::new(
        format!(
            "{}: expected {} as in the recipe `{}`, found {}",
            checkpoint.path.display(),
            describe(recipe),
            recipe.name,
            describe(found)
        ),
        "use a recipe without [backbone] and [method], which takes both from the checkpoint; or \
         --layout backbone, which starts new heads",
    ))
}

/// Heads that the checkpoint does not have start anew, and alone.
fn warm_up_new_heads(recipe: &mut Recipe, checkpoint: &Checkpoint) {
    if !checkpoint.is_headless() {
        return;
    }
    let steps = *recipe
        .training
        .head_warmup_steps
        .get_or_insert(DEFAULT_HEAD_WARMUP);
    output::note(&format!(
        "{}: no heads are there; those of {} start anew and train alone for {steps} steps, with \
         the backbone frozen (--head-warmup)",
        checkpoint.path.display(),
        recipe.method.name(),
    ));
}

/// Says what was allowed to be missing, and so starts anew.
fn note_missing(checkpoint: &Checkpoint, trainer: &Trainer) {
    let missing = checkpoint.missing_in(&trainer.model);
    if !missing.is_empty() && !checkpoint.is_headless() {
        output::warning(&format!(
            "{}: {} tensors are missing and start anew: {}",
            checkpoint.path.display(),
            missing.len(),
            missing.join(", ")
        ));
    }
}
