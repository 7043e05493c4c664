//! Finding the images at a path.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{ImageFiles, leads_nowhere};
use super::folder::{Entries, file_name, first_image, folders_in};
use super::idx_files::{idx_images, open_idx};
use super::labelled_folder::{SplitFolder, open_images, open_split};
use super::list::{read_list, read_list_of_folder};
use super::options::{OpenOptions, Split};
use super::shards::{ShardSet, tar_files};
use super::split_words;
use super::splits::{self, SplitFolders, holds_image};
use crate::{Dataset, Error, Selection, subset};

/// Opens the data set at `path`, whatever its form:
///
/// - an IDX file of images, or a folder with `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`
///   or `test-images-idx3-ubyte` (each plain or `.gz`), with label files `…-labels-idx1-ubyte`
///   beside; also under longer names, such as `emnist-letters-train-images-idx3-ubyte`;
/// - a folder with `train/` and `val/` or `test/` (`val/` is taken where both are): the one for the
///   split; also by other words and in any case, such as `Training/` and `Testing/`, `seg_train/`
///   and `seg_test/`, and with one folder around both; a split without class folders is labelled by
///   a list beside or in it, such as `val.txt`, `train_labels.csv` or `val/val_annotations.txt`;
/// - a folder with the lists `train.txt` and `val.txt` or `test.txt` (or `.csv`, `.tsv`), or one
///   such file: a path a line, with a label behind a tab, a comma or a blank, or without; or a
///   table;
/// - tar files in the WebDataset convention: one, or a folder of them. If names hold the word
///   `train`, and others `val` or `test` (`val` is taken where both are), these are the splits;
/// - a folder with a folder of images for each class, sorted by name;
/// - a folder of images without labels.
///
/// A file, and what has no splits, gives all its images for each. Splits have the same classes:
/// those of both, also where one of them has no image of a class.
///
/// # Errors
/// There is nothing at `path`, nothing for the split, or nothing that can be told apart.
pub fn open(path: &Path, split: Split) -> Result<Arc<dyn Dataset>, Error> {
    open_with(path, split, &OpenOptions::default())
}

/// As [`open`], with a report of progress, a cache, and a test split for data that has none.
///
/// # Errors
/// As [`open`]; a fraction is out of range or leaves nothing, or there is a test split already.
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
            return Err(Error::TestSplit { path });
        }
        Err(Error::MissingSplit { .. }) => find(path, Split::Train, options)?.0,
        Err(error) => return Err(error),
    };
    let count = (fraction * dataset.len() as f64).round();
    if !(0.0 < fraction && fraction < 1.0 && count >= 1.0) {
        return Err(Error::Subset {
            what: format!("a test split of {fraction}"),
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
    let Entries {
        folders,
        files,
        has_images,
    } = Entries::of(path)?;
    let [idx, other_idx] = [split, split.other()].map(|split| idx_images(path, &files, split));
    let (idx, other_idx) = (idx?, other_idx?);
    if let Some(images) = idx {
        return Ok((open_idx(&images, other_idx)?, true));
    }
    if other_idx.is_some() {
        return Err(missing(match split {
            Split::Train => "train-images-idx3-ubyte or train-images-idx3-ubyte.gz",
            Split::Test => "t10k-images-idx3-ubyte or test-images-idx3-ubyte, plain or .gz",
        }));
    }
    if let Some(splits) = SplitFolders::find(path, &folders)? {
        let own = splits.get(split).ok_or_else(|| {
            missing(match split {
                Split::Train => "a folder train/ beside val/ or test/",
                Split::Test => "a folder val/ or test/ beside train/",
            })
        })?;
        let other = splits.get(split.other());
        // A split may itself be a folder of shards.
        if !tar_files(own)?.is_empty() {
            return Ok((open_folder(own, split, other, options)?.0, true));
        }
        let with_list = |folder, split| SplitFolder {
            folder,
            list: label_list(&files, folder, split),
        };
        let other = other.map(|other| with_list(other, split.other()));
        let own = with_list(own, split);
        return Ok((open_split(path, &own, other.as_ref(), options)?, true));
    }
    let lists = [split, split.other()].map(|split| list_file(&files, split));
    if lists.iter().any(Option::is_some) {
        let beside = check_lists(path, &folders, &lists)?;
        let [Some(list), other] = &lists else {
            return Err(missing(match split {
                Split::Train => "a list train.txt, train.csv or train.tsv",
                Split::Test => "a list val.txt or test.txt (or .csv or .tsv)",
            }));
        };
        return Ok((open_list(list, other.as_deref(), beside, options)?, true));
    }
    // A folder around all, as archives unpack.
    let is_tar = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "tar");
    if let [only] = &folders[..]
        && !has_images
        && !files.iter().any(is_tar)
        && SplitFolders::find(only, &folders_in(only)?)?.is_some()
    {
        return find(only, split, options);
    }
    open_folder(path, split, None, options)
}

/// Checks that lists do not stand beside class folders, of which one alone would leave out most;
/// what the user should know of class folders beside two lists.
fn check_lists(
    path: &Path,
    folders: &[PathBuf],
    lists: &[Option<PathBuf>; 2],
) -> Result<Option<String>, Error> {
    let classes = splits::class_folders(folders);
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
            "{}: the lists {} are used, not the folders beside them ({names})",
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
        return Ok((open_images(path, options)?, false));
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
            "left out images beside the tar files, the first {}",
            image.display()
        ));
    }
    let of = |split: Split| {
        let mut warnings = warnings.clone();
        let none: Vec<_> = split_words::shards_of_none(&shards).collect();
        if let [first, ..] = none[..] {
            warnings.push(format!(
                "left out {} of the tar files, because their names contain neither train nor val \
                 or test; the first is {}",
                none.len(),
                first.display()
            ));
        }
        ShardSet {
            shards: split_words::shards_of(&shards, split),
            folder: path.to_owned(),
            // Each split has its own index.
            place: path.join(split.name()),
            warnings,
        }
    };
    let (own, other) = (of(split), of(split.other()));
    if !own.shards.is_empty() && !other.shards.is_empty() {
        return Ok((own.open(Some(&other), options)?, true));
    }
    if split_words::are_unclear(&shards) {
        warnings.push(format!(
            "{}: all tar files are used as one set, because their names do not distinguish a train \
             split (the word train) from a test split (val or test)",
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
    } else if image::guess_format(&start).is_ok() {
        let path = path.to_owned();
        Err(Error::OnePicture { path })
    } else {
        open_idx(path, None)
    }
}

/// `other`: the list of the other split, which tells what is wrong with it when it is opened
/// itself. `beside`: what the user should know.
fn open_list(
    path: &Path,
    other: Option<&Path>,
    beside: Option<String>,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut index = read_list_of_folder(path)?;
    if let Some(other) = other
        && !index.labels.is_empty()
        && let Ok(other) = read_list(other)
    {
        index.unite(&other.classes);
    }
    index.warnings.extend(beside);
    Ok(Arc::new(ImageFiles::in_folder(folder, index, options)))
}

/// The list of a split among a folder's files: a text whose name is a split's word, in any case.
fn list_file(files: &[PathBuf], split: Split) -> Option<PathBuf> {
    first_list(files, |stem| split_words::rank_of_list(stem, split))
}

/// The list that may label a split's images: beside its folder, or in it.
fn label_list(beside: &[PathBuf], folder: &Path, split: Split) -> Option<PathBuf> {
    let rank = |within| move |stem: &str| split_words::rank_of_labels(stem, split, within);
    first_list(beside, rank(false)).or_else(|| {
        let within = Entries::of(folder).ok()?.files;
        first_list(&within, rank(true))
    })
}

/// The first text file whose name has a rank, by that and by its extension.
fn first_list(files: &[PathBuf], rank: impl Fn(&str) -> Option<usize>) -> Option<PathBuf> {
    const EXTENSIONS: [&str; 3] = ["txt", "csv", "tsv"];
    let key = |path: &PathBuf| {
        let rank = rank(path.file_stem()?.to_str()?)?;
        let extension = path.extension()?.to_str()?.to_lowercase();
        let extension = EXTENSIONS.iter().position(|known| *known == extension)?;
        path.is_file().then(|| (rank, extension, path.clone()))
    };
    let (_, _, path) = files.iter().filter_map(key).min()?;
    Some(path)
}
