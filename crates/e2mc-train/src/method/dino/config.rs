//! DINO's settings, and how they move over a run.

use std::f64::consts::PI;

use e2mc::Transform;
use serde::{Deserialize, Serialize};
use tch::nn;

use super::loss::Temperatures;
use super::network::{Dino, PROTOTYPES};
use crate::Error;
use crate::backbone::{Backbone, NetworkConfig};
use crate::method::contract::{Method, MethodSettings};
use crate::optim::ParamGroup;
use crate::range::{above_zero, decay_rate};
use crate::settings::{Settings, settings_of};

/// The name in recipes.
pub(in crate::method) const NAME: &str = "dino";

/// The heads, the teacher and the loss. The defaults are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DinoConfig {
    /// Widths of the head's layers, the bottleneck's last.
    pub projector: Vec<usize>,
    /// How many scores there are, at least 2: the outputs of the head's last layer.
    pub prototypes: usize,
    /// Whether the last layer's weights have length 1 throughout; otherwise lengths train, too.
    pub unit_prototypes: bool,
    /// Epochs before the last layer moves.
    pub freeze_prototypes_epochs: u64,
    /// What the student's scores are divided by before the softmax, above 0.
    pub temperature: f64,
    /// What the teacher's are divided by after the warm-up, above 0.
    pub teacher_temperature: f64,
    /// The same in the first epoch.
    pub teacher_temperature_start: f64,
    /// Epochs in which it goes linearly from one to the other.
    pub teacher_temperature_epochs: u64,
    /// How much of the teacher stays at the first step, from 0 to 1; half a cosine takes it to 1.
    pub momentum: f64,
    /// How much of the centre stays at a step, from 0 to below 1.
    pub center_momentum: f64,
}

impl Default for DinoConfig {
    fn default() -> Self {
        Self {
            projector: vec![2048, 2048, 256],
            prototypes: 65536,
            unit_prototypes: true,
            freeze_prototypes_epochs: 1,
            temperature: 0.1,
            teacher_temperature: 0.07,
            teacher_temperature_start: 0.04,
            teacher_temperature_epochs: 30,
            momentum: 0.996,
            center_momentum: 0.9,
        }
    }
}

impl DinoConfig {
    /// The temperatures of an epoch, counted from 0.
    pub fn temperatures(&self, epoch: u64) -> Temperatures {
        let (start, end) = (self.teacher_temperature_start, self.teacher_temperature);
        let epochs = self.teacher_temperature_epochs;
        let teacher = match epoch < epochs {
            true => start + (end - start) * epoch as f64 / (epochs - 1).max(1) as f64,
            false => end,
        };
        Temperatures {
            student: self.temperature,
            teacher,
        }
    }

    /// How much of the teacher stays after step `step`, counted from 0, of `steps`.
    pub fn momentum_at(&self, step: u64, steps: u64) -> f64 {
        let left = 0.5 * (1.0 + (PI * step as f64 / steps as f64).cos());
        1.0 - (1.0 - self.momentum) * left
    }
}

impl MethodSettings for DinoConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self, views: usize, _batch: usize) -> Result<(), Error> {
        if views < 2 {
            let expected = "at least 2 views for DINO";
            return Err(Error::config("augmentation.views", expected, views));
        }
        for (field, value) in [
            ("method.temperature", self.temperature),
            ("method.teacher_temperature", self.teacher_temperature),
            (
                "method.teacher_temperature_start",
                self.teacher_temperature_start,
            ),
        ] {
            above_zero(field, value)?;
        }
        decay_rate("method.center_momentum", self.center_momentum)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            let expected = "a number from 0 to 1";
            return Err(Error::config("method.momentum", expected, self.momentum));
        }
        if self.prototypes < 2 {
            return Err(Error::config(
                "method.prototypes",
                "at least 2",
                self.prototypes,
            ));
        }
        Ok(())
    }

    fn build(&self, path: &nn::Path, backbone: &Backbone) -> Result<Box<dyn Method>, Error> {
        Ok(Box::new(Dino::new(path, backbone, self)?))
    }

    fn groups(&self, _backbone: &dyn NetworkConfig) -> Vec<ParamGroup> {
        let prefix = format!("{PROTOTYPES}.");
        vec![ParamGroup::frozen_epochs(
            prefix,
            self.freeze_prototypes_epochs,
        )]
    }

    fn serves_training(&self, name: &str) -> bool {
        name.starts_with("teacher.") || name == "center"
    }

    fn transform(&self) -> Transform {
        Transform::Gaussian
    }
}
