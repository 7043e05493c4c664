//! The one training loop, whatever the method, the criterion and the number of parts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2mc_data::{Batch, Dataset, Loader, LoaderConfig, Pipeline};
use tch::Device;

use crate::Error;
use crate::advice::Advice;
use crate::archive;
use crate::checkpoint::{self, Checkpoint, Progress};
use crate::collapse::Collapse;
use crate::criterion::Criterion;
use crate::encoder::Encoder;
use crate::meter::{EpochSoFar, EpochSummary, Meter, StepLog};
use crate::method::{Objective, StepContext};
use crate::model::{BACKBONE_PREFIX, Model};
use crate::optim::Optimizer;
use crate::recipe::Recipe;
use crate::world::World;

/// Where a run reads, writes and how often it reports.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Worker threads that make the views, at least 1.
    pub threads: usize,
    /// Steps between two [`Observer::step`] calls, at least 1.
    pub log_every: u64,
    /// Where the checkpoint goes after each epoch and at a stop; nowhere if `None`.
    pub checkpoint: Option<PathBuf>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Train the next epoch.
    Continue,
    /// Save and end the run here.
    Stop,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Finished,
    /// The stop flag was raised; the checkpoint holds the state.
    Interrupted,
    /// The observer asked to stop.
    StoppedByObserver,
}

/// Is told what happens during a run.
pub trait Observer {
    /// After every `log_every` steps.
    ///
    /// # Errors
    /// An error ends the run.
    fn step(&mut self, log: &StepLog) -> Result<(), Error>;

    /// After each epoch, before its checkpoint is written. The model may be evaluated. Of many processes
    /// each has an observer; the run stops if any of them asks for it.
    ///
    /// # Errors
    /// An error ends the run.
    fn epoch(&mut self, model: &Model, summary: &EpochSummary) -> Result<Control, Error>;
}

/// A model with its optimiser, its criterion and the point it has reached.
#[derive(Debug)]
pub struct Trainer {
    /// Every setting.
    pub recipe: Recipe,
    /// The network.
    pub model: Model,
    optimizer: Optimizer,
    criterion: Criterion,
    pub(crate) world: World,
    progress: Progress,
    /// Of the epoch in whose middle the run was stopped.
    so_far: EpochSoFar,
}

impl Trainer {
    /// A run from freshly drawn weights.
    ///
    /// # Errors
    /// Where the recipe is not valid.
    pub fn new(recipe: Recipe, device: Device, seed: u64) -> Result<Self, Error> {
        recipe.check()?;
        let mut model = Model::new(&recipe, device, seed)?;
        let all: Vec<String> = model.tensors().into_keys().collect();
        model.begin(&all)?;
        let groups = recipe.method.groups(&*recipe.backbone);
        let parameters = model.parameters();
        let mut optimizer = Optimizer::with_groups(&recipe.optimizer, parameters, groups)?;
        optimizer.set_clip(recipe.training.clip_gradients)?;
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
        let mut trainer = Self::new(recipe, device, seed)?;
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
                    "more than the {} epochs that {} has trained",
                    progress.epoch,
                    checkpoint.path.display()
                ),
                recipe.training.epochs,
            ));
        }
        let mut trainer = Self::new(recipe, device, progress.seed)?;
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

    /// Trains until the recipe's epochs are done, `stop` is raised, or the observer ends it.
    ///
    /// # Errors
    /// Where an image cannot be read, a loss term or embedding is not finite (the weights are then
    /// still those of the step before; off the CPU this is looked at when a step is logged), or a checkpoint cannot be written.
    pub fn run(
        &mut self,
        dataset: Arc<dyn Dataset>,
        options: &RunOptions,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Error> {
        let loader = self.loader(dataset, options)?;
        let batches = loader.batches_per_epoch() as u64;
        self.recipe.training.check_head_warmup(batches)?;
        if self.progress.batch >= batches {
            return Err(Error::config(
                "data",
                format!(
                    "the run's images, of which {} batches of an epoch were seen",
                    self.progress.batch
                ),
                format!("{batches} batches an epoch"),
            ));
        }
        let mut saved = None;
        while self.progress.epoch < self.recipe.training.epochs {
            let mut whole = Meter::after(std::mem::take(&mut self.so_far));
            let mut recent = Meter::new();
            let mut embedding = None;
            let mut epoch = loader.epoch(self.progress.epoch, self.progress.batch as usize);
            while let Some(batch) = epoch.next() {
                let batch = batch?;
                let images = batch.indices.len();
                let (objective, learning_rate) = self.step(&batch, batches, saved.as_deref())?;
                loader.recycle(batch);
                let last = self.progress.batch == batches;
                let waited = epoch.waited().as_secs_f64();
                let images = images * self.world.size();
                whole.add(&objective, images, waited);
                recent.add(&objective, images, waited);
                if self.progress.step.is_multiple_of(options.log_every) || last {
                    self.check_finite(&recent, saved.as_deref())?;
                    observer.step(&recent.log(self.progress, batches, learning_rate))?;
                    recent = recent.next();
                }
                embedding = objective.embeddings.into_iter().next();
                if self.world.any(stop.load(Ordering::Relaxed))? && !last {
                    // Off the CPU nobody may have looked yet, and what is saved replaces a good state.
                    self.check_finite(&whole, saved.as_deref())?;
                    self.so_far = whole.so_far();
                    self.save_to(options.checkpoint.as_deref(), &mut saved)?;
                    self.world.after_first()?;
                    return Ok(Outcome::Interrupted);
                }
            }
            drop(epoch);
            self.progress.epoch += 1;
            self.progress.batch = 0;
            let embedding = embedding.expect("an epoch has at least one batch, the loader checks");
            let embedding = self.world.gather(&embedding.detach())?;
            let collapse = Collapse::measure(&embedding, self.recipe.transform())?;
            let control = observer.epoch(&self.model, &whole.summary(self.progress, collapse))?;
            self.save_to(options.checkpoint.as_deref(), &mut saved)?;
            self.world.after_first()?;
            let control = self.agreed(control)?;
            if control == Control::Stop {
                return Ok(Outcome::StoppedByObserver);
            }
            let stops = self.world.any(stop.load(Ordering::Relaxed))?;
            if stops && self.progress.epoch < self.recipe.training.epochs {
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(Outcome::Finished)
    }

    fn loader(&self, dataset: Arc<dyn Dataset>, options: &RunOptions) -> Result<Loader, Error> {
        let training = &self.recipe.training;
        let config = LoaderConfig {
            batch: training.batch,
            seed: self.progress.seed,
            threads: options.threads,
            // A batch that is worked on in parts is a large one, and slow: one in store is enough.
            prefetch: if training.accumulate > 1 { 1 } else { 4 },
            shuffle: true,
            drop_last: true,
            rank: self.world.rank(),
            world: self.world.size(),
        };
        let pipeline = Pipeline::Augment(self.recipe.augmentation.clone());
        Ok(Loader::new(dataset, pipeline, config)?)
    }

    /// One optimiser step. Leaves the weights alone where something is not finite.
    fn step(
        &mut self,
        batch: &Batch,
        batches: u64,
        saved: Option<&Path>,
    ) -> Result<(Objective, f64), Error> {
        let Progress { epoch, step, .. } = self.progress;
        let training = &self.recipe.training;
        let (base, epochs) = (training.learning_rate, training.epochs);
        let learning_rate = self.recipe.schedule.rate(base, step, batches, epochs);
        let device = self.model.device();

        self.model.method.before_step()?;
        let mut encoder = Encoder {
            backbone: &self.model.backbone,
            views: &batch.views,
            joins_views: self.model.method.joins_views(),
            parts: training.accumulate,
            keeps_statistics: training.freeze_batch_norm,
            frozen: step < training.head_warmup(),
            precision: training.precision,
            device,
            world: &self.world,
            features: Vec::new(),
        };
        let resolutions: Vec<_> = batch.views.iter().map(|view| view.shape[2]).collect();
        let context = StepContext {
            epoch,
            step,
            steps: epochs * batches,
            resolutions: &resolutions,
            precision: training.precision,
            world: &self.world,
        };
        let mut objective = self.model.method.objective(&mut encoder, context)?;
        self.criterion
            .add_to(&mut objective, &self.world, self.progress.seed, step)
            .map_err(|error| match error {
                Error::Criterion(error) => {
                    self.not_finite("an embedding", error.to_string(), saved)
                }
                other => other,
            })?;
        let loss = objective.of_the_batch(&self.world)?;
        if device == Device::Cpu {
            // Reading a scalar costs nothing here; on other devices it would stop the stream, so
            // there the check comes with the log.
            for term in &objective.terms {
                let value = term.value.double_value(&[]);
                if !value.is_finite() {
                    let term = format!("loss term `{}`", term.name);
                    return Err(self.not_finite(&term, value.to_string(), saved));
                }
            }
        }
        self.optimizer.zero_grad();
        objective.loss.f_backward()?;
        encoder.backward()?;
        self.world.sum_gradients(&self.optimizer.gradients()?)?;
        objective.loss = loss;
        self.optimizer.step(learning_rate)?;
        self.progress.step += 1;
        let Model {
            method, backbone, ..
        } = &mut self.model;
        method.after_step(backbone, self.progress.step, epochs * batches)?;
        self.progress.batch += 1;
        Ok((objective, learning_rate))
    }

    fn check_finite(&self, meter: &Meter, saved: Option<&Path>) -> Result<(), Error> {
        match meter
            .means()
            .into_iter()
            .find(|(_, value)| !value.is_finite())
        {
            None => Ok(()),
            Some((name, value)) => {
                Err(self.not_finite(&format!("loss term `{name}`"), value.to_string(), saved))
            }
        }
    }

    fn not_finite(&self, term: &str, detail: String, saved: Option<&Path>) -> Error {
        Error::NonFinite {
            term: term.into(),
            step: self.progress.step,
            epoch: self.progress.epoch + 1,
            detail,
            last_good: saved.map_or("no checkpoint had been saved yet".into(), |path| {
                format!("the last good state is {}", path.display())
            }),
        }
    }

    fn save_to(&self, path: Option<&Path>, saved: &mut Option<PathBuf>) -> Result<(), Error> {
        if let Some(path) = path {
            if self.world.is_first() {
                self.save(path)?;
            }
            *saved = Some(path.to_owned());
        }
        Ok(())
    }
}
