//! SimSiam: siamese networks with a predictor and a stop-gradient (Chen and He, CVPR 2021).
//!
//! `-(cos(p1, stop(z2)) + cos(p2, stop(z1))) / 2`, the mean over the images, where `z` is the
//! projector's output of a view and `p` the predictor's of `z` (section 3 of that paper). The
//! criterion acts on `z`, through which its gradient flows.
//!
//! As in the authors' public code the projector's last bias never moves, since the batch norm
//! after it takes it out again, and the predictor may keep a learning rate of its own.

use e2mc::Transform;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor, nn};

use super::contract::{Method, MethodSettings, two_views};
use super::objective::{Objective, StepContext};
use crate::Error;
use crate::backbone::{Backbone, NetworkConfig};
use crate::encoder::Encoder;
use crate::head::{Bias, Head, HeadStyle};
use crate::layer::{Mode, Precision};
use crate::optim::ParamGroup;
use crate::range::above_zero;
use crate::settings::{Settings, settings_of};
use crate::world::World;

/// The projector: (Linear, batch norm, ReLU) twice, a Linear with a frozen bias, batch norm
/// without weight and bias.
const PROJECTOR: HeadStyle = HeadStyle {
    hidden_bias: false,
    last_bias: Bias::Frozen,
    last_norm: true,
};

/// The predictor: (Linear, batch norm, ReLU), then a Linear.
const PREDICTOR: HeadStyle = HeadStyle {
    hidden_bias: false,
    last_bias: Bias::Trained,
    last_norm: false,
};

/// The name under which the predictor's parameters are found.
const PREDICTOR_NAME: &str = "predictor";

/// The heads. The defaults are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimsiamConfig {
    /// Widths of the projector's layers, the embedding's last.
    pub projector: Vec<usize>,
    /// Width of the predictor's hidden layer; its output is as wide as the embedding.
    pub predictor: usize,
    /// The predictor's learning rate at every step, above 0; absent, it follows the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictor_learning_rate: Option<f64>,
}

impl Default for SimsiamConfig {
    fn default() -> Self {
        Self {
            projector: vec![2048; 3],
            predictor: 512,
            predictor_learning_rate: None,
        }
    }
}

impl MethodSettings for SimsiamConfig {
    fn name(&self) -> &'static str {
        "simsiam"
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self, views: usize, _batch: usize) -> Result<(), Error> {
        two_views("SimSiam", views)?;
        match self.predictor_learning_rate {
            None => Ok(()),
            Some(rate) => above_zero("method.predictor_learning_rate", rate),
        }
    }

    fn build(&self, path: &nn::Path, backbone: &Backbone) -> Result<Box<dyn Method>, Error> {
        Ok(Box::new(Simsiam::new(path, backbone.features(), self)?))
    }

    fn groups(&self, _backbone: &dyn NetworkConfig) -> Vec<ParamGroup> {
        let prefix = format!("{PREDICTOR_NAME}.");
        self.predictor_learning_rate
            .map(|rate| ParamGroup::fixed(prefix, rate))
            .into_iter()
            .collect()
    }

    fn transform(&self) -> Transform {
        Transform::Gaussian
    }
}

/// The method with its projector and its predictor.
#[derive(Debug)]
pub struct Simsiam {
    projector: Head,
    predictor: Head,
}

impl Simsiam {
    /// Makes the heads under `path / "projector"` and `path / "predictor"`.
    ///
    /// # Errors
    /// Where a width is out of range.
    pub fn new(path: &nn::Path, features: usize, config: &SimsiamConfig) -> Result<Self, Error> {
        let projector = Head::new(
            &(path / "projector"),
            "method.projector",
            features,
            &config.projector,
            PROJECTOR,
        )?;
        let dims = *config.projector.last().expect("the head has checked it");
        let predictor = Head::new(
            &(path / PREDICTOR_NAME),
            "method.predictor",
            dims,
            &[config.predictor, dims],
            PREDICTOR,
        )?;
        Ok(Self {
            projector,
            predictor,
        })
    }
}

impl Method for Simsiam {
    fn objective(
        &mut self,
        encoder: &mut Encoder<'_>,
        context: StepContext<'_>,
    ) -> Result<Objective, Error> {
        let features = encoder.features()?;
        // Batch norm sees each view's own statistics, as in the authors' code.
        let pass = |head: &Head, rows: &Tensor| head.forward(rows, context.mode());
        let z = [
            pass(&self.projector, &features[0])?,
            pass(&self.projector, &features[1])?,
        ];
        let p = [pass(&self.predictor, &z[0])?, pass(&self.predictor, &z[1])?];
        loss(z, &p, context.world)
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
        if layer != PREDICTOR_NAME {
            return Ok(None);
        }
        let z = self.embed(features, precision)?;
        let predictions = self.predictor.forward(&z, Mode::evaluation(precision))?;
        Ok(Some(predictions))
    }
}

/// The loss of two views' projections and predictions, each `(n, d)` in float32: this process's
/// share.
///
/// # Errors
/// Where the shapes differ, or libtorch runs out of memory.
pub fn loss(
    projections: [Tensor; 2],
    predictions: &[Tensor; 2],
    world: &World,
) -> Result<Objective, Error> {
    let [z1, z2] = &projections;
    let [p1, p2] = predictions;
    let cosine = |p: &Tensor, z: &Tensor| -> Result<Tensor, TchError> {
        Tensor::f_cosine_similarity(p, &z.detach(), 1, 1e-8)?.f_mean(Kind::Float)
    };
    let value = cosine(p1, z2)?
        .f_add(&cosine(p2, z1)?)?
        .f_mul_scalar(-0.5)?;
    let mut objective = Objective {
        loss: Tensor::f_zeros([], (Kind::Float, value.device()))?,
        terms: Vec::new(),
        embeddings: projections.into(),
        small_crop_embeddings: Vec::new(),
    };
    objective.add("negative_cosine", 1.0, &world.share(&value)?);
    Ok(objective)
}
