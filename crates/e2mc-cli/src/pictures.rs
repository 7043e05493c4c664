//! Pictures of single images for pages: from the data set that a result names, or that rows of
//! embeddings are of.
//!
//! A page is made without them where the images are gone or are others; it then says why.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::{ImageOptions, InspectOptions};
use e2mc_data::dataset::{cache_folder, is_of_rows, name_below, shown};
use e2mc_data::{Dataset, OpenOptions, Split, open_with};
use e2mc_record::{SplitRecord, data_fingerprint};
use e2mc_report::pages::images::{Images, Picture, Set, Source, WITHOUT};

use crate::images;

/// Shows in `images` what their data set has, where it is still there.
pub(crate) fn add(images: &mut Images, thumbnails: bool) {
    if images.wanted().is_empty() {
        return;
    }
    let Some(source) = images.source.clone() else {
        images.missing =
            "There are no pictures: the files do not say which images the embeddings are of."
                .into();
        return;
    };
    let opened = [(Split::Test, &source.test), (Split::Train, &source.train)]
        .map(|(split, record)| open(&source, split, record.as_ref()));
    let known = opened.iter().any(Result::is_ok);
    images.missing = match &opened {
        [Err(why), _] | [_, Err(why)] => why.clone(),
        _ if !thumbnails => WITHOUT.to_owned(),
        _ => String::new(),
    };
    if known {
        let [test, train] = opened.map(Result::ok);
        images.show(|id| {
            let dataset = match id.set {
                Set::Test => test.as_ref()?,
                Set::Train => train.as_ref()?,
            };
            picture((&source.data, &**dataset), id.row, thumbnails)
        });
    }
}

/// A split of a result's data set, or why it is not shown.
fn open(
    source: &Source,
    split: Split,
    record: Option<&SplitRecord>,
) -> Result<Arc<dyn Dataset>, String> {
    let place = source.data.display();
    let cache = cache_folder();
    let options = OpenOptions {
        cache: cache.as_deref(),
        test_fraction: source.val_fraction.map(|part| (part, source.val_seed)),
        ..OpenOptions::default()
    };
    let dataset = open_with(&source.data, split, &options)
        .map_err(|error| format!("There are no pictures: {error}."))?;
    let named = |row| (name_below(&source.data, &*dataset, row), dataset.label(row));
    let found = data_fingerprint((0..dataset.len()).map(named));
    match record.and_then(|record| record.fingerprint.as_ref()) {
        Some(expected) if *expected == found => Ok(dataset),
        Some(_) => Err(format!(
            "There are no pictures: the images in {place} have changed since the evaluation."
        )),
        None => {
            Err("There are no pictures: the results do not say which images were evaluated.".into())
        }
    }
}

/// The images of `rows` rows of embeddings in files: the test or the training split of `--data`,
/// whichever they are of. The names beside the first file, where `embed` left them, must be those
/// of the images.
///
/// # Errors
/// Where there is no such data set, or neither split fits.
pub(crate) fn of_rows(
    data: &Path,
    rows: usize,
    options: &InspectOptions,
) -> Result<Arc<dyn Dataset>> {
    let beside = Path::new(&options.files[0]).with_extension("names.txt");
    let names = std::fs::read_to_string(&beside).ok();
    let mut found = Vec::new();
    for split in [Split::Test, Split::Train] {
        let Ok(dataset) = images::open(data, split, options.images) else {
            continue;
        };
        if is_of_rows(data, &*dataset, rows, names.as_deref()) {
            return Ok(dataset);
        }
        found.push(format!("{} images", dataset.len()));
    }
    if found.is_empty() {
        // Says what is wrong with it.
        images::open(data, Split::Train, ImageOptions::default())?;
    }
    Err(Failure::new(
        format!(
            "{}: expected the images of {} rows of {}, found splits of {}",
            data.display(),
            rows,
            options.files[0],
            found.join(" and ")
        ),
        "give the embedded folder; rows and images must be in the same order",
    ))
}

/// What a page shows of the image `row`; none if there is no such image.
pub(crate) fn picture(
    (root, dataset): (&Path, &dyn Dataset),
    row: usize,
    thumbnails: bool,
) -> Option<Picture> {
    let (name, small) = shown((root, dataset), row, thumbnails)?;
    let small = small.map(|small| (small.width, small.height, small.bytes));
    Some(Picture::new(name, small))
}
