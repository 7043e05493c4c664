//! The self-supervised methods behind one trait: features of the views in, an objective with named
//! terms out.
//!
//! The training loop knows nothing of a method but [`Method`]. A new method is one file here, one
//! arm of [`MethodConfig`] and one fixture in the tests.

mod none;
mod queue;
mod simsiam;
mod sinkhorn;
mod swav;
mod vicreg;

use e2mc::Transform;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

pub use queue::Queue;
pub use simsiam::{Simsiam, SimsiamConfig, loss as simsiam_loss};
pub use sinkhorn::codes as sinkhorn_codes;
pub use swav::{Swav, SwavConfig, loss as swav_loss};
pub use vicreg::{Vicreg, VicregConfig, loss as vicreg_loss};

use crate::Error;
use crate::layer::Precision;
use crate::optim::ParamGroup;

/// Which method, with its heads and its loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum MethodConfig {
    /// VICReg (Bardes, Ponce and LeCun 2022).
    Vicreg(VicregConfig),
    /// SwAV (Caron et al. 2020).
    Swav(SwavConfig),
    /// SimSiam (Chen and He 2021).
    Simsiam(SimsiamConfig),
    /// A backbone without heads: its features can be used, but it cannot be trained.
    None,
}

impl MethodConfig {
    /// The method's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Vicreg(_) => "vicreg",
            Self::Swav(_) => "swav",
            Self::Simsiam(_) => "simsiam",
            Self::None => "none",
        }
    }

    /// Makes the method's heads under `path` for a backbone with `features` outputs.
    ///
    /// # Errors
    /// Where a setting is out of range.
    pub fn build(&self, path: &nn::Path, features: usize) -> Result<Box<dyn Method>, Error> {
        Ok(match self {
            Self::Vicreg(config) => Box::new(Vicreg::new(path, features, config)?),
            Self::Swav(config) => Box::new(Swav::new(path, features, config)?),
            Self::Simsiam(config) => Box::new(Simsiam::new(path, features, config)?),
            Self::None => Box::new(none::Headless),
        })
    }

    /// Checks the settings, and that they fit the number of views of an image and of images in a
    /// step.
    ///
    /// # Errors
    /// Names the setting and says what the method needs.
    pub fn check(&self, views: usize, batch: usize) -> Result<(), Error> {
        let two_views = |method: &str| match views {
            2 => Ok(()),
            _ => {
                let expected = format!("2 views for {method}");
                Err(Error::config("augmentation.views", expected, views))
            }
        };
        match self {
            Self::Vicreg(config) => two_views("VICReg").and_then(|()| config.check()),
            Self::Swav(config) => config.check(views, batch),
            Self::Simsiam(config) => two_views("SimSiam").and_then(|()| config.check()),
            Self::None => Err(none::untrainable()),
        }
    }

    /// The parameters that do not follow the schedule as the others do.
    pub fn groups(&self) -> Vec<ParamGroup> {
        match self {
            Self::Vicreg(_) | Self::None => Vec::new(),
            Self::Swav(config) => config.groups(),
            Self::Simsiam(config) => config.groups(),
        }
    }

    /// The map of the method's embedding to the unit interval: the sigmoid where the loss takes
    /// the embedding as it is, the normal distribution function where it normalises it first
    /// (paper, section 4).
    pub fn transform(&self) -> Transform {
        match self {
            Self::Vicreg(_) | Self::None => Transform::Sigmoid,
            Self::Swav(_) | Self::Simsiam(_) => Transform::Gaussian,
        }
    }
}

/// What a method needs to know of the step it takes part in.
#[derive(Clone, Copy, Debug)]
pub struct StepContext<'a> {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// The height of each view's images in pixels.
    pub resolutions: &'a [usize],
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
///
/// The backbone is not the method's business: the loop sends the views through it, all at once or
/// part by part, and gives the method the features of the whole batch.
pub trait Method: std::fmt::Debug {
    /// The loss of a batch, given the backbone's features of each view, `(n, features)`.
    ///
    /// # Errors
    /// Where the features do not fit the heads.
    fn objective(&mut self, features: &[Tensor], context: StepContext) -> Result<Objective, Error>;

    /// Features `(n, features)` of the backbone to embeddings `(n, d)`, in evaluation mode.
    ///
    /// # Errors
    /// Where the features do not fit the head.
    fn embed(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error>;

    /// What the method makes of its embeddings in evaluation mode, under the name of the layer that makes it, of
    /// features `(n, features)`: SimSiam's `predictor` `(n, d)`, SwAV's scores of its `prototypes` `(n, k)`. `None` where
    /// it has no layer of that name, and by default.
    ///
    /// # Errors
    /// Where the features do not fit the head.
    fn after_embedding(
        &self,
        _layer: &str,
        _features: &Tensor,
        _precision: Precision,
    ) -> Result<Option<Tensor>, Error> {
        Ok(None)
    }

    /// Whether neighbouring views of one resolution go through the backbone together, so that its
    /// batch norm sees them as one batch. Otherwise each view goes alone.
    fn joins_views(&self) -> bool {
        false
    }

    /// What must hold before a step, for instance unit prototypes. Nothing by default.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    fn before_step(&mut self) -> Result<(), Error> {
        Ok(())
    }

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
