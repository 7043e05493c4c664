//! The self-supervised methods behind one trait: views in, an objective with named terms out.
//!
//! The training loop knows nothing of a method but [`Method`]. A new method is one file here, one
//! arm of [`MethodConfig`] and one fixture in the tests.

mod vicreg;

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

pub use vicreg::{Vicreg, VicregConfig, loss as vicreg_loss};

use crate::Error;
use crate::backbone::Backbone;
use crate::layer::Precision;

/// Which method, with its head and its loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum MethodConfig {
    /// VICReg (Bardes, Ponce and LeCun 2022).
    Vicreg(VicregConfig),
}

impl MethodConfig {
    /// The method's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Vicreg(_) => "vicreg",
        }
    }

    /// Makes the method's heads under `path` for a backbone with `features` outputs.
    ///
    /// # Errors
    /// Where a setting is out of range.
    pub fn build(&self, path: &nn::Path, features: usize) -> Result<Box<dyn Method>, Error> {
        match self {
            Self::Vicreg(config) => Ok(Box::new(Vicreg::new(path, features, config)?)),
        }
    }

    /// Checks that the augmentation gives the views that the method needs.
    ///
    /// # Errors
    /// Names the setting and says what the method needs.
    pub fn check_views(&self, count: usize) -> Result<(), Error> {
        match self {
            Self::Vicreg(_) if count != 2 => Err(Error::config(
                "augmentation.views",
                "2 views for VICReg",
                count,
            )),
            Self::Vicreg(_) => Ok(()),
        }
    }
}

/// What a method needs to know of the step it takes part in.
#[derive(Clone, Copy, Debug)]
pub struct StepContext {
    /// Optimiser steps done before this one.
    pub step: u64,
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// The arithmetic of convolutions and linear layers.
    pub precision: Precision,
}

/// One named part of a loss, for the log.
#[derive(Debug)]
pub struct Term {
    /// The name in the log, for instance `invariance`.
    pub name: &'static str,
    /// What it is multiplied by in the loss.
    pub weight: f64,
    /// The unweighted value: a detached scalar, on the device until somebody logs it.
    pub value: Tensor,
}

/// A method's answer to one batch.
#[derive(Debug)]
pub struct Objective {
    /// The scalar to minimise.
    pub loss: Tensor,
    /// What it consists of.
    pub terms: Vec<Term>,
    /// The embeddings `(n, d)` that the criterion acts on, one a view, in float32 and before any
    /// normalisation. Of methods with multi-crop: the full-resolution views.
    pub embeddings: Vec<Tensor>,
    /// The embeddings `(n, d)` of the small crops, for criteria that take every view; empty
    /// without multi-crop.
    pub small_crop_embeddings: Vec<Tensor>,
}

impl Objective {
    /// Adds `weight * value` to the loss and to the terms.
    pub fn add(&mut self, name: &'static str, weight: f64, value: &Tensor) {
        self.loss = &self.loss + value * weight;
        self.terms.push(Term {
            name,
            weight,
            value: value.detach(),
        });
    }
}

/// A self-supervised method: its heads, its loss and whatever state it keeps between steps.
pub trait Method: std::fmt::Debug {
    /// The loss of a batch of augmented views, each `(n, c, h, w)`.
    ///
    /// # Errors
    /// Where the views do not fit the network.
    fn objective(
        &mut self,
        backbone: &Backbone,
        views: &[Tensor],
        context: StepContext,
    ) -> Result<Objective, Error>;

    /// Features `(n, features)` of the backbone to embeddings `(n, d)`, in evaluation mode.
    ///
    /// # Errors
    /// Where the features do not fit the head.
    fn embed(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error>;

    /// What must hold before a step, for instance unit prototypes. Nothing by default.
    fn before_step(&mut self, _context: StepContext) {}

    /// What happens to gradients before the optimiser sees them. Nothing by default.
    fn after_backward(&mut self, _context: StepContext) {}

    /// Tensors beside the parameters that a checkpoint must hold, for instance a queue.
    fn state(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Takes back what [`Method::state`] gave.
    ///
    /// # Errors
    /// Where a tensor is missing, unexpected or of another shape.
    fn load_state(&mut self, state: Vec<(String, Tensor)>) -> Result<(), Error> {
        match state.first() {
            None => Ok(()),
            Some((name, _)) => Err(Error::config(
                "method",
                "no state beside the parameters",
                name,
            )),
        }
    }
}
