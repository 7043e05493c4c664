//! Exact k-nearest-neighbour classification by cosine similarity, the usual first look at frozen
//! embeddings.
//!
//! For a test row `x` the k training rows `t` of greatest `cos(x, t)` vote for their label, either
//! one vote each or, as DINO does (Caron et al. 2021, section 4.1; after Wu et al. 2018), with
//! weight `exp(cos(x, t) / temperature)`.
//!
//! Ties are settled the same way every time: equal similarities by the lower training row, equal
//! votes by the lower class. A row of zeros has similarity 0 to every row. The result does not
//! depend on the number of threads.
//!
//! Cost: `2 n_train n_test d` operations as blocked matrix products on all cores; memory of one
//! normalised copy of the test embeddings, about 16 bytes for each test row and neighbour, and a
//! few blocks. [`knn_within`] keeps all that within a limit: it reads the training rows in panels,
//! and takes the test rows in as many parts as needed.

mod plan;
pub(crate) mod search;
mod vote;

use e2mc::MatrixView;
use rayon::prelude::*;

use crate::{Error, Rows, check};
use plan::Plan;
use vote::Ballot;

/// How many classes are ranked for each test row.
pub const RANKED: usize = 5;

/// How much each neighbour's vote counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vote {
    /// One vote each.
    Majority,
    /// `exp(similarity / temperature)`.
    Weighted,
}

/// The settings of a k-NN evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct KnnConfig {
    /// The numbers of neighbours, each from 1 to the number of training rows; one result for each.
    pub ks: Vec<usize>,
    /// How much each neighbour's vote counts; one result for each.
    pub votes: Vec<Vote>,
    /// The temperature of [`Vote::Weighted`], above 0; the majority vote ignores it.
    pub temperature: f64,
}

impl Default for KnnConfig {
    /// DINO's: 20 neighbours, weighted, temperature 0.07.
    fn default() -> Self {
        Self {
            ks: vec![20],
            votes: vec![Vote::Weighted],
            temperature: 0.07,
        }
    }
}

impl KnnConfig {
    fn validate(&self, train_rows: usize) -> Result<(), Error> {
        if self.ks.is_empty() {
            return Err(Error::Nothing { what: "k for k-NN" });
        }
        for &k in &self.ks {
            if k == 0 {
                return Err(setting("k of k-NN", k, "at least 1"));
            }
            if k > train_rows {
                return Err(Error::NeighbourCount {
                    k,
                    rows: train_rows,
                });
            }
        }
        if self.votes.is_empty() {
            return Err(Error::Nothing {
                what: "vote for k-NN",
            });
        }
        let weighted = self.votes.contains(&Vote::Weighted);
        if weighted && !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err(setting(
                "temperature of k-NN",
                self.temperature,
                "a finite number above 0",
            ));
        }
        Ok(())
    }
}

fn setting(name: &'static str, value: impl ToString, expected: &'static str) -> Error {
    Error::Setting {
        name,
        value: value.to_string(),
        expected,
    }
}

/// What `k` neighbours say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnnResult {
    /// The number of neighbours.
    pub k: usize,
    /// How they voted.
    pub vote: Vote,
    /// The predicted label of each test row.
    pub predictions: Vec<usize>,
    /// The labels of most votes for each test row, the prediction first; none if fewer labels
    /// have a vote.
    pub ranked: Vec<[Option<usize>; RANKED]>,
}

impl KnnResult {
    /// Top-5 accuracy, as a fraction from 0 to 1: how many labels are among the five of most votes.
    ///
    /// # Errors
    /// [`Error::Nothing`] without labels; [`Error::Length`] if there is not one for each test row.
    pub fn top5(&self, labels: &[usize]) -> Result<f64, Error> {
        crate::accuracy::same_length("list of predictions", &self.predictions, labels)?;
        let right = self.ranked.iter().zip(labels);
        let right = right.filter(|(ranked, label)| ranked.contains(&Some(**label)));
        Ok(right.count() as f64 / labels.len() as f64)
    }
}

/// Classifies the rows of `test` `(n_test, d)` by the votes of their nearest rows of `train`
/// `(n_train, d)` in cosine similarity: for each k of `config.ks` in its order one result for each
/// of `config.votes`. Labels may be any numbers.
///
/// Equal similarities are settled by the lower training row, equal votes by the lower class; a row
/// of zeros has similarity 0 to every row. Exact, on all cores, and the same on any number of them.
///
/// # Errors
/// Empty or non-finite embeddings, different widths, not one label for each training row, more than
/// 2^32 - 1 training rows, or a setting out of its range.
pub fn knn(
    train: MatrixView<'_>,
    train_labels: &[usize],
    test: MatrixView<'_>,
    config: &KnnConfig,
) -> Result<Vec<KnnResult>, Error> {
    check::pair(train, test)?;
    knn_within(&train, train_labels, &test, config, None)
}

/// [`knn`] on embeddings that need not be in memory, within a limit of `memory` bytes (the labels,
/// the results, and what `train` and `test` hold themselves do not count). The result does not
/// depend on the limit; the less there is, the more often the training rows are read.
///
/// # Errors
/// As [`knn`], and where rows cannot be read or the limit is too low for a single block.
pub fn knn_within(
    train: &dyn Rows,
    train_labels: &[usize],
    test: &dyn Rows,
    config: &KnnConfig,
    memory: Option<usize>,
) -> Result<Vec<KnnResult>, Error> {
    Ok(knn_keeping(train, train_labels, test, config, memory, &[])?.0)
}

/// [`knn_within`], and the training rows that are nearest to the test rows `keep`, which rise: one
/// list each, nearest first, as many as the largest k of `config`.
///
/// # Errors
/// As [`knn_within`].
pub fn knn_keeping(
    train: &dyn Rows,
    train_labels: &[usize],
    test: &dyn Rows,
    config: &KnnConfig,
    memory: Option<usize>,
    keep: &[usize],
) -> Result<(Vec<KnnResult>, Vec<Vec<usize>>), Error> {
    check::shape(train.rows(), train.cols(), check::TRAINING)?;
    check::shape(test.rows(), test.cols(), check::TEST)?;
    check::width(train.cols(), test.cols())?;
    check::label_count(train.rows(), train_labels, check::TRAINING)?;
    config.validate(train.rows())?;
    let limit = u32::MAX as usize;
    if train.rows() > limit {
        return Err(Error::TooManyRows {
            rows: train.rows(),
            limit,
        });
    }

    let largest = config.ks.iter().copied().max().unwrap_or(1);
    let plan = Plan::new(train, test, largest, memory)?;
    let ballot = Ballot::new(train_labels, config);
    let mut results: Vec<KnnResult> = ballot
        .elections()
        .map(|(k, vote)| KnnResult {
            k,
            vote,
            predictions: Vec::with_capacity(test.rows()),
            ranked: Vec::with_capacity(test.rows()),
        })
        .collect();
    let mut kept = Vec::with_capacity(keep.len());
    for start in (0..test.rows()).step_by(plan.test_rows) {
        let rows = start..(start + plan.test_rows).min(test.rows());
        let neighbours = search::nearest(train, test, rows.clone(), largest, &plan)?;
        let here = keep.iter().filter(|&row| rows.contains(row));
        kept.extend(here.map(|row| indices(&neighbours[(row - start) * largest..][..largest])));
        // One winner for each election of each test row.
        let winners: Vec<[Option<usize>; RANKED]> = neighbours
            .par_chunks(largest)
            .map_init(
                || ballot.box_of_votes(),
                |votes, row| ballot.count(row, votes),
            )
            .flatten_iter()
            .collect();
        let per_row = results.len();
        for (i, result) in results.iter_mut().enumerate() {
            let ranked = winners.iter().skip(i).step_by(per_row);
            result.ranked.extend(ranked.copied());
        }
    }
    for result in &mut results {
        let first = result.ranked.iter().map(|ranked| ranked[0]);
        let first = first.map(|label| label.expect("at least one neighbour votes"));
        result.predictions = first.collect();
    }
    Ok((results, kept))
}

/// The `k` rows of `train` (all, where there are fewer) most alike each row of `asking` in cosine
/// similarity: one list each, best first.
///
/// # Errors
/// Empty or non-finite embeddings, different widths, or rows that cannot be read.
pub(crate) fn most_alike(
    train: &dyn Rows,
    asking: MatrixView<'_>,
    k: usize,
) -> Result<Vec<Vec<usize>>, Error> {
    check::shape(train.rows(), train.cols(), check::TRAINING)?;
    check::shape(asking.rows(), asking.cols(), check::TEST)?;
    check::width(train.cols(), asking.cols())?;
    let k = k.min(train.rows());
    let plan = Plan::new(train, &asking, k, None)?;
    let found = search::nearest(train, &asking, 0..asking.rows(), k, &plan)?;
    Ok(found.chunks_exact(k).map(indices).collect())
}

fn indices(neighbours: &[search::Neighbour]) -> Vec<usize> {
    let rows = neighbours.iter().map(|neighbour| neighbour.index as usize);
    rows.collect()
}

#[cfg(test)]
mod tests;
