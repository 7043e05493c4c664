//! The machine, as a search found it.

use serde::{Deserialize, Serialize};

/// What was measured, and what was chosen from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measured {
    /// Images a second, trained on.
    pub(super) trained: f64,
    /// Images a second, embedded.
    pub(super) embedded: f64,
    /// Dimensions of the embedding that the criterion sees.
    pub(super) dims: usize,
    /// Dimensions of the features.
    pub(super) features: usize,
    /// Images a step.
    pub(super) batch: usize,
    /// Slices that a batch goes through the backbone in.
    pub(super) accumulate: usize,
    /// Bytes that a step takes; none if it cannot be told.
    pub(super) bytes: Option<u64>,
}
