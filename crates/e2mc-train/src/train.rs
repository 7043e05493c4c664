//! The one training loop, whatever the method, the criterion and the number of parts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2mc_base::{affinity, counted};
use e2mc_data::{Batch, Dataset, Loader, LoaderConfig, Pipeline};
use tch::Device;

use crate::Error;
use crate::checkpoint::Progress;
use crate::collapse::Collapse;
use crate::encoder::Encoder;
use crate::meter::{EpochSoFar, EpochSummary, Meter, StepLog, Waits};
use crate::method::{Objective, StepContext};
use crate::model::Model;
use crate::together::share_bad_images;
use crate::trainer::Trainer;

/// Where a run reads, writes and how often it reports.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Worker threads that make the views, at least 1.
    pub threads: usize,
    /// Steps between two [`Observer::step`] calls, at least 1.
    pub log_every: u64,
    /// Where the checkpoint goes after each epoch and at a stop; nowhere if `None`. A file that is
    /// there already holds the state that the run begins with.
    pub checkpoint: Option<PathBuf>,
    /// Steps between two checkpoints within an epoch, at least 1; none there if `None`.
    pub save_every: Option<u64>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Train the next epoch.
    Continue,
    /// Save and end the run here.
    Stop,
    /// Save the state before this call and end: the run continues with the end of this epoch.
    Interrupt,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
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

    /// After each epoch, before its checkpoint is written. The model may be evaluated. Of many
    /// processes each has an observer; the run stops if any of them asks for it.
    ///
    /// # Errors
    /// An error ends the run.
    fn epoch(&mut self, model: &Model, summary: &EpochSummary) -> Result<Control, Error>;
}

impl Trainer {
    /// Trains until the recipe's epochs are done, `stop` is raised, or the observer ends it.
    ///
    /// # Errors
    /// Where an image cannot be read, a loss term or embedding is not finite (the weights are then
    /// still those of the step before; off the CPU this is looked at when a step is logged), or a
    /// checkpoint cannot be written.
    pub fn run(
        &mut self,
        dataset: Arc<dyn Dataset>,
        options: &RunOptions,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Ending, Error> {
        let loader = self.loader(dataset, options)?;
        let batches = loader.batches_per_epoch() as u64;
        self.recipe.training.check_head_warmup(batches)?;
        self.optimizer.set_epoch(batches);
        // All of an epoch's batches may be done, and its end not.
        let over = self.progress.batch == batches && self.so_far.end.is_some();
        if self.progress.batch >= batches && !over {
            return Err(Error::config(
                "data",
                format!(
                    "the run's images, of which {} of an epoch were seen",
                    counted(self.progress.batch, "batch")
                ),
                format!("{} an epoch", counted(batches, "batch")),
            ));
        }
        let mut saved = options.checkpoint.clone().filter(|path| path.exists());
        while self.progress.epoch < self.recipe.training.epochs {
            let EpochSoFar { steps, logged, end } = std::mem::take(&mut self.so_far);
            let mut embedding = None;
            let mut epoch = loader.epoch(self.progress.epoch, self.progress.batch as usize);
            let waits = self.waits(Duration::ZERO);
            let (mut whole, mut recent) = (Meter::after(steps, waits), Meter::after(logged, waits));
            let settled = affinity::settle();
            while let Some(batch) = epoch.next() {
                let batch = batch?;
                let images = batch.indices.len();
                let (objective, learning_rate) = self.step(&batch, batches, saved.as_deref())?;
                loader.recycle(batch);
                let last = self.progress.batch == batches;
                let waits = self.waits(epoch.waited());
                let images = images * self.world.size();
                whole.add(&objective, images, waits);
                recent.add(&objective, images, waits);
                if self.progress.step.is_multiple_of(options.log_every) || last {
                    self.check_finite(&recent, saved.as_deref())?;
                    observer.step(&recent.log(self.progress, batches, learning_rate))?;
                    recent = recent.next();
                }
                embedding = objective.embeddings.into_iter().next();
                let bad = loader.take_bad();
                let flags = [stop.load(Ordering::Relaxed), !bad.is_empty()];
                let [stops, some_bad] = self.world.any_of(flags)?;
                if some_bad {
                    share_bad_images(&self.world, &loader, &bad)?;
                }
                if last {
                    break;
                }
                let due = |every| self.progress.step.is_multiple_of(every);
                if stops || options.save_every.is_some_and(due) {
                    // Off the CPU nobody may have looked yet, and what is saved replaces a good
                    // state.
                    self.check_finite(&whole, saved.as_deref())?;
                    self.so_far = EpochSoFar::within(&whole, &recent);
                    self.save_to(options.checkpoint.as_deref(), &mut saved)?;
                    self.world.after_first()?;
                }
                if stops {
                    return Ok(Ending::Interrupted);
                }
            }
            drop((epoch, settled));
            let before = self.progress;
            self.progress.epoch += 1;
            self.progress.batch = 0;
            self.so_far = EpochSoFar::default();
            let summary = match (end, embedding) {
                (Some(end), _) => end.summary(self.progress),
                (None, embedding) => {
                    let embedding =
                        embedding.expect("an epoch has at least one batch, the loader checks");
                    let embedding = self.world.gather(&embedding.detach())?;
                    let collapse = Collapse::measure(&embedding, self.recipe.transform())?;
                    whole.summary(self.progress, collapse)
                }
            };
            let control = observer.epoch(&self.model, &summary)?;
            // Process 0 may have looked at the model for long.
            self.world.after_first()?;
            let control = self.agreed(control)?;
            if control == Control::Interrupt {
                self.progress = before;
                self.so_far = EpochSoFar::at_end(&summary);
            }
            self.save_to(options.checkpoint.as_deref(), &mut saved)?;
            self.world.after_first()?;
            match control {
                Control::Continue => {}
                Control::Stop => return Ok(Ending::StoppedByObserver),
                Control::Interrupt => return Ok(Ending::Interrupted),
            }
            let stops = self.world.any(stop.load(Ordering::Relaxed))?;
            if stops && self.progress.epoch < self.recipe.training.epochs {
                return Ok(Ending::Interrupted);
            }
        }
        Ok(Ending::Finished)
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
            parts: training.accumulate,
            rank: self.world.rank(),
            world: self.world.size(),
        };
        let pipeline = Pipeline::Augment(self.recipe.augmentation.clone());
        Ok(Loader::new(dataset, pipeline, config)?)
    }

    /// One optimiser step. Leaves the weights alone where something is not finite.
    pub(crate) fn step(
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
            recomputes: training.checkpoint_blocks,
            keeps_statistics: training.freeze_batch_norm,
            frozen: step < training.head_warmup(),
            precision: training.precision,
            device,
            world: &self.world,
            features: Vec::new(),
            kept: Vec::new(),
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
        let overlaps = encoder.is_one_graph() && self.world.overlaps(device);
        if overlaps {
            self.world
                .prepare_sum(&mut self.sum, &objective.loss, self.optimizer.parameters())?;
        }
        let passed = objective.loss.f_backward().map_err(Error::from);
        passed
            .and_then(|()| encoder.backward())
            .map_err(|error| self.world.explained("passing gradients back", error))?;
        if self.world.size() > 1 && !overlaps {
            self.world.sum_gradients(&self.optimizer.gradients()?)?;
        }
        objective.loss = loss;
        if let Some(end) = training.weight_decay_end {
            let progress = step as f64 / (epochs * batches) as f64;
            self.optimizer.move_weight_decay(end, progress);
        }
        self.optimizer.step(learning_rate)?;
        self.progress.step += 1;
        let Model {
            method, backbone, ..
        } = &mut self.model;
        method.after_step(backbone, self.progress.step, epochs * batches)?;
        self.progress.batch += 1;
        Ok((objective, learning_rate))
    }

    fn waits(&self, images: Duration) -> Waits {
        Waits {
            images,
            others: self.world.exchanged(),
        }
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
            last_good: match saved {
                Some(path) => format!("the last good state is {}", path.display()),
                None if self.world.is_first() => "no checkpoint had been saved yet".into(),
                None => "process 0 knows where the last good state is".into(),
            },
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
