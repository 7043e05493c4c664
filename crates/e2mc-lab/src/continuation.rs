//! The paper's second step: a new run from a checkpoint that is already trained.

use std::path::PathBuf;

use e2mc_recipe::Change;
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::layer::Precision;
use e2mc_train::method::MethodConfig;
use e2mc_train::{DEFAULT_HEAD_WARMUP, Device, Recipe, Trainer};
use toml::Value;

use crate::checkpoint::{Reading, check_unfolded};
use crate::error::{Error, RecipeError, RunError};
use crate::notice::{Notice, Notices};
use crate::recipe::{self, CriterionChoice};

/// What a run is continued from, and how.
#[derive(Clone, Debug, Default)]
pub struct Continuation {
    /// The checkpoint or model file to start from.
    pub checkpoint: PathBuf,
    /// How it is read.
    pub reading: Reading,
    /// A built-in recipe or the path of a TOML file; the checkpoint's own settings if `None`.
    pub recipe: Option<String>,
    /// Changes on top of both, in order.
    pub changes: Vec<Change>,
    /// Steps in which the heads train before the backbone does.
    pub head_warmup: Option<u64>,
    /// What is added to the base loss; as the recipe says if `None`.
    pub criterion: Option<CriterionChoice>,
}

impl Continuation {
    /// The checkpoint, and the settings of the new run. From now on `reading` says what was taken
    /// of the checkpoint.
    ///
    /// # Errors
    /// Where either cannot be read, a setting is out of range, or the recipe contradicts the
    /// network.
    pub fn plan(&mut self, notices: &dyn Notices) -> Result<(Checkpoint, Recipe), Error> {
        let method = recipe::method(self.recipe.as_deref(), &self.changes)?;
        self.reading = self.reading.to_train(&self.checkpoint, method.as_deref())?;
        let checkpoint = self.reading.read(&self.checkpoint, notices)?;
        check_unfolded(&checkpoint)?;
        let mut changes = self.changes.clone();
        if let Some(steps) = self.head_warmup {
            let steps = Value::Integer(i64::try_from(steps).unwrap_or(i64::MAX));
            changes.push(("training.head_warmup_steps".into(), steps));
        }
        let base = inherited(&checkpoint.recipe);
        let resolve = |changes: &[Change]| {
            recipe::resolve_with(self.criterion, &base, self.recipe.as_deref(), changes)
        };
        let mut recipe = resolve(&changes)?;
        let widths = widths_of_heads(&checkpoint, &recipe, &changes)?;
        if !widths.is_empty() {
            changes.extend(widths);
            recipe = resolve(&changes)?;
        }
        recipe::prepare(&mut recipe, &self.reading.images)?;
        check_architecture(&recipe, &checkpoint)?;
        if recipe.evaluation != checkpoint.recipe.evaluation {
            notices.tell(&Notice::Preprocessing {
                text: format!(
                    "images of the new model: {} (its recipe), unlike the checkpoint's",
                    recipe.evaluation
                ),
            });
        }
        warm_up_new_heads(&mut recipe, &checkpoint, notices);
        Ok((checkpoint, recipe))
    }
}

/// A new run from a checkpoint's weights.
///
/// # Errors
/// Where the recipe is not valid, or the checkpoint is of another network.
pub fn start(
    recipe: Recipe,
    checkpoint: &Checkpoint,
    device: Device,
    seed: u64,
    notices: &dyn Notices,
) -> Result<Trainer, Error> {
    let wants_optimizer = recipe.training.load_optimizer;
    let (trainer, taken) = Trainer::from_weights(recipe, checkpoint, device, seed)?;
    if wants_optimizer && !taken {
        notices.tell(&Notice::FreshOptimizer);
    }
    let names = checkpoint.missing_in(&trainer.model);
    if !names.is_empty() && !checkpoint.is_headless() {
        notices.tell(&Notice::MissingTensors {
            path: checkpoint.path.clone(),
            names,
        });
    }
    Ok(trainer)
}

/// What a new run takes over of a checkpoint's recipe: all but how the run before got there.
pub(crate) fn inherited(recipe: &Recipe) -> Recipe {
    let mut recipe = recipe.clone();
    recipe.training.precision = Precision::Auto;
    recipe.training.accumulate = 1;
    recipe.training.checkpoint_blocks = false;
    recipe.training.freeze_batch_norm = false;
    recipe.training.load_optimizer = false;
    recipe.training.head_warmup_steps = None;
    recipe
}

/// The checkpoint's widths of heads where the recipe, but no `changes` of the user, has others: a
/// recipe's are for heads that start anew.
pub(crate) fn widths_of_heads(
    checkpoint: &Checkpoint,
    recipe: &Recipe,
    changes: &[Change],
) -> Result<Vec<Change>, RecipeError> {
    if recipe.method.name() != checkpoint.recipe.method.name() {
        return Ok(Vec::new());
    }
    let table = |recipe: &Recipe, what| {
        Value::try_from(&recipe.method).map_err(|source| RecipeError::Write { what, source })
    };
    let found = table(&checkpoint.recipe, "the checkpoint's method")?;
    let planned = table(recipe, "the recipe's method")?;
    Ok(["projector", "prototypes", "predictor"]
        .into_iter()
        .filter(|&name| found.get(name) != planned.get(name))
        .filter_map(|name| Some((format!("method.{name}"), found.get(name)?.clone())))
        .filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key))
        .collect())
}

/// The recipe may leave the network to the checkpoint, but not contradict it.
pub(crate) fn check_architecture(recipe: &Recipe, checkpoint: &Checkpoint) -> Result<(), RunError> {
    let found = &checkpoint.recipe;
    let same_method = recipe.method.name() == found.method.name();
    if checkpoint.is_of(&recipe.backbone) && (same_method || checkpoint.is_headless()) {
        return Ok(());
    }
    Err(RunError::OtherNetwork {
        checkpoint: checkpoint.path.clone(),
        expected: describe(recipe),
        recipe: recipe.name.clone(),
        found: describe(found),
    })
}

/// A recipe's network in a few words.
pub(crate) fn describe(recipe: &Recipe) -> String {
    match &recipe.method {
        MethodConfig::None => format!("{} without heads", recipe.backbone),
        method => format!("{} on {}", method.name(), recipe.backbone),
    }
}

/// Heads that the checkpoint does not have start anew, and alone.
fn warm_up_new_heads(recipe: &mut Recipe, checkpoint: &Checkpoint, notices: &dyn Notices) {
    if !checkpoint.is_headless() {
        return;
    }
    let steps = *recipe
        .training
        .head_warmup_steps
        .get_or_insert(DEFAULT_HEAD_WARMUP);
    notices.tell(&Notice::NewHeads {
        path: checkpoint.path.clone(),
        method: recipe.method.name(),
        steps,
    });
}
