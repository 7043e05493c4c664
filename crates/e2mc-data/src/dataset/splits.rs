//! Which folders of a data set are its splits: by their names, and by what else is there.

use std::path::{Path, PathBuf};

use super::folder::{file_name, first_image, folders_in};
use super::options::Split;
use super::shards::tar_files;
use super::split_words::{Named, is_split};
use crate::Error;

/// The folders of a data set's splits.
#[derive(Debug, PartialEq)]
pub(super) struct SplitFolders {
    train: Option<PathBuf>,
    test: Option<PathBuf>,
}

impl SplitFolders {
    /// Those among the folders in a folder; `None` if there are none.
    ///
    /// # Errors
    /// Folders cannot be listed, or it is unclear whether they are splits, or which.
    pub(super) fn find(root: &Path, folders: &[PathBuf]) -> Result<Option<Self>, Error> {
        let named = folders.iter().filter_map(|folder| Named::of_folder(folder));
        // What is named in passing must hold something to be a split.
        let named: Vec<Named> = named
            .filter(|named| named.exact || holds_data(&named.path))
            .collect();
        let plain: Vec<&Named> = named.iter().filter(|named| named.rest.is_empty()).collect();
        let found = match Self::of(root, &plain)? {
            Self {
                train: None,
                test: None,
            } => Self::pair(root, &named)?,
            found => Some(found),
        };
        match found {
            None => check_unnamed(root, folders).map(|()| None),
            Some(found) => Ok(found.is_meant(root, folders)?.then_some(found)),
        }
    }

    /// The first of each split.
    fn of(root: &Path, named: &[&Named]) -> Result<Self, Error> {
        let first = |split: Split| {
            let mut own: Vec<&&Named> = named.iter().filter(|named| named.split == split).collect();
            let key = |named: &&&Named| (named.rank, !named.exact);
            own.sort_by_key(key);
            match own[..] {
                [first, second, ..] if key(&first) == key(&second) => {
                    let name = |named: &Named| format!("the folder {}/", file_name(&named.path));
                    Err(Error::Ambiguous {
                        path: root.to_owned(),
                        first: name(first),
                        second: name(second),
                        expected: "one folder for each split",
                    })
                }
                [first, ..] => Ok(Some(inner(&first.path))),
                [] => Ok(None),
            }
        };
        Ok(Self {
            train: first(Split::Train)?,
            test: first(Split::Test)?,
        })
    }

    /// Names that differ in the split alone: `seg_train` and `seg_test`.
    fn pair(root: &Path, named: &[Named]) -> Result<Option<Self>, Error> {
        let mut pairs: Vec<Self> = Vec::new();
        for rest in named.iter().map(|named| &named.rest) {
            let alike: Vec<&Named> = named.iter().filter(|named| named.rest == *rest).collect();
            let pair = Self::of(root, &alike)?;
            if pair.train.is_some() && pair.test.is_some() && !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        if let [first, second, ..] = &pairs[..] {
            let name = |pair: &Self| {
                let name = pair.get(Split::Train).map(file_name).unwrap_or_default();
                format!("the folder {name}/")
            };
            return Err(Error::Ambiguous {
                path: root.to_owned(),
                first: name(first),
                second: name(second),
                expected: "one folder for each split",
            });
        }
        Ok(pairs.pop())
    }

    /// Whether these are splits and no classes among others. Two are splits; one alone has folders
    /// of images itself, or nothing beside it that could be a class.
    fn is_meant(&self, root: &Path, folders: &[PathBuf]) -> Result<bool, Error> {
        let (alone, split) = match (&self.train, &self.test) {
            (Some(alone), None) => (alone, Split::Train),
            (None, Some(alone)) => (alone, Split::Test),
            _ => return Ok(true),
        };
        let has_classes = folders_in(alone)?.iter().any(|class| holds_image(class));
        if has_classes && split == Split::Train {
            return Ok(true);
        }
        let class = |folder: &&PathBuf| !is_split(folder) && holds_image(folder);
        // A few tell enough.
        let classes = folders.iter().filter(class).take(4);
        let classes: Vec<String> = classes.map(|class| file_name(class) + "/").collect();
        if classes.is_empty() {
            return Ok(true);
        }
        if split == Split::Test && !has_classes {
            // A class that is called `valid`, say.
            return Ok(false);
        }
        Err(Error::Ambiguous {
            path: root.to_owned(),
            first: format!("the folder {}/", file_name(alone)),
            second: format!("other folders of images ({})", classes.join(", ")),
            expected: "train/ with val/ or test/, or class folders with other names",
        })
    }

    pub(super) fn get(&self, split: Split) -> Option<&Path> {
        match split {
            Split::Train => self.train.as_deref(),
            Split::Test => self.test.as_deref(),
        }
    }
}

/// Folders of images that are no split.
pub(super) fn class_folders(folders: &[PathBuf]) -> Vec<&PathBuf> {
    let is_class = |folder: &&PathBuf| !is_split(folder) && holds_image(folder);
    folders.iter().filter(is_class).collect()
}

/// A folder that holds nothing but one of its own name stands for that one, as archives unpack.
fn inner(folder: &Path) -> PathBuf {
    let mut folder = folder.to_owned();
    while let Ok([only]) = folders_in(&folder).as_deref()
        && only.file_name() == folder.file_name()
        && first_image(&folder).is_some_and(|image| image.starts_with(only))
    {
        folder = only.clone();
    }
    folder
}

/// Refuses folders whose names hold a split's word, though not as a whole, and differ in nothing
/// else: `mytrain` and `mytest`.
fn check_unnamed(root: &Path, folders: &[PathBuf]) -> Result<(), Error> {
    let without = |folder: &PathBuf, texts: &[&str]| -> Option<String> {
        let name = file_name(folder).to_lowercase();
        let text = texts.iter().find(|text| name.contains(**text))?;
        Some(name.replacen(text, "", 1))
    };
    for train in folders {
        let Some(rest) = without(train, &["training", "train"]) else {
            continue;
        };
        let test = folders.iter().find(|test| {
            let texts = ["testing", "test", "validation", "valid", "val"];
            *test != train && without(test, &texts).is_some_and(|other| other == rest)
        });
        if let Some(test) = test.filter(|test| holds_data(test) && holds_data(train)) {
            let name = |folder: &Path| format!("the folder {}/", file_name(folder));
            return Err(Error::Ambiguous {
                path: root.to_owned(),
                first: name(train),
                second: name(test),
                expected: "splits named train/ and val/ or test/, or class folders",
            });
        }
    }
    Ok(())
}

pub(super) fn holds_image(folder: &Path) -> bool {
    first_image(folder).is_some()
}

fn holds_data(folder: &Path) -> bool {
    holds_image(folder) || tar_files(folder).is_ok_and(|shards| !shards.is_empty())
}
