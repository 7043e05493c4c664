//! Images in a folder: labelled by the folders of their classes, by a list beside, or not at all.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::ImageFiles;
use super::folder::{file_name, folders_in, list_images};
use super::index::Index;
use super::labels;
use super::lines::damaged;
use super::list::read_list;
use super::names::Names;
use super::options::OpenOptions;
use super::split_words::is_beside;
use crate::{Dataset, Error};

/// The folder of a split, and what may label its images if they are in no class folders.
pub(super) struct SplitFolder<'a> {
    pub(super) folder: &'a Path,
    pub(super) list: Option<PathBuf>,
}

/// Opens a folder of images, with folders of classes or without.
///
/// # Errors
/// There are no images, or it is unclear what they are.
pub(super) fn open_images(
    folder: &Path,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    let index = list(folder, options)?;
    Ok(Arc::new(ImageFiles::in_folder(folder, index, options)))
}

/// Opens a split, with the classes of the other one too. `root`: where both are.
///
/// # Errors
/// As [`open_images`]; a list does not fit the images or the other split's classes.
pub(super) fn open_split(
    root: &Path,
    own: &SplitFolder<'_>,
    other: Option<&SplitFolder<'_>>,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    let folder = own.folder;
    let mut index = list(folder, options)?;
    let classes = other.map(SplitFolder::classes).unwrap_or_default();
    // A folder for all images is no class.
    let inner = match &index.classes[..] {
        [only] if is_beside(Path::new(only)) => Some(folder.join(only)),
        _ => None,
    };
    if inner.is_some() {
        index.labels.clear();
        index.classes.clear();
    }
    if !index.labels.is_empty() {
        if !labels::are_numbers(&classes.names) || classes.of_folders {
            labels::unite_folders(&mut index.labels, &mut index.classes, &classes.names);
        }
        return Ok(Arc::new(ImageFiles::in_folder(folder, index, options)));
    }
    let Some(list) = &own.list else {
        return Ok(Arc::new(ImageFiles::in_folder(folder, index, options)));
    };
    let mut listed = read_labels(list, &classes, index.names.len())?;
    if listed.names.len() > index.names.len() {
        // Boxes, several for an image.
        index.warnings.push(format!(
            "{} has {} rows for {} images and was not used as their labels",
            list.display(),
            listed.names.len(),
            index.names.len()
        ));
        return Ok(Arc::new(ImageFiles::in_folder(folder, index, options)));
    }
    let places = [Some(root), Some(folder), inner.as_deref()];
    let places: Vec<&Path> = places.into_iter().flatten().collect();
    let place = find_images(list, &mut listed, &index.names, &places)?;
    listed.warnings.extend(index.warnings);
    Ok(Arc::new(ImageFiles::in_folder(place, listed, options)))
}

fn list(folder: &Path, options: &OpenOptions<'_>) -> Result<Index, Error> {
    let beside = options.unlabelled_beside;
    let make = || list_images(folder, options.progress, beside);
    // Others who open the folder must be told what lies beside class folders.
    let cache = options.cache.filter(|_| !beside);
    Index::cached(cache, folder, make)
}

/// The classes of a split, by its folders or by its list.
#[derive(Default)]
struct Classes {
    names: Vec<String>,
    of_folders: bool,
}

impl SplitFolder<'_> {
    /// What is wrong with them, they tell when they are opened.
    fn classes(&self) -> Classes {
        let folders = folders_in(self.folder).unwrap_or_default();
        let names: Vec<String> = folders.iter().map(|folder| file_name(folder)).collect();
        let flat = match &folders[..] {
            [] => true,
            [only] => is_beside(only),
            _ => false,
        };
        if !flat {
            return Classes {
                names,
                of_folders: true,
            };
        }
        let list = self.list.as_deref().and_then(|list| read_list(list).ok());
        Classes {
            names: list.map(|list| list.classes).unwrap_or_default(),
            of_folders: false,
        }
    }
}

/// A list, with these classes too: folders, of which its labels are numbers or names, or those of
/// another list. `images`: how many there are.
fn read_labels(list: &Path, classes: &Classes, images: usize) -> Result<Index, Error> {
    let mut index = read_list(list)?;
    if index.names.len() < images {
        index.warnings.push(format!(
            "{} lists {} of {images} images; the others are left out",
            list.display(),
            index.names.len()
        ));
    }
    if index.labels.is_empty() || classes.names.is_empty() {
        return Ok(index);
    }
    if !classes.of_folders {
        index.unite(&classes.names);
        return Ok(index);
    }
    let names = &classes.names;
    labels::as_folders(&mut index.labels, &mut index.classes, names).map_err(|place| {
        let image = index.names.get(place).to_string_lossy();
        Error::Label {
            name: format!("{}: {image}", list.display()),
            expected: format!(
                "a number below {} (the number of class folders of the other split), or one of \
                 their names",
                names.len()
            ),
            found: index.classes[index.labels[place] as usize].clone(),
        }
    })?;
    Ok(index)
}

/// Which of these places a list's names are relative to; names without an extension get that of the
/// images.
fn find_images<'a>(
    list: &Path,
    index: &mut Index,
    images: &Names,
    places: &[&'a Path],
) -> Result<&'a Path, Error> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let first = Path::new(index.names.get(0));
    let found = places.iter().find(|place| is_there(&place.join(first)));
    if let Some(place) = found {
        return Ok(place);
    }
    let extension = Path::new(images.get(0)).extension().unwrap_or_default();
    let with_extension = |name: &Path| {
        let mut name = OsString::from(name);
        name.push(".");
        name.push(extension);
        name
    };
    let whole = with_extension(first);
    let found = places.iter().find(|place| is_there(&place.join(&whole)));
    let Some(place) = found else {
        let folder = places.get(1).unwrap_or(&places[0]);
        let expected = format!("a file of {}/", folder.display());
        return Err(damaged(list, 1, &expected, &first.to_string_lossy()));
    };
    let mut names = Names::default();
    for image in 0..index.names.len() {
        names.push(&with_extension(Path::new(index.names.get(image))));
    }
    index.names = names;
    Ok(place)
}
