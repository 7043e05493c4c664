//! Tar files in the convention of WebDataset.
//!
//! The archives are read through once, for where each image lies; images are then read in place, in
//! any order. What is in an archive, [`member`](super::member) tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files::ImageFiles;
use super::index::{Index, Source};
use super::member::{LeftOut, read_shard};
use super::options::OpenOptions;
use super::{labels, parallel};
use crate::{Dataset, Error};

/// Shards that are one data set, or one split of it.
pub(super) struct ShardSet {
    pub(super) shards: Vec<PathBuf>,
    pub(super) folder: PathBuf,
    /// What their index is kept as.
    pub(super) place: PathBuf,
    /// What the user should know of how they were chosen.
    pub(super) warnings: Vec<String>,
}

impl ShardSet {
    /// All shards of a folder, or a file.
    pub(super) fn whole(path: &Path, shards: Vec<PathBuf>) -> Self {
        Self {
            shards,
            folder: path.to_owned(),
            place: path.to_owned(),
            warnings: Vec::new(),
        }
    }

    fn index(&self, options: &OpenOptions<'_>) -> Result<Index, Error> {
        Index::cached(options.cache, &self.place, || {
            let mut index = index_shards(&self.shards, options.progress)?;
            if self.folder.is_dir() {
                index.add_source(&self.folder)?;
            }
            Ok(index)
        })
    }

    /// With the classes of the other split too.
    pub(super) fn open(
        &self,
        other: Option<&Self>,
        options: &OpenOptions<'_>,
    ) -> Result<Arc<dyn Dataset>, Error> {
        let mut index = self.index(options)?;
        if let Some(other) = other.filter(|_| !index.labels.is_empty())
            && let Ok(other) = other.index(options)
        {
            // What is wrong with the other, it tells when it is opened itself.
            index.unite(&other.classes);
        }
        index.warnings.extend(self.warnings.iter().cloned());
        let dataset = ImageFiles::in_shards(&self.shards, index, options)?;
        Ok(Arc::new(dataset))
    }
}

/// The tar files of a folder, sorted by name.
pub(super) fn tar_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
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

/// The images of these archives, in their order and in the order of each.
///
/// # Errors
/// An archive cannot be read or is damaged, there are no images, or some have a label and some
/// have none.
fn index_shards(
    paths: &[PathBuf],
    progress: Option<&(dyn Fn(usize) + Sync)>,
) -> Result<Index, Error> {
    let found = AtomicUsize::new(0);
    let numbered: Vec<(usize, &PathBuf)> = paths.iter().enumerate().collect();
    let shards = parallel::map(&numbered, |&(number, path)| {
        let source = Source::of(path)?;
        let shard = read_shard(path, number as u32)?;
        let before = found.fetch_add(shard.names.len(), Ordering::Relaxed);
        if let Some(progress) = progress {
            progress(before + shard.names.len());
        }
        Ok((source, shard))
    })?;
    let mut index = Index::default();
    let mut texts = Vec::new();
    let mut left_out = LeftOut::default();
    for (source, shard) in shards {
        left_out.add(shard.left_out);
        index.sources.push(source);
        index.names.append(&shard.names);
        index.extents.extend(shard.extents);
        texts.extend(shard.labels);
    }
    let first = |labelled: bool| texts.iter().position(|text| text.is_some() == labelled);
    match (first(true), first(false)) {
        (None, None) if left_out.count() > 0 => {
            return Err(Error::LeftOut {
                path: paths.first().cloned().unwrap_or_default(),
                expected: "JPEG, PNG or WebP files stored as they are",
                found: left_out.to_string(),
            });
        }
        (None, None) => {
            return Err(Error::NoImages {
                path: paths.first().cloned().unwrap_or_default(),
                extensions: super::files::EXTENSION_LIST,
            });
        }
        (Some(_), Some(image)) => {
            let shard = &paths[index.extents[image].shard as usize];
            return Err(Error::Unlabelled {
                name: shard
                    .join(index.names.get(image))
                    .to_string_lossy()
                    .into_owned(),
            });
        }
        (Some(_), None) => {
            let texts: Vec<String> = texts.into_iter().flatten().collect();
            (index.labels, index.classes) = labels::from_texts(&texts).map_err(|mix| {
                let shard = &paths[index.extents[mix.place].shard as usize];
                let name = shard.join(index.names.get(mix.place));
                Error::Label {
                    name: name.to_string_lossy().into_owned(),
                    expected: mix.expected(),
                    found: texts[mix.place].clone(),
                }
            })?;
        }
        (None, Some(_)) => {}
    }
    if left_out.count() > 0 {
        index
            .warnings
            .push(format!("images in tar files left out: {left_out}"));
    }
    index.names.shrink();
    index.extents.shrink_to_fit();
    Ok(index)
}
