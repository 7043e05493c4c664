//! VICReg: variance, invariance, covariance (Bardes, Ponce and LeCun, ICLR 2022).
//!
//! `25 * invariance + 25 * variance + 1 * covariance` on the expander's outputs `za`, `zb`:
//! - invariance: the mean squared difference of `za` and `zb`;
//! - variance: per view the mean over the dimensions of `max(0, 1 - sqrt(var + 1e-4))`, with the
//!   unbiased variance; the mean of the two views;
//! - covariance: per view the squared off-diagonal covariances over `d`; the sum of the views.
//!
//! Weights and conventions are those of the authors' public code, to whose numbers the tests hold.

use e2mc::Transform;
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor, nn};

use super::contract::{Method, MethodSettings, two_views};
use super::objective::{Objective, StepContext};
use crate::Error;
use crate::backbone::Backbone;
use crate::covariance::shared_covariance;
use crate::encoder::Encoder;
use crate::head::{Bias, Head, HeadStyle};
use crate::layer::{Mode, Precision};
use crate::range::at_least_zero;
use crate::settings::{Settings, settings_of};
use crate::world::World;

/// The expander: (Linear, batch norm, ReLU), then a Linear without bias (section 4.2).
const EXPANDER: HeadStyle = HeadStyle {
    hidden_bias: true,
    last_bias: Bias::None,
    last_norm: false,
};

/// The expander's layers and the loss weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VicregConfig {
    /// Widths of the expander's layers, the embedding's last. The paper: 8192, 8192, 8192.
    pub projector: Vec<usize>,
    /// Weight of the invariance term.
    pub invariance: f64,
    /// Weight of the variance term.
    pub variance: f64,
    /// Weight of the covariance term.
    pub covariance: f64,
}

impl Default for VicregConfig {
    fn default() -> Self {
        Self {
            projector: vec![8192; 3],
            invariance: 25.0,
            variance: 25.0,
            covariance: 1.0,
        }
    }
}

impl VicregConfig {
    fn check_weights(&self) -> Result<(), Error> {
        at_least_zero("method.invariance", self.invariance)?;
        at_least_zero("method.variance", self.variance)?;
        at_least_zero("method.covariance", self.covariance)
    }
}

impl MethodSettings for VicregConfig {
    fn name(&self) -> &'static str {
        "vicreg"
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self, views: usize, _batch: usize) -> Result<(), Error> {
        two_views("VICReg", views)?;
        self.check_weights()
    }

    fn build(&self, path: &nn::Path, backbone: &Backbone) -> Result<Box<dyn Method>, Error> {
        Ok(Box::new(Vicreg::new(path, backbone.features(), self)?))
    }

    fn transform(&self) -> Transform {
        Transform::Sigmoid
    }
}

/// The method with its expander.
#[derive(Debug)]
pub struct Vicreg {
    config: VicregConfig,
    projector: Head,
}

impl Vicreg {
    /// Makes the expander under `path / "projector"`.
    ///
    /// # Errors
    /// Where a setting is out of range.
    pub fn new(path: &nn::Path, features: usize, config: &VicregConfig) -> Result<Self, Error> {
        config.check_weights()?;
        let projector = Head::new(
            &(path / "projector"),
            "method.projector",
            features,
            &config.projector,
            EXPANDER,
        )?;
        Ok(Self {
            config: config.clone(),
            projector,
        })
    }
}

impl Method for Vicreg {
    fn objective(
        &mut self,
        encoder: &mut Encoder<'_>,
        context: StepContext<'_>,
    ) -> Result<Objective, Error> {
        let features = encoder.features()?;
        // Batch norm sees each view's own statistics, as in the authors' code.
        let embed = |view: &Tensor| self.projector.forward(view, context.mode());
        let (za, zb) = (embed(&features[0])?, embed(&features[1])?);
        loss(&self.config, za, zb, context.world)
    }

    fn embed(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        self.projector
            .forward(features, Mode::evaluation(precision))
    }
}

/// The loss of two views' embeddings, each `(n, d)` in float32: this process's share. Variance and
/// covariance are those of all processes' rows; each process has the columns that are its own.
///
/// # Errors
/// Where a process is lost.
pub fn loss(
    config: &VicregConfig,
    za: Tensor,
    zb: Tensor,
    world: &World,
) -> Result<Objective, Error> {
    let invariance = world.share(&za.mse_loss(&zb, Reduction::Mean))?;
    let (_, d) = za.size2()?;
    let (all_a, all_b) = (world.columns(&za)?, world.columns(&zb)?);
    let hinge = |z: &Tensor| {
        let std = (z.var_dim([0i64].as_slice(), true, false) + 1e-4).sqrt();
        (std.neg() + 1.0).relu().sum(Kind::Float) / d as f64
    };
    let variance = (hinge(&all_a) + hinge(&all_b)) * 0.5;
    let covariance = shared_covariance(&all_a, d, world)? + shared_covariance(&all_b, d, world)?;
    let mut objective = Objective {
        loss: Tensor::zeros([], (Kind::Float, za.device())),
        terms: Vec::new(),
        embeddings: vec![za, zb],
        small_crop_embeddings: Vec::new(),
    };
    objective.add("invariance", config.invariance, &invariance);
    objective.add("variance", config.variance, &variance);
    objective.add("covariance", config.covariance, &covariance);
    Ok(objective)
}
