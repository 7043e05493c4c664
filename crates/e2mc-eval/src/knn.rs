//! Exact k-nearest-neighbour classification by cosine similarity, the usual first look at frozen embeddings.
//!
//! For a test row `x` the k training rows `t` of greatest `cos(x, t)` vote for their label, either one vote each or,
//! as DINO does (Caron et al. 2021, section 4.1; after Wu et al. 2018), with weight `exp(cos(x, t) / temperature)`.
//!
//! Ties are settled the same way every time: equal similarities by the lower training row, equal votes by the lower
//! class. A row of zeros has similarity 0 to every row. The result does not depend on the number of threads.
//!
//! Cost: `2 n_train n_test d` operations as blocked matrix products on all cores; memory of one normalised copy of the
//! test embeddings, about 16 bytes for each test row and neighbour, and a few blocks.

pub(crate) mod search;
mod vote;

use e2mc::MatrixView;
use rayon::prelude::*;

use crate::{Error, check};
use vote::Ballot;

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
    /// How much each neighbour's vote counts.
    pub vote: Vote,
    /// The temperature of [`Vote::Weighted`], above 0; the majority vote ignores it.
    pub temperature: f64,
}

impl Default for KnnConfig {
    /// DINO's: 20 neighbours, weighted, temperature 0.07.
    fn default() -> Self {
        Self {
            ks: vec![20],
            vote: Vote::Weighted,
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
        if self.vote == Vote::Weighted && !(self.temperature > 0.0 && self.temperature.is_finite())
        {
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

/// The predictions that `k` neighbours make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnnResult {
    /// The number of neighbours.
    pub k: usize,
    /// The predicted label of each test row.
    pub predictions: Vec<usize>,
}

/// Classifies the rows of `test` `(n_test, d)` by the votes of their nearest rows of `train` `(n_train, d)` in cosine
/// similarity, for each k of `config.ks` in its order. Labels may be any numbers.
///
/// Equal similarities are settled by the lower training row, equal votes by the lower class; a row of zeros has
/// similarity 0 to every row. Exact, on all cores, and the same on any number of them.
///
/// # Errors
/// Empty or non-finite embeddings, different widths, not one label for each training row, more than 2^32 - 1 training
/// rows, or a setting out of its range.
pub fn knn(
    train: MatrixView<'_>,
    train_labels: &[usize],
    test: MatrixView<'_>,
    config: &KnnConfig,
) -> Result<Vec<KnnResult>, Error> {
    check::pair(train, test)?;
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
    let neighbours = search::nearest(train, test, largest);
    let ballot = Ballot::new(train_labels, config);
    // One entry per k for each test row, transposed below into one list per k.
    let votes: Vec<usize> = neighbours
        .par_chunks(largest)
        .map_init(
            || ballot.box_of_votes(),
            |votes, row| ballot.count(row, votes),
        )
        .flatten_iter()
        .collect();
    let per_row = config.ks.len();
    Ok(config
        .ks
        .iter()
        .enumerate()
        .map(|(i, &k)| KnnResult {
            k,
            predictions: votes.iter().skip(i).step_by(per_row).copied().collect(),
        })
        .collect())
}

#[cfg(test)]
mod tests;
