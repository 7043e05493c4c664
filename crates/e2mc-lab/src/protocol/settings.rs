//! How the runs of a sweep and the models of the demo are measured.

use e2mc_eval::protocol::{ProbeKind, ProbePlan, ProbeSettings, Subsets};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Which linear classifiers are fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeChoice {
    /// Logistic regression.
    #[default]
    Logistic,
    /// The paper's linear layer by SGD.
    Sgd,
    /// One after the other.
    Both,
}

impl ProbeChoice {
    /// The classifiers, in the order of the tables.
    pub fn kinds(self) -> Vec<ProbeKind> {
        match self {
            Self::Logistic => vec![ProbeKind::Logistic],
            Self::Sgd => vec![ProbeKind::Sgd],
            Self::Both => vec![ProbeKind::Logistic, ProbeKind::Sgd],
        }
    }
}

/// Linear probes with few labels, and neighbours with all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearSettings {
    /// Fractions of the training labels, in (0, 1].
    pub fractions: Vec<f64>,
    /// Label subsets a fraction; their seeds count from 0.
    pub seeds: u64,
    /// Which classifiers.
    pub probe: ProbeChoice,
    /// Neighbours of the vote.
    pub k: usize,
    /// Epochs of the SGD probe where they are not the paper's.
    pub sgd_epochs: Option<usize>,
    /// Learning rate of the SGD probe for a batch of 256 where it is not the paper's.
    pub sgd_rate: Option<f64>,
}

impl Default for LinearSettings {
    /// Logistic regression on 1 and 10 % of the labels, five subsets each, and 20 neighbours.
    fn default() -> Self {
        Self {
            fractions: vec![0.01, 0.1],
            seeds: 5,
            probe: ProbeChoice::default(),
            k: 20,
            sgd_epochs: None,
            sgd_rate: None,
        }
    }
}

impl LinearSettings {
    /// Checks the fractions.
    ///
    /// # Errors
    /// Where there are none, one is out of range, or two have one name.
    pub fn check(&self) -> Result<(), Error> {
        self.plan(None).map(drop)
    }

    /// What is fitted; `method` names what trained the network.
    pub(crate) fn plan(&self, method: Option<&str>) -> Result<ProbePlan, Error> {
        Ok(ProbePlan {
            subsets: Subsets::of_fractions(&self.fractions)?,
            seeds: (0..self.seeds).collect(),
            probes: self.probe.kinds(),
            settings: ProbeSettings {
                epochs: self.sgd_epochs,
                learning_rate: self.sgd_rate,
                ..ProbeSettings::choose(None, method)
            },
            k: self.k,
        })
    }
}
