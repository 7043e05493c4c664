//! Batches in order, made ahead of time on several threads.
//!
//! The threads share the work of a batch sample by sample, so that few batches are in memory at
//! once, and go on to the next one while its last samples are still being made. What a batch holds
//! depends on the seed, the epoch and the data set alone.

mod assembly;
mod config;
mod epoch;
mod worker;

pub use config::{LoaderConfig, Pipeline};
pub use epoch::Epoch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::random::{purpose, stream};
use crate::{Dataset, Error};

/// One view of every image of a batch, normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The samples as `(n, channels, height, width)`.
    pub data: Vec<f32>,
    /// `[n, channels, height, width]`.
    pub shape: [usize; 4],
}

/// Images of one training step, or one process's share of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Which images of the data set these are.
    pub indices: Vec<usize>,
    /// Their classes, where they have one.
    pub labels: Vec<Option<usize>>,
    /// The views, in the order of the recipe; one for a preprocessing.
    pub views: Vec<View>,
}

/// An image that could not be used, and was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// Which one of the data set it is.
    pub index: usize,
    /// What is wrong with it, by name.
    pub reason: String,
}

/// Makes the batches of a data set, epoch by epoch.
pub struct Loader {
    source: Arc<Source>,
}

/// What the threads of all epochs share.
struct Source {
    dataset: Arc<dyn Dataset>,
    pipeline: Pipeline,
    config: LoaderConfig,
    /// Channels, height, width of each view.
    shapes: Vec<[usize; 3]>,
    /// Batches that were given back.
    spare: Mutex<Vec<Batch>>,
    bad: Mutex<Bad>,
}

/// The bad images of the batches that were handed over, and those that were noted for others.
#[derive(Default)]
struct Bad {
    /// What is wrong with each.
    all: BTreeMap<usize, String>,
    /// Those that were found here and that nobody has taken yet.
    news: Vec<BadImage>,
}

impl Loader {
    /// Makes batches of `dataset` with `pipeline`.
    ///
    /// # Errors
    /// The recipe or a setting is out of range, or there would be no batch in an epoch.
    pub fn new(
        dataset: Arc<dyn Dataset>,
        pipeline: Pipeline,
        config: LoaderConfig,
    ) -> Result<Self, Error> {
        let shapes = pipeline.shapes()?;
        config.check(dataset.len())?;
        let source = Source {
            dataset,
            pipeline,
            config,
            shapes,
            spare: Mutex::new(Vec::new()),
            bad: Mutex::default(),
        };
        Ok(Self {
            source: Arc::new(source),
        })
    }

    /// The settings.
    pub fn config(&self) -> &LoaderConfig {
        &self.source.config
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.source.dataset
    }

    /// Number of batches in an epoch, the same for every process.
    pub fn batches_per_epoch(&self) -> usize {
        let LoaderConfig {
            batch, drop_last, ..
        } = self.source.config;
        let images = self.source.dataset.len();
        if drop_last {
            images / batch
        } else {
            images.div_ceil(batch)
        }
    }

    /// Starts the threads that make the batches of an epoch, from batch number `skip_batches` on.
    ///
    /// What follows is the same as if the first batches had been taken too.
    pub fn epoch(&self, epoch: u64, skip_batches: usize) -> Epoch {
        let LoaderConfig { seed, shuffle, .. } = self.source.config;
        let images = self.source.dataset.len();
        let order = if shuffle {
            stream(seed, epoch, purpose::ORDER, 0).permutation(images)
        } else {
            (0..images).collect()
        };
        Epoch::start(
            Arc::clone(&self.source),
            epoch,
            order,
            skip_batches..self.batches_per_epoch(),
        )
    }

    /// The images that could not be used so far, in the order of the data set.
    pub fn bad_images(&self) -> Vec<BadImage> {
        let bad = self.source.lock_bad();
        let image = |(&index, reason): (&usize, &String)| BadImage {
            index,
            reason: reason.clone(),
        };
        bad.all.iter().map(image).collect()
    }

    /// The images that this loader itself could not use, and that no call has given before.
    pub fn take_bad(&self) -> Vec<BadImage> {
        std::mem::take(&mut self.source.lock_bad().news)
    }

    /// Notes images that other processes could not use, as if this one had found them.
    ///
    /// # Errors
    /// Where there are too many now.
    pub fn note_bad(&self, found: Vec<BadImage>) -> Result<(), Error> {
        self.source.note_bad(found).map(drop)
    }

    /// Gives a batch's buffers back, to be used for a later one.
    pub fn recycle(&self, batch: Batch) {
        self.source.recycle(batch);
    }
}

impl Source {
    fn lock_bad(&self) -> MutexGuard<'_, Bad> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the bad images of a batch that is handed over; gives those that were not known.
    /// Batches are in order, and so whether and where there are too many depends on nothing else.
    fn note_bad(&self, mut found: Vec<BadImage>) -> Result<Vec<BadImage>, Error> {
        found.sort_unstable_by_key(|image| image.index);
        let images = self.dataset.len();
        let allowed = self.dataset.bad_allowed();
        let mut bad = self.lock_bad();
        let mut news = Vec::new();
        for image in found {
            let BadImage { index, reason } = &image;
            self.dataset.note_bad(*index, reason);
            let before = bad.all.insert(*index, reason.clone());
            if bad.all.len() > allowed {
                return Err(Error::TooManyBad {
                    count: bad.all.len(),
                    images,
                    allowed,
                    last: image.reason,
                });
            }
            if before.is_none() {
                news.push(image);
            }
        }
        Ok(news)
    }

    fn recycle(&self, batch: Batch) {
        let fits = batch.views.len() == self.shapes.len();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        // One more than are being made or waiting: the one that the consumer holds.
        if fits && spare.len() <= self.config.prefetch {
            spare.push(batch);
        }
    }

    /// A batch for these images, its views allocated but not made.
    fn blank(&self, indices: impl Iterator<Item = usize>) -> Batch {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut batch = spare.unwrap_or_else(|| {
            let view = |_: &[usize; 3]| View {
                data: Vec::new(),
                shape: [0; 4],
            };
            let views = self.shapes.iter().map(view).collect();
            Batch {
                indices: Vec::new(),
                labels: Vec::new(),
                views,
            }
        });
        batch.indices.clear();
        batch.indices.extend(indices);
        batch.labels.clear();
        let labels = batch.indices.iter().map(|&index| self.dataset.label(index));
        batch.labels.extend(labels);
        for (view, &[channels, height, width]) in batch.views.iter_mut().zip(&self.shapes) {
            view.shape = [batch.indices.len(), channels, height, width];
            view.data.resize(view.shape.iter().product(), 0.0);
        }
        batch
    }
}
