//! Folders of images: one folder per class, or all in one without labels.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files::{EXTENSION_LIST, is_candidate, leads_nowhere};
use super::index::{Index, Source};
use super::names::Names;
use super::parallel;
use crate::Error;
use e2mc_base::counted;

/// The visible entries of a folder, each kind sorted by name.
#[derive(Default)]
struct Listing {
    folders: Vec<PathBuf>,
    images: Vec<PathBuf>,
    others: Vec<PathBuf>,
    /// Links that lead nowhere, without an image's name.
    broken: Vec<PathBuf>,
}

/// Files that were skipped: how many, and one of them.
#[derive(Default)]
struct Skipped(usize, Option<PathBuf>);

impl Skipped {
    fn add(&mut self, Self(count, first): Self) {
        self.0 += count;
        self.1 = self.1.take().or(first);
    }
}

impl From<Vec<PathBuf>> for Skipped {
    fn from(paths: Vec<PathBuf>) -> Self {
        Self(paths.len(), paths.into_iter().next())
    }
}

/// What lies below a folder.
#[derive(Default)]
struct Tree {
    names: Names,
    /// Files that are no images.
    skipped: Skipped,
    broken: Skipped,
    sources: Vec<Source>,
}

/// Lists folders and counts what it finds.
struct Lister<'a> {
    root: &'a Path,
    found: AtomicUsize,
    progress: Option<&'a (dyn Fn(usize) + Sync)>,
}

/// The names of the folders of images that every one of several folders holds, at least two: classes
/// below splits of unknown names, perhaps. `None` where they differ.
fn same_folders(folders: &[PathBuf]) -> Option<Vec<String>> {
    let below = |folder: &PathBuf| -> Option<Vec<String>> {
        let inner = folders_in(folder).ok()?;
        Some(inner.iter().map(|inner| file_name(inner)).collect())
    };
    let (first, others) = folders.split_first()?;
    let inner = below(first).filter(|inner| inner.len() > 1 && !others.is_empty())?;
    let same = |other: &PathBuf| below(other).as_ref() == Some(&inner);
    let of_images = || first_image(first).is_some_and(|image| image.parent() != Some(first));
    (others.iter().all(same) && of_images()).then_some(inner)
}

/// The images in a folder of class folders, or in a flat folder. Class folders are searched to the
/// bottom, several at a time; names that start with a dot are skipped. `progress` is told the
/// number of images found so far. With `beside`, images beside class folders come last and have no
/// label.
///
/// # Errors
/// A folder cannot be listed, there are no images, a class has none, or images lie beside class
/// folders and must not.
pub(super) fn list_images(
    root: &Path,
    progress: Option<&(dyn Fn(usize) + Sync)>,
    beside: bool,
) -> Result<Index, Error> {
    let lister = Lister {
        root,
        found: AtomicUsize::new(0),
        progress,
    };
    let mut index = Index::default();
    index.sources.push(Source::of(root)?);
    let Listing {
        folders,
        images,
        others,
        broken,
    } = list(root)?;
    let (mut skipped, mut broken) = (Skipped::from(others), Skipped::from(broken));
    let ancestors = [canonical(root)?];
    let trees = parallel::map(&folders, |folder| {
        let mut tree = Tree::default();
        let mut ancestors = ancestors.to_vec();
        lister.add_tree(folder, &mut ancestors, &mut tree)?;
        Ok(tree)
    })?;
    let mut empty = None;
    for (folder, tree) in folders.iter().zip(trees) {
        skipped.add(tree.skipped);
        broken.add(tree.broken);
        index.sources.extend(tree.sources);
        if tree.names.len() == 0 {
            empty.get_or_insert(folder);
            continue;
        }
        let label = index.classes.len() as u32;
        index.names.append(&tree.names);
        index.labels.resize(index.names.len(), label);
        index.classes.push(file_name(folder));
    }
    if let Some(inner) = same_folders(&folders) {
        let names = |folders: &[String]| match folders {
            [first, second, .., _] => format!("{first}/, {second}/, …"),
            all => all.join("/, ") + "/",
        };
        index.warnings.push(format!(
            "{}: {} were taken for classes, although each holds the same folders ({}); name splits \
             train/ and val/ or test/",
            root.display(),
            names(&index.classes),
            names(&inner)
        ));
    }
    match (images.first(), index.classes.first(), empty) {
        (Some(image), Some(class), _) if !beside => {
            let (image, class) = (file_name(image), format!("{class}/"));
            return Err(Error::MixedFolder {
                path: root.to_owned(),
                image,
                class,
            });
        }
        (_, Some(_), Some(folder)) => {
            return Err(Error::EmptyClass {
                path: folder.clone(),
                extensions: EXTENSION_LIST,
            });
        }
        (None, None, _) => {
            return Err(Error::NoImages {
                path: root.to_owned(),
                extensions: EXTENSION_LIST,
            });
        }
        (Some(_), None, Some(folder)) => {
            index.warnings.push(format!(
                "left out {}, which holds no images",
                folder.display()
            ));
        }
        _ => {}
    }
    lister.add_images(&images, &mut index.names);
    if let Skipped(count, Some(first)) = broken {
        let links = if count == 1 { "link" } else { "links" };
        index.warnings.push(format!(
            "left out {count} dangling {links}, the first {}",
            first.display()
        ));
    }
    if let Skipped(count, Some(first)) = skipped {
        let (files, first) = (counted(count, "file"), first.display());
        let are = if count == 1 { "that is" } else { "that are" };
        index.warnings.push(format!(
            "ignored {files} {are} not {EXTENSION_LIST}; the first is {first}"
        ));
    }
    index.names.shrink();
    index.labels.shrink_to_fit();
    Ok(index)
}

impl Lister<'_> {
    /// Adds all images below a folder. `ancestors` are the real paths of the folders around it.
    fn add_tree(
        &self,
        folder: &Path,
        ancestors: &mut Vec<PathBuf>,
        tree: &mut Tree,
    ) -> Result<(), Error> {
        let real = canonical(folder)?;
        if ancestors.contains(&real) {
            return Err(Error::LinkCycle {
                path: folder.to_owned(),
            });
        }
        ancestors.push(real);
        tree.sources.push(Source::of(folder)?);
        let Listing {
            folders,
            images,
            others,
            broken,
        } = list(folder)?;
        self.add_images(&images, &mut tree.names);
        tree.skipped.add(others.into());
        tree.broken.add(broken.into());
        for folder in folders {
            self.add_tree(&folder, ancestors, tree)?;
        }
        ancestors.pop();
        Ok(())
    }

    fn add_images(&self, images: &[PathBuf], names: &mut Names) {
        for path in images {
            names.push(path.strip_prefix(self.root).unwrap_or(path).as_os_str());
        }
        let before = self.found.fetch_add(images.len(), Ordering::Relaxed);
        if let Some(progress) = self.progress {
            progress(before + images.len());
        }
    }
}

fn list(folder: &Path) -> Result<Listing, Error> {
    let fail = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let mut listing = Listing::default();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // The entry's own type spares a system call per file, but only links need following.
        let mut kind = entry.file_type().map_err(fail)?;
        if kind.is_symlink() {
            kind = match fs::metadata(&path) {
                Ok(followed) => followed.file_type(),
                // One bad image more, which is counted when it is read.
                Err(_) if is_candidate(&path) => {
                    listing.images.push(path);
                    continue;
                }
                Err(source) if leads_nowhere(&path, &source) => {
                    listing.broken.push(path);
                    continue;
                }
                Err(source) => return Err(Error::Read { path, source }),
            };
        }
        if kind.is_dir() {
            listing.folders.push(path);
        } else if kind.is_file() && is_candidate(&path) {
            listing.images.push(path);
        } else {
            listing.others.push(path);
        }
    }
    for paths in [
        &mut listing.folders,
        &mut listing.images,
        &mut listing.others,
        &mut listing.broken,
    ] {
        paths.sort_unstable();
    }
    Ok(listing)
}

/// One of the images in a folder or below it, if there is any. What cannot be listed holds none.
pub(super) fn first_image(folder: &Path) -> Option<PathBuf> {
    fn search(folder: &Path, ancestors: &mut Vec<PathBuf>) -> Option<PathBuf> {
        let real = canonical(folder).ok()?;
        if ancestors.contains(&real) {
            return None;
        }
        let Listing {
            folders, images, ..
        } = list(folder).ok()?;
        ancestors.push(real);
        let found = images.into_iter().next();
        let found = found.or_else(|| folders.iter().find_map(|folder| search(folder, ancestors)));
        ancestors.pop();
        found
    }
    search(folder, &mut Vec::new())
}

/// What a folder visibly holds: its images, of which there may be a million, are not kept.
#[derive(Default)]
pub(super) struct Entries {
    /// Sorted by name.
    pub(super) folders: Vec<PathBuf>,
    /// Files that are no images, sorted by name.
    pub(super) files: Vec<PathBuf>,
    pub(super) has_images: bool,
}

impl Entries {
    pub(super) fn of(folder: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Read {
            path: folder.to_owned(),
            source,
        };
        let mut entries = Self::default();
        for entry in fs::read_dir(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(fail)?;
            if kind.is_dir() || kind.is_symlink() && path.is_dir() {
                entries.folders.push(path);
            } else if is_candidate(&path) {
                entries.has_images = true;
            } else {
                entries.files.push(path);
            }
        }
        entries.folders.sort_unstable();
        entries.files.sort_unstable();
        Ok(entries)
    }
}

/// The visible folders in a folder, sorted by name.
pub(super) fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    Ok(Entries::of(folder)?.folders)
}

fn canonical(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
