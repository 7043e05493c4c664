//! A backbone with a method's heads, and the one place that holds their parameters.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor, nn};

use crate::Error;
use crate::backbone::Backbone;
use crate::budget::{Limits, within};
use crate::checkpoint::FoldedMap;
use crate::draw::seeded;
use crate::layer::{Mode, Precision};
use crate::method::Method;
use crate::optim::Parameter;
use crate::recipe::Recipe;

/// Where our names have the backbone; everything else is a method's.
pub(crate) const BACKBONE_PREFIX: &str = "backbone.";

/// A network to train or to use. Parameter names: `backbone.conv1.weight`, `projector.0.weight`, …
#[derive(Debug)]
pub struct Model {
    variables: nn::VarStore,
    /// The network whose features are wanted.
    pub backbone: Backbone,
    /// The method with its heads.
    pub method: Box<dyn Method>,
    precision: Precision,
    /// Weight and bias of the layer after the pooled features.
    folded: Option<(Tensor, Tensor)>,
}

impl Model {
    /// Makes a model with freshly drawn weights: the same for the same seed.
    ///
    /// # Errors
    /// Where the recipe's backbone or head is not valid.
    pub fn new(recipe: &Recipe, device: Device, seed: u64) -> Result<Self, Error> {
        Self::within(recipe, device, seed, Limits::default())
    }

    /// As [`Model::new`], with limits to what the weights may take.
    pub(crate) fn within(
        recipe: &Recipe,
        device: Device,
        seed: u64,
        limits: Limits,
    ) -> Result<Self, Error> {
        // Weights are drawn on the CPU, so that a seed means the same on every device.
        let mut variables = nn::VarStore::new(Device::Cpu);
        let root = variables.root();
        let (backbone, method) = seeded(seed, || -> Result<_, Error> {
            let backbone = within(limits.backbone, || {
                Backbone::new(&(&root / "backbone"), &recipe.backbone)
            })?;
            let method = within(limits.heads, || recipe.method.build(&root, &backbone))?;
            Ok((backbone, method))
        })?;
        variables.set_device(device);
        Ok(Self {
            variables,
            backbone,
            method,
            precision: recipe.training.precision.on(device),
            folded: None,
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

    /// The parameters that training moves, each with what it is, sorted by name.
    pub fn parameters(&self) -> Vec<Parameter> {
        let trained = self.tensors().into_iter();
        let trained = trained.filter(|(_, tensor)| tensor.requires_grad());
        let config = self.backbone.config();
        trained
            .map(|(name, tensor)| {
                let layer = name.strip_prefix(BACKBONE_PREFIX);
                let layer = layer.map(|name| config.layer_of(name));
                let parameter = Parameter::from((name, tensor));
                match layer {
                    Some(layer) => parameter.in_layer(layer),
                    None => parameter,
                }
            })
            .collect()
    }

    /// Makes constants of the backbone's first blocks and of what comes before them.
    pub(crate) fn freeze_blocks(&self, blocks: usize) {
        let config = self.backbone.config();
        for (name, tensor) in self.backbone.tensors() {
            if config.layer_of(name) <= blocks {
                // The handle that comes back is to the same tensor.
                let _ = tensor.set_requires_grad(false);
            }
        }
    }

    /// What tells these weights from others, up to rounding: a text.
    pub(crate) fn fingerprint(&self) -> Result<String, Error> {
        let _guard = tch::no_grad_guard();
        let (mut sum, mut squares) = (0.0, 0.0);
        for (index, tensor) in self.tensors().into_values().enumerate() {
            let tensor = tensor.f_to_kind(Kind::Double)?;
            // Weighted, so that tensors in each other's place make a difference.
            sum += tensor.f_sum(Kind::Double)?.f_double_value(&[])? * (index + 1) as f64;
            squares += tensor
                .f_square()?
                .f_sum(Kind::Double)?
                .f_double_value(&[])?;
        }
        Ok(format!("{sum:.9e} {squares:.9e}"))
    }

    /// Tells the method that new weights are in place, of which `missing` were in no checkpoint.
    pub(crate) fn begin(&mut self, missing: &[String]) -> Result<(), Error> {
        self.method.begin(&self.backbone, missing)
    }

    /// Folds a map into the network: [`Output::Backbone`](crate::Output::Backbone) goes through it
    /// from now on. Heads see the features as they are.
    ///
    /// # Errors
    /// Where the map takes another width than the backbone gives.
    pub fn fold(&mut self, map: &FoldedMap) -> Result<(), Error> {
        let features = self.backbone.features();
        if map.input_dims() != features {
            let expected = format!("a map of {features} dimensions");
            return Err(Error::argument("map", expected, map.input_dims()));
        }
        self.folded = Some(map.on(self.device())?);
        Ok(())
    }

    /// Features `(n, d)` after the map that is folded into the network, if one is.
    pub(crate) fn after_map(&self, features: Tensor) -> Result<Tensor, Error> {
        Ok(match &self.folded {
            Some((weight, bias)) => features.f_linear(weight, Some(bias))?,
            None => features,
        })
    }

    /// Backbone features `(n, features)` of images `(n, c, h, w)`, in evaluation mode.
    ///
    /// # Errors
    /// Where the images do not fit the network.
    pub fn features(&self, images: &Tensor) -> Result<Tensor, Error> {
        tch::no_grad(|| {
            let images = images.to_device(self.device());
            let mode = Mode::evaluation(self.precision);
            self.backbone.forward(&images, mode)
        })
    }

    /// How many tokens the patches of an image of `channels` and `side` have, or places its last
    /// feature map, and how many numbers each.
    ///
    /// # Errors
    /// Where such an image does not fit the network.
    pub fn places(&self, channels: usize, side: usize) -> Result<[usize; 2], Error> {
        let shape = [1, channels as i64, side as i64, side as i64];
        let image = Tensor::f_zeros(shape, (Kind::Float, self.device()))?;
        let places = tch::no_grad(|| self.backbone.places(&image, self.precision))?;
        let (_, places, width) = places.size3()?;
        Ok([places as usize, width as usize])
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
