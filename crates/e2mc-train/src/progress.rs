//! The point that a run has reached.

use serde::{Deserialize, Serialize};

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Epochs completed.
    pub epoch: u64,
    /// Batches done of the epoch after those.
    pub batch: u64,
    /// Optimiser steps in all.
    pub step: u64,
    /// The seed of all randomness.
    pub seed: u64,
}
