//! Images in a folder: labelled by the folders of their classes, by a list beside, or not at all.

use std::path::Path;
use std::sync::Arc;

use super::files::ImageFiles;
use super::folder::{file_name, folders_in, list_images};
use super::index::Index;
use super::labels;
use super::lines::damaged;
use super::list::read_list;
use super::options::OpenOptions;
use crate::{Dataset, Error};

/// Opens the images of a folder, with the classes of the other split's folder too. `list`: what may
/// label them, beside the folder in `root`, if they are in no class folders.
pub(super) fn open_images(
    root: &Path,
    folder: &Path,
    other: Option<&Path>,
    list: Option<&Path>,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    let make = || list_images(folder, options.progress);
    let mut index = Index::cached(options.cache, folder, make)?;
    let classes = other.map(class_names).unwrap_or_default();
    if let Some(list) = list
        && index.labels.is_empty()
    {
        let listed = read_labels(list, &classes, index.names.len())?;
        return open_listed(root, folder, list, listed, options);
    }
    labels::unite_folders(&mut index.labels, &mut index.classes, &classes);
    Ok(Arc::new(ImageFiles::in_folder(folder, index, options)))
}

/// The names of a split's class folders. What is wrong with them, they tell when they are opened.
fn class_names(split: &Path) -> Vec<String> {
    let folders = folders_in(split).unwrap_or_default();
    folders.iter().map(|folder| file_name(folder)).collect()
}

/// A list whose labels are numbers or names of these classes. `images`: how many there are.
fn read_labels(list: &Path, classes: &[String], images: usize) -> Result<Index, Error> {
    let mut index = read_list(list)?;
    if index.names.len() < images {
        index.warnings.push(format!(
            "{} names {} of {images} images, the others are left out",
            list.display(),
            index.names.len()
        ));
    }
    if index.labels.is_empty() || classes.is_empty() {
        return Ok(index);
    }
    labels::as_folders(&mut index.labels, &mut index.classes, classes).map_err(|place| {
        Error::Label {
            name: format!(
                "{}: {}",
                list.display(),
                index.names.get(place).to_string_lossy()
            ),
            expected: format!(
                "a number below {}, for as many class folders of the other split, or one of their names",
                classes.len()
            ),
            found: index.classes[index.labels[place] as usize].clone(),
        }
    })?;
    Ok(index)
}

/// The images of a list, whose names are relative to the list's folder or to that of the images.
fn open_listed(
    root: &Path,
    folder: &Path,
    list: &Path,
    index: Index,
    options: &OpenOptions<'_>,
) -> Result<Arc<dyn Dataset>, Error> {
    let first = Path::new(index.names.get(0));
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let place = [root, folder]
        .into_iter()
        .find(|place| is_there(&place.join(first)));
    let place = place.ok_or_else(|| {
        let expected = format!("a file of {}/", folder.display());
        damaged(list, 1, &expected, &first.to_string_lossy())
    })?;
    Ok(Arc::new(ImageFiles::in_folder(place, index, options)))
}
