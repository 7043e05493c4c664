//! What a loader is told.

use crate::{Augmentation, Error, Evaluation};

/// What becomes of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Pipeline {
    /// Random views, to learn from.
    Augment(Augmentation),
    /// One deterministic view, to be judged by.
    Evaluate(Evaluation),
}

impl Pipeline {
    /// Channels, height and width of each view.
    ///
    /// # Errors
    /// The recipe is out of range.
    pub fn shapes(&self) -> Result<Vec<[usize; 3]>, Error> {
        match self {
            Self::Augment(augmentation) => augmentation.check().map(|()| augmentation.shapes()),
            Self::Evaluate(evaluation) => evaluation.check().map(|()| vec![evaluation.shape()]),
        }
    }
}

/// How batches are formed and made.
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderConfig {
    /// Images in a batch, over all processes together; a multiple of `world`.
    pub batch: usize,
    /// Decides the order and every draw.
    pub seed: u64,
    /// Threads that make batches, at least 1; the result does not depend on it.
    pub threads: usize,
    /// Batches that are made ahead, at least 1; the result does not depend on it.
    pub prefetch: usize,
    /// Whether each epoch has its own random order; else that of the data set.
    pub shuffle: bool,
    /// Whether the last batch of an epoch is left out when it is short.
    pub drop_last: bool,
    /// Which process this is, below `world`. It gets its part of every batch.
    pub rank: usize,
    /// Number of processes.
    pub world: usize,
    /// Images that may turn out to be unreadable, as a fraction of the data set, from 0 to 1. They
    /// are replaced by others of their class; with 0 the first is an error.
    pub max_bad: f64,
}

impl Default for LoaderConfig {
    /// Shuffled full batches of 256 for one process, made on all cores, two ahead; one image in a
    /// thousand may be bad.
    fn default() -> Self {
        Self {
            batch: 256,
            seed: 0,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            prefetch: 2,
            shuffle: true,
            drop_last: true,
            rank: 0,
            world: 1,
            max_bad: 0.001,
        }
    }
}

impl LoaderConfig {
    /// How many of this many images may be bad.
    pub fn bad_allowed(&self, images: usize) -> usize {
        (self.max_bad * images as f64) as usize
    }

    pub(super) fn check(&self, images: usize) -> Result<(), Error> {
        let sizes = [
            ("batch", self.batch),
            ("threads", self.threads),
            ("prefetch", self.prefetch),
            ("world", self.world),
        ];
        for (field, found) in sizes {
            demand(found > 0, field, "at least 1", found)?;
        }
        demand(
            self.rank < self.world,
            "rank",
            &format!("a number below world = {}", self.world),
            self.rank,
        )?;
        let multiple = format!("a multiple of world = {}", self.world);
        demand(
            self.batch.is_multiple_of(self.world),
            "batch",
            &multiple,
            self.batch,
        )?;
        if !(0.0..=1.0).contains(&self.max_bad) {
            return Err(Error::Loader {
                field: "max_bad",
                expected: "a fraction from 0 to 1".to_owned(),
                found: self.max_bad.to_string(),
            });
        }
        if images == 0 || (self.drop_last && self.batch > images) {
            return Err(Error::BatchTooLarge {
                batch: self.batch,
                images,
            });
        }
        Ok(())
    }
}

fn demand(valid: bool, field: &'static str, expected: &str, found: usize) -> Result<(), Error> {
    if valid {
        Ok(())
    } else {
        Err(Error::Loader {
            field,
            expected: expected.to_owned(),
            found: found.to_string(),
        })
    }
}
