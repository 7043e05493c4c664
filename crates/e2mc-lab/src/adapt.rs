//! The features that a map is fitted to: a network's, of training images.

use std::sync::Arc;

use e2mc::Matrix;
use e2mc_data::{Dataset, Split};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{Model, embed_views};

use crate::error::Error;
use crate::images;
use crate::notice::{Notice, Notices};
use crate::protocol::NetworkSource;

/// A network and the training images that a map is fitted on, opened and checked; no image is read
/// yet. Test images are left alone, so that what the map gains can be measured on them.
pub struct MapImages {
    source: NetworkSource,
    checkpoint: Checkpoint,
    model: Model,
    dataset: Arc<dyn Dataset>,
    labels: Option<Vec<usize>>,
}

impl MapImages {
    /// Opens the images, then the checkpoint.
    ///
    /// # Errors
    /// Where either cannot be opened, or there is no such output.
    pub fn open(source: NetworkSource, notices: &Arc<dyn Notices>) -> Result<Self, Error> {
        let dataset = images::open(&source.data, Split::Train, source.taken, notices)?;
        let (checkpoint, model) = source.open_network(notices)?;
        let labels = (0..dataset.len()).map(|index| dataset.label(index));
        Ok(Self {
            labels: labels.collect(),
            source,
            checkpoint,
            model,
            dataset,
        })
    }

    /// One class number for each image; none unless all images have one.
    pub fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    /// How images are prepared for the network.
    pub fn preprocessing(&self) -> e2mc_record::Preprocessing {
        images::preprocessing(&self.checkpoint.recipe.evaluation)
    }

    /// One row of features an image, as the evaluation sees it: `(n, d)`.
    ///
    /// # Errors
    /// Where an image cannot be read or does not fit the network.
    pub fn features(&self, notices: &dyn Notices) -> Result<Matrix, Error> {
        let (output, recipe) = (&self.source.output, &self.checkpoint.recipe);
        notices.tell(&Notice::Embedding {
            checkpoint: self.source.checkpoint.clone(),
            output: output.clone(),
            images: self.dataset.len(),
        });
        let (images, evaluation) = (self.dataset.clone(), &recipe.evaluation);
        let seen = self.source.seen(&self.model);
        seen.evaluated(images, evaluation, output, self.source.machine.threads)
    }

    /// The features of a random view of each image, as the recipe's augmentation makes it:
    /// `(n, d)`, the same images in the same rows.
    ///
    /// # Errors
    /// As [`MapImages::features`].
    pub fn second_view(&self) -> Result<Matrix, Error> {
        let (output, machine) = (&self.source.output, &self.source.machine);
        let mut views = embed_views(
            &self.model,
            &self.dataset,
            &self.checkpoint.recipe.augmentation,
            output,
            1,
            machine.seed,
            machine.threads,
        )?;
        self.source
            .seen(&self.model)
            .matrix(views.remove(0), output)
    }
}
