//! SwAV: swapped assignments between views (Caron et al., NeurIPS 2020), with multi-crop.
//!
//! All views go through the head, `h`, and are normalised, `z = h / |h|`; `z` times the unit
//! prototypes are their scores. Some crops get codes ([`sinkhorn`](super::sinkhorn)),
//! and every other view predicts them: the mean over the crops with codes, the other views and the
//! images of `-sum_k q_k log softmax(scores / temperature)_k` (Eq. 2 of that paper).
//!
//! The order of things is that of the authors' public code: prototypes are normalised before each
//! step; a batch's codes are computed with the queue as the batches before left it; frozen
//! prototypes neither move nor gather momentum. Where we differ: a queue that is no multiple of
//! the batch is refused, not shortened, and scores, codes and the loss are float32 throughout.

use e2mc::Transform;
use serde::{Deserialize, Serialize};
use tch::nn::Init;
use tch::{Kind, TchError, Tensor, nn};

use super::contract::{Method, MethodSettings};
use super::objective::{Objective, StepContext};
use super::queue::Queue;
use super::sinkhorn::codes as sinkhorn_codes;
use crate::Error;
use crate::backbone::{Backbone, NetworkConfig};
use crate::budget;
use crate::encoder::Encoder;
use crate::head::{Bias, Head, HeadStyle};
use crate::layer::{Mode, Precision};
use crate::optim::ParamGroup;
use crate::range::above_zero;
use crate::settings::{Settings, settings_of};
use crate::world::World;

/// The projector: (Linear, batch norm, ReLU), then a Linear.
const PROJECTOR: HeadStyle = HeadStyle {
    hidden_bias: true,
    last_bias: Bias::Trained,
    last_norm: false,
};

/// The name under which the prototypes' parameters are found.
const PROTOTYPES: &str = "prototypes";

/// The heads, the codes and the loss. The defaults are the paper's, without a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwavConfig {
    /// Widths of the projector's layers, the embedding's last.
    pub projector: Vec<usize>,
    /// How many prototypes there are, at least 2.
    pub prototypes: usize,
    /// What scores are divided by before the softmax, above 0.
    pub temperature: f64,
    /// Weight of the entropy of the codes, above 0: the larger, the softer.
    pub sinkhorn_epsilon: f64,
    /// Iterations of Sinkhorn-Knopp, at least 1.
    pub sinkhorn_iterations: usize,
    /// The views that get codes, counted from 0.
    pub codes_from: Vec<usize>,
    /// Images of earlier batches that help to compute codes, a multiple of the batch; 0 for none.
    pub queue: usize,
    /// Epochs before the queue starts to fill.
    pub queue_epoch: u64,
    /// Optimiser steps before the prototypes move. Where the optimiser's state comes from a
    /// checkpoint, its steps count.
    pub freeze_prototypes: u64,
}

impl Default for SwavConfig {
    fn default() -> Self {
        Self {
            projector: vec![2048, 128],
            prototypes: 3000,
            temperature: 0.1,
            sinkhorn_epsilon: 0.05,
            sinkhorn_iterations: 3,
            codes_from: vec![0, 1],
            queue: 0,
            queue_epoch: 0,
            freeze_prototypes: 0,
        }
    }
}

impl MethodSettings for SwavConfig {
    fn name(&self) -> &'static str {
        "swav"
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self, views: usize, batch: usize) -> Result<(), Error> {
        if views < 2 {
            let expected = "at least 2 views for SwAV";
            return Err(Error::config("augmentation.views", expected, views));
        }
        above_zero("method.temperature", self.temperature)?;
        above_zero("method.sinkhorn_epsilon", self.sinkhorn_epsilon)?;
        for (field, least, found) in [
            ("method.prototypes", 2, self.prototypes),
            ("method.sinkhorn_iterations", 1, self.sinkhorn_iterations),
        ] {
            if found < least {
                return Err(Error::config(field, format!("at least {least}"), found));
            }
        }
        let mut chosen = self.codes_from.clone();
        chosen.sort_unstable();
        chosen.dedup();
        let distinct = chosen.len() == self.codes_from.len();
        if chosen.is_empty() || !distinct || chosen.iter().any(|&view| view >= views) {
            return Err(Error::config(
                "method.codes_from",
                format!("different views from 0 to {}", views - 1),
                format!("{:?}", self.codes_from),
            ));
        }
        if !self.queue.is_multiple_of(batch) {
            return Err(Error::config(
                "method.queue",
                format!("a multiple of training.batch, {batch}, or 0"),
                self.queue,
            ));
        }
        Ok(())
    }

    fn build(&self, path: &nn::Path, backbone: &Backbone) -> Result<Box<dyn Method>, Error> {
        Ok(Box::new(Swav::new(path, backbone.features(), self)?))
    }

    fn groups(&self, _backbone: &dyn NetworkConfig) -> Vec<ParamGroup> {
        let prefix = format!("{PROTOTYPES}.");
        vec![ParamGroup::frozen(prefix, self.freeze_prototypes)]
    }

    fn transform(&self) -> Transform {
        Transform::Gaussian
    }
}

/// The method with its projector, its prototypes and its queue.
#[derive(Debug)]
pub struct Swav {
    config: SwavConfig,
    projector: Head,
    /// `(prototypes, d)`.
    prototypes: Tensor,
    queue: Option<Queue>,
}

impl Swav {
    /// Makes the projector and the prototypes under `path / "projector"` and
    /// `path / "prototypes"`.
    ///
    /// # Errors
    /// Where a width is out of range.
    pub fn new(path: &nn::Path, features: usize, config: &SwavConfig) -> Result<Self, Error> {
        let projector = Head::new(
            &(path / "projector"),
            "method.projector",
            features,
            &config.projector,
            PROJECTOR,
        )?;
        let dims = *config.projector.last().expect("the head has checked it");
        // As PyTorch draws a linear layer. It matters only for the directions: the length is 1
        // from the first step on.
        let bound = 1.0 / (dims as f64).sqrt();
        let (lo, up) = (-bound, bound);
        let shape = [config.prototypes as i64, dims as i64];
        budget::take(&shape)?;
        let prototypes = (path / PROTOTYPES).f_var("weight", &shape, Init::Uniform { lo, up })?;
        Ok(Self {
            config: config.clone(),
            projector,
            prototypes,
            queue: None,
        })
    }

    fn queue_shape(&self) -> [i64; 3] {
        let crops = self.config.codes_from.len() as i64;
        [crops, self.config.queue as i64, self.prototypes.size()[1]]
    }
}

impl Method for Swav {
    fn objective(
        &mut self,
        encoder: &mut Encoder<'_>,
        context: StepContext<'_>,
    ) -> Result<Objective, Error> {
        let features = encoder.features()?;
        // The head's batch norm sees all views of all resolutions as one batch.
        let all = Tensor::f_cat(&features, 0)?;
        let h = self.projector.forward(&all, context.mode())?;
        let h = h.f_chunk(features.len() as i64, 0)?;
        let starts = self.config.queue > 0 && context.epoch >= self.config.queue_epoch;
        if starts && self.queue.is_none() {
            let [_, _, dims] = self.queue_shape();
            let (crops, length) = (self.config.codes_from.len(), self.config.queue);
            self.queue = Some(Queue::new(crops, length, dims, all.device())?);
        }
        let queue = self.queue.as_mut();
        loss(
            &self.config,
            h,
            context.resolutions,
            &self.prototypes,
            queue,
            context.world,
        )
    }

    fn embed(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        self.projector
            .forward(features, Mode::evaluation(precision))
    }

    fn after_embedding(
        &self,
        layer: &str,
        features: &Tensor,
        precision: Precision,
    ) -> Result<Option<Tensor>, Error> {
        if layer != PROTOTYPES {
            return Ok(None);
        }
        let unit = normalised(&self.embed(features, precision)?)?;
        Ok(Some(unit.f_mm(&self.prototypes.f_tr()?)?))
    }

    fn joins_views(&self) -> bool {
        true
    }

    fn before_step(&mut self) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let unit = normalised(&self.prototypes)?;
        self.prototypes.f_copy_(&unit)?;
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        self.queue.as_ref().map(Queue::state).unwrap_or_default()
    }

    fn load_state(&mut self, state: Vec<(String, Tensor)>) -> Result<(), Error> {
        let device = self.prototypes.device();
        self.queue = Queue::from_state(state, self.queue_shape(), device)?;
        Ok(())
    }
}

/// The loss of the views' embeddings before normalisation, each `(n, d)` in float32, with unit
/// `prototypes` `(k, d)`: this process's share. `resolutions` are those of the views: the largest
/// is the full one.
///
/// # Errors
/// Where a shape does not fit, libtorch runs out of memory, or a process is lost.
pub fn loss(
    config: &SwavConfig,
    embeddings: Vec<Tensor>,
    resolutions: &[usize],
    prototypes: &Tensor,
    queue: Option<&mut Queue>,
    world: &World,
) -> Result<Objective, Error> {
    let unit = embeddings
        .iter()
        .map(normalised)
        .collect::<Result<Vec<_>, _>>()?;
    let scores = unit
        .iter()
        .map(|z| z.f_matmul(&prototypes.f_tr()?))
        .collect::<Result<Vec<_>, _>>()?;
    let codes = codes(config, &unit, &scores, prototypes, queue, world)?;
    let value = swapped_prediction(config, &scores, &codes)?;

    let full = resolutions.iter().max();
    let (large, small): (Vec<_>, Vec<_>) = embeddings
        .into_iter()
        .zip(resolutions)
        .partition(|(_, resolution)| Some(*resolution) == full);
    let tensors = |views: Vec<(Tensor, &usize)>| views.into_iter().map(|view| view.0).collect();
    let mut objective = Objective {
        loss: Tensor::f_zeros([], (Kind::Float, prototypes.device()))?,
        terms: Vec::new(),
        embeddings: tensors(large),
        small_crop_embeddings: tensors(small),
    };
    objective.add("swapped_prediction", 1.0, &world.share(&value)?);
    Ok(objective)
}

/// `z / |z|` row by row, as PyTorch's `normalize`.
pub(super) fn normalised(z: &Tensor) -> Result<Tensor, TchError> {
    let norm = z.f_norm_scalaropt_dim(2.0, [1i64].as_slice(), true)?;
    z.f_div(&norm.f_clamp_min(1e-12)?)
}

/// The codes `(n, k)` of each chosen view; then the queue takes these views in.
fn codes(
    config: &SwavConfig,
    unit: &[Tensor],
    scores: &[Tensor],
    prototypes: &Tensor,
    queue: Option<&mut Queue>,
    world: &World,
) -> Result<Vec<Tensor>, Error> {
    let _guard = tch::no_grad_guard();
    let (epsilon, iterations) = (config.sinkhorn_epsilon, config.sinkhorn_iterations);
    let mut codes = Vec::with_capacity(config.codes_from.len());
    for (crop, &view) in config.codes_from.iter().enumerate() {
        let own = &scores[view];
        codes.push(match queue.as_ref().and_then(|queue| queue.rows(crop)) {
            None => sinkhorn_codes(own, epsilon, iterations, world)?,
            Some(rows) => {
                // Each process counts its part of the queue, and none twice.
                let rows = world.own_rows(&rows)?;
                let earlier = rows.f_matmul(&prototypes.f_tr()?)?;
                let all = Tensor::f_cat(&[&earlier, own], 0)?;
                let codes = sinkhorn_codes(&all, epsilon, iterations, world)?;
                codes.f_narrow(0, earlier.size()[0], own.size()[0])?
            }
        });
    }
    if let Some(queue) = queue {
        let views = config.codes_from.iter();
        let chosen = views
            .map(|&view| world.gather(&unit[view]))
            .collect::<Result<Vec<_>, _>>()?;
        queue.push(&Tensor::f_stack(&chosen, 0)?)?;
    }
    Ok(codes)
}

/// Minus the mean log-probability that the other views give to the codes.
fn swapped_prediction(
    config: &SwavConfig,
    scores: &[Tensor],
    codes: &[Tensor],
) -> Result<Tensor, TchError> {
    let log_p = scores
        .iter()
        .map(|scores| {
            scores
                .f_div_scalar(config.temperature)?
                .f_log_softmax(1, Kind::Float)
        })
        .collect::<Result<Vec<_>, _>>()?;
    // The sum over all views but one is that over all, less the one: one product with each code
    // instead of one with each pair.
    let all = log_p[1..]
        .iter()
        .try_fold(log_p[0].shallow_clone(), |sum, view| sum.f_add(view))?;
    let mut agreement = Tensor::f_zeros([], (Kind::Float, all.device()))?;
    for (&view, codes) in config.codes_from.iter().zip(codes) {
        let others = all.f_sub(&log_p[view])?;
        agreement = agreement.f_add(&codes.f_mul(&others)?.f_sum(Kind::Float)?)?;
    }
    let count = codes.len() as i64 * (scores.len() as i64 - 1) * scores[0].size()[0];
    agreement.f_div_scalar(-count)
}
