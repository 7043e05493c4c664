//! VICReg: variance, invariance, covariance (Bardes, Ponce and LeCun, ICLR 2022).
//!
//! `25 * invariance + 25 * variance + 1 * covariance` on the expander's outputs `za`, `zb`:
//! - invariance: the mean squared difference of `za` and `zb`;
//! - variance: per view the mean over the dimensions of `max(0, 1 - sqrt(var + 1e-4))`, with the
//!   unbiased variance; the mean of the two views;
//! - covariance: per view the squared off-diagonal covariances over `d`; the sum of the views.
//!
//! Weights and conventions are those of the authors' public code, to whose numbers the tests hold.

use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor, nn};

use super::{Method, Objective, StepContext};
use crate::Error;
use crate::criterion::off_diagonal_covariance;
use crate::head::{Bias, Head, HeadStyle};
use crate::layer::{Precision, Statistics};
use crate::range::at_least_zero;

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
    pub(super) fn check(&self) -> Result<(), Error> {
        at_least_zero("method.invariance", self.invariance)?;
        at_least_zero("method.variance", self.variance)?;
        at_least_zero("method.covariance", self.covariance)
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
        config.check()?;
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
    fn objective(&mut self, features: &[Tensor], context: StepContext) -> Result<Objective, Error> {
        // Batch norm sees each view's own statistics, as in the authors' code.
        let embed = |view: &Tensor| {
            let (statistics, precision) = (Statistics::Batch, context.precision);
            self.projector.forward(view, statistics, precision)
        };
        Ok(loss(
            &self.config,
            embed(&features[0])?,
            embed(&features[1])?,
        ))
    }

    fn embed(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let statistics = Statistics::Running;
        self.projector.forward(features, statistics, precision)
    }
}

/// The loss of two views' embeddings, each `(n, d)` in float32.
pub fn loss(config: &VicregConfig, za: Tensor, zb: Tensor) -> Objective {
    let invariance = za.mse_loss(&zb, Reduction::Mean);
    let hinge = |z: &Tensor| {
        let std = (z.var_dim([0i64].as_slice(), true, false) + 1e-4).sqrt();
        (std.neg() + 1.0).relu().mean(Kind::Float)
    };
    let variance = (hinge(&za) + hinge(&zb)) * 0.5;
    let covariance = off_diagonal_covariance(&za) + off_diagonal_covariance(&zb);
    let mut objective = Objective {
        loss: Tensor::zeros([], (Kind::Float, za.device())),
        terms: Vec::new(),
        embeddings: vec![za, zb],
        small_crop_embeddings: Vec::new(),
    };
    objective.add("invariance", config.invariance, &invariance);
    objective.add("variance", config.variance, &variance);
    objective.add("covariance", config.covariance, &covariance);
    objective
}
