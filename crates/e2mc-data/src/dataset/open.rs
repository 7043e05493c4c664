//! Finding the images at a path.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{ImageFiles, OnBad, leads_nowhere};
use super::folder::{file_name, first_image, folders_in};
use super::idx::IdxImages;
use super::labelled_folder::open_images;
use super::list::read_list;
use super::shards::{ShardSet, tar_files};
use super::splits::{self, SplitFolders, holds_image};
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
///   also under longer names, such as `emnist-letters-train-images-idx3-ubyte`;
/// - a folder with `train/` and `val/` or `test/` (`val/` is taken where both are): the one for the split;
///   also by other words and in any case, such as `Training/` and `Testing/`, `seg_train/` and `seg_test/`;
/// - a split's folder of images without class folders, with a list of their labels beside: `val/` and
///   `val.txt`;
/// - a folder with the lists `train.txt` and `val.txt` or `test.txt` (or `.csv`, `.tsv`), or one such
///   file: a path a line, with a label behind a tab, a comma or a blank, or without; or a table;
/// - tar files in the WebDataset convention: one, or a folder of them. If names hold the word `train`,
///   and others `val` or `test` (`val` is taken where both are), these are the splits;
/// - a folder with a folder of images for each class, sorted by name;
/// - a folder of images without labels.
///
/// A file, and what has no splits, gives all its images for each. Splits have the same classes: those of
/// both, also where one of them has no image of a class.
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
    let metadata = fs::metadata(path).map_err(|source| {
        let path = path.to_owned();
        if leads_nowhere(&path, &source) {
            let target = fs::read_link(&path).unwrap_or_default();
            return Error::DanglingLink { path, target };
        }
        Error::Read { path, source }
    })?;
    if metadata.is_file() {
        return Ok((open_file(path, options)?, false));
    }
    let missing = |expected| Error::MissingSplit {
        path: path.to_owned(),
        split: split.name(),
        expected,
    };
    if let Some(images) = idx_images(path, split)? {
        return Ok((open_idx(&images, idx_images(path, split.other())?)?, true));
    }
    if idx_images(path, split.other())?.is_some() {
        return Err(missing(match split {
            Split::Train => "train-images-idx3-ubyte or train-images-idx3-ubyte.gz",
            Split::Test => "t10k-images-idx3-ubyte or test-images-idx3-ubyte, plain or .gz",
        }));
    }
    if let Some(folders) = SplitFolders::find(path)? {
        let own = folders.get(split).ok_or_else(|| {
            missing(match split {
                Split::Train => "a folder train/ beside val/ or test/",
                Split::Test => "a folder val/ or test/ beside train/",
            })
        })?;
        let other = folders.get(split.other());
        // A split may itself be a folder of shards.
        if !tar_files(own)?.is_empty() {
            return Ok((open_folder(own, split, other, options)?.0, true));
        }
        let list = list_file(path, split);
        return Ok((
            open_images(path, own, other, list.as_deref(), options)?,
            true,
        ));
    }
    let lists = [split, split.other()].map(|split| list_file(path, split));
    if lists.iter().any(Option::is_some) {
        let beside = check_lists(path, &lists)?;
        let [Some(list), other] = &lists else {
            return Err(missing(match split {
                Split::Train => "a list train.txt, train.csv or train.tsv",
                Split::Test => "a list val.txt or test.txt (or .csv or .tsv)",
            }));
        };
        return Ok((open_list(list, other.as_deref(), beside, options)?, true));
    }
    open_folder(path, split, None, options)
}

/// Checks that lists do not stand beside class folders, of which one alone would leave out most; what
/// the user should know of class folders beside two lists.
fn check_lists(path: &Path, lists: &[Option<PathBuf>; 2]) -> Result<Option<String>, Error> {
    let classes = splits::class_folders(path)?;
    if classes.len() < 2 {
        return Ok(None);
    }
    // A few tell enough.
    let names: Vec<String> = classes
        .iter()
        .take(4)
        .map(|class| file_name(class) + "/")
        .collect();
    let (names, found) = (names.join(", "), lists.iter().flatten());
    let found: Vec<String> = found.map(|list| file_name(list)).collect();
    match &found[..] {
        [list] => Err(Error::Ambiguous {
            path: path.to_owned(),
            first: format!("the list {list}"),
            second: format!("class folders ({names})"),
            expected: "one or the other, or a list for each split",
        }),
        found => Ok(Some(format!(
            "{}: the lists {} are taken, not the folders beside ({names})",
            path.display(),
            found.join(" and ")
        ))),
    }
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
        return Ok((open_images(path, path, None, None, options)?, false));
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
        let none: Vec<_> = splits::shards_of_none(&shards).collect();
        if let [first, ..] = none[..] {
            warnings.push(format!(
                "{} of the tar files left out, for their names hold neither train nor val or test: the first, {}",
                none.len(),
                first.display()
            ));
        }
        ShardSet {
            shards: splits::shards_of(&shards, split),
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
    if splits::are_unclear(&shards) {
        warnings.push(format!(
            "{}: all tar files are taken together, for their names do not tell a split to train on (the word train) \
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
        open_list(path, None, None, options)
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
        dataset.unite(&images, &labels);
    }
    Ok(Arc::new(dataset))
}

/// `other`: the list of the other split, which tells what is wrong with it when it is opened itself.
/// `beside`: what the user should know.
fn open_list(
    path: &Path,
    other: Option<&Path>,
    beside: Option<String>,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut index = read_list(path)?;
    if let Some(other) = other
        && !index.labels.is_empty()
        && let Ok(other) = read_list(other)
    {
        index.unite(&other.classes);
    }
    index.warnings.extend(beside);
    Ok(Arc::new(ImageFiles::in_folder(folder, index, options)))
}

/// The list of a split in a folder: a text file whose name is a split's word, in any case.
fn list_file(folder: &Path, split: Split) -> Option<PathBuf> {
    const EXTENSIONS: [&str; 3] = ["txt", "csv", "tsv"];
    let key = |path: PathBuf| {
        let rank = splits::rank_of_list(path.file_stem()?.to_str()?, split)?;
        let extension = path.extension()?.to_str()?.to_lowercase();
        let extension = EXTENSIONS.iter().position(|known| *known == extension)?;
        path.is_file().then_some((rank, extension, path))
    };
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let (_, _, path) = files.filter_map(|entry| key(entry.path())).min()?;
    Some(path)
}

/// The IDX image file of a split in a folder: by the usual names, or else the only one whose name
/// holds `images`, `idx3` and a word for the split.
///
/// # Errors
/// There are several of the latter.
fn idx_images(folder: &Path, split: Split) -> Result<Option<PathBuf>, Error> {
    let names = split.idx_prefixes().iter().flat_map(|prefix| {
        ["", ".gz"].map(|end| folder.join(format!("{prefix}-images-idx3-ubyte{end}")))
    });
    if let Some(path) = names.into_iter().find(|path| path.is_file()) {
        return Ok(Some(path));
    }
    let fits = |path: &PathBuf| {
        let name = file_name(path).to_lowercase();
        let of_images = name.contains("images") && name.contains("idx3");
        of_images && splits::split_of_idx(&name) == Some(split) && path.is_file()
    };
    let entries = fs::read_dir(folder).map_err(|source| Error::Read {
        path: folder.to_owned(),
        source,
    })?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(fits)
        .collect();
    found.sort_unstable();
    match &found[..] {
        [first, second, ..] => Err(Error::Ambiguous {
            path: folder.to_owned(),
            first: file_name(first),
            second: file_name(second),
            expected: "one IDX file of images for each split",
        }),
        _ => Ok(found.pop()),
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
