//! A backbone without heads, as most public checkpoints are: to be evaluated, not trained.

use e2mc::Transform;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use super::config::names_to_train_with;
use super::contract::{Method, MethodSettings};
use super::objective::{Objective, StepContext};
use crate::Error;
use crate::backbone::Backbone;
use crate::encoder::Encoder;
use crate::layer::Precision;
use crate::settings::{Settings, settings_of};

/// The method that is none. Its embeddings are the backbone's features.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Headless {}

impl MethodSettings for Headless {
    fn name(&self) -> &'static str {
        "none"
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self, _views: usize, _batch: usize) -> Result<(), Error> {
        Err(untrainable())
    }

    fn build(&self, _path: &nn::Path, _backbone: &Backbone) -> Result<Box<dyn Method>, Error> {
        Ok(Box::new(Self {}))
    }

    fn transform(&self) -> Transform {
        Transform::Sigmoid
    }
}

impl Method for Headless {
    fn objective(
        &mut self,
        _encoder: &mut Encoder<'_>,
        _context: StepContext<'_>,
    ) -> Result<Objective, Error> {
        Err(untrainable())
    }

    fn embed(&self, features: &Tensor, _precision: Precision) -> Result<Tensor, Error> {
        Ok(features.shallow_clone())
    }
}

/// What a recipe lacks that would train a backbone without heads.
fn untrainable() -> Error {
    Error::config(
        "method.name",
        format!(
            "a method to train with ({})",
            names_to_train_with().join(", ")
        ),
        "`none`: the checkpoint has no heads, and the recipe does not name new ones",
    )
}
