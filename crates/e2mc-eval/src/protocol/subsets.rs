//! Which training labels a classifier may see: stratified fractions, or a list.

use std::fs;
use std::path::{Path, PathBuf};

use e2mc_base::subset;
use e2mc_record::{LabelSubsets, percent};

use super::Error;

/// The labels that may be learned from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Subsets {
    /// Stratified fractions in (0, 1], drawn anew for each seed.
    Fractions(Vec<f64>),
    /// These training rows.
    List {
        /// In rising order.
        rows: Vec<usize>,
        /// The file that named them.
        file: PathBuf,
    },
}

impl Subsets {
    /// Fractions that can be told apart where they name folders and columns.
    ///
    /// # Errors
    /// No fraction, one out of (0, 1], or two that are the same in percent.
    pub fn of_fractions(fractions: &[f64]) -> Result<Self, Error> {
        if fractions.is_empty() {
            return Err(crate::Error::Nothing {
                what: "fraction of the labels",
            }
            .into());
        }
        for (at, &fraction) in fractions.iter().enumerate() {
            if !(0.0 < fraction && fraction <= 1.0) {
                return Err(subset::SubsetError::Fraction { fraction }.into());
            }
            let twin = |other: &&f64| percent(**other) == percent(fraction);
            if let Some(&other) = fractions[..at].iter().find(twin) {
                return Err(Error::SameFraction {
                    first: other,
                    second: fraction,
                    percent: percent(fraction),
                });
            }
        }
        Ok(Self::Fractions(fractions.to_vec()))
    }

    /// These training rows, in any order; `file` named them.
    ///
    /// # Errors
    /// [`Error::EmptyList`] without rows.
    pub fn of_rows(mut rows: Vec<usize>, file: &Path) -> Result<Self, Error> {
        rows.sort_unstable();
        rows.dedup();
        let file = file.to_owned();
        match rows.is_empty() {
            true => Err(Error::EmptyList { path: file }),
            false => Ok(Self::List { rows, file }),
        }
    }

    /// The training rows that a text file names: one row number a line, counted from 0.
    ///
    /// # Errors
    /// A file that cannot be read, a line that is no row below `train_rows`, or no line.
    pub fn read_rows(list: &Path, train_rows: usize) -> Result<Self, Error> {
        let text = fs::read_to_string(list).map_err(|cause| crate::Error::Io {
            action: "read",
            path: list.to_owned(),
            cause,
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let number = |line: &str| {
            let row = line.parse().ok().filter(|&row| row < train_rows);
            row.ok_or_else(|| Error::ListedRow {
                path: list.to_owned(),
                rows: train_rows,
                found: line.to_owned(),
            })
        };
        Self::of_rows(lines.map(number).collect::<Result<_, _>>()?, list)
    }

    /// The fractions of the labels that they are.
    pub fn fractions(&self, train_rows: usize) -> Vec<f64> {
        match self {
            Self::Fractions(fractions) => fractions.clone(),
            Self::List { rows, .. } => vec![rows.len() as f64 / train_rows.max(1) as f64],
        }
    }

    /// The training rows of a fraction for a seed, in rising order.
    ///
    /// # Errors
    /// A fraction out of (0, 1], or of less than one row.
    pub fn rows(&self, labels: &[usize], fraction: f64, seed: u64) -> Result<Vec<usize>, Error> {
        Ok(match self {
            Self::List { rows, .. } => rows.clone(),
            Self::Fractions(_) => subset::fraction(labels, fraction, seed)?,
        })
    }

    /// Whether every seed has the same subset of this fraction.
    pub fn is_same_for_all_seeds(&self, fraction: f64) -> bool {
        fraction >= 1.0 || matches!(self, Self::List { .. })
    }

    /// What a result says of them; `images` of each fraction.
    pub fn record(&self, train_rows: usize, seeds: &[u64], images: Vec<usize>) -> LabelSubsets {
        LabelSubsets {
            fractions: self.fractions(train_rows),
            images,
            seeds: seeds.to_vec(),
            list: match self {
                Self::Fractions(_) => None,
                Self::List { file, .. } => Some(file.clone()),
            },
        }
    }
}
