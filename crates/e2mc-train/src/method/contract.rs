//! What a method is: settings, and what becomes of them once a backbone is there.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use e2mc::Transform;
use serde::de::DeserializeOwned;
use tch::{Tensor, nn};

use super::objective::{Objective, StepContext};
use crate::Error;
use crate::backbone::{Backbone, NetworkConfig};
use crate::encoder::Encoder;
use crate::layer::Precision;
use crate::optim::ParamGroup;
use crate::settings::{Settings, read_settings};

/// A method by its name, and how its settings are read.
#[derive(Debug)]
pub struct MethodKind {
    /// The name in a recipe: `vicreg`.
    pub name: &'static str,
    /// Reads the settings under `[method]`, without `name`.
    pub read: fn(Settings) -> Result<Arc<dyn MethodSettings>, serde_json::Error>,
}

impl MethodKind {
    /// The method whose settings are `C`.
    pub const fn of<C: MethodSettings + DeserializeOwned>(name: &'static str) -> Self {
        Self {
            name,
            read: |settings| Ok(Arc::new(read_settings::<C>(settings)?)),
        }
    }
}

/// A method's settings.
pub trait MethodSettings: Any + Debug + Send + Sync {
    /// The name of its [`MethodKind`].
    fn name(&self) -> &'static str;

    /// What [`MethodKind::read`] reads; see [`settings_of`](crate::settings_of).
    fn settings(&self) -> Settings;

    /// Checks the settings, and that they fit the number of views of an image and of images in a
    /// step.
    ///
    /// # Errors
    /// Names the setting and says what the method needs.
    fn check(&self, views: usize, batch: usize) -> Result<(), Error>;

    /// Makes the method's heads under `path` for a backbone.
    ///
    /// # Errors
    /// Where a setting is out of range.
    fn build(&self, path: &nn::Path, backbone: &Backbone) -> Result<Box<dyn Method>, Error>;

    /// The parameters that do not follow the schedule and the optimiser as the others do; of a
    /// backbone, by its layers. None by default.
    fn groups(&self, _backbone: &dyn NetworkConfig) -> Vec<ParamGroup> {
        Vec::new()
    }

    /// Whether one of the method's tensors, by its name in checkpoints, serves training alone: a
    /// teacher's. Networks that are given to others are without. None by default.
    fn serves_training(&self, _name: &str) -> bool {
        false
    }

    /// The map of the method's embedding to the unit interval: the sigmoid where the loss takes
    /// the embedding as it is, the normal distribution function where it normalises it first
    /// (paper, section 4).
    fn transform(&self) -> Transform;
}

impl PartialEq for dyn MethodSettings {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.settings() == other.settings()
    }
}

/// A self-supervised method: its heads, its loss and whatever state it keeps between steps.
///
/// The backbone's weights are not the method's business: the [`Encoder`] sends the views through
/// it, all at once or part by part, and takes the loss's gradient back. A method may ask for the
/// features once ([`Encoder::features`]), and may encode views by a backbone of its own, for
/// instance a teacher ([`Encoder::features_of`]).
pub trait Method: Debug {
    /// The loss of the batch whose views `encoder` holds.
    ///
    /// # Errors
    /// Where the features do not fit the heads.
    fn objective(
        &mut self,
        encoder: &mut Encoder<'_>,
        context: StepContext<'_>,
    ) -> Result<Objective, Error>;

    /// Features `(n, features)` of the backbone to embeddings `(n, d)`, in evaluation mode.
    ///
    /// # Errors
    /// Where the features do not fit the head.
    fn embed(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error>;

    /// What the method makes of its embeddings in evaluation mode, under the name of the layer that
    /// makes it, of features `(n, features)`: SimSiam's `predictor` `(n, d)`, SwAV's scores of its
    /// `prototypes` `(n, k)`. `None` where it has no layer of that name, and by default.
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

    /// Is told that new weights are in place: freshly drawn ones, or a checkpoint's that starts a
    /// new run. `missing` names the tensors of the whole model that were not in the checkpoint: all
    /// of them for a fresh model. A teacher that is among them becomes a copy of the backbone here.
    /// Nothing by default.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    fn begin(&mut self, _backbone: &Backbone, _missing: &[String]) -> Result<(), Error> {
        Ok(())
    }

    /// Follows what a step has changed, for instance in averages of weights. `step` steps are now
    /// done of `steps` in the whole run. Nothing by default.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    fn after_step(&mut self, _backbone: &Backbone, _step: u64, _steps: u64) -> Result<(), Error> {
        Ok(())
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

/// Refuses another number of views than 2, in the method's name.
pub(super) fn two_views(method: &str, views: usize) -> Result<(), Error> {
    match views {
        2 => Ok(()),
        _ => {
            let expected = format!("2 views for {method}");
            Err(Error::config("augmentation.views", expected, views))
        }
    }
}
