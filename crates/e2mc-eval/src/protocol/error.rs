//! What can be wrong with an evaluation, beside its numbers.

use std::path::PathBuf;

/// An evaluation that cannot be done or written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Embeddings, labels, settings or files.
    #[error(transparent)]
    Evaluation(#[from] crate::Error),

    /// Values that do not fill a matrix.
    #[error(transparent)]
    Matrix(#[from] e2mc::Error),

    /// The record of it.
    #[error(transparent)]
    Record(#[from] e2mc_record::Error),

    /// An attentive probe of features.
    #[error("the attentive probe needs a network's tokens, found only features")]
    NeedsTokens,

    /// Two fractions of the labels that would share a name.
    #[error("the fractions {first} and {second} both round to {percent} %")]
    SameFraction {
        /// The one.
        first: f64,
        /// The other.
        second: f64,
        /// The name of both.
        percent: String,
    },

    /// A fraction of the labels that cannot be drawn.
    #[error(transparent)]
    Subset(#[from] e2mc_base::subset::SubsetError),

    /// A line of a list that is no training row.
    #[error("{}: expected row numbers below {rows}, found {found:?}", path.display())]
    ListedRow {
        /// The list.
        path: PathBuf,
        /// The training rows there are.
        rows: usize,
        /// The line.
        found: String,
    },

    /// A list without rows.
    #[error("{}: expected one row number a line, found none", path.display())]
    EmptyList {
        /// The list.
        path: PathBuf,
    },

    /// Embeddings and labels of different lengths.
    #[error("{embeddings} has {rows} rows, but {labels} has {found} labels")]
    RowsAndLabels {
        /// The file of the embeddings.
        embeddings: String,
        /// Its rows.
        rows: usize,
        /// The file of the labels.
        labels: String,
        /// Its labels.
        found: usize,
    },

    /// Several labels a row where one class is needed.
    #[error("labels have two dimensions, expected one class number for each row: {kinds}")]
    SeveralLabels {
        /// What each file holds.
        kinds: String,
    },

    /// Training and test labels that do not go together.
    #[error("training and test labels have different forms: {kinds}")]
    KindsOfLabels {
        /// What each of them holds.
        kinds: String,
    },

    /// Fits of two results that cannot be compared.
    #[error("{} fits have no counterpart:{}", fits.len(), listed(fits))]
    Unmatched {
        /// Each, and why.
        fits: Vec<super::Unmatched>,
        /// Lines that both results have.
        common: usize,
    },

    /// Several labels a row, none of which any test row has.
    #[error("no test row has a label, expected at least one")]
    NoLabelPresent,
}

/// One a line.
fn listed(fits: &[super::Unmatched]) -> String {
    fits.iter().map(|fit| format!("\n  {fit}")).collect()
}
