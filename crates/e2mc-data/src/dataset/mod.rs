//! Data sets: what holds images, by index.

mod files;
mod folder;
mod idx;
mod idx_files;
mod index;
mod labelled_folder;
mod labels;
mod lines;
mod list;
mod member;
mod names;
mod open;
mod options;
mod parallel;
mod selection;
mod shards;
mod split_words;
mod splits;
mod table;
mod voc;

pub use files::ImageFiles;
pub use idx::IdxImages;
pub use index::cache_folder;
pub use names::{escaped_name, unescaped_name};
pub use open::{open, open_with};
pub use options::{BadNews, OnBad, OpenOptions, Split, first_bad};
pub use selection::Selection;
pub use voc::{VOC_CLASSES, VocImages, VocShown, is_voc};

use std::path::Path;

use crate::decode::Wanted;
use crate::{Error, Image, Thumbnail};

/// The name of an image below the folder of its data set, so that it stays the same where the
/// folder is moved.
pub fn name_below(root: &Path, dataset: &dyn Dataset, index: usize) -> String {
    let (root, name) = (root.to_string_lossy(), dataset.name(index));
    let below = name.strip_prefix(&*root).unwrap_or(&name);
    below
        .trim_start_matches(std::path::MAIN_SEPARATOR)
        .to_owned()
}

/// What is shown of the image `index`: its name [below the folder](name_below) and, with
/// `thumbnails` and where it can be read, a small picture. None if there is no such image.
pub fn shown(
    (root, dataset): (&Path, &dyn Dataset),
    index: usize,
    thumbnails: bool,
) -> Option<(String, Option<Thumbnail>)> {
    (index < dataset.len()).then(|| {
        let small = thumbnails.then(|| Thumbnail::of(dataset, index).ok());
        (name_below(root, dataset, index), small.flatten())
    })
}

/// Whether a data set in the folder `root` can be what rows of embeddings are of: as many images as
/// rows and, of a list of `names` as `embed` leaves it, the same in the same order.
pub fn is_of_rows(root: &Path, dataset: &dyn Dataset, rows: usize, names: Option<&str>) -> bool {
    let below = |row| name_below(root, dataset, row);
    let ends = |(row, line): (usize, &str)| line.ends_with(&*escaped_name(&below(row)));
    let mut named = names.iter().flat_map(|names| names.lines().enumerate());
    dataset.len() == rows && named.all(|(row, line)| row < rows && ends((row, line)))
}

/// Images by index, with labels where there are any. Shared by the threads of a loader.
pub trait Dataset: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads an image into `image`, whose buffer is reused. It has the channels it was stored
    /// with: 1 for grey, 3 for colour.
    ///
    /// # Errors
    /// The image cannot be read or decoded; the error names it.
    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error>;

    /// Reads of an image at least the region that is wanted; the pixels outside are unspecified.
    /// See [`decode_region`](crate::decode::decode_region).
    ///
    /// # Errors
    /// The image cannot be read or decoded; the error names it.
    fn read_region(
        &self,
        index: usize,
        wanted: Wanted<'_>,
        image: &mut Image,
    ) -> Result<(), Error> {
        self.read(index, image)?;
        wanted(image.width, image.height);
        Ok(())
    }

    /// The class of an image, as an index into [`classes`](Self::classes).
    fn label(&self, index: usize) -> Option<usize>;

    /// The names of the classes; empty when there are no labels.
    fn classes(&self) -> &[String];

    /// What to call an image in a message: its file name, or `train-images-idx3-ubyte.gz[12]`.
    fn name(&self, index: usize) -> String;

    /// Width and height when all images are alike, else `None`.
    fn native_size(&self) -> Option<(usize, usize)>;

    /// How many images a loader may find to be unreadable. It puts others of the same class in
    /// their places; with 0 the first is an error.
    fn bad_allowed(&self) -> usize {
        0
    }

    /// Is told of an image that a loader has found to be unreadable, and why; perhaps repeatedly.
    fn note_bad(&self, index: usize, reason: &str) {
        let _ = (index, reason);
    }

    /// Harmless things that the user should know, such as files that were left out; one line each.
    fn warnings(&self) -> &[String] {
        &[]
    }
}
