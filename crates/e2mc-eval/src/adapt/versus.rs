//! Two models' embeddings of the same images against each other, evaluated as [`auto`](super::auto)
//! judges a map: on held-out rows, paired over images and label subsets.
//!
//! [`HeldOut`] deals the images to three parts, [`answers`] says which queries an embedding gets
//! right, [`Versus`] compares two such answers.

use e2mc::MatrixView;
use e2mc_base::counted;

use super::auto::{differences, share};
use super::duplicates::Groups;
use super::gain::{Gain, permutation};
use super::judge::{Learning, NEIGHBOURS, Task, right};
use super::split::Split;
use super::{Parts, Use, Verified};
use crate::{Error, LinearPreset, check};

/// Similarity from which rows are copies of each other; see `duplicates`.
pub(super) const COPIES: f64 = 0.99;
/// Fewer rows in a held-out part cannot tell one embedding from another.
pub(super) const LEAST_HELD_OUT: usize = 20;

/// Images dealt to a part to learn from, held-out A to choose on and held-out B to verify on; no
/// copies lie on two sides.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// Labelled training rows, increasing.
    pub train: Vec<usize>,
    /// Labelled rows of A, increasing.
    pub choose: Vec<usize>,
    /// Labelled rows of B, increasing.
    pub verify: Vec<usize>,
    /// Rows without a label that are copies of none in A and B, increasing.
    pub unlabelled: Vec<usize>,
    /// The group of copies that each row is of.
    pub groups: Vec<usize>,
    /// Similarity from which rows are copies; none if only equal rows were taken for them.
    pub copies: Option<f64>,
    /// How many rows each part has.
    pub parts: Parts,
}

impl HeldOut {
    /// Groups the rows of `z` `(n, d)` and deals the groups that have a labelled row: 20 % of the
    /// labelled rows to B, 20 % to A, the rest to the part to learn from.
    ///
    /// Cost: `n^2 d` operations.
    ///
    /// # Errors
    /// Labels of another number than the rows, or a value that is not finite.
    pub fn deal(z: MatrixView<'_>, labelled: &[bool], seed: u64) -> Result<Self, Error> {
        check::shape(z.rows(), z.cols(), "the")?;
        if labelled.len() != z.rows() {
            return Err(Error::LabelCount {
                set: "the",
                rows: z.rows(),
                labels: labelled.len(),
            });
        }
        crate::diagnostics::rows::check_finite(0, z)?;
        let all = Groups::find(z, COPIES);
        let rows: Vec<usize> = (0..z.rows()).filter(|&row| labelled[row]).collect();
        let with_label = Groups {
            of_row: rows.iter().map(|&row| all.of_row[row]).collect(),
            ..all.clone()
        };
        let split = Split::draw(&with_label, seed);
        let parts = split.parts();
        let place = |part: Vec<usize>| -> Vec<usize> {
            part.into_iter().map(|labelled| rows[labelled]).collect()
        };
        let (train, choose, verify) =
            (place(split.train), place(split.choose), place(split.verify));
        let mut held = vec![false; all.count];
        for &row in choose.iter().chain(&verify) {
            held[all.of_row[row]] = true;
        }
        let free = |row: &usize| !labelled[*row] && !held[all.of_row[*row]];
        Ok(Self {
            unlabelled: (0..z.rows()).filter(free).collect(),
            train,
            choose,
            verify,
            groups: all.of_row,
            copies: all.threshold,
            parts,
        })
    }

    /// Whether A and B are too small to tell one embedding from another.
    pub fn is_small(&self) -> bool {
        self.choose.len().min(self.verify.len()) < LEAST_HELD_OUT
    }
}

/// What a use of embeddings learns from and is asked.
#[derive(Clone, Copy)]
pub struct Questions<'a> {
    /// Rows to learn from, `(n, d)`.
    pub bank: MatrixView<'a>,
    /// Their class numbers, below `classes`.
    pub bank_labels: &'a [usize],
    /// Rows that are asked for, `(m, d)`.
    pub queries: MatrixView<'a>,
    /// Their class numbers, below `classes`.
    pub query_labels: &'a [usize],
    /// The number of classes.
    pub classes: usize,
}

/// The protocol of the uses that learn from subsets of the labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Protocol {
    /// The rate and decay of [`Use::SgdHead`].
    pub preset: LinearPreset,
    /// Labelled rows of each class in a subset, at least 2.
    pub per_class: usize,
    /// Label subsets, at least 1.
    pub subsets: usize,
    /// Seed of the subsets and of all training.
    pub seed: u64,
}

impl Protocol {
    /// How `usage` is evaluated, in a few words.
    pub fn describe(&self, usage: Use) -> String {
        let learnt = |head: &str| {
            format!(
                "{head}, on {} of each class, mean of {}",
                counted(self.per_class, "label"),
                counted(self.subsets, "draw")
            )
        };
        match usage {
            Use::Neighbours => format!("{NEIGHBOURS} neighbours, weighted, over all labels"),
            Use::SgdHead => learnt("a linear layer trained by SGD"),
            Use::Classifier => learnt("a tuned logistic regression"),
        }
    }
}

/// Which queries an embedding gets right, one list for each label subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    pub(super) right: Vec<Vec<bool>>,
}

impl Answers {
    /// The fraction that is right, in the mean of the subsets.
    pub fn accuracy(&self) -> f64 {
        share(&self.right)
    }
}

/// Asks `questions` of an embedding for `usage`: 20 weighted neighbours over all labels, or a head
/// for each label subset. A head that diverges gets nothing right.
///
/// # Errors
/// Labels of another number than their rows or of at least `classes`, rows of two widths, or
/// settings that a classifier refuses.
pub fn answers(usage: Use, questions: Questions<'_>, protocol: Protocol) -> Result<Answers, Error> {
    let Questions {
        bank,
        bank_labels,
        queries,
        query_labels,
        classes,
    } = questions;
    check::pair(bank, queries)?;
    for (rows, labels, set) in [
        (bank.rows(), bank_labels, check::TRAINING),
        (queries.rows(), query_labels, check::TEST),
    ] {
        check::label_count(rows, labels, set)?;
        check::labels(labels, classes, set)?;
    }
    let task = Task {
        bank,
        bank_labels,
        queries,
        query_labels,
        classes,
    };
    let learning = Learning {
        preset: protocol.preset,
        per_class: protocol.per_class,
        subsets: protocol.subsets,
        seed: protocol.seed,
    };
    Ok(Answers {
        right: right(usage, task, learning)?,
    })
}

/// One embedding against another on the same queries.
#[derive(Clone, Debug, PartialEq)]
pub struct Versus {
    /// The difference with its interval and the p-value of the permutation test.
    pub verified: Verified,
    /// The standard error of the gain.
    pub standard_error: f64,
    /// The smallest gain that these queries would have shown with probability 80 %.
    pub detectable: f64,
}

impl Versus {
    /// Compares the answers `with` against those `without`, query by query and subset by subset;
    /// `groups` has the group of copies of each query.
    pub fn of(
        with: &Answers,
        without: &Answers,
        groups: &[usize],
        confidence: f64,
        seed: u64,
    ) -> Self {
        let differences = differences(&with.right, &without.right);
        let gain = Gain::of(&differences, groups);
        Self {
            verified: Verified {
                without: without.accuracy(),
                with: with.accuracy(),
                gain: gain.mean,
                interval: gain.interval(confidence),
                confidence,
                p: permutation(&differences, groups, seed),
                looks: None,
            },
            standard_error: gain.standard_error,
            detectable: gain.detectable(confidence, 1.0),
        }
    }
}

impl Verified {
    /// Whether the gain is certain: its interval lies above zero, and the permutation test agrees
    /// at half of the level.
    pub fn is_gain(&self) -> bool {
        self.interval.0 > 0.0 && self.p <= (1.0 - self.confidence) / 2.0
    }

    /// Whether a loss is certain by its interval.
    pub fn is_loss(&self) -> bool {
        self.interval.1 < 0.0
    }
}

/// The smallest gain that `queries` images would show, four times in five, at 95 %: where the
/// answers to a share `disagreement` of them differ between two models.
pub fn detectable_gain(queries: usize, disagreement: f64) -> f64 {
    let error = (disagreement / queries.max(1) as f64).sqrt();
    let gain = Gain {
        mean: 0.0,
        standard_error: error,
        freedom: queries.max(2) as f64 - 1.0,
    };
    gain.detectable(0.95, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::separable;
    use e2mc::Matrix;

    #[test]
    fn copies_of_held_out_images_are_not_learned_from() {
        // Each image twice: once with a label, once without.
        let (z, _) = separable(200, 16, 4, 3);
        let data = [z.data(), z.data()].concat();
        let both = Matrix::new(data, 400, 16).unwrap();
        let labelled: Vec<bool> = (0..400).map(|row| row < 200).collect();
        let dealt = HeldOut::deal(both.view(), &labelled, 1).unwrap();
        assert_eq!((dealt.choose.len(), dealt.verify.len()), (40, 40));
        assert_eq!(dealt.train.len(), 120);
        let copies: Vec<usize> = dealt.train.iter().map(|row| row + 200).collect();
        assert_eq!(dealt.unlabelled, copies);
        assert!(!dealt.is_small());
        let few = HeldOut::deal(both.view(), &vec![false; 400], 1).unwrap();
        assert!(few.is_small() && few.unlabelled.len() == 400);
    }

    #[test]
    fn a_better_embedding_is_a_gain_and_itself_is_none() {
        let (bank, bank_labels) = separable(300, 8, 4, 1);
        let (queries, query_labels) = separable(200, 8, 4, 2);
        let mut worse = queries.clone();
        // Half of the queries say nothing.
        for row in worse.data_mut().chunks_mut(8).step_by(2) {
            row.fill(1.0);
        }
        let protocol = Protocol {
            preset: LinearPreset::Vicreg,
            per_class: 10,
            subsets: 2,
            seed: 0,
        };
        for usage in Use::ALL {
            let ask = |queries: &Matrix| {
                let questions = Questions {
                    bank: bank.view(),
                    bank_labels: &bank_labels,
                    queries: queries.view(),
                    query_labels: &query_labels,
                    classes: 4,
                };
                answers(usage, questions, protocol).unwrap()
            };
            let (with, without) = (ask(&queries), ask(&worse));
            let groups: Vec<usize> = (0..200).collect();
            let found = Versus::of(&with, &without, &groups, 0.95, 0);
            assert!(found.verified.is_gain(), "{found:?}");
            assert!(found.verified.gain > 0.2 && found.detectable > 0.0);
            let back = Versus::of(&without, &with, &groups, 0.95, 0);
            assert!(back.verified.is_loss() && !back.verified.is_gain());
            let same = Versus::of(&with, &with, &groups, 0.95, 0);
            assert!(!same.verified.is_gain() && !same.verified.is_loss());
        }
    }

    #[test]
    fn four_times_the_images_show_half_the_gain() {
        let few = detectable_gain(400, 0.1);
        let many = detectable_gain(1600, 0.1);
        assert!((few / many - 2.0).abs() < 0.01, "{few} {many}");
        // (1.9659 + 0.8416) sqrt(0.1 / 400)
        assert!((few - 0.044_39).abs() < 1e-4, "{few}");
    }
}
