//! Finding the images at a path.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{ImageFiles, OnBad};
use super::folder::{file_name, first_image, folders_in, list_images};
use super::idx::IdxImages;
use super::index::Index;
use super::list::read_list;
use super::parts;
use super::shards::{ShardSet, tar_files};
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

    fn other(self) -> Self {
        match self {
            Self::Train => Self::Test,
            Self::Test => Self::Train,
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
/// - tar files in the WebDataset convention: one, or a folder of them. If names hold the word `train`,
///   and others `val` or `test` (`val` is taken where both are), these are the splits;
/// - a folder with a folder of images for each class, sorted by name;
/// - a folder of images without labels.
///
/// A file, and what has no splits, gives all its images for each. Splits whose labels are numbers have
/// the same classes, up to the highest of both.
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
        return Ok((open_idx(&images, idx_images(path, split.other()))?, true));
    }
    if idx_images(path, split.other()).is_some() {
        return Err(missing(match split {
            Split::Train => "train-images-idx3-ubyte or train-images-idx3-ubyte.gz",
            Split::Test => "t10k-images-idx3-ubyte or test-images-idx3-ubyte, plain or .gz",
        }));
    }
    if path.join("train").is_dir() {
        let folder = |split: Split| {
            let mut folders = split.folders().iter().map(|name| path.join(name));
            folders.find(|folder| folder.is_dir())
        };
        if folder(Split::Test).is_none() {
            check_train(path)?;
        }
        let own = folder(split).ok_or_else(|| missing("a folder val/ or test/ beside train/"))?;
        // A split may itself be a folder of shards.
        let other = folder(split.other());
        return Ok((open_folder(&own, split, other.as_deref(), options)?.0, true));
    }
    if let Some(list) = list_file(path, split) {
        let other = list_file(path, split.other());
        return Ok((open_list(&list, other.as_deref(), options)?, true));
    }
    if list_file(path, split.other()).is_some() {
        return Err(missing(match split {
            Split::Train => "a list train.txt, train.csv or train.tsv",
            Split::Test => "a list val.txt or test.txt (or .csv or .tsv)",
        }));
    }
    open_folder(path, split, None, options)
}

fn holds_image(folder: &Path) -> bool {
    first_image(folder).is_some()
}

/// Checks that a folder `train` without a test part beside it is no class among others, which would
/// have no folders of images itself.
fn check_train(path: &Path) -> Result<(), Error> {
    if folders_in(&path.join("train"))?
        .iter()
        .any(|folder| holds_image(folder))
    {
        return Ok(());
    }
    let folders = folders_in(path)?;
    let class = |folder: &&PathBuf| !parts::is_part(folder) && holds_image(folder);
    // A few tell enough.
    let classes = folders.iter().filter(class).take(4);
    let classes: Vec<String> = classes.map(|class| file_name(class) + "/").collect();
    if classes.is_empty() {
        return Ok(());
    }
    Err(Error::Ambiguous {
        path: path.to_owned(),
        first: "the folder train/".to_owned(),
        second: format!("other folders of images ({})", classes.join(", ")),
        expected: "train/ with val/ or test/, or class folders of which none is called train",
    })
}

/// A folder of shards, which may have splits by name, or of images, which has none. `beside` is the
/// folder of the other split, if that has one of its own.
fn open_folder(
    path: &Path,
    split: Split,
    beside: Option<&Path>,
    options: &OpenOptions<'_>,
) -> Result<(Arc<dyn Dataset>, bool), Error> {
    let shards = tar_files(path)?;
    let Some(shard) = shards.first() else {
        let make = || list_images(path, options.progress);
        let index = Index::cached(options.cache, path, make)?;
        return Ok((Arc::new(ImageFiles::in_folder(path, index, options)), false));
    };
    let mut warnings = Vec::new();
    if let Some(image) = first_image(path) {
        let below = image.strip_prefix(path).unwrap_or(&image);
        // Folders of images are a data set too; a picture beside shards is not.
        if image.parent() != Some(path)
            || folders_in(path)?.iter().any(|folder| holds_image(folder))
        {
            return Err(Error::Ambiguous {
                path: path.to_owned(),
                first: format!("tar files (such as {})", file_name(shard)),
                second: format!("images (such as {})", below.display()),
                expected: "one or the other",
            });
        }
        warnings.push(format!(
            "images beside the tar files are left out, the first {}",
            image.display()
        ));
    }
    let part = |split: Split| {
        let mut warnings = warnings.clone();
        let none: Vec<_> = parts::shards_of_none(&shards).collect();
        if let [first, ..] = none[..] {
            warnings.push(format!(
                "{} of the tar files left out, for their names hold neither train nor val or test: the first, {}",
                none.len(),
                first.display()
            ));
        }
        ShardSet {
            shards: parts::shards_of(&shards, split),
            folder: path.to_owned(),
            // Each split has its own index.
            place: path.join(split.name()),
            warnings,
        }
    };
    let (own, other) = (part(split), part(split.other()));
    if !own.shards.is_empty() && !other.shards.is_empty() {
        return Ok((own.open(Some(&other), options)?, true));
    }
    if parts::are_unclear(&shards) {
        warnings.push(format!(
            "{}: all tar files are taken together, for their names do not tell a part to train on (the word train) \
             from one to test (val or test)",
            path.display()
        ));
    }
    let other = beside.map(|folder| ShardSet::whole(folder, tar_files(folder).unwrap_or_default()));
    let other = other.filter(|other| !other.shards.is_empty());
    let own = ShardSet {
        warnings,
        ..ShardSet::whole(path, shards)
    };
    Ok((own.open(other.as_ref(), options)?, false))
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
        return ShardSet::whole(path, vec![path.to_owned()]).open(None, options);
    }
    // An IDX file and a gzip stream hold bytes that no text does.
    let is_text = !start.is_empty() && !start.contains(&0) && !start.starts_with(&[0x1f, 0x8b]);
    if is_text {
        open_list(path, None, options)
    } else {
        open_idx(path, None)
    }
}

/// `other`: the images of the other split.
fn open_idx(images: &Path, other: Option<PathBuf>) -> Result<Arc<dyn Dataset>, Error> {
    let labels = idx_labels(images);
    let mut dataset = IdxImages::open(images, labels.as_deref())?;
    if let Some(images) = other
        && let Some(labels) = idx_labels(&images)
    {
        dataset.widen(&images, &labels);
    }
    Ok(Arc::new(dataset))
}

/// `other`: the list of the other split, which tells what is wrong with it when it is opened itself.
fn open_list(
    path: &Path,
    other: Option<&Path>,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut index = read_list(path)?;
    if let Some(other) = other
        && !index.labels.is_empty()
        && let Ok(other) = read_list(other)
    {
        index.widen(&other.classes);
    }
    Ok(Arc::new(ImageFiles::in_folder(folder, index, options)))
}

/// The list of a split in a folder.
fn list_file(folder: &Path, split: Split) -> Option<PathBuf> {
    let names = split.folders().iter().flat_map(|name| {
        ["txt", "csv", "tsv"].map(|extension| folder.join(format!("{name}.{extension}")))
    });
    names.into_iter().find(|path| path.is_file())
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
