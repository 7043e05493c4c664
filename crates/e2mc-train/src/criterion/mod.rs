//! The criterion that continued training adds to a method's loss: one enum, one call site.
//!
//! On the CPU values and gradients come from crate `e2mc`; autograd sees one scalar whose gradient
//! is that one (`analytic`). On other devices the same mathematics runs in tensor operations
//! (`tensors`). The authors' conventions hold on both:
//! - E2MC: the entropy is averaged over the views, the covariance summed (the published `beta` and
//!   `gamma` belong to it);
//! - VCReg, uniformity, SIGReg: a mean over the full-resolution views;
//! - MMCR: all views at once, small crops included.
//!
//! With several processes, each computes its share of a criterion. For E2MC a process takes the
//! columns that are its own (`columns`); for the others every process sees all rows and keeps the
//! gradient of its own.

mod analytic;
mod columns;
mod config;
mod plain;
mod tensors;
#[cfg(test)]
mod tests;

use tch::{Device, Tensor};

use e2mc::Workspace;
use e2mc::rival::{Directions, Sigreg};

pub use config::{CriterionConfig, SpaceName, TransformName};

use crate::Error;
use crate::method::Objective;
use crate::world::World;

/// A criterion ready to be added to objectives; keeps its memory between steps.
#[derive(Debug)]
pub struct Criterion {
    config: CriterionConfig,
    workspace: Workspace,
}

/// Where random directions come from: they belong to the step, whatever happened before.
#[derive(Clone, Copy, Debug)]
struct Position {
    seed: u64,
    step: u64,
}

impl Position {
    /// The step's directions for embeddings of `d` columns.
    fn directions(self, settings: &Sigreg, d: usize) -> Result<Directions, Error> {
        Ok(settings.directions(d, self.seed, self.step)?)
    }
}

/// The embeddings that a criterion acts on: this process's rows.
#[derive(Debug)]
struct Views<'a> {
    /// The full-resolution views, each `(n, d)`.
    full: Vec<Tensor>,
    /// The small crops, each `(n, d)`.
    small: Vec<Tensor>,
    /// The processes that hold the other rows.
    world: &'a World,
}

impl<'a> Views<'a> {
    fn of(objective: &Objective, world: &'a World) -> Self {
        let views = |views: &[Tensor]| views.iter().map(Tensor::shallow_clone).collect();
        Self {
            full: views(&objective.embeddings),
            small: views(&objective.small_crop_embeddings),
            world,
        }
    }
}

impl Criterion {
    /// Makes the criterion.
    ///
    /// # Errors
    /// As [`CriterionConfig::check`].
    pub fn new(config: &CriterionConfig) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            config: config.clone(),
            workspace: Workspace::default(),
        })
    }

    /// Adds the criterion's terms to a method's objective, over the rows of all processes of
    /// `world`: this process's share. What is random in a criterion is drawn for the run's `seed`
    /// and the number of steps done before, `step`.
    ///
    /// # Errors
    /// Where an embedding is not finite or has fewer than 2 rows, or a process is lost.
    pub fn add_to(
        &mut self,
        objective: &mut Objective,
        world: &World,
        seed: u64,
        step: u64,
    ) -> Result<(), Error> {
        let position = Position { seed, step };
        let views = Views::of(objective, world);
        if objective.loss.device() == Device::Cpu {
            analytic::add(
                &self.config,
                objective,
                &views,
                position,
                &mut self.workspace,
            )
        } else {
            tensors::add(&self.config, objective, &views, position)
        }
    }
}
