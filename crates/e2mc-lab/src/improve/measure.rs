//! What the machine does: images a second, memory a step, and the batch that follows from both.
//!
//! The criterion sees one batch at a time, and spacings and covariances of `d` dimensions are known
//! from some `4 d` rows and not from fewer. So the batch grows from the recipe's until it has as
//! many, where memory, images and time allow: with a larger batch come fewer steps, and small steps
//! gain little unless there are many. What does not fit in memory goes through the backbone in
//! slices. Processes that share the work share the memory of their machine, and are measured together.
//!
//! Measuring takes a share of the time at most. A small batch is measured first. Where its pace says
//! that a larger one would take too long, a smaller one is measured and the rest is worked out from
//! it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use e2mc_base::process::{forget_peak_memory, peak_memory};
use e2mc_base::{cgroup, counted, duration};
use e2mc_data::Dataset;
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{
    Control, Device, EpochSummary, Model, Observer, Output, Recipe, RunOptions, StepLog, Trainer,
    World, embed,
};
use serde::{Deserialize, Serialize};

use super::measured::Measured;
use super::member::{self, Order};
use super::pool::Pool;
use crate::crew;
use crate::error::Error;
use crate::machine::{BATCH, Machine};

/// Rows for each dimension that the criterion should see.
const ROWS: usize = 4;
/// Steps of an epoch below which the batch is not made larger.
const LEAST_STEPS: usize = 16;
/// Steps of the whole budget below which the batch is not made larger.
const BUDGET_STEPS: f64 = 3000.0;
/// The share of the free memory that a step may take.
const SHARE: f64 = 0.6;
/// Images of the small batch that is measured first: for the pace, and for the memory of an image.
const FEW: usize = 16;
/// The share of the time that measuring may take, as far as the small batch can tell.
pub(super) const TIME_SHARE: f64 = 0.1;
/// Seconds from which a measurement is announced.
const LONG: f64 = 5.0;
/// Steps that are measured, after as many that are not: the last of so many epochs counts.
const MEASURED: usize = 2;
const EPOCHS: u64 = 2;

/// What is measured.
pub(super) struct Subject<'a> {
    pub(super) base: &'a Checkpoint,
    pub(super) model: &'a Model,
    /// As the candidates are trained.
    pub(super) recipe: &'a Recipe,
    pub(super) pool: &'a Pool,
    pub(super) machine: &'a Machine,
    pub(super) device: Device,
    /// The processes that share the work.
    pub(super) world: &'a World,
    /// Images that may be trained on.
    pub(super) images: usize,
    /// Seconds that there are for training.
    pub(super) seconds: f64,
    /// Whether the user wants this batch and no other.
    pub(super) fixed_batch: bool,
    /// Is told what takes long.
    pub(super) say: &'a dyn Fn(String),
}

impl Subject<'_> {
    /// Measures the machine.
    pub(super) fn measure(&self) -> Result<Measured, Error> {
        (self.say)("measuring the machine".to_owned());
        let started = Instant::now();
        let left = || (TIME_SHARE * self.seconds - started.elapsed().as_secs_f64()).max(0.0);
        let embedded = self.embedding(&left)?;
        let dims = self.dims()?;
        let training = &self.recipe.training;
        let usual = self.dealt_out(training.batch.min(self.images).max(2), training.accumulate);
        let size = self.world.size();
        let few = even(usual.min(FEW.max(4 * size)), size);
        let least = self.train(few, 1, None)?;
        let most = match affordable(usual, few, least.images_per_s, left()) {
            batch if batch < usual => self.fewer_slices(batch, usual),
            _ => (usual, training.accumulate),
        };
        let whole = match most.0 > few {
            true => self.train(most.0, most.1, Some(least.images_per_s))?,
            false => least,
        };
        let at_once = most.0 / most.1;
        let per_image = match (least.bytes, whole.bytes) {
            (Some(low), Some(high)) if at_once > few && high > low => {
                Some((high - low) as f64 / (at_once - few) as f64)
            }
            (_, Some(high)) => Some(high as f64 / at_once as f64),
            _ => None,
        };
        let share = SHARE / self.world.local_size() as f64;
        let room = cgroup::memory().map(|bytes| share * bytes as f64);
        let (batch, accumulate) = match self.fixed_batch {
            true => (usual, training.accumulate),
            false => {
                let affordable = self.seconds * whole.images_per_s;
                self.batch((usual, dims), affordable, per_image, room)
            }
        };
        let chosen = if (batch, accumulate) == most {
            whole
        } else if affordable(batch, few, whole.images_per_s, left()) == batch {
            self.train(batch, accumulate, Some(whole.images_per_s))?
        } else {
            let more = (batch / accumulate) as f64 - at_once as f64;
            Pace {
                bytes: (whole.bytes.zip(per_image))
                    .map(|(bytes, per_image)| (bytes as f64 + more * per_image).max(0.0) as u64),
                ..whole
            }
        };
        Ok(Measured {
            trained: chosen.images_per_s,
            embedded,
            dims,
            features: self.model.backbone.features(),
            batch,
            accumulate,
            bytes: chosen.bytes,
        })
    }

    /// The smallest batch of at least four rows a dimension that memory, images, the recipe and
    /// `affordable` images of training allow, and the parts that it goes through the backbone in.
    fn batch(
        &self,
        (usual, dims): (usize, usize),
        affordable: f64,
        per_image: Option<f64>,
        room: Option<f64>,
    ) -> (usize, usize) {
        let mut batch = usual;
        let fits = |batch: usize| {
            self.images >= batch * LEAST_STEPS && affordable >= BUDGET_STEPS * batch as f64
        };
        while batch < ROWS * dims && fits(2 * batch) {
            batch *= 2;
        }
        let parts = |batch: usize| match (per_image, room) {
            (Some(bytes), Some(room)) => {
                let mut parts = 1;
                while batch / parts > 16 * self.world.size()
                    && (batch / parts) as f64 * bytes > room
                    && batch.is_multiple_of(2 * parts * self.world.size())
                {
                    parts *= 2;
                }
                parts
            }
            // Without knowledge of memory no part is larger than the recipe's batch.
            _ => (batch / usual).max(1),
        };
        while batch > usual {
            let mut recipe = self.recipe.clone();
            (recipe.training.batch, recipe.training.accumulate) = (batch, parts(batch));
            if recipe.check().is_ok() {
                return (batch, recipe.training.accumulate);
            }
            batch /= 2;
        }
        (usual, parts(usual).max(self.recipe.training.accumulate))
    }

    /// The largest batch up to `batch` that can be dealt out evenly, in so many parts, unless the user wants this one.
    fn dealt_out(&self, batch: usize, accumulate: usize) -> usize {
        let unit = match self.world.size() {
            1 => 1,
            size => size * accumulate,
        };
        match self.fixed_batch && batch == self.recipe.training.batch {
            true => batch,
            false => even(batch, unit),
        }
    }

    /// About `batch` images in slices that are no larger than those of the `usual` batch: the user
    /// may have sliced because memory is short.
    fn fewer_slices(&self, batch: usize, usual: usize) -> (usize, usize) {
        let slice = usual / self.recipe.training.accumulate.max(1);
        match batch / slice.max(1) {
            0 => (even(batch, self.world.size()), 1),
            slices => (slices * slice, slices),
        }
    }

    /// Images a second through the backbone: of some images, and of more if there is time for it.
    fn embedding(&self, left: &dyn Fn() -> f64) -> Result<f64, Error> {
        let (network, threads) = ((self.model, self.recipe), self.machine.threads);
        let pace = |count: usize| -> Result<f64, Error> {
            let count = count.min(self.pool.dataset.len());
            let started = Instant::now();
            let images = (0..count).collect();
            member::embed(self.world, self.pool, network, images, threads)?;
            Ok(count as f64 / started.elapsed().as_secs_f64().max(1e-6))
        };
        let size = self.world.size();
        let (some, more) = (FEW * size, 2 * BATCH * size);
        let first = pace(some)?;
        match more as f64 / first < left() / 2.0 {
            true => pace(more),
            false => Ok(first),
        }
    }

    /// The width of the embedding that the criterion sees.
    fn dims(&self) -> Result<usize, Error> {
        let model = Model::new(self.recipe, self.device, 0)?;
        self.base.apply_to(&model)?;
        let one = self.pool.select(vec![0])?;
        let (evaluation, output) = (&self.recipe.evaluation, Output::Projector);
        Ok(embed(&model, one, evaluation, output, 1, 1)?.cols())
    }

    /// Trains some steps of `batch` images, which are forgotten; `expected` images a second.
    fn train(&self, batch: usize, accumulate: usize, expected: Option<f64>) -> Result<Pace, Error> {
        let seconds = expected.map_or(0.0, |images_per_s| trial_seconds(batch, images_per_s));
        if seconds >= LONG {
            (self.say)(format!(
                "measuring {} of {batch} images: about {}",
                counted(EPOCHS as usize * MEASURED, "step"),
                duration(seconds)
            ));
        }
        let mut recipe = self.recipe.clone();
        let training = &mut recipe.training;
        (training.batch, training.accumulate) = (batch, accumulate);
        (training.epochs, training.head_warmup_steps) = (EPOCHS, None);
        let size = self.world.size();
        if !batch.is_multiple_of(accumulate * size) || batch / accumulate / size < 2 {
            training.accumulate = 1;
        }
        let (device, threads) = (self.device, self.machine.threads);
        let trial = Trial {
            recipe,
            seed: self.machine.seed,
        };
        crew::give(self.world, &Order::Measure(Box::new(trial.clone())))?;
        let before = forget_peak_memory();
        let mut pace = trial.run(self.base, self.pool, (device, threads), self.world)?;
        pace.bytes = match (before, peak_memory()) {
            // The memory of another device is not the process's.
            (Some(before), Some(peak)) if self.device == Device::Cpu => {
                Some(peak.saturating_sub(before))
            }
            _ => None,
        };
        Ok(pace)
    }
}

/// The largest number of images up to `batch` that so many can share evenly; one for each at the
/// least.
fn even(batch: usize, shares: usize) -> usize {
    (batch / shares).max(1) * shares
}

/// Seconds that a trial of that batch takes.
fn trial_seconds(batch: usize, images_per_s: f64) -> f64 {
    EPOCHS as f64 * (MEASURED * batch) as f64 / images_per_s
}

/// The largest of `batch`, its half, its quarter and so on that can be measured within so many
/// seconds; `few`, which has been measured, at the least.
fn affordable(batch: usize, few: usize, images_per_s: f64, seconds: f64) -> usize {
    let mut batch = batch;
    while batch > few && trial_seconds(batch, images_per_s) > seconds {
        batch /= 2;
    }
    batch.max(few)
}

/// Some steps of training that are measured and forgotten.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trial {
    recipe: Recipe,
    seed: u64,
}

impl Trial {
    /// Trains them, with all processes of `world`.
    pub(super) fn run(
        self,
        base: &Checkpoint,
        pool: &Pool,
        (device, threads): (Device, usize),
        world: &World,
    ) -> Result<Pace, Error> {
        // What the images are does not matter, but there must be as many.
        let count = MEASURED * self.recipe.training.batch;
        let places: Vec<usize> = (0..pool.dataset.len()).cycle().take(count).collect();
        let images: Arc<dyn Dataset> = pool.select(places)?;
        let (mut trainer, _) = Trainer::from_weights(self.recipe, base, device, self.seed)?;
        trainer.join(world.clone())?;
        let options = RunOptions {
            threads,
            log_every: u64::MAX,
            checkpoint: None,
            save_every: None,
        };
        let mut pace = Pace::default();
        trainer.run(images, &options, &AtomicBool::new(false), &mut pace)?;
        Ok(pace)
    }
}

/// How fast steps are, and what they take.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace {
    images_per_s: f64,
    bytes: Option<u64>,
}

impl Observer for Pace {
    fn step(&mut self, _: &StepLog) -> Result<(), e2mc_train::Error> {
        Ok(())
    }

    fn epoch(&mut self, _: &Model, summary: &EpochSummary) -> Result<Control, e2mc_train::Error> {
        // The last epoch stays: the first has warmed everything up.
        self.images_per_s = summary.images_per_s;
        Ok(Control::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_has_as_many_images() {
        assert_eq!(
            [1, 3, 16, 17, 32].map(|size| even(16, size)),
            [16, 15, 16, 17, 32]
        );
    }

    #[test]
    fn what_cannot_be_measured_in_time_is_made_smaller() {
        // A trial is four steps: 4 * 256 images at 10 a second take 102.4 s.
        assert_eq!(trial_seconds(256, 10.0), 102.4);
        assert_eq!(affordable(256, 16, 10.0, 103.0), 256);
        assert_eq!(affordable(256, 16, 10.0, 102.0), 128);
        assert_eq!(affordable(256, 16, 10.0, 13.0), 32);
        assert_eq!(affordable(256, 16, 10.0, 0.0), 16);
        assert_eq!(affordable(12, 12, 10.0, 0.0), 12);
    }
}
