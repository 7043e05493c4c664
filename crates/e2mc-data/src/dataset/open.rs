//! Finding the images at a path.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{ImageFiles, OnBad};
use super::folder::list_images;
use super::idx::IdxImages;
use super::index::Index;
use super::list::read_list;
use super::shards::index_shards;
use crate::{Dataset, Error, Selection, subset};

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

    /// What the names of its shards hold.
    fn shard_words(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train"],
            Self::Test => &["val", "test"],
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

/// How a data set is opened.
#[derive(Clone)]
pub struct OpenOptions<'a> {
    /// Is told how many images were found so far, now and then and from several threads.
    pub progress: Option<&'a (dyn Fn(usize) + Sync)>,
    /// A folder in which lists of files are kept from one run to the next. A list is made anew when
    /// a folder or shard has changed since. Should not be the data's own folder.
    pub cache: Option<&'a Path>,
    /// For data without a test part: the fraction in `(0, 1)` that is set apart as one, stratified
    /// where there are labels, and the seed of that choice.
    pub test_fraction: Option<(f64, u64)>,
    /// The fraction of the images, from 0 to 1, that may turn out to be unreadable. A loader puts
    /// others of the same class in their places; with 0 the first is an error.
    pub max_bad: f64,
    /// Is told of each of these, once, with what is wrong.
    pub on_bad: Option<OnBad>,
}

impl Default for OpenOptions<'_> {
    /// No report, no cache, no test part; one image in a thousand may be bad.
    fn default() -> Self {
        Self {
            progress: None,
            cache: None,
            test_fraction: None,
            max_bad: 0.001,
            on_bad: None,
        }
    }
}

/// Opens the data set at `path`, whatever its form:
///
/// - an IDX file of images, or a folder with `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`
///   or `test-images-idx3-ubyte` (each plain or `.gz`), with label files `…-labels-idx1-ubyte` beside;
/// - a folder with `train/` and `val/` or `test/` (`val/` is taken where both are): the one for the split;
/// - a folder with the lists `train.txt` and `val.txt` or `test.txt` (or `.csv`, `.tsv`), or one such
///   file: a path a line, with a label behind a tab, a comma or a blank, or without;
/// - tar files in the WebDataset convention: one, or a folder of them. If names hold `train`, and
///   others `val` or `test`, these are the splits;
/// - a folder with a folder of images for each class, sorted by name;
/// - a folder of images without labels.
///
/// A file, and what has no splits, gives all its images for each.
///
/// # Errors
/// There is nothing at `path`, nothing for the split, or nothing that can be told apart.
pub fn open(path: &Path, split: Split) -> Result<Arc<dyn Dataset>, Error> {
    open_with(path, split, &OpenOptions::default())
}

/// As [`open`], with a report of progress, a cache, and a test part for data that has none.
///
/// # Errors
/// As [`open`]; a fraction is out of range or leaves nothing, or there is a test part already.
pub fn open_with(
    path: &Path,
    split: Split,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    if !(0.0..=1.0).contains(&options.max_bad) {
        return Err(Error::MaxBad {
            found: options.max_bad,
        });
    }
    let Some((fraction, seed)) = options.test_fraction else {
        return Ok(find(path, split, options)?.0);
    };
    let dataset = match find(path, Split::Test, options) {
        Ok((dataset, false)) => dataset,
        Ok((_, true)) => {
            let path = path.to_owned();
            return Err(Error::TestPart { path });
        }
        Err(Error::MissingSplit { .. }) => find(path, Split::Train, options)?.0,
        Err(error) => return Err(error),
    };
    let count = (fraction * dataset.len() as f64).round();
    if !(0.0 < fraction && fraction < 1.0 && count >= 1.0) {
        return Err(Error::Part {
            what: format!("a test part of {fraction}"),
            images: dataset.len(),
            expected: "a fraction between 0 and 1 of at least one image",
        });
    }
    let (train, test) = subset::hold_out(&*dataset, count as usize, seed)?;
    let indices = match split {
        Split::Train => train,
        Split::Test => test,
    };
    Ok(Arc::new(Selection::new(dataset, indices)?))
}

/// The data set, and whether it has splits.
fn find(
    path: &Path,
    split: Split,
    options: &OpenOptions<'_>,
) -> Result<(Arc<dyn Dataset>, bool), Error> {
    let metadata = fs::metadata(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    if metadata.is_file() {
        return Ok((open_file(path, options)?, false));
    }
    let missing = |expected| Error::MissingSplit {
        path: path.to_owned(),
        split: split.name(),
        expected,
    };
    if let Some(images) = idx_images(path, split) {
        return Ok((open_idx(&images)?, true));
    }
    let other = |find: fn(&Path, Split) -> Option<PathBuf>| {
        [Split::Train, Split::Test]
            .iter()
            .any(|&other| find(path, other).is_some())
    };
    if other(idx_images) {
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
        // A split may itself be a folder of shards.
        return Ok((open_folder(&folder, split, options)?.0, true));
    }
    if let Some(list) = list_file(path, split) {
        return Ok((open_list(&list, options)?, true));
    }
    if other(list_file) {
        return Err(missing(match split {
            Split::Train => "a list train.txt, train.csv or train.tsv",
            Split::Test => "a list val.txt or test.txt (or .csv or .tsv)",
        }));
    }
    open_folder(path, split, options)
}

/// A folder of shards, which may have splits by name, or of images, which has none.
fn open_folder(
    path: &Path,
    split: Split,
    options: &OpenOptions<'_>,
) -> Result<(Arc<dyn Dataset>, bool), Error> {
    let shards = tar_files(path)?;
    if shards.is_empty() {
        let make = || list_images(path, options.progress);
        let index = Index::cached(options.cache, path, make)?;
        return Ok((Arc::new(ImageFiles::in_folder(path, index, options)), false));
    }
    let of = |split: Split| -> Vec<PathBuf> {
        let names = split.shard_words();
        let matches = |shard: &&PathBuf| {
            let name = shard.file_name().unwrap_or_default().to_string_lossy();
            names.iter().any(|word| name.contains(word))
        };
        shards.iter().filter(matches).cloned().collect()
    };
    let divided = !of(Split::Train).is_empty() && !of(Split::Test).is_empty();
    let shards = if divided { of(split) } else { shards };
    // Each split has its own index.
    let place = if divided {
        path.join(split.name())
    } else {
        path.to_owned()
    };
    Ok((open_shards(&shards, path, &place, options)?, divided))
}

fn open_shards(
    shards: &[PathBuf],
    folder: &Path,
    place: &Path,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    let make = || {
        let mut index = index_shards(shards, options.progress)?;
        if folder.is_dir() {
            index.add_source(folder)?;
        }
        Ok(index)
    };
    let index = Index::cached(options.cache, place, make)?;
    Ok(Arc::new(ImageFiles::in_shards(shards, index, options)?))
}

/// What a single file is, its content tells.
fn open_file(path: &Path, options: &OpenOptions<'_>) -> Result<Arc<dyn Dataset>, Error> {
    let fail = |source: io::Error| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut start = Vec::new();
    let file = File::open(path).map_err(fail)?;
    file.take(512).read_to_end(&mut start).map_err(fail)?;
    // The magic of a tar file stands in its first header.
    if start.get(257..262) == Some(b"ustar") {
        return open_shards(&[path.to_owned()], path, path, options);
    }
    // An IDX file and a gzip stream hold bytes that no text does.
    let is_text = !start.is_empty() && !start.contains(&0) && !start.starts_with(&[0x1f, 0x8b]);
    if is_text {
        open_list(path, options)
    } else {
        open_idx(path)
    }
}

fn open_idx(images: &Path) -> Result<Arc<dyn Dataset>, Error> {
    let labels = idx_labels(images);
    Ok(Arc::new(IdxImages::open(images, labels.as_deref())?))
}

fn open_list(path: &Path, options: &OpenOptions<'_>) -> Result<Arc<dyn Dataset>, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let index = read_list(path)?;
    Ok(Arc::new(ImageFiles::in_folder(folder, index, options)))
}

/// The list of a split in a folder.
fn list_file(folder: &Path, split: Split) -> Option<PathBuf> {
    let names = split.folders().iter().flat_map(|name| {
        ["txt", "csv", "tsv"].map(|extension| folder.join(format!("{name}.{extension}")))
    });
    names.into_iter().find(|path| path.is_file())
}

/// The tar files of a folder, sorted by name.
fn tar_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "tar") {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
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
