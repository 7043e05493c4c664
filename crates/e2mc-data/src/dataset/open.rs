//! Finding the images at a path.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::ImageFolder;
use super::idx::IdxImages;
use crate::{Dataset, Error};

/// The part of a data set that was set apart for a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What a model may learn from.
    Train,
    /// What it is judged by.
    Test,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }

    /// What the names of its IDX files start with.
    fn idx_prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train"],
            Self::Test => &["t10k", "test"],
        }
    }

    /// Its folder beside those of other splits. ImageNet's `test` has no labels, so `val` is first.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train"],
            Self::Test => &["val", "test"],
        }
    }
}

/// Opens the data set at `path`, whatever its form:
///
/// - an IDX file of images, or a folder with `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`
///   or `test-images-idx3-ubyte` (each plain or `.gz`), with label files `…-labels-idx1-ubyte` beside;
/// - a folder with `train/` and `val/` or `test/` (`val/` is taken where both are): the one for the split;
/// - a folder with a folder of images for each class, sorted by name;
/// - a folder of images without labels.
///
/// The last two have no splits: both give all images.
///
/// # Errors
/// There is nothing at `path`, nothing for the split, or nothing that can be told apart.
pub fn open(path: &Path, split: Split) -> Result<Arc<dyn Dataset>, Error> {
    let metadata = fs::metadata(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    if metadata.is_file() {
        return Ok(Arc::new(IdxImages::open(
            path,
            idx_labels(path).as_deref(),
        )?));
    }
    if let Some(images) = idx_images(path, split) {
        return Ok(Arc::new(IdxImages::open(
            &images,
            idx_labels(&images).as_deref(),
        )?));
    }
    let missing = |expected| Error::MissingSplit {
        path: path.to_owned(),
        split: split.name(),
        expected,
    };
    if [Split::Train, Split::Test]
        .iter()
        .any(|&other| idx_images(path, other).is_some())
    {
        return Err(missing(match split {
            Split::Train => "train-images-idx3-ubyte or train-images-idx3-ubyte.gz",
            Split::Test => "t10k-images-idx3-ubyte or test-images-idx3-ubyte, plain or .gz",
        }));
    }
    if path.join("train").is_dir() {
        let folder = split
            .folders()
            .iter()
            .map(|name| path.join(name))
            .find(|folder| folder.is_dir());
        let folder = folder.ok_or_else(|| missing("a folder val/ or test/ beside train/"))?;
        return Ok(Arc::new(ImageFolder::open(&folder)?));
    }
    Ok(Arc::new(ImageFolder::open(path)?))
}

/// The IDX image file of a split in a folder.
fn idx_images(folder: &Path, split: Split) -> Option<PathBuf> {
    let names = split.idx_prefixes().iter().flat_map(|prefix| {
        ["", ".gz"].map(|end| folder.join(format!("{prefix}-images-idx3-ubyte{end}")))
    });
    names.into_iter().find(|path| path.is_file())
}

/// The label file that belongs to an image file by its name: the same with `labels-idx1` for
/// `images-idx3`, compressed or not.
fn idx_labels(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let labels = plain.replace("images", "labels").replace("idx3", "idx1");
    if labels == plain {
        return None;
    }
    ["", ".gz"]
        .map(|end| images.with_file_name(format!("{labels}{end}")))
        .into_iter()
        .find(|path| path.is_file())
}
