//! What is known so far: every row that was evaluated, and the best of them with its model. Kept
//! after each candidate, so that a killed search loses only the candidate under way.

use std::collections::BTreeMap;

use e2mc_record::ImprovementRow;
use serde::{Deserialize, Serialize};

use super::judge::MapChoice;
use super::plan::{ImproveFolder, load, save};
use crate::error::Error;

/// What is known so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// Seconds that were spent.
    pub(super) seconds: f64,
    /// What was evaluated, by name: the fraction of A that is right at best; none if it failed.
    pub(super) done: BTreeMap<String, Option<f64>>,
    pub(super) rows: Vec<ImprovementRow>,
    pub(super) leader: Option<Leader>,
    /// The best trained model's mean standard deviation over that of the untouched one's, if one
    /// was evaluated.
    pub(super) spread: Option<f64>,
}

/// The best row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leader {
    /// Its place among the rows.
    pub(super) row: usize,
    /// The fraction of A that it gets right.
    pub(super) accuracy: f64,
    /// None for the features as they are.
    pub(super) map: Option<MapChoice>,
    /// Whether its model is the leader's file, rather than the untouched one.
    pub(super) changed: bool,
}

impl State {
    pub(super) fn load(folder: &ImproveFolder) -> Result<Self, Error> {
        let found = load(&folder.state(), "is not the state of an improvement")?;
        Ok(found.unwrap_or_default())
    }

    pub(super) fn save(&self, folder: &ImproveFolder) -> Result<(), Error> {
        save(&folder.state(), self)
    }
}
