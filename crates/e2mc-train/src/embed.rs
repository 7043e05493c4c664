//! A data set through a network in evaluation mode: images in, one row of numbers each out.

use std::sync::Arc;

use e2mc::Matrix;
use e2mc_data::{Augmentation, Dataset, Evaluation, Loader, LoaderConfig, Pipeline};
use tch::Kind;

use crate::Error;
use crate::model::Model;
use crate::pass::images;

/// Which numbers of the network are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The backbone's pooled features: what is evaluated and used.
    Backbone,
    /// The head's embedding: what the losses see.
    Projector,
}

/// One row per image of `dataset`, in its order: `(n, d)`.
///
/// # Errors
/// Where an image cannot be read or does not fit the network.
pub fn embed(
    model: &Model,
    dataset: Arc<dyn Dataset>,
    evaluation: &Evaluation,
    output: Output,
    batch: usize,
    threads: usize,
) -> Result<Matrix, Error> {
    let rows = dataset.len();
    let config = LoaderConfig {
        batch: batch.min(rows.max(1)),
        seed: 0,
        threads,
        prefetch: 2,
        shuffle: false,
        drop_last: false,
        rank: 0,
        world: 1,
    };
    let loader = Loader::new(dataset, Pipeline::Evaluate(evaluation.clone()), config)?;
    pass(model, &loader, 0, output, rows)
}

/// `count` random views of each image of `dataset`, of the first kind that `augmentation` makes: as many matrices `(n, d)`,
/// the same image in the same row of all. The draws depend on the seed, the view and the image alone.
///
/// # Errors
/// As [`embed`].
pub fn embed_views(
    model: &Model,
    dataset: Arc<dyn Dataset>,
    augmentation: &Augmentation,
    output: Output,
    count: u64,
    seed: u64,
    threads: usize,
) -> Result<Vec<Matrix>, Error> {
    let rows = dataset.len();
    let config = LoaderConfig {
        batch: 256.min(rows.max(1)),
        seed,
        threads,
        shuffle: false,
        drop_last: false,
        ..LoaderConfig::default()
    };
    let one = Augmentation {
        views: augmentation.views[..1].to_vec(),
        ..augmentation.clone()
    };
    let loader = Loader::new(dataset, Pipeline::Augment(one), config)?;
    (0..count)
        .map(|view| pass(model, &loader, view, output, rows))
        .collect()
}

/// The rows of one epoch of `loader`, which comes in the order of the data set.
fn pass(
    model: &Model,
    loader: &Loader,
    epoch: u64,
    output: Output,
    rows: usize,
) -> Result<Matrix, Error> {
    let mut data: Vec<f32> = Vec::new();
    for batch in loader.epoch(epoch, 0) {
        let batch = batch?;
        let view = &batch.views[0];
        let images = images(view, 0..view.shape[0])?;
        let rows = match output {
            Output::Backbone => model.features(&images)?,
            Output::Projector => model.embeddings(&images)?,
        };
        let rows = rows
            .to_kind(Kind::Float)
            .to_device(tch::Device::Cpu)
            .contiguous();
        let start = data.len();
        data.resize(start + rows.numel(), 0.0);
        rows.f_copy_data(&mut data[start..], rows.numel())?;
        loader.recycle(batch);
    }
    let cols = data.len() / rows.max(1);
    Ok(Matrix::new(data, rows, cols)?)
}
