//! PASCAL VOC images with several labels each.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use e2mc_data::{Dataset, Image, decode};
use e2mc_eval::{MultiLabels, VocImages, read_voc};

/// Whether a folder is laid out as VOC's.
pub(crate) fn is_voc(folder: &Path) -> bool {
    folder.join("Annotations").is_dir() && folder.join("ImageSets/Main").is_dir()
}

/// The images of a split with their labels.
pub(crate) fn open(folder: &Path, split: &str) -> Result<(Arc<dyn Dataset>, MultiLabels)> {
    let VocImages { files, labels } = read_voc(folder, split)?;
    Ok((Arc::new(Files(files)), labels))
}

/// Image files in the order of a list, without classes of their own.
struct Files(Vec<PathBuf>);

impl Dataset for Files {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), e2mc_data::Error> {
        let path = &self.0[index];
        let bytes = fs::read(path).map_err(|source| e2mc_data::Error::Read {
            path: path.clone(),
            source,
        })?;
        decode::decode(&bytes, &path.display(), image)
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        self.0[index].display().to_string()
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        None
    }
}
