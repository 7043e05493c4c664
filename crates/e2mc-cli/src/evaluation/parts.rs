//! Which training labels a classifier may see: stratified fractions, or a list.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use e2mc_data::{Dataset, Image, subset};

use super::percent;
use crate::data;
use crate::failure::Failure;

/// Those labels.
#[derive(Clone, Debug)]
pub(crate) enum Parts {
    /// Stratified fractions in (0, 1], drawn anew for each seed.
    Fractions(Vec<f64>),
    /// These training rows.
    List(Vec<usize>),
}

impl Parts {
    /// The fractions of the labels that they are.
    pub(crate) fn fractions(&self, train_rows: usize) -> Vec<f64> {
        match self {
            Self::Fractions(fractions) => fractions.clone(),
            Self::List(rows) => vec![rows.len() as f64 / train_rows.max(1) as f64],
        }
    }

    /// The training rows of a fraction for a seed.
    pub(crate) fn rows(&self, labels: &[usize], fraction: f64, seed: u64) -> Result<Vec<usize>> {
        Ok(match self {
            Self::List(rows) => rows.clone(),
            Self::Fractions(_) => subset::fraction(&Unseen(labels), fraction, seed)?,
        })
    }

    /// Fractions that can be told apart where they name folders and columns.
    pub(crate) fn of_fractions(fractions: &[f64]) -> Result<Self> {
        for (at, &fraction) in fractions.iter().enumerate() {
            let twin = |other: &&f64| percent(**other) == percent(fraction);
            if let Some(other) = fractions[..at].iter().find(twin) {
                return Err(Failure::usage(
                    format!(
                        "the fractions {other} and {fraction} are both {} %",
                        percent(fraction)
                    ),
                    "give each fraction once",
                ));
            }
        }
        Ok(Self::Fractions(fractions.to_vec()))
    }

    /// The training rows that a list names: one row number a line.
    pub(crate) fn of_rows(list: &Path, train_rows: usize) -> Result<Self> {
        let place = list.display();
        let text = fs::read_to_string(list).with_context(|| format!("cannot read {place}"))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let number = |line: &str| {
            let row = line.parse().ok().filter(|&row| row < train_rows);
            row.ok_or_else(|| {
                Failure::new(
                    format!("{place}: expected row numbers below {train_rows}, found {line:?}"),
                    "give one training row a line, counted from 0",
                )
            })
        };
        let mut rows = lines.map(number).collect::<Result<Vec<usize>>>()?;
        rows.sort_unstable();
        rows.dedup();
        if rows.is_empty() {
            return Err(Failure::new(
                format!("{place}: expected one row number a line, found none"),
                "name at least one training row",
            ));
        }
        Ok(Self::List(rows))
    }

    /// The training images that a list names: one file name a line, with or without folders.
    pub(crate) fn of_images(list: &Path, train: &dyn Dataset, test: &dyn Dataset) -> Result<Self> {
        Ok(Self::List(data::named(list, train, test)?))
    }
}

/// Labels without images, of which subsets are drawn as of those with images.
struct Unseen<'a>(&'a [usize]);

impl Dataset for Unseen<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize, _: &mut Image) -> Result<(), e2mc_data::Error> {
        Err(e2mc_data::Error::Unlabelled {
            name: self.name(index),
        })
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(self.0[index])
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        format!("row {index}")
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        None
    }
}
