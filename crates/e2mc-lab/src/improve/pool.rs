//! The images: which are trained on, which are held out, and what is known of their classes.

use std::path::Path;
use std::sync::Arc;

use e2mc::Matrix;
use e2mc_data::{Dataset, Selection, Split, stream};
use e2mc_eval::adapt::HeldOut;
use e2mc_record::{DataOptions, ImprovementImages};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::images::{fingerprint, open_as};
use crate::notice::Notices;

/// Images that may be looked at for copies and evaluated on.
const MOST: usize = 40_000;
/// Folders of these names hold images without a label.
const UNLABELLED: [&str; 2] = ["unlabelled", "unlabeled"];

/// All images with their labels, where they have one.
pub(super) struct Pool {
    pub(super) dataset: Arc<dyn Dataset>,
    labels: Vec<Option<usize>>,
    /// Numbers of labels, those without images included.
    pub(super) classes: usize,
    fingerprint: String,
}

/// Images of a data set by their places in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dealt {
    /// Trained on: all but A, B and their copies.
    pub(super) train: Vec<usize>,
    /// Labelled images that are trained on and that neighbours and classifiers learn from.
    pub(super) bank: Part,
    /// Held-out images A.
    pub(super) choose: Part,
    /// Held-out images B.
    pub(super) verify: Part,
    /// Similarity from which images were kept on one side.
    pub(super) copies: Option<f64>,
    /// Whether A and B are enough to judge by.
    pub(super) judges: bool,
}

/// Labelled images.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Part {
    /// Places in the data set.
    pub(super) images: Vec<usize>,
    pub(super) labels: Vec<usize>,
    /// Groups of copies.
    pub(super) groups: Vec<usize>,
    /// Rows among the sample.
    pub(super) rows: Vec<usize>,
}

impl Part {
    /// Its rows of the `sample`.
    pub(super) fn pick(&self, sample: &Matrix) -> Matrix {
        let view = sample.view();
        let rows = self.rows.iter().flat_map(|&row| view.row(row));
        let data: Vec<f32> = rows.copied().collect();
        Matrix::new(data, self.rows.len(), view.cols()).expect("whole rows")
    }
}

impl Pool {
    /// Opens the training images at `path`; of data without splits these are all.
    pub(super) fn open(
        path: &Path,
        taken: DataOptions,
        notices: &Arc<dyn Notices>,
    ) -> Result<Self, Error> {
        let dataset = open_as(path, Split::Train, taken, true, notices)?;
        let classes = dataset.classes();
        let without = |name: &String| {
            let name = name.to_lowercase();
            UNLABELLED.iter().any(|known| *known == name)
        };
        let silent: Vec<bool> = classes.iter().map(without).collect();
        let label = |index| {
            let label: Option<usize> = dataset.label(index);
            label.filter(|&label| !silent.get(label).copied().unwrap_or(false))
        };
        Ok(Self {
            labels: (0..dataset.len()).map(label).collect(),
            classes: classes.len(),
            fingerprint: fingerprint(path, &*dataset),
            dataset,
        })
    }

    pub(super) fn labelled(&self) -> usize {
        self.labels.iter().flatten().count()
    }

    /// The images that are looked at for copies, in rising order: labelled ones first, where there
    /// are more than can be compared.
    pub(super) fn sample(&self, seed: u64) -> Vec<usize> {
        let of = |labelled: bool| -> Vec<usize> {
            let all = 0..self.labels.len();
            all.filter(|&index| self.labels[index].is_some() == labelled)
                .collect()
        };
        let (mut sample, mut room) = (Vec::new(), MOST);
        for mut images in [of(true), of(false)] {
            if images.len() > room {
                let order = stream(seed, u64::MAX, 2, 0).permutation(images.len());
                images = order[..room].iter().map(|&place| images[place]).collect();
            }
            room -= images.len();
            sample.extend(images);
        }
        sample.sort_unstable();
        sample
    }

    /// The images that will be trained on, about: all but A and B.
    pub(super) fn expected_train(&self) -> usize {
        let held_out = 2 * self.labelled().min(MOST) / 5;
        (self.labels.len() - held_out).max(1)
    }

    pub(super) fn is_labelled(&self, index: usize) -> bool {
        self.labels[index].is_some()
    }

    /// The images of the parts that the rows of the `sample` were dealt to.
    pub(super) fn deal(&self, sample: &[usize], held_out: &HeldOut) -> Dealt {
        let part = |rows: &[usize]| Part {
            images: rows.iter().map(|&row| sample[row]).collect(),
            labels: rows
                .iter()
                .map(|&row| self.labels[sample[row]].expect("a labelled row was dealt"))
                .collect(),
            groups: rows.iter().map(|&row| held_out.groups[row]).collect(),
            rows: rows.to_vec(),
        };
        let bank = part(&held_out.train);
        let mut seen = vec![false; self.labels.len()];
        sample.iter().for_each(|&image| seen[image] = true);
        let mut train = bank.images.clone();
        train.extend(held_out.unlabelled.iter().map(|&row| sample[row]));
        train.extend((0..seen.len()).filter(|&image| !seen[image]));
        train.sort_unstable();
        let one_class = bank.labels.windows(2).all(|pair| pair[0] == pair[1]);
        Dealt {
            train,
            choose: part(&held_out.choose),
            verify: part(&held_out.verify),
            copies: held_out.copies,
            judges: !held_out.is_small() && !one_class,
            bank,
        }
    }

    /// Some of the images as a data set of their own.
    pub(super) fn select(&self, images: Vec<usize>) -> Result<Arc<dyn Dataset>, Error> {
        Ok(Arc::new(Selection::new(self.dataset.clone(), images)?))
    }

    /// What the record says of the images.
    pub(super) fn record(&self, data: &Path, dealt: Option<&Dealt>) -> ImprovementImages {
        let count = |of: fn(&Dealt) -> usize| dealt.map_or(0, of);
        let mut classes: Vec<usize> = self.labels.iter().flatten().copied().collect();
        classes.sort_unstable();
        classes.dedup();
        ImprovementImages {
            data: data.to_owned(),
            fingerprint: self.fingerprint.clone(),
            images: self.labels.len(),
            labelled: self.labelled(),
            classes: classes.len(),
            train: count(|dealt| dealt.train.len()),
            bank: count(|dealt| dealt.bank.images.len()),
            choose: count(|dealt| dealt.choose.images.len()),
            verify: count(|dealt| dealt.verify.images.len()),
            copies: dealt.and_then(|dealt| dealt.copies),
        }
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use e2mc_eval::adapt::Parts;

    use super::*;
    use crate::notice::Silent;

    fn pool(files: &[&str]) -> (tempfile::TempDir, Pool) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let notices: Arc<dyn Notices> = Arc::new(Silent);
        let pool = Pool::open(folder.path(), DataOptions::default(), &notices).unwrap();
        (folder, pool)
    }

    #[test]
    fn images_without_a_label_may_lie_in_a_folder_or_beside_the_classes() {
        let files = ["cat/1.png", "dog/1.png", "Unlabelled/1.png", "loose.png"];
        let (_folder, pool) = pool(&files);
        assert_eq!((pool.labels.len(), pool.labelled()), (4, 2));
        let record = pool.record(Path::new("data"), None);
        assert_eq!((record.images, record.labelled, record.classes), (4, 2, 2));
        assert_eq!(pool.sample(0), [0, 1, 2, 3]);
        let (_folder, flat) = self::pool(&["1.png", "2.png"]);
        assert_eq!((flat.labels.len(), flat.labelled()), (2, 0));
    }

    #[test]
    fn all_but_held_out_images_and_their_copies_are_trained_on() {
        let (_folder, pool) = pool(&[
            "cat/1.png",
            "cat/2.png",
            "dog/1.png",
            "dog/2.png",
            "loose-1.png",
            "loose-2.png",
        ]);
        let sample: Vec<usize> = (0..5).collect();
        let held_out = HeldOut {
            train: vec![0, 2],
            choose: vec![1],
            verify: vec![3],
            unlabelled: Vec::new(),
            groups: vec![0, 1, 2, 3, 3],
            copies: Some(0.99),
            parts: Parts {
                train: 2,
                choose: 1,
                verify: 1,
                groups: 4,
            },
        };
        let dealt = pool.deal(&sample, &held_out);
        // 4 is a copy of 3 in B; 5 was not looked at.
        assert_eq!(dealt.train, [0, 2, 5]);
        assert_eq!(
            (dealt.bank.images, dealt.bank.labels),
            (vec![0, 2], vec![0, 1])
        );
        assert_eq!(
            (dealt.verify.images, dealt.verify.groups),
            (vec![3], vec![3])
        );
        assert!(!dealt.judges, "A and B are too small");
    }
}
