//! `e2mc continue`: the paper's second step, on a model that is already trained.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{Device, Recipe, Trainer, device};

use crate::arguments::ContinueOptions;
use crate::failure::Failure;
use crate::output;
use crate::recipe;
use crate::run;

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
    if options.resume {
        return Err(Failure::usage(
            "--checkpoint and --resume exclude each other",
            "--resume goes on with the run in --out; --checkpoint starts a new one",
        ));
    }
    let checkpoint = Checkpoint::read(path)?;
    let recipe = recipe::resolve_with(
        command.criterion,
        &checkpoint.recipe,
        options.recipe.as_deref(),
        &run::changes(options)?,
    )?;
    check_architecture(&recipe, &checkpoint)?;
    Ok((checkpoint, recipe))
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
    Ok(trainer)
}

/// The recipe may leave the network to the checkpoint, but not contradict it.
fn check_architecture(recipe: &Recipe, checkpoint: &Checkpoint) -> Result<()> {
    let found = &checkpoint.recipe;
    if recipe.backbone == found.backbone && recipe.method.name() == found.method.name() {
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
        "use a recipe without [backbone] and [method]: it takes both from the checkpoint",
    ))
}
