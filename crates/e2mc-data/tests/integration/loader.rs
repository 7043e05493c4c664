//! Batches, their order, and what they may not depend on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use e2mc_data::augment::Augmenter;
use e2mc_data::{
    Augmentation, Batch, Blur, Dataset, Error, Image, Loader, LoaderConfig, Pipeline,
    Preprocessing, ViewRecipe, stream,
};

/// Images of noise; `fails` cannot be read, `panics` are worse.
#[derive(Default)]
struct Noise {
    count: usize,
    channels: usize,
    fails: Vec<usize>,
    panics: Vec<usize>,
}

impl Dataset for Noise {
    fn len(&self) -> usize {
        self.count
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
        if self.fails.contains(&index) {
            let reason = "it is only noise".to_owned();
            return Err(Error::Decode {
                name: self.name(index),
                reason,
            });
        }
        assert!(!self.panics.contains(&index), "noise {index} explodes");
        let mut stream = stream(99, 0, index as u64, 0);
        image.reshape(11 + index % 3, 9 + index % 4, self.channels);
        image
            .pixels
            .iter_mut()
            .for_each(|sample| *sample = stream.below(256) as u8);
        Ok(())
    }

    fn label(&self, index: usize) -> Option<usize> {
        (!index.is_multiple_of(5)).then_some(index % 5)
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        format!("noise/{index}.png")
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        None
    }
}

fn noise(count: usize) -> Noise {
    Noise {
        count,
        channels: 1,
        ..Noise::default()
    }
}

fn recipe(channels: usize) -> Augmentation {
    let large = ViewRecipe {
        count: 2,
        flip: 0.5,
        solarize: 0.3,
        blur: Blur {
            probability: 0.5,
            sigma: [0.1, 1.0],
        },
        ..ViewRecipe::crop(8)
    };
    let (mean, std) = (vec![0.4; channels], vec![0.2; channels]);
    Augmentation {
        channels,
        mean,
        std,
        views: vec![large, ViewRecipe::crop(5)],
    }
}

fn config() -> LoaderConfig {
    LoaderConfig {
        batch: 8,
        seed: 3,
        threads: 2,
        ..LoaderConfig::default()
    }
}

fn loader(dataset: Noise, config: LoaderConfig) -> Loader {
    let channels = dataset.channels;
    Loader::new(
        Arc::new(dataset),
        Pipeline::Augment(recipe(channels)),
        config,
    )
    .unwrap()
}

fn batches(loader: &Loader, epoch: u64, skip: usize) -> Vec<Batch> {
    loader.epoch(epoch, skip).collect::<Result<_, _>>().unwrap()
}

#[test]
fn batches_hold_the_views_that_their_streams_make() {
    let dataset = noise(20);
    let mut augmenter = Augmenter::new(&recipe(1)).unwrap();
    let shapes = recipe(1).shapes();
    for batch in batches(&loader(noise(20), config()), 4, 0) {
        assert_eq!(batch.views.len(), 3);
        for (position, &index) in batch.indices.iter().enumerate() {
            assert_eq!(batch.labels[position], dataset.label(index));
            let mut image = Image::default();
            dataset.read(index, &mut image).unwrap();
            for (number, (view, shape)) in batch.views.iter().zip(&shapes).enumerate() {
                assert_eq!(view.shape, [8, shape[0], shape[1], shape[2]]);
                let size: usize = shape.iter().product();
                let mut want = vec![0.0; size];
                let mut stream = stream(3, 4, index as u64, number as u64);
                augmenter.view(&image, number, &mut stream, &mut want);
                assert_eq!(view.data[position * size..][..size], want);
            }
        }
    }
}

#[test]
fn neither_threads_nor_prefetching_nor_recycling_change_a_batch() {
    let wanted = batches(
        &loader(
            noise(50),
            LoaderConfig {
                threads: 1,
                ..config()
            },
        ),
        1,
        0,
    );
    for (threads, prefetch) in [(1, 3), (2, 1), (4, 1), (4, 5), (16, 2)] {
        let loader = loader(
            noise(50),
            LoaderConfig {
                threads,
                prefetch,
                ..config()
            },
        );
        for _ in 0..2 {
            let mut wanted = wanted.iter();
            for batch in loader.epoch(1, 0) {
                let batch = batch.unwrap();
                assert_eq!(&batch, wanted.next().unwrap());
                loader.recycle(batch);
            }
            assert!(wanted.next().is_none());
        }
    }
}

#[test]
fn skipped_batches_leave_the_tail_unchanged() {
    let loader = loader(noise(50), config());
    let all = batches(&loader, 2, 0);
    assert_eq!(all.len(), loader.batches_per_epoch());
    for skip in 0..=all.len() + 1 {
        assert_eq!(batches(&loader, 2, skip), all[skip.min(all.len())..]);
    }
}

#[test]
fn every_image_comes_once_an_epoch_in_a_new_order() {
    let loader = loader(
        noise(50),
        LoaderConfig {
            drop_last: false,
            ..config()
        },
    );
    let order = |epoch| -> Vec<usize> {
        batches(&loader, epoch, 0)
            .into_iter()
            .flat_map(|batch| batch.indices)
            .collect()
    };
    let (first, second) = (order(0), order(1));
    for order in [&first, &second] {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
    assert_ne!(first, second);
    assert_eq!(first, order(0));
}

#[test]
fn unshuffled_batches_follow_the_data_set_and_the_last_may_be_short() {
    let config = LoaderConfig {
        shuffle: false,
        drop_last: false,
        ..config()
    };
    let loader = loader(noise(19), config);
    let batches = batches(&loader, 0, 0);
    let lengths: Vec<_> = batches.iter().map(|batch| batch.indices.len()).collect();
    assert_eq!(lengths, [8, 8, 3]);
    assert_eq!(batches[2].indices, [16, 17, 18]);
    assert_eq!(batches[2].views[0].shape, [3, 1, 8, 8]);
    assert_eq!(batches[2].views[0].data.len(), 3 * 64);
}

#[test]
fn a_data_set_smaller_than_a_batch_gives_one_short_batch() {
    let loader = loader(
        noise(3),
        LoaderConfig {
            drop_last: false,
            ..config()
        },
    );
    assert_eq!(batches(&loader, 0, 0)[0].indices.len(), 3);
}

#[test]
fn the_processes_share_each_batch() {
    let config = LoaderConfig {
        batch: 12,
        drop_last: false,
        ..config()
    };
    let whole = batches(&loader(noise(38), config.clone()), 5, 0);
    let parts: Vec<_> = (0..4)
        .map(|rank| {
            let config = LoaderConfig {
                rank,
                world: 4,
                ..config.clone()
            };
            batches(&loader(noise(38), config), 5, 0)
        })
        .collect();
    // The last batch has two images for four processes; all still see the same number of batches.
    assert!(parts.iter().all(|part| part.len() == whole.len()));
    for (number, batch) in whole.iter().enumerate() {
        let together = |take: fn(&Batch) -> Vec<f32>| -> Vec<f32> {
            parts.iter().flat_map(|part| take(&part[number])).collect()
        };
        assert_eq!(
            together(|part| part.views[0].data.clone()),
            batch.views[0].data
        );
        assert_eq!(
            together(|part| part.views[2].data.clone()),
            batch.views[2].data
        );
        let indices: Vec<_> = parts
            .iter()
            .flat_map(|part| part[number].indices.clone())
            .collect();
        assert_eq!(indices, batch.indices);
    }
    assert!(parts.iter().all(|part| part[0].indices.len() == 3));
}

#[test]
fn each_part_of_a_batch_is_the_same_images_for_any_number_of_processes() {
    let config = LoaderConfig {
        batch: 12,
        parts: 3,
        ..config()
    };
    let of = |rank: usize, world: usize| {
        let config = LoaderConfig {
            rank,
            world,
            ..config.clone()
        };
        batches(&loader(noise(38), config), 5, 0)
    };
    let alone = of(0, 1);
    // With one process the parts change nothing.
    let whole = LoaderConfig {
        parts: 1,
        ..config.clone()
    };
    assert_eq!(alone, batches(&loader(noise(38), whole), 5, 0));
    for world in [2, 4] {
        let all: Vec<_> = (0..world).map(|rank| of(rank, world)).collect();
        for (number, batch) in alone.iter().enumerate() {
            let (size, own) = (12 / 3, 12 / 3 / world);
            for part in 0..3 {
                let together = all.iter().flat_map(|of_one| {
                    let indices = &of_one[number].indices;
                    assert_eq!(indices.len(), 3 * own);
                    &indices[part * own..][..own]
                });
                let expected = &batch.indices[part * size..][..size];
                assert!(together.eq(expected), "part {part} of {world} processes");
            }
        }
    }
}

#[test]
fn recycled_buffers_are_used_again() {
    let loader = loader(
        noise(64),
        LoaderConfig {
            threads: 1,
            prefetch: 1,
            ..config()
        },
    );
    let mut places = std::collections::HashSet::new();
    for batch in loader.epoch(0, 0).chain(loader.epoch(1, 0)) {
        let batch = batch.unwrap();
        places.insert(batch.views[0].data.as_ptr());
        loader.recycle(batch);
    }
    // One that is made and one that is held, in each of two epochs that overlap.
    assert!(places.len() <= 4, "{} buffers for 16 batches", places.len());
}

#[test]
fn an_epoch_can_be_dropped_at_any_time() {
    let dataset: Arc<dyn Dataset> = Arc::new(noise(4000));
    let pipeline = Pipeline::Augment(recipe(1));
    let config = LoaderConfig {
        threads: 4,
        prefetch: 3,
        ..config()
    };
    let loader = Loader::new(dataset.clone(), pipeline, config).unwrap();
    for taken in [0, 1, 7] {
        let mut epoch = loader.epoch(0, 0);
        assert!(epoch.by_ref().take(taken).all(|batch| batch.is_ok()));
        drop(epoch);
    }
    drop(loader);
    // Nobody else holds it: the threads are gone.
    assert_eq!(Arc::strong_count(&dataset), 1);
}

#[test]
fn an_image_that_fails_is_named_and_ends_the_epoch() {
    for threads in [1, 4] {
        let config = LoaderConfig {
            shuffle: false,
            threads,
            ..config()
        };
        // The first of the two failures in the batch is reported, whatever the threads do.
        let loader = loader(
            Noise {
                fails: vec![15, 13, 30],
                ..noise(50)
            },
            config,
        );
        let mut epoch = loader.epoch(0, 0);
        assert!(epoch.next().unwrap().is_ok());
        let error = epoch.next().unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot decode noise/13.png: it is only noise"
        );
        assert!(epoch.next().is_none());
    }
}

#[test]
fn a_panic_in_a_thread_is_passed_on() {
    let config = LoaderConfig {
        shuffle: false,
        ..config()
    };
    let loader = loader(
        Noise {
            panics: vec![12],
            ..noise(50)
        },
        config,
    );
    let mut epoch = loader.epoch(0, 0);
    // The first batch may be lost as well, but nobody waits for ever.
    let outcome = catch_unwind(AssertUnwindSafe(|| epoch.by_ref().for_each(drop)));
    let panic = outcome.unwrap_err();
    assert!(
        panic
            .downcast_ref::<String>()
            .unwrap()
            .contains("noise 12 explodes")
    );
    assert!(epoch.next().is_none());
}

#[test]
fn channels_become_those_of_the_recipe() {
    let preprocessing = |channels| Preprocessing {
        channels,
        mean: vec![0.0; channels],
        std: vec![1.0; channels],
        resize: Some(8),
        crop: 8,
        ..Preprocessing::imagenet()
    };
    let first = |dataset: Noise, channels| {
        let config = LoaderConfig {
            shuffle: false,
            ..config()
        };
        let pipeline = Pipeline::Preprocess(preprocessing(channels));
        let loader = Loader::new(Arc::new(dataset), pipeline, config).unwrap();
        batches(&loader, 0, 0).remove(0).views.remove(0)
    };
    let grey = first(noise(8), 3);
    assert_eq!(grey.shape, [8, 3, 8, 8]);
    for planes in grey.data.chunks_exact(3 * 64) {
        assert_eq!(planes[..64], planes[64..128]);
        assert_eq!(planes[..64], planes[128..]);
    }
    let colour = first(
        Noise {
            channels: 3,
            ..noise(8)
        },
        1,
    );
    assert_eq!(colour.shape, [8, 1, 8, 8]);
}

#[test]
fn preprocessing_takes_small_images_as_they_are() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(golden.join("gray.png"), folder.path().join("a.png")).unwrap();
    let dataset = e2mc_data::open(folder.path(), e2mc_data::Split::Test).unwrap();
    let config = LoaderConfig {
        batch: 1,
        ..config()
    };
    let pipeline = Pipeline::Preprocess(Preprocessing::small_grey());
    let loader = Loader::new(dataset, pipeline, config).unwrap();
    let error = loader.epoch(0, 0).next().unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            Error::ImageSize {
                found: (201, 157),
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("a.png has 201 x 157 pixels: expected 28 x 28"),
        "{error}"
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |count, config| {
        let pipeline = Pipeline::Augment(recipe(1));
        let Err(error) = Loader::new(Arc::new(noise(count)), pipeline, config) else {
            panic!("it was accepted")
        };
        error.to_string()
    };
    let settings = [
        (
            LoaderConfig {
                batch: 0,
                ..config()
            },
            "`batch`: expected at least 1, found 0",
        ),
        (
            LoaderConfig {
                threads: 0,
                ..config()
            },
            "`threads`: expected at least 1",
        ),
        (
            LoaderConfig {
                prefetch: 0,
                ..config()
            },
            "`prefetch`: expected at least 1",
        ),
        (
            LoaderConfig {
                world: 0,
                ..config()
            },
            "`world`: expected at least 1",
        ),
        (
            LoaderConfig {
                rank: 2,
                world: 2,
                ..config()
            },
            "`rank`: expected a number below world = 2",
        ),
        (
            LoaderConfig {
                world: 3,
                ..config()
            },
            "`batch`: expected a multiple of world = 3, found 8",
        ),
        (
            LoaderConfig {
                parts: 0,
                ..config()
            },
            "`parts`: expected at least 1",
        ),
        (
            LoaderConfig {
                parts: 4,
                world: 4,
                ..config()
            },
            "`batch`: expected a multiple of world * parts = 16, found 8",
        ),
        (
            LoaderConfig {
                batch: 51,
                ..config()
            },
            "batch of 51 from 50 images",
        ),
    ];
    for (config, part) in settings {
        let message = refused(50, config);
        assert!(message.contains(part), "{message}");
    }
    assert!(
        refused(
            0,
            LoaderConfig {
                drop_last: false,
                ..config()
            }
        )
        .contains("from 0 images")
    );

    let broken = Augmentation {
        channels: 2,
        ..recipe(1)
    };
    let result = Loader::new(Arc::new(noise(50)), Pipeline::Augment(broken), config());
    assert!(matches!(result, Err(Error::Recipe { .. })));
}
