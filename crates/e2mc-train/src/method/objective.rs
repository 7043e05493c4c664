//! What goes into a method's loss and what comes out.

use tch::Tensor;

use crate::layer::{Mode, Precision, Statistics};
use crate::world::World;

/// What a method needs to know of the step it takes part in.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// Optimiser steps done before this one, in the whole run.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// The height of each view's images in pixels.
    pub resolutions: &'a [usize],
    /// The arithmetic of convolutions and linear layers.
    pub precision: Precision,
    /// The processes whose rows make up the batch.
    pub world: &'a World,
}

impl<'a> StepContext<'a> {
    /// How heads see a batch in training.
    pub fn mode(&self) -> Mode<'a> {
        Mode {
            statistics: Statistics::Batch,
            precision: self.precision,
            world: self.world,
        }
    }
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
