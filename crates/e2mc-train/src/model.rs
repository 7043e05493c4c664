//! A backbone with a method's heads, and the one place that holds their parameters.

use std::collections::BTreeMap;

use tch::{Device, Tensor, nn};

use crate::Error;
use crate::backbone::Backbone;
use crate::draw::seeded;
use crate::layer::{Precision, Statistics};
use crate::method::Method;
use crate::recipe::Recipe;

/// A network to train or to use. Parameter names: `backbone.conv1.weight`, `projector.0.weight`, …
#[derive(Debug)]
pub struct Model {
    variables: nn::VarStore,
    /// The network whose features are wanted.
    pub backbone: Backbone,
    /// The method with its heads.
    pub method: Box<dyn Method>,
    precision: Precision,
}

impl Model {
    /// Makes a model with freshly drawn weights: the same for the same seed.
    ///
    /// # Errors
    /// Where the recipe's backbone or head is not valid.
    pub fn new(recipe: &Recipe, device: Device, seed: u64) -> Result<Self, Error> {
        // Weights are drawn on the CPU, so that a seed means the same on every device.
        let mut variables = nn::VarStore::new(Device::Cpu);
        let root = variables.root();
        let (backbone, method) = seeded(seed, || -> Result<_, Error> {
            let backbone = Backbone::new(&(&root / "backbone"), &recipe.backbone)?;
            let method = recipe.method.build(&root, backbone.features())?;
            Ok((backbone, method))
        })?;
        variables.set_device(device);
        Ok(Self {
            variables,
            backbone,
            method,
            precision: recipe.training.precision,
        })
    }

    /// Where the parameters live.
    pub fn device(&self) -> Device {
        self.variables.device()
    }

    /// The arithmetic of its convolutions and linear layers.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The parameters and running statistics by name, sorted.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.variables.variables().into_iter().collect()
    }

    /// The parameters that training moves, by name, sorted.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        self.tensors()
            .into_iter()
            .filter(|(_, tensor)| tensor.requires_grad())
            .collect()
    }

    /// Backbone features `(n, features)` of images `(n, c, h, w)`, in evaluation mode.
    ///
    /// # Errors
    /// Where the images do not fit the network.
    pub fn features(&self, images: &Tensor) -> Result<Tensor, Error> {
        tch::no_grad(|| {
            let images = images.to_device(self.device());
            let statistics = Statistics::Running;
            self.backbone.forward(&images, statistics, self.precision)
        })
    }

    /// Embeddings `(n, d)` of images `(n, c, h, w)`, in evaluation mode.
    ///
    /// # Errors
    /// Where the images do not fit the network.
    pub fn embeddings(&self, images: &Tensor) -> Result<Tensor, Error> {
        let features = self.features(images)?;
        tch::no_grad(|| self.method.embed(&features, self.precision))
    }
}
