//! What goes into a method's loss and what comes out.

use tch::{Kind, Tensor};

use crate::Error;
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
    /// The unweighted value, or this process's share of it: a detached scalar, on the device until
    /// somebody logs it.
    pub value: Tensor,
}

/// A method's answer to one batch.
#[derive(Debug)]
pub struct Objective {
    /// The scalar to minimise: of many processes each has its share, and their sum is the whole
    /// batch's.
    pub loss: Tensor,
    /// What it consists of.
    pub terms: Vec<Term>,
    /// The embeddings of own rows `(n, d)` that the criterion acts on, one a view, in float32 and
    /// before any normalisation. Of methods with multi-crop: the full-resolution views.
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

    /// Replaces the terms' shares by the values on the whole batch, and gives the whole loss. The
    /// share that gradients start from stays.
    pub(crate) fn of_the_batch(&mut self, world: &World) -> Result<Tensor, Error> {
        let loss = self.loss.f_detach()?;
        if world.size() == 1 {
            return Ok(loss);
        }
        let device = loss.device();
        let double = |value: &Tensor| value.f_to_device(device)?.f_to_kind(Kind::Double);
        let values = std::iter::once(&loss).chain(self.terms.iter().map(|term| &term.value));
        let values = values.map(double).collect::<Result<Vec<_>, _>>()?;
        let sums = world.sum(Tensor::f_stack(&values, 0)?)?;
        for (index, term) in self.terms.iter_mut().enumerate() {
            term.value = sums.f_get(index as i64 + 1)?;
        }
        Ok(sums.f_get(0)?)
    }
}
