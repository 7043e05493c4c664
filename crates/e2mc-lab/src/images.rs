//! Images as commands take them: opened with a report of what is found and what is bad, split for
//! training and test, with their labels.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use e2mc_data::dataset::{BadNews, cache_folder, first_bad, name_below, shown};
use e2mc_data::{Dataset, OpenOptions, Preprocessing, Split, open_with, subset};
use e2mc_record::{DataOptions, data_fingerprint};
use e2mc_report::pages::images::Picture;

use crate::error::Error;
use crate::notice::{Notice, Notices};

/// The fraction of the images that may be unreadable: the caller's, or the default of the library.
pub fn max_bad_images(taken: DataOptions) -> f64 {
    let default = OpenOptions::default().max_bad;
    taken.max_bad_images.unwrap_or(default)
}

/// The fingerprint of a data set at `path`: of its images' names below `path` and their labels, so
/// that it stays the same where the folder is moved.
pub fn fingerprint(path: &Path, dataset: &dyn Dataset) -> String {
    let images = 0..dataset.len();
    data_fingerprint(images.map(|index| (name_below(path, dataset, index), dataset.label(index))))
}

/// How images are prepared, as a result has it.
pub fn preprocessing(evaluation: &Preprocessing) -> e2mc_record::Preprocessing {
    e2mc_record::Preprocessing {
        channels: evaluation.channels,
        resize: evaluation.resize,
        crop: evaluation.crop,
        squash: evaluation.squash,
        filter: evaluation.resize.map(|_| evaluation.filter.to_string()),
        mean: evaluation.mean.clone(),
        std: evaluation.std.clone(),
    }
}

/// Opens a split of the images at `path`.
///
/// # Errors
/// Where no images are found, or too many are bad.
pub fn open(
    path: &Path,
    split: Split,
    taken: DataOptions,
    notices: &Arc<dyn Notices>,
) -> Result<Arc<dyn Dataset>, Error> {
    open_as(path, split, taken, false, notices)
}

/// As [`open`]; `beside`: images beside class folders are images without a label, and no error.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_as(
    path: &Path,
    split: Split,
    taken: DataOptions,
    beside: bool,
    notices: &Arc<dyn Notices>,
) -> Result<Arc<dyn Dataset>, Error> {
    let progress = |found: usize| {
        notices.tell(&Notice::Listing {
            folder: path.to_owned(),
            found,
        });
    };
    let of_bad = notices.clone();
    let cache = cache_folder();
    let options = OpenOptions {
        progress: Some(&progress),
        cache: cache.as_deref(),
        max_bad: max_bad_images(taken),
        test_fraction: taken
            .val_fraction
            .map(|fraction| (fraction, taken.val_seed)),
        on_bad: Some(first_bad(move |news| match news {
            BadNews::One(reason) => of_bad.tell(&Notice::BadImage {
                reason: reason.to_owned(),
            }),
            BadNews::More => of_bad.tell(&Notice::MoreBadImages),
        })),
        unlabelled_beside: beside,
    };
    let dataset = open_with(path, split, &options);
    notices.tell(&Notice::Listed);
    let dataset = dataset?;
    for warning in dataset.warnings() {
        notices.tell(&Notice::DataSet {
            text: warning.to_string(),
        });
    }
    Ok(dataset)
}

/// What a page shows of the image `row`: its name below the data set's folder and, where that is
/// wanted and it can be read, a thumbnail. None if there is no such image.
pub(crate) fn picture(
    (root, dataset): (&Path, &dyn Dataset),
    row: usize,
    thumbnails: bool,
) -> Option<Picture> {
    let (name, small) = shown((root, dataset), row, thumbnails)?;
    let small = small.map(|small| (small.width, small.height, small.bytes));
    Some(Picture::new(name, small))
}

/// Images with their labels.
#[derive(Clone)]
pub struct LabelledImages {
    dataset: Arc<dyn Dataset>,
    labels: Vec<usize>,
}

impl LabelledImages {
    /// Looks up every image's class.
    ///
    /// # Errors
    /// Where an image has none.
    pub fn new(dataset: Arc<dyn Dataset>) -> Result<Self, Error> {
        let labels = subset::labels(&*dataset)?;
        Ok(Self { dataset, labels })
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images themselves.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// One class number an image.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.dataset.classes().len()
    }

    /// The names of the classes that `other` has images of, and these are none of.
    fn classes_only_in(&self, other: &Self) -> Vec<String> {
        let present = |images: &Self| -> HashSet<usize> { images.labels.iter().copied().collect() };
        let (own, other) = (present(self), present(other));
        let names = self.dataset.classes().iter().enumerate();
        names
            .filter(|(class, _)| other.contains(class) && !own.contains(class))
            .map(|(_, name)| name.clone())
            .collect()
    }
}

/// The images that a classifier learns from, and those that it is evaluated on; of the same
/// classes.
#[derive(Clone)]
pub struct LabelledSplits {
    /// Learned from.
    pub train: LabelledImages,
    /// Evaluated on.
    pub test: LabelledImages,
}

impl LabelledSplits {
    /// Opens both splits of the images at `path`.
    ///
    /// # Errors
    /// Where either cannot be opened, or an image has no label.
    pub fn open(
        path: &Path,
        taken: DataOptions,
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        let labelled = |split| LabelledImages::new(open(path, split, taken, notices)?);
        let (train, test) = (labelled(Split::Train)?, labelled(Split::Test)?);
        // Classes are numbered over both splits, so a split may lack some.
        for (split, own, other) in [("training", &train, &test), ("test", &test, &train)] {
            let names = own.classes_only_in(other);
            if !names.is_empty() {
                notices.tell(&Notice::LackingClasses { split, names });
            }
        }
        Ok(Self { train, test })
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.train.classes()
    }
}

/// The training images that a text file names, one a line, by file name with or without folders, as
/// ImageNet's 1% and 10% files do.
///
/// # Errors
/// Where the file cannot be read, or a name is not that of exactly one training image.
pub fn named(list: &Path, splits: &LabelledSplits) -> Result<Vec<usize>, Error> {
    let place = list.display().to_string();
    let text = std::fs::read_to_string(list).map_err(|source| Error::read(list, source))?;
    let (train, test) = (&*splits.train.dataset, &*splits.test.dataset);
    subset::named(train, &text, &place).map_err(|error| match &error {
        e2mc_data::Error::Names { first, found, .. } => {
            let (list, name) = (list.to_owned(), first.clone());
            match found {
                0 if subset::named(test, first, &place).is_ok() => {
                    Error::TestImageListed { list, name }
                }
                0 => Error::NotListed { list, name },
                _ => Error::AmbiguousName { list, name },
            }
        }
        _ => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use e2mc_data::Image;

    use super::*;

    /// Images by name, of one class.
    struct Named(Vec<String>);

    impl Dataset for Named {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn read(&self, _: usize, _: &mut Image) -> Result<(), e2mc_data::Error> {
            unreachable!("a fingerprint looks at names and labels")
        }

        fn label(&self, _: usize) -> Option<usize> {
            Some(0)
        }

        fn classes(&self) -> &[String] {
            &[]
        }

        fn name(&self, index: usize) -> String {
            self.0[index].clone()
        }

        fn native_size(&self) -> Option<(usize, usize)> {
            None
        }
    }

    #[test]
    fn a_fingerprint_stays_where_the_folder_is_moved() {
        let of = |root: &str, names: [&str; 2]| {
            let names = names.map(|name| format!("{root}/{name}")).to_vec();
            fingerprint(Path::new(root), &Named(names))
        };
        let here = of("here/data", ["a/1.png", "b/2.png"]);
        assert_eq!(here, of("there", ["a/1.png", "b/2.png"]));
        assert_ne!(here, of("here/data", ["a/1.png", "b/3.png"]));
    }
}
