//! A backbone without heads, as most public checkpoints are: to be evaluated, not trained.

use tch::Tensor;

use super::{Method, Objective, StepContext};
use crate::Error;
use crate::layer::Precision;

/// The method that is none. Its embeddings are the backbone's features.
#[derive(Debug)]
pub(super) struct Headless;

impl Method for Headless {
    fn objective(
        &mut self,
        _features: &[Tensor],
        _context: StepContext,
    ) -> Result<Objective, Error> {
        Err(untrainable())
    }

    fn embed(&self, features: &Tensor, _precision: Precision) -> Result<Tensor, Error> {
        Ok(features.shallow_clone())
    }
}

/// What a recipe lacks that would train a backbone without heads.
pub(super) fn untrainable() -> Error {
    Error::config(
        "method.name",
        "a method to train with",
        "`none`: the checkpoint has no heads, and the recipe does not say which to start",
    )
}
