//! A data set through a network in evaluation mode: images in, one row of numbers each out.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2mc::Matrix;
use e2mc_base::affinity;
use e2mc_data::{Augmentation, Dataset, Loader, LoaderConfig, Pipeline, Preprocessing};
use tch::{Device, Kind, Tensor};

use crate::Error;
use crate::images::images;
use crate::model::Model;
use crate::together::share_bad_images;
use crate::world::World;

/// Which numbers of the network are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The backbone's pooled features, through the map that is folded into the network if one is:
    /// what is evaluated and used.
    Backbone,
    /// The head's embedding: what the losses see.
    Projector,
    /// SimSiam's prediction of the other view's embedding.
    Predictor,
    /// SwAV's scores of the prototypes.
    Prototypes,
    /// The last feature map, average-pooled 6 x 6 with stride 1 and laid out channel by channel:
    /// 8192 numbers of a ResNet-50 at 224 x 224 (paper, iNat18).
    Map6x6,
    /// All patches' tokens, or all places of the last feature map, one behind the other: what an
    /// attentive probe learns from.
    Tokens,
    /// What comes out of the backbone's layer of that name; a feature map is averaged over its
    /// places, tokens over themselves.
    Layer(String),
}

impl FromStr for Output {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "backbone" => Self::Backbone,
            "projector" => Self::Projector,
            "predictor" => Self::Predictor,
            "prototypes" => Self::Prototypes,
            "map6x6" => Self::Map6x6,
            "tokens" => Self::Tokens,
            layer => Self::Layer(layer.strip_prefix("backbone.").unwrap_or(layer).to_owned()),
        })
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Backbone => "backbone",
            Self::Projector => "projector",
            Self::Predictor => "predictor",
            Self::Prototypes => "prototypes",
            Self::Map6x6 => "map6x6",
            Self::Tokens => "tokens",
            Self::Layer(name) => name,
        })
    }
}

/// How images go through the network.
#[derive(Clone, Debug)]
pub struct EmbedOptions {
    /// Which numbers are wanted.
    pub output: Output,
    /// What becomes of an image first.
    pub pipeline: Pipeline,
    /// Images at a time, at least 1.
    pub batch: usize,
    /// Threads that prepare images, at least 1.
    pub threads: usize,
    /// Seed of a random pipeline.
    pub seed: u64,
    /// The epoch that a random pipeline's draws belong to.
    pub epoch: u64,
    /// Batches to leave out at the start.
    pub skip_batches: usize,
    /// The processes that share the work.
    pub world: World,
}

impl EmbedOptions {
    /// One pass in the data set's order: 256 images at a time, prepared by one thread, seed 0.
    pub fn new(output: Output, pipeline: Pipeline) -> Self {
        Self {
            output,
            pipeline,
            batch: 256,
            threads: 1,
            seed: 0,
            epoch: 0,
            skip_batches: 0,
            world: World::solo(),
        }
    }
}

impl Model {
    /// The numbers that `output` names, `(n, d)` in float32, of images `(n, c, h, w)`, in
    /// evaluation mode.
    ///
    /// # Errors
    /// Where the images do not fit the network, or there is no such layer.
    pub fn output(&self, images: &Tensor, output: &Output) -> Result<Tensor, Error> {
        let images = images.to_device(self.device());
        tch::no_grad(|| {
            let rows = match output {
                Output::Backbone => self.after_map(self.features(&images)?)?,
                Output::Projector => self.embeddings(&images)?,
                Output::Predictor | Output::Prototypes => {
                    let (layer, features) = (output.to_string(), self.features(&images)?);
                    let rows = self
                        .method
                        .after_embedding(&layer, &features, self.precision())?;
                    rows.ok_or_else(|| {
                        let expected = "a layer that the checkpoint's method has";
                        Error::argument("output", expected, layer)
                    })?
                }
                Output::Map6x6 => {
                    let map = self.backbone.map(&images, self.precision())?;
                    let (_, _, height, width) = map.size4()?;
                    if height.min(width) < 6 {
                        return Err(Error::argument(
                            "output",
                            "a last feature map of at least 6 x 6 for map6x6",
                            format!("{height} x {width}"),
                        ));
                    }
                    map.f_avg_pool2d([6, 6], [1, 1], [0, 0], false, true, None::<i64>)?
                        .f_flatten(1, -1)?
                }
                Output::Tokens => {
                    let places = self.backbone.places(&images, self.precision())?;
                    places.f_flatten(1, -1)?
                }
                Output::Layer(name) => {
                    let out = self.backbone.layer(&images, name, self.precision())?;
                    match out.dim() {
                        4 => out.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?,
                        // Tokens (n, t, c).
                        3 => out.f_mean_dim([1i64].as_slice(), false, Kind::Float)?,
                        _ => out,
                    }
                }
            };
            Ok(rows
                .f_to_kind(Kind::Float)?
                .f_to_device(Device::Cpu)?
                .f_contiguous()?)
        })
    }
}

/// Gives `take` the rows of `dataset` batch by batch, in its order: the values `(n, d)` row-major,
/// and `d`. Memory does not grow with the data set.
///
/// With several processes, all must call this; each computes whole batches in turn, and the rows
/// equal those of one process to the last bit. The `take` of the first process gets all rows, that
/// of the others none.
///
/// # Errors
/// Where an image cannot be read or does not fit the network, a process is lost, and what `take`
/// fails with.
pub fn embed_batches<E: From<Error>>(
    model: &Model,
    dataset: Arc<dyn Dataset>,
    options: &EmbedOptions,
    take: impl FnMut(&[f32], usize) -> Result<(), E>,
) -> Result<(), E> {
    embed_until(model, dataset, options, None, take).map(drop)
}

/// As [`embed_batches`], until `stop` is raised in any of the processes; whether it was not.
///
/// # Errors
/// As [`embed_batches`].
pub fn embed_until<E: From<Error>>(
    model: &Model,
    dataset: Arc<dyn Dataset>,
    options: &EmbedOptions,
    stop: Option<&AtomicBool>,
    mut take: impl FnMut(&[f32], usize) -> Result<(), E>,
) -> Result<bool, E> {
    let world = &options.world;
    let (total, size) = (dataset.len(), world.size());
    // Several processes need the same cuts, however few images there are.
    let batch = match size {
        1 => options.batch.min(total.max(1)),
        _ => options.batch,
    };
    let config = LoaderConfig {
        batch: batch * size,
        seed: options.seed,
        threads: options.threads,
        prefetch: 2,
        shuffle: false,
        drop_last: false,
        parts: 1,
        rank: world.rank(),
        world: size,
    };
    let loader = Loader::new(dataset, options.pipeline.clone(), config).map_err(Error::from)?;
    let mut values: Vec<f32> = Vec::new();
    // Batches of all processes, of which the first may have been done in part.
    let first = options.skip_batches / size;
    let mut done = (first * batch * size).min(total);
    let mut skip = (options.skip_batches * batch).min(total) - done;
    let epoch = loader.epoch(options.epoch, first);
    let _settled = affinity::settle();
    for own in epoch {
        let own = own.map_err(Error::from)?;
        let view = &own.views[0];
        let rows = match view.shape[0] {
            0 => Tensor::f_zeros([0, 0], (Kind::Float, Device::Cpu)).map_err(Error::from)?,
            count => model.output(&images(view, 0..count)?, &options.output)?,
        };
        loader.recycle(own);
        let count = (total - done).min(batch * size);
        done += count;
        let rows = of_all(world, rows, batch, count)?;
        if world.is_first() {
            let cols = rows.numel() / count.max(1);
            values.resize(rows.numel(), 0.0);
            rows.f_copy_data(&mut values, rows.numel())
                .map_err(Error::from)?;
            // Whoever goes on after rows that are there takes whole batches, as one process makes them.
            for rows in values[skip * cols..].chunks((batch * cols).max(1)) {
                take(rows, cols)?;
            }
            skip = 0;
        }
        if let Some(stop) = stop
            && world.any(stop.load(Ordering::Relaxed))?
        {
            return Ok(false);
        }
    }
    share_bad_images(world, &loader, &loader.take_bad())?;
    Ok(true)
}

/// The rows `(count, d)` of all processes, each of which has up to `batch` of them; of this one
/// alone as they are.
fn of_all(world: &World, rows: Tensor, batch: usize, count: usize) -> Result<Tensor, Error> {
    if world.size() == 1 {
        return Ok(rows);
    }
    let (own, width) = rows.size2()?;
    // A process that has no image left does not know the width.
    let width = world.max(Tensor::from_slice(&[width as f64]))?;
    let width = width.f_double_value(&[0])? as i64;
    let rows = rows.f_reshape([own, width])?;
    let even = rows.f_constant_pad_nd([0, 0, 0, batch as i64 - own])?;
    Ok(world.gather(&even)?.f_narrow(0, 0, count as i64)?)
}

/// One row per image of `dataset`, in its order: `(n, d)`.
///
/// # Errors
/// Where an image cannot be read or does not fit the network.
pub fn embed(
    model: &Model,
    dataset: Arc<dyn Dataset>,
    evaluation: &Preprocessing,
    output: Output,
    batch: usize,
    threads: usize,
) -> Result<Matrix, Error> {
    let options = EmbedOptions {
        batch,
        threads,
        ..EmbedOptions::new(output, Pipeline::Preprocess(evaluation.clone()))
    };
    embed_rows(model, dataset, &options)
}

/// `count` random views of each image of `dataset`, of the first kind that `augmentation` makes: as
/// many matrices `(n, d)`, the same image in the same row of all. The draws depend on the seed, the
/// view and the image alone.
///
/// # Errors
/// As [`embed`].
pub fn embed_views(
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    augmentation: &Augmentation,
    output: &Output,
    count: u64,
    seed: u64,
    threads: usize,
) -> Result<Vec<Matrix>, Error> {
    let one = Augmentation {
        views: augmentation.views[..1].to_vec(),
        ..augmentation.clone()
    };
    (0..count)
        .map(|epoch| {
            let options = EmbedOptions {
                threads,
                seed,
                epoch,
                ..EmbedOptions::new(output.clone(), Pipeline::Augment(one.clone()))
            };
            embed_rows(model, dataset.clone(), &options)
        })
        .collect()
}

/// All rows of [`embed_batches`] in one matrix; none for a process that is not the first.
///
/// # Errors
/// As [`embed_batches`].
pub fn embed_rows(
    model: &Model,
    dataset: Arc<dyn Dataset>,
    options: &EmbedOptions,
) -> Result<Matrix, Error> {
    let rows = match options.world.is_first() {
        true => dataset.len(),
        false => 0,
    };
    let mut data: Vec<f32> = Vec::new();
    embed_batches(model, dataset, options, |values, _| {
        data.extend_from_slice(values);
        Ok::<(), Error>(())
    })?;
    let cols = data.len() / rows.max(1);
    Ok(Matrix::new(data, rows, cols)?)
}

/// One row per image of `images`, which are normalised already: `(n, c, h, w)` values, `batch` of
/// them at a time.
///
/// # Errors
/// Where the values do not fill the shape, or the images do not fit the network.
pub fn embed_images(
    model: &Model,
    images: &[f32],
    shape: [usize; 4],
    output: &Output,
    batch: usize,
) -> Result<Matrix, Error> {
    let [rows, c, h, w] = shape;
    let size = c * h * w;
    if rows == 0 || size == 0 || images.len() != rows * size {
        return Err(Error::config(
            "images",
            format!("{shape:?} values"),
            images.len(),
        ));
    }
    let mut data = Vec::new();
    for images in images.chunks(batch.max(1) * size) {
        let shape = [images.len() / size, c, h, w].map(|length| length as i64);
        let images = Tensor::f_from_slice(images)?.f_view(shape)?;
        let rows = model.output(&images, output)?;
        let start = data.len();
        data.resize(start + rows.numel(), 0.0);
        rows.f_copy_data(&mut data[start..], rows.numel())?;
    }
    let cols = data.len() / rows;
    Ok(Matrix::new(data, rows, cols)?)
}
