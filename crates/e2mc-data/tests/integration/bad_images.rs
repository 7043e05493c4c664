//! Images that cannot be used: counted, named, replaced; too many are an error.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use e2mc_data::{
    Augmentation, Batch, Dataset, Error, Loader, LoaderConfig, OpenOptions, Pipeline, Selection,
    Split, ViewRecipe, open_with,
};
use tempfile::{TempDir, tempdir};

/// Two classes of 20 images each; those at `bad` (0 to 39) are damaged in one way or another.
fn data(bad: &[usize], max_bad: f64) -> (TempDir, Arc<dyn Dataset>) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = tempdir().unwrap();
    for class in ["a", "b"] {
        fs::create_dir(folder.path().join(class)).unwrap();
    }
    for index in 0..40 {
        let class = if index < 20 { "a" } else { "b" };
        let path = folder.path().join(format!("{class}/{index:02}.jpg"));
        let name = match (bad.contains(&index), index % 3) {
            (false, _) => "source.jpg",
            (true, 0) => "bad_truncated.jpg",
            (true, 1) => "bad_text.jpg",
            (true, _) => "bad_empty.png",
        };
        fs::copy(golden.join(name), path).unwrap();
    }
    let options = OpenOptions {
        max_bad,
        ..OpenOptions::default()
    };
    let dataset = open_with(folder.path(), Split::Train, &options).unwrap();
    (folder, dataset)
}

fn loader(dataset: &Arc<dyn Dataset>, threads: usize) -> Loader {
    let recipe = Augmentation {
        channels: 3,
        mean: vec![0.5; 3],
        std: vec![0.2; 3],
        views: vec![ViewRecipe::crop(8)],
    };
    let config = LoaderConfig {
        batch: 8,
        seed: 5,
        threads,
        ..LoaderConfig::default()
    };
    Loader::new(dataset.clone(), Pipeline::Augment(recipe), config).unwrap()
}

#[test]
fn bad_images_are_replaced_the_same_way_by_any_number_of_threads() {
    let (_folder, dataset) = data(&[4, 5, 6, 33], 0.1);
    let mut results = Vec::new();
    for threads in [1, 3] {
        let loader = loader(&dataset, threads);
        let batches: Result<Vec<Batch>, Error> =
            loader.epoch(0, 0).chain(loader.epoch(1, 0)).collect();
        let bad = loader.bad_images();
        let indices: Vec<usize> = bad.iter().map(|image| image.index).collect();
        assert_eq!(indices, [4, 5, 6, 33]);
        for (image, (name, reason)) in bad.iter().zip([
            ("a/04.jpg", "starting"),
            ("a/05.jpg", "an empty file"),
            ("a/06.jpg", "no end marker"),
            ("b/33.jpg", "no end marker"),
        ]) {
            assert!(
                image.reason.contains(name) && image.reason.contains(reason),
                "{}",
                image.reason
            );
        }
        results.push(batches.unwrap());
    }
    assert_eq!(results[0], results[1]);
    // All places are there, with their own labels, for what takes a place is of the same class.
    let mut seen = vec![0; 40];
    for batch in &results[0] {
        for (&index, &label) in batch.indices.iter().zip(&batch.labels) {
            seen[index] += 1;
            assert_eq!(label, Some(index / 20));
        }
        assert!(batch.views[0].data.iter().all(|value| value.is_finite()));
    }
    assert_eq!(seen, [2; 40]);
}

#[test]
fn too_many_bad_images_are_an_error_at_the_same_place() {
    let (_folder, dataset) = data(&[1, 2, 3, 21, 22], 0.1);
    let outcome = |threads| {
        let loader = loader(&dataset, threads);
        let mut whole = 0;
        for batch in loader.epoch(0, 0) {
            match batch {
                Ok(_) => whole += 1,
                Err(error) => return (whole, error.to_string()),
            }
        }
        panic!("five bad images of 40 were accepted")
    };
    let (whole, message) = outcome(1);
    let start = "5 images cannot be read so far: expected at most 4 of 40; the last failure: cannot decode ";
    assert!(message.starts_with(start), "{message}");
    for threads in [2, 5] {
        assert_eq!(outcome(threads), (whole, message.clone()));
    }
}

#[test]
fn where_none_is_allowed_the_first_is_the_error() {
    // One in a thousand of 40 is none.
    let (_folder, dataset) = data(&[7], 0.001);
    let loader = loader(&dataset, 2);
    let error = loader.epoch(0, 0).find_map(Result::err).unwrap();
    assert!(error.to_string().contains("a/07.jpg"), "{error}");
    assert!(matches!(error, Error::Decode { .. }), "{error}");
}

#[test]
fn a_class_without_any_good_image_is_an_error() {
    let all: Vec<usize> = (20..40).collect();
    let (_folder, dataset) = data(&all, 0.2);
    let loader = loader(&dataset, 2);
    let error = loader.epoch(0, 0).find_map(Result::err).unwrap();
    assert!(error.to_string().contains("/b/"), "{error}");
}

#[test]
fn a_class_of_bad_images_alone_is_tried_once_each() {
    // Five images, all bad, of a class; many more are allowed.
    let folder = tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for index in 0..20 {
        let (class, name) = if index < 5 {
            ("a", "bad_text.jpg")
        } else {
            ("b", "source.jpg")
        };
        let path = folder.path().join(class);
        fs::create_dir_all(&path).unwrap();
        fs::copy(golden.join(name), path.join(format!("{index:02}.jpg"))).unwrap();
    }
    let options = OpenOptions {
        max_bad: 1.0,
        ..OpenOptions::default()
    };
    let dataset = open_with(folder.path(), Split::Train, &options).unwrap();
    for threads in [1, 3] {
        let loader = loader(&dataset, threads);
        let error = loader.epoch(0, 0).find_map(Result::err).unwrap();
        let message = error.to_string();
        assert!(message.contains("/a/"), "{message}");
        assert!(
            message.contains("cannot be read: expected a replacement of its class")
                && message.contains("found none among 4; the last failure: cannot decode"),
            "{message}"
        );
    }
}

#[test]
fn the_same_image_takes_the_place_in_every_epoch() {
    // Each image of another brightness, so that a view tells what it was made of.
    let folder = tempdir().unwrap();
    for index in 0..40_u8 {
        let path = folder.path().join(format!("{index:02}.png"));
        match index {
            4 | 21 => fs::write(path, b"no image").unwrap(),
            _ => image::GrayImage::from_pixel(9, 9, image::Luma([index]))
                .save(path)
                .unwrap(),
        }
    }
    let options = OpenOptions {
        max_bad: 0.1,
        ..OpenOptions::default()
    };
    let dataset = open_with(folder.path(), Split::Train, &options).unwrap();
    let loader = loader(&dataset, 2);
    let taken = |epoch| {
        let mut taken = [0.0; 2];
        for batch in loader.epoch(epoch, 0).map(Result::unwrap) {
            for (position, index) in batch.indices.iter().enumerate() {
                if let Some(place) = [4, 21].iter().position(|bad| bad == index) {
                    taken[place] = batch.views[0].data[position * 3 * 64];
                }
            }
        }
        taken
    };
    let first = taken(0);
    assert!((1..5).all(|epoch| taken(epoch) == first));
}

#[test]
fn each_bad_image_is_told_of_once() {
    let (folder, _) = data(&[4, 33], 0.1);
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let options = OpenOptions {
        max_bad: 0.1,
        on_bad: Some(Arc::new(move |reason: &str| {
            list.lock().unwrap().push(reason.to_owned());
        })),
        ..OpenOptions::default()
    };
    let dataset = open_with(folder.path(), Split::Train, &options).unwrap();
    let part: Arc<dyn Dataset> = Arc::new(Selection::new(dataset, (2..34).collect()).unwrap());
    for _ in 0..2 {
        let loader = loader(&part, 2);
        assert!(
            loader
                .epoch(0, 0)
                .chain(loader.epoch(1, 0))
                .all(|batch| batch.is_ok())
        );
    }
    let mut told = told.lock().unwrap().clone();
    told.sort();
    assert_eq!(told.len(), 2);
    assert!(
        told[0].contains("a/04.jpg") && told[1].contains("b/33.jpg"),
        "{told:?}"
    );
    for max_bad in [-0.1, 1.1, f64::NAN] {
        let options = OpenOptions {
            max_bad,
            ..OpenOptions::default()
        };
        let result = open_with(folder.path(), Split::Train, &options);
        assert!(matches!(result, Err(Error::MaxBad { .. })));
    }
}

#[test]
fn a_part_of_the_images_may_have_as_many_bad_ones_as_the_whole() {
    let (_folder, dataset) = data(&[4, 5, 6, 33], 0.1);
    let part: Arc<dyn Dataset> = Arc::new(Selection::new(dataset, (0..8).collect()).unwrap());
    let loader = loader(&part, 1);
    assert!(loader.epoch(0, 0).all(|batch| batch.is_ok()));
    assert_eq!(loader.bad_images().len(), 3);
    let (_folder, dataset) = data(&[4, 5, 6], 0.05);
    let part: Arc<dyn Dataset> = Arc::new(Selection::new(dataset, (0..8).collect()).unwrap());
    let failed = |batch: Result<Batch, Error>| batch.unwrap_err().to_string();
    let message = self::loader(&part, 1)
        .epoch(0, 0)
        .map(failed)
        .next()
        .unwrap();
    assert!(
        message.starts_with("3 images cannot be read so far: expected at most 2 of 8"),
        "{message}"
    );
}
