//! A method with a teacher of its own: one view's embedding predicts what a slowly following copy
//! of the network makes of the other view.

use std::f64::consts::PI;

use e2mc_train::backbone::{Backbone, NetworkConfig};
use e2mc_train::layer::{Linear, Precision, Statistics};
use e2mc_train::method::{Method, MethodKind, MethodSettings, Objective, StepContext};
use e2mc_train::optim::{Clip, ParamGroup, Select};
use e2mc_train::{Encoder, Error, Settings, settings_of};
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor, nn};

/// The name in a recipe, and whose settings they are.
pub(crate) static FOLLOWER: MethodKind = MethodKind::of::<FollowerConfig>("follower");

/// The head and the teacher.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FollowerConfig {
    /// Numbers per embedding.
    pub(crate) dims: usize,
    /// How much of the teacher stays at the first step, from 0 to below 1; it rises to 1.
    pub(crate) momentum: f64,
    /// What a layer's rate is multiplied by from layer to layer towards the images.
    pub(crate) layer_decay: f64,
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self {
            dims: 16,
            momentum: 0.9,
            layer_decay: 0.8,
        }
    }
}

impl MethodSettings for FollowerConfig {
    fn name(&self) -> &'static str {
        FOLLOWER.name
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self, views: usize, _batch: usize) -> Result<(), Error> {
        if views != 2 {
            return Err(Error::config("augmentation.views", "2 views", views));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            let expected = "a number from 0 to below 1";
            return Err(Error::config("method.momentum", expected, self.momentum));
        }
        Ok(())
    }

    fn build(&self, path: &nn::Path, backbone: &Backbone) -> Result<Box<dyn Method>, Error> {
        let inputs = backbone.features();
        let head = |path: &nn::Path| Linear::new(path, inputs, self.dims, true);
        let (own, teachers) = (path / "projector", path / "teacher" / "projector");
        let teacher = Backbone::new(&(path / "teacher" / "backbone"), backbone.config())?;
        teacher.freeze();
        let method = Follower {
            momentum: self.momentum,
            projector: head(&own)?,
            teacher,
            teacher_projector: head(&teachers)?,
            pairs: ["weight", "bias"]
                .iter()
                .filter_map(|name| Some((own.get(name)?, teachers.get(name)?)))
                .collect(),
        };
        for (_, teacher) in &method.pairs {
            let _ = teacher.set_requires_grad(false);
        }
        Ok(Box::new(method))
    }

    fn groups(&self, backbone: &dyn NetworkConfig) -> Vec<ParamGroup> {
        let mut head = ParamGroup::scaled(Select::from("projector."), 1.0);
        head.weight_decay = Some(0.0);
        head.clip = Some(Clip::Each(3.0));
        let mut groups = vec![head];
        groups.extend(ParamGroup::by_layer(backbone.layers(), self.layer_decay));
        groups
    }

    fn transform(&self) -> e2mc::Transform {
        e2mc::Transform::Gaussian
    }
}

/// The method with its head and its teacher.
#[derive(Debug)]
struct Follower {
    momentum: f64,
    projector: Linear,
    teacher: Backbone,
    teacher_projector: Linear,
    /// Each of the head's parameters and the teacher's of the same name.
    pairs: Vec<(Tensor, Tensor)>,
}

impl Method for Follower {
    fn objective(
        &mut self,
        encoder: &mut Encoder<'_>,
        context: StepContext<'_>,
    ) -> Result<Objective, Error> {
        let features = encoder.features()?;
        let embed = |features: &Tensor| self.projector.forward(features, context.precision);
        let own = [embed(&features[0])?, embed(&features[1])?];
        let theirs = encoder.features_of(&self.teacher, 0..2, Statistics::Batch)?;
        let target = |features: &Tensor| {
            tch::no_grad(|| self.teacher_projector.forward(features, context.precision))
        };
        let to = |own: &Tensor, theirs: &Tensor| -> Result<Tensor, Error> {
            let distance = unit(own)?.f_mse_loss(&unit(theirs)?, Reduction::Sum)?;
            Ok(distance.f_div_scalar(own.size()[0])?)
        };
        let value = to(&own[0], &target(&theirs[1])?)? + to(&own[1], &target(&theirs[0])?)?;
        let mut objective = Objective {
            loss: Tensor::zeros([], (Kind::Float, value.device())),
            terms: Vec::new(),
            embeddings: own.into(),
            small_crop_embeddings: Vec::new(),
        };
        objective.add("distance", 0.5, &context.world.share(&value)?);
        Ok(objective)
    }

    fn embed(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        self.projector.forward(features, precision)
    }

    fn begin(&mut self, backbone: &Backbone, missing: &[String]) -> Result<(), Error> {
        // A checkpoint that has a teacher keeps it.
        if missing.iter().any(|name| name.starts_with("teacher.")) {
            self.follow(backbone, 0.0)?;
        }
        Ok(())
    }

    fn after_step(&mut self, backbone: &Backbone, step: u64, steps: u64) -> Result<(), Error> {
        let left = 0.5 * (1.0 + (PI * step as f64 / steps as f64).cos());
        self.follow(backbone, 1.0 - (1.0 - self.momentum) * left)
    }
}

impl Follower {
    fn follow(&self, backbone: &Backbone, momentum: f64) -> Result<(), Error> {
        self.teacher.follow(backbone, momentum)?;
        tch::no_grad(|| {
            for (own, teacher) in &self.pairs {
                let _ = teacher.shallow_clone().f_lerp_(own, 1.0 - momentum)?;
            }
            Ok(())
        })
    }
}

/// Rows of length 1.
fn unit(x: &Tensor) -> Result<Tensor, Error> {
    let length = x.f_norm_scalaropt_dim(2.0, [1i64].as_slice(), true)?;
    Ok(x.f_div(&length.f_clamp_min(1e-12)?)?)
}
