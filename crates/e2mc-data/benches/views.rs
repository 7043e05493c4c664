//! How many views a second one core makes, and how many a loader delivers.
//!
//! `cargo bench -p e2mc-data` prints the median of several rounds. Images are in memory: reading and
//! decoding files is not part of it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use e2mc_data::augment::Augmenter;
use e2mc_data::{Augmentation, Dataset, Error, Image, Loader, LoaderConfig, Pipeline, stream};

const ROUNDS: usize = 9;

/// Images made by a formula: smooth shades with some grain, as photographs have.
struct Generated(Vec<Image>);

impl Generated {
    fn new(count: usize, width: usize, height: usize, channels: usize) -> Self {
        let make = |number: usize| {
            let mut grain = stream(1, 0, number as u64, 0);
            let mut image = Image::black(width, height, channels);
            for (index, sample) in image.pixels.iter_mut().enumerate() {
                let (pixel, channel) = (index % (width * height), index / (width * height));
                let (x, y) = ((pixel % width) as f32, (pixel / width) as f32);
                let phase = (number + channel) as f32;
                let shade = 128.0 + 90.0 * (x / 31.0 + phase).sin() * (y / 23.0 - phase).cos();
                *sample = (shade + grain.range(-12.0, 12.0)) as u8;
            }
            image
        };
        Self((0..count).map(make).collect())
    }
}

impl Dataset for Generated {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
        let Image {
            width,
            height,
            channels,
            ref pixels,
        } = self.0[index];
        image.reshape(width, height, channels);
        image.pixels.copy_from_slice(pixels);
        Ok(())
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        format!("generated[{index}]")
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        self.0.first().map(|image| (image.width, image.height))
    }
}

/// Views a second of one core, without a loader.
fn one_core(dataset: &Generated, recipe: &Augmentation) -> f64 {
    let mut augmenter = Augmenter::new(recipe).expect("a built-in recipe is valid");
    let shapes = recipe.shapes();
    let largest = shapes
        .iter()
        .map(|shape| shape.iter().product())
        .max()
        .unwrap_or(0);
    let mut out = vec![0.0; largest];
    let mut round = 0;
    median(|| {
        round += 1;
        for (index, image) in dataset.0.iter().enumerate() {
            for (view, shape) in shapes.iter().enumerate() {
                let mut stream = stream(0, round, index as u64, view as u64);
                let out = &mut out[..shape.iter().product()];
                augmenter.view(image, view, &mut stream, out);
                black_box(out);
            }
        }
        dataset.0.len() * shapes.len()
    })
}

/// Views a second of a loader, delivered to a consumer that does nothing.
fn loader(dataset: &Arc<Generated>, recipe: &Augmentation, batch: usize, threads: usize) -> f64 {
    let config = LoaderConfig {
        batch,
        threads,
        ..Default::default()
    };
    let pipeline = Pipeline::Augment(recipe.clone());
    let loader = Loader::new(dataset.clone(), pipeline, config).expect("valid settings");
    let mut round = 0;
    median(|| {
        round += 1;
        let mut views = 0;
        for batch in loader.epoch(round, 0) {
            let batch = batch.expect("generated images can be read");
            views += batch.indices.len() * batch.views.len();
            loader.recycle(black_box(batch));
        }
        views
    })
}

/// The median rate of several rounds, after one that warms up.
fn median(mut work: impl FnMut() -> usize) -> f64 {
    work();
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let views = work();
            views as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[ROUNDS / 2]
}

fn main() {
    println!("{:<12} {:<22} {:>12}", "recipe", "way", "views/s");
    let cases = [
        (
            "small_grey",
            Augmentation::small_grey(),
            Generated::new(4096, 28, 28, 1),
            256,
        ),
        (
            "vicreg",
            Augmentation::vicreg(),
            Generated::new(48, 500, 375, 3),
            16,
        ),
        (
            "swav",
            Augmentation::swav(),
            Generated::new(32, 500, 375, 3),
            16,
        ),
    ];
    for (name, recipe, dataset, batch) in cases {
        let dataset = Arc::new(dataset);
        println!(
            "{name:<12} {:<22} {:>12.0}",
            "one core",
            one_core(&dataset, &recipe)
        );
        for threads in [1, 2] {
            let way = format!("loader, {threads} thread(s)");
            println!(
                "{name:<12} {way:<22} {:>12.0}",
                loader(&dataset, &recipe, batch, threads)
            );
        }
    }
}
