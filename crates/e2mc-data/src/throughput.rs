//! How fast a pipeline is by itself, without anything that consumes what it makes.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::augment::{Augmenter, ViewParameters};
use crate::decode::Wanted;
use crate::geometry::Region;
use crate::preprocess::Preprocessor;
use crate::{Dataset, Error, Image, Loader, LoaderConfig, Pipeline, stream};

/// Images of an epoch at least: smaller data sets are repeated, so that starting threads does not
/// count.
const EPOCH: usize = 4096;
/// Images of a batch.
const BATCH: usize = 32;
/// Images that the stages are timed on, at most.
const TIMED: usize = 64;

/// What a measurement gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// Images that were delivered; each may have several views.
    pub images: usize,
    /// How long that took.
    pub seconds: f64,
    /// Images a second.
    pub images_per_s: f64,
    /// Reading and decoding an image on one thread, in milliseconds.
    pub decode_ms: f64,
    /// All else that is done to an image, on one thread, in milliseconds.
    pub augment_ms: f64,
}

/// Makes batches on `threads` threads for this long, from the images in random order, and throws
/// them away. Before that, each stage is timed on a few images.
///
/// # Errors
/// The recipe is out of range, or an image cannot be used.
pub fn measure(
    dataset: &Arc<dyn Dataset>,
    pipeline: &Pipeline,
    threads: usize,
    duration: Duration,
) -> Result<Throughput, Error> {
    let (decode_ms, augment_ms) = stages(&**dataset, pipeline)?;
    let repeated = Repeated {
        times: EPOCH.div_ceil(dataset.len().max(1)),
        dataset: dataset.clone(),
    };
    let times = repeated.times;
    let config = LoaderConfig {
        batch: BATCH,
        threads,
        ..LoaderConfig::default()
    };
    let loader = Loader::new(Arc::new(repeated), pipeline.clone(), config)?;
    let mut images = 0;
    let mut start = None::<Instant>;
    for epoch in 0.. {
        for batch in loader.epoch(epoch, 0) {
            let batch = batch.map_err(|error| once(error, times))?;
            let count = black_box(&batch).indices.len();
            loader.recycle(batch);
            // The clock runs from the first batch on: by then the threads are at work.
            match start {
                None => start = Some(Instant::now()),
                Some(start) => {
                    images += count;
                    let elapsed = start.elapsed();
                    if elapsed >= duration {
                        let seconds = elapsed.as_secs_f64();
                        return Ok(Throughput {
                            images,
                            seconds,
                            images_per_s: images as f64 / seconds,
                            decode_ms,
                            augment_ms,
                        });
                    }
                }
            }
        }
    }
    unreachable!("time passes")
}

/// A small data set several times over.
struct Repeated {
    dataset: Arc<dyn Dataset>,
    times: usize,
}

impl Dataset for Repeated {
    fn len(&self) -> usize {
        self.times * self.dataset.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
        self.dataset.read(index % self.dataset.len(), image)
    }

    fn read_region(
        &self,
        index: usize,
        wanted: Wanted<'_>,
        image: &mut Image,
    ) -> Result<(), Error> {
        let index = index % self.dataset.len();
        self.dataset.read_region(index, wanted, image)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.dataset.label(index % self.dataset.len())
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn name(&self, index: usize) -> String {
        self.dataset.name(index % self.dataset.len())
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        self.dataset.native_size()
    }

    /// What the data set itself allows, each time.
    fn bad_allowed(&self) -> usize {
        self.times * self.dataset.bad_allowed()
    }

    fn note_bad(&self, index: usize, reason: &str) {
        self.dataset.note_bad(index % self.dataset.len(), reason);
    }

    fn warnings(&self) -> &[String] {
        self.dataset.warnings()
    }
}

/// An error with the numbers of the data set itself.
fn once(error: Error, times: usize) -> Error {
    match error {
        Error::TooManyBad {
            count,
            images,
            allowed,
            last,
        } => Error::TooManyBad {
            count: count.div_ceil(times),
            images: images / times,
            allowed: allowed / times,
            last,
        },
        other => other,
    }
}

/// The milliseconds that an image takes to be decoded, and then to be made views of.
fn stages(dataset: &dyn Dataset, pipeline: &Pipeline) -> Result<(f64, f64), Error> {
    let shapes = pipeline.shapes()?;
    let sizes: Vec<usize> = shapes.iter().map(|shape| shape.iter().product()).collect();
    let mut out = vec![0.0; sizes.iter().copied().max().unwrap_or(0)];
    let channels = shapes[0][0];
    let (mut stored, mut converted) = (Image::default(), Image::default());
    let mut augmenter = match pipeline {
        Pipeline::Augment(augmentation) => Some(Augmenter::new(augmentation)?),
        Pipeline::Preprocess(_) => None,
    };
    let mut preprocessor = match pipeline {
        Pipeline::Preprocess(preprocessing) => Some(Preprocessor::new(preprocessing)?),
        Pipeline::Augment(_) => None,
    };
    let mut parameters: Vec<ViewParameters> = Vec::new();
    let (mut times, mut good) = ([0.0; 2], 0);
    let timed = TIMED.min(dataset.len());
    let allowed = dataset.bad_allowed() > 0;
    // The first round warms up.
    for round in 0..2 {
        (times, good) = ([0.0; 2], 0);
        for index in 0..timed {
            let mut wanted = |width: usize, height: usize| match &augmenter {
                Some(augmenter) => {
                    let stream = |view| stream(0, round, index as u64, view);
                    augmenter.draw(width, height, stream, &mut parameters)
                }
                None => Region::of_size(width, height),
            };
            let start = Instant::now();
            let read = dataset.read_region(index, &mut wanted, &mut stored);
            match read {
                Err(error) if error.is_bad_image() && allowed => continue,
                result => result?,
            }
            times[0] += start.elapsed().as_secs_f64();
            let start = Instant::now();
            let image = if [1, channels].contains(&stored.channels) {
                &stored
            } else {
                stored.with_channels(channels, &mut converted);
                &converted
            };
            for (view, &size) in sizes.iter().enumerate() {
                let out = &mut out[..size];
                if let Some(augmenter) = &mut augmenter {
                    augmenter.view_with(image, view, &parameters[view], out);
                }
                if let Some(preprocessor) = &mut preprocessor {
                    preprocessor.view(image, || dataset.name(index), out)?;
                }
                black_box(out);
            }
            times[1] += start.elapsed().as_secs_f64();
            good += 1;
        }
    }
    // Bad images took part in neither time.
    let [decode, augment] = times.map(|time| 1e3 * time / f64::from(good.max(1)));
    Ok((decode, augment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preprocessing;

    /// Every other image is bad; the others take two milliseconds to read.
    struct Slow;

    impl Dataset for Slow {
        fn len(&self) -> usize {
            40
        }

        fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
            if index.is_multiple_of(2) {
                return Err(Error::Decode {
                    name: self.name(index),
                    reason: "it is only a test".to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(2));
            image.reshape(28, 28, 1);
            Ok(())
        }

        fn label(&self, _: usize) -> Option<usize> {
            None
        }

        fn classes(&self) -> &[String] {
            &[]
        }

        fn name(&self, index: usize) -> String {
            index.to_string()
        }

        fn native_size(&self) -> Option<(usize, usize)> {
            None
        }

        fn bad_allowed(&self) -> usize {
            self.len() / 2
        }
    }

    #[test]
    fn bad_images_do_not_count_in_the_time_of_one() {
        let pipeline = Pipeline::Preprocess(Preprocessing::small_grey());
        let (decode_ms, _) = stages(&Slow, &pipeline).unwrap();
        // A sleep may take longer, but never less.
        assert!(decode_ms >= 2.0, "{decode_ms} ms");
    }
}
