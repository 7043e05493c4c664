//! Which files of a folder are its IDX files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::file_name;
use super::idx::IdxImages;
use super::options::Split;
use super::split_words::split_of_idx;
use crate::{Dataset, Error};

/// `other`: the images of the other split.
pub(super) fn open_idx(images: &Path, other: Option<PathBuf>) -> Result<Arc<dyn Dataset>, Error> {
    let labels = idx_labels(images);
    let mut dataset = IdxImages::open(images, labels.as_deref())?;
    if let Some(images) = other
        && let Some(labels) = idx_labels(&images)
    {
        dataset.unite(&images, &labels);
    }
    Ok(Arc::new(dataset))
}

/// The IDX image file of a split among a folder's files: by the usual names, or else the only one
/// whose name holds `images`, `idx3` and a word for the split.
///
/// # Errors
/// There are several of the latter.
pub(super) fn idx_images(
    folder: &Path,
    files: &[PathBuf],
    split: Split,
) -> Result<Option<PathBuf>, Error> {
    let names = split.idx_prefixes().iter().flat_map(|prefix| {
        ["", ".gz"].map(|end| folder.join(format!("{prefix}-images-idx3-ubyte{end}")))
    });
    if let Some(path) = names.into_iter().find(|path| path.is_file()) {
        return Ok(Some(path));
    }
    let fits = |path: &Path| {
        let name = file_name(path).to_lowercase();
        let of_images = name.contains("images") && name.contains("idx3");
        of_images && split_of_idx(&name) == Some(split) && path.is_file()
    };
    // An uncompressed file is preferred to its compressed twin.
    let twin = |path: &Path| {
        path.extension().is_some_and(|end| end == "gz") && path.with_extension("").is_file()
    };
    let fitting = files.iter().filter(|path| fits(path) && !twin(path));
    let mut found: Vec<&PathBuf> = fitting.collect();
    match &found[..] {
        [first, second, ..] => Err(Error::Ambiguous {
            path: folder.to_owned(),
            first: file_name(first),
            second: file_name(second),
            expected: "one IDX file of images for each split",
        }),
        _ => Ok(found.pop().cloned()),
    }
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
