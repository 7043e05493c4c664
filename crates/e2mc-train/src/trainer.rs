//! What is trained: a model with its optimiser, from where it begins or goes on to where it is
//! saved.

use std::path::Path;

use e2mc_base::counted;
use tch::Device;

use crate::Error;
use crate::advice::Advice;
use crate::archive;
use crate::budget::Limits;
use crate::checkpoint::{self, Checkpoint, Progress};
use crate::criterion::Criterion;
use crate::meter::EpochSoFar;
use crate::model::{BACKBONE_PREFIX, Model};
use crate::optim::{Optimizer, ParamGroup};
use crate::recipe::Recipe;
use crate::world::{GradientSum, World};

/// A model with its optimiser, its criterion and the point it has reached.
#[derive(Debug)]
pub struct Trainer {
    /// Every setting.
    pub recipe: Recipe,
    /// The network.
    pub model: Model,
    pub(crate) optimizer: Optimizer,
    pub(crate) criterion: Criterion,
    pub(crate) world: World,
    /// Sums the gradients of all processes.
    pub(crate) sum: GradientSum,
    pub(crate) progress: Progress,
    /// Progress within an epoch that was saved or stopped in the middle.
    pub(crate) so_far: EpochSoFar,
}

impl Trainer {
    /// A run from freshly drawn weights. A precision that the recipe leaves to the device is chosen
    /// here.
    ///
    /// # Errors
    /// Where the recipe is not valid.
    pub fn new(recipe: Recipe, device: Device, seed: u64) -> Result<Self, Error> {
        Self::within(recipe, device, seed, Limits::default())
    }

    /// As [`Trainer::new`], with limits to what the weights may take.
    fn within(
        mut recipe: Recipe,
        device: Device,
        seed: u64,
        limits: Limits,
    ) -> Result<Self, Error> {
        recipe.check()?;
        recipe.training.precision = recipe.training.precision.on(device);
        let mut model = Model::within(&recipe, device, seed, limits)?;
        if recipe.training.checkpoint_blocks && !model.backbone.recomputes() {
            let expected = format!(
                "false for {}, because its blocks cannot be computed one by one",
                recipe.backbone
            );
            return Err(Error::config("training.checkpoint_blocks", expected, true));
        }
        let all: Vec<String> = model.tensors().into_keys().collect();
        model.begin(&all)?;
        if let Some(blocks) = recipe.training.freeze_blocks {
            model.freeze_blocks(blocks);
        }
        let mut groups = recipe.method.groups(&*recipe.backbone);
        let parameters = model.parameters();
        groups.extend(ParamGroup::of_training(
            recipe.training.layer_decay,
            recipe.training.decay_matrices_only,
            recipe.backbone.layers(),
            &parameters,
        ));
        let mut optimizer = Optimizer::with_groups(&recipe.optimizer, parameters, groups)?;
        optimizer.set_clip(recipe.training.clip_gradients)?;
        optimizer.set_clip_each(recipe.training.clip_each_gradient)?;
        optimizer.hold(BACKBONE_PREFIX, recipe.training.head_warmup());
        let criterion = Criterion::new(&recipe.criterion)?;
        let progress = Progress {
            seed,
            ..Progress::default()
        };
        Ok(Self {
            recipe,
            model,
            optimizer,
            criterion,
            world: World::solo(),
            sum: GradientSum::default(),
            progress,
            so_far: EpochSoFar::default(),
        })
    }

    /// A new run from a checkpoint's weights. Takes over the optimiser's state where the recipe
    /// asks for it and the checkpoint has one for the same optimiser; returns whether it did.
    ///
    /// # Errors
    /// Where the recipe is not valid or the checkpoint is of another architecture.
    pub fn from_weights(
        recipe: Recipe,
        checkpoint: &Checkpoint,
        device: Device,
        seed: u64,
    ) -> Result<(Self, bool), Error> {
        let mut trainer =
            checkpoint.limited(|limits| Self::within(recipe, device, seed, limits))?;
        checkpoint.apply_to(&trainer.model)?;
        trainer
            .model
            .begin(&checkpoint.missing_in(&trainer.model))?;
        let takes = trainer.recipe.training.load_optimizer
            && !checkpoint.optimizer.is_empty()
            && trainer.recipe.optimizer.name() == checkpoint.recipe.optimizer.name();
        if takes {
            trainer
                .optimizer
                .load_state(archive::read_all(&checkpoint.optimizer)?)?;
        }
        Ok((trainer, takes))
    }

    /// The run that a checkpoint interrupted, as if it had never stopped. `epochs` may ask for
    /// another number of epochs in all than the run was started with.
    ///
    /// # Errors
    /// Where the file is a model file, is not whole, or has no epoch left to train.
    pub fn resume(
        checkpoint: &Checkpoint,
        device: Device,
        epochs: Option<u64>,
    ) -> Result<Self, Error> {
        let Some(progress) = checkpoint.progress else {
            return Err(Error::Checkpoint {
                path: checkpoint.path.clone(),
                expected: "a checkpoint with optimiser and progress".into(),
                found: "a model file, which holds weights only".into(),
                advice: Advice::StartFromWeights,
            });
        };
        let mut recipe = checkpoint.recipe.clone();
        recipe.training.epochs = epochs.unwrap_or(recipe.training.epochs);
        if recipe.training.epochs <= progress.epoch {
            return Err(Error::config(
                "training.epochs",
                format!(
                    "more than the {} that {} has trained",
                    counted(progress.epoch, "epoch"),
                    checkpoint.path.display()
                ),
                recipe.training.epochs,
            ));
        }
        let seed = progress.seed;
        let mut trainer =
            checkpoint.limited(|limits| Self::within(recipe, device, seed, limits))?;
        checkpoint.apply_to(&trainer.model)?;
        trainer
            .optimizer
            .load_state(archive::read_all(&checkpoint.optimizer)?)?;
        trainer
            .model
            .method
            .load_state(archive::read_all(&checkpoint.method)?)?;
        trainer.progress = progress;
        trainer.so_far = checkpoint.so_far.clone();
        Ok(trainer)
    }

    /// How far the run has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Writes the whole state to `path`.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        checkpoint::save(
            path,
            &self.recipe,
            &self.model,
            self.optimizer.state(),
            (self.progress, &self.so_far),
        )
    }
}
