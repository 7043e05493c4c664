//! What an embedding is used for, and which held-out images each use gets right.

use std::fmt;
use std::str::FromStr;

use e2mc::MatrixView;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::random::{Purpose, Stream};
use crate::{Error, KnnConfig, LinearPreset, LogisticConfig, Probe, Vote, knn};

/// Neighbours that vote, as in the paper's and DINO's evaluation.
pub(super) const NEIGHBOURS: usize = 20;

/// What embeddings are used for. A map that helps one use may cost another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Retrieval and k-NN over all labels: 20 weighted neighbours by cosine similarity.
    Neighbours,
    /// A plain linear layer by SGD with a preset's rate, on subsets of the labels, as in the paper
    /// and in fine-tuning.
    SgdHead,
    /// Logistic regression, its penalty tuned by cross-validation, on subsets of the labels.
    Classifier,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Neighbours, Self::SgdHead, Self::Classifier];

    /// The name that [`Use::from_str`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neighbours => "neighbours",
            Self::SgdHead => "sgd-head",
            Self::Classifier => "classifier",
        }
    }

    /// Whether rows of length 1 may be worth something else than the rows themselves.
    pub(super) fn sees_length(self) -> bool {
        self != Self::Neighbours
    }

    /// Whether it learns from subsets of the labels.
    pub(super) fn subsets(self) -> bool {
        self != Self::Neighbours
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Use {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|usage| usage.name() == name);
        found.ok_or_else(|| Error::Setting {
            name: "use of the embeddings",
            value: name.into(),
            expected: "neighbours, sgd-head or classifier",
        })
    }
}

/// Training rows and test rows, with labels below `classes`.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) bank: MatrixView<'a>,
    pub(super) bank_labels: &'a [usize],
    pub(super) queries: MatrixView<'a>,
    pub(super) query_labels: &'a [usize],
    pub(super) classes: usize,
}

/// The protocol of the uses that learn.
#[derive(Clone, Copy)]
pub(super) struct Learning {
    pub(super) preset: LinearPreset,
    /// Labelled rows of each class in a subset.
    pub(super) per_class: usize,
    pub(super) subsets: usize,
    pub(super) seed: u64,
}

/// Which queries are right, one list for each label subset; one list for [`Use::Neighbours`]. A
/// head that diverges gets nothing right.
pub(super) fn right(
    usage: Use,
    task: Task<'_>,
    learning: Learning,
) -> Result<Vec<Vec<bool>>, Error> {
    let is_right = |predictions: &[usize]| -> Vec<bool> {
        let pairs = predictions.iter().zip(task.query_labels);
        pairs.map(|(found, label)| found == label).collect()
    };
    if !usage.subsets() {
        let config = KnnConfig {
            ks: vec![NEIGHBOURS.min(task.bank.rows())],
            ..KnnConfig::default()
        };
        let found = knn(task.bank, task.bank_labels, task.queries, &config)?;
        return Ok(vec![is_right(&found[0].predictions)]);
    }
    let results: Vec<Result<Vec<bool>, Error>> = (0..learning.subsets as u64)
        .into_par_iter()
        .map(|subset| {
            let rows = label_subset(task, learning.per_class, learning.seed, subset);
            let data: Vec<f32> = rows
                .iter()
                .flat_map(|&r| task.bank.row(r))
                .copied()
                .collect();
            let labels: Vec<usize> = rows.iter().map(|&r| task.bank_labels[r]).collect();
            let train = MatrixView::new(&data, rows.len(), task.bank.cols()).expect("whole rows");
            let probe = match usage {
                Use::SgdHead => {
                    let fraction = rows.len() as f64 / task.bank.rows() as f64;
                    Probe::Sgd(learning.preset.config(fraction))
                }
                _ => Probe::Logistic(LogisticConfig::default()),
            };
            match probe.fit_predict(train, &labels, task.queries, task.classes, subset) {
                Ok(found) => Ok(is_right(&found.predictions)),
                Err(Error::Diverged { .. }) => Ok(vec![false; task.query_labels.len()]),
                Err(error) => Err(error),
            }
        })
        .collect();
    results.into_iter().collect()
}

/// Which rows of the `second` view have the same row of the `first` as their nearest, among all its
/// rows, by cosine similarity.
pub(super) fn retrieved(
    first: MatrixView<'_>,
    second: MatrixView<'_>,
) -> Result<Vec<Vec<bool>>, Error> {
    let names: Vec<usize> = (0..first.rows()).collect();
    let config = KnnConfig {
        ks: vec![1],
        votes: vec![Vote::Majority],
        ..KnnConfig::default()
    };
    let found = knn(first, &names, second, &config)?;
    let pairs = found[0].predictions.iter().zip(names);
    Ok(vec![pairs.map(|(found, name)| *found == name).collect()])
}

/// `per_class` rows of each class of the bank, or all where there are fewer, increasing; the same
/// for the same seed and number.
fn label_subset(task: Task<'_>, per_class: usize, seed: u64, subset: u64) -> Vec<usize> {
    let mut rows_of = vec![Vec::new(); task.classes];
    for (row, &label) in task.bank_labels.iter().enumerate() {
        rows_of[label].push(row);
    }
    let mut kept = Vec::new();
    for (class, rows) in rows_of.iter_mut().enumerate() {
        let index = (subset << 32) | class as u64;
        Stream::new(seed, Purpose::Sample, index).shuffle(rows);
        kept.extend_from_slice(&rows[..per_class.min(rows.len())]);
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{embeddings_and_labels, separable};

    fn learning() -> Learning {
        Learning {
            preset: LinearPreset::Vicreg,
            per_class: 8,
            subsets: 3,
            seed: 5,
        }
    }

    #[test]
    fn names_read_back_and_others_are_told() {
        for usage in Use::ALL {
            assert_eq!(usage.name().parse::<Use>().unwrap(), usage);
            let json = serde_json::to_string(&usage).unwrap();
            assert_eq!(json, format!("{:?}", usage.name()));
        }
        assert_eq!(
            "svm".parse::<Use>().unwrap_err().to_string(),
            "use of the embeddings is svm, expected neighbours, sgd-head or classifier"
        );
    }

    #[test]
    fn every_use_gets_separable_classes_right_and_counts_its_subsets() {
        let (bank, bank_labels) = separable(200, 6, 4, 1);
        let (queries, query_labels) = separable(50, 6, 4, 2);
        let task = Task {
            bank: bank.view(),
            bank_labels: &bank_labels,
            queries: queries.view(),
            query_labels: &query_labels,
            classes: 4,
        };
        for usage in Use::ALL {
            let found = right(usage, task, learning()).unwrap();
            assert_eq!(found.len(), if usage.subsets() { 3 } else { 1 });
            for one in found {
                assert_eq!(one.len(), 50);
                assert!(one.iter().filter(|right| **right).count() >= 45, "{usage}");
            }
        }
    }

    #[test]
    fn label_subsets_have_each_class_and_differ() {
        let (bank, bank_labels) = embeddings_and_labels(120, 3, 3, 1);
        let task = Task {
            bank: bank.view(),
            bank_labels: &bank_labels,
            queries: bank.view(),
            query_labels: &bank_labels,
            classes: 4,
        };
        let first = label_subset(task, 8, 1, 0);
        for class in 0..3 {
            let count = first.iter().filter(|&&r| bank_labels[r] == class).count();
            assert_eq!(count, 8);
        }
        assert_eq!(first, label_subset(task, 8, 1, 0));
        assert_ne!(first, label_subset(task, 8, 1, 1));
        assert_eq!(label_subset(task, 999, 1, 0).len(), 120);
    }

    #[test]
    fn a_view_finds_itself_and_not_another() {
        let (z, _) = embeddings_and_labels(90, 16, 3, 1);
        let all = retrieved(z.view(), z.view()).unwrap();
        assert!(all[0].iter().all(|right| *right));
        let (other, _) = embeddings_and_labels(90, 16, 3, 2);
        let none = retrieved(z.view(), other.view()).unwrap();
        assert!(none[0].iter().filter(|right| **right).count() < 15);
    }
}
