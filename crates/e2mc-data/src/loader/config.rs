//! What a loader is told.

use crate::{Augmentation, Error, Preprocessing};

/// What becomes of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Pipeline {
    /// Random views, to learn from.
    Augment(Augmentation),
    /// One deterministic view, to be evaluated by.
    Preprocess(Preprocessing),
}

impl Pipeline {
    /// Channels, height and width of each view.
    ///
    /// # Errors
    /// The recipe is out of range.
    pub fn shapes(&self) -> Result<Vec<[usize; 3]>, Error> {
        match self {
            Self::Augment(augmentation) => augmentation.check().map(|()| augmentation.shapes()),
            Self::Preprocess(preprocessing) => {
                preprocessing.check().map(|()| vec![preprocessing.shape()])
            }
        }
    }
}

/// How batches are formed and made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Images in a batch, over all processes together; a multiple of `world * parts`.
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
    /// Parts of equal size that a batch is worked on in, one after the other.
    pub parts: usize,
    /// Which process this is, below `world`. It gets its share of every part of every batch.
    pub rank: usize,
    /// Number of processes.
    pub world: usize,
}

impl Default for LoaderConfig {
    /// Shuffled full batches of 256 for one process, made on all cores, two ahead.
    fn default() -> Self {
        Self {
            batch: 256,
            seed: 0,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            prefetch: 2,
            shuffle: true,
            drop_last: true,
            parts: 1,
            rank: 0,
            world: 1,
        }
    }
}

impl LoaderConfig {
    pub(super) fn check(&self, images: usize) -> Result<(), Error> {
        let sizes = [
            ("batch", self.batch),
            ("threads", self.threads),
            ("prefetch", self.prefetch),
            ("parts", self.parts),
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
        let (multiple, shares) = match self.parts {
            1 => (format!("a multiple of world = {}", self.world), self.world),
            parts => {
                let shares = self.world * parts;
                (format!("a multiple of world * parts = {shares}"), shares)
            }
        };
        demand(
            self.batch.is_multiple_of(shares),
            "batch",
            &multiple,
            self.batch,
        )?;
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
            found,
        })
    }
}
