//! A backbone with its weights, whatever its family.

use std::collections::BTreeMap;

use tch::nn::Path;
use tch::{Kind, Tensor, nn};

use super::allocator;
use super::config::BackboneConfig;
use super::family::{Features, Local, Network};
use super::recompute::{self, Kept};
use super::tap::{PATCHES, Tap};
use crate::Error;
use crate::layer::{Mode, Precision};

/// A network whose features are wanted.
#[derive(Debug)]
pub struct Backbone {
    network: Box<dyn Network>,
    config: BackboneConfig,
    tensors: BTreeMap<String, Tensor>,
}

impl Backbone {
    /// Makes the network under `path` with freshly drawn weights.
    ///
    /// From the first network on, a process on Linux keeps freed memory for itself: training on
    /// the CPU frees and allocates all feature maps at every step.
    ///
    /// # Errors
    /// Where a setting is out of range.
    pub fn new(path: &Path, config: &BackboneConfig) -> Result<Self, Error> {
        config.check()?;
        allocator::keep_freed_memory();
        // A store of its own, so that the network's tensors are known from all others.
        let variables = nn::VarStore::new(path.device());
        let network = config.build(&variables.root())?;
        let tensors: BTreeMap<_, _> = variables.variables().into_iter().collect();
        for (name, tensor) in &tensors {
            let mut names: Vec<&str> = name.split('.').collect();
            let last = names.pop().unwrap_or_default();
            let place = names.iter().fold(path.clone(), |place, name| place / *name);
            let _ = place.add(last, tensor.shallow_clone(), tensor.requires_grad());
        }
        Ok(Self {
            network,
            config: config.clone(),
            tensors,
        })
    }

    /// Which network it is.
    pub fn config(&self) -> &BackboneConfig {
        &self.config
    }

    /// Numbers per image.
    pub fn features(&self) -> usize {
        self.config.features()
    }

    /// The parameters and statistics by the family's own names. The tensors are the network's, not
    /// copies.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Makes its parameters constants: no gradient reaches them and no optimiser moves them.
    pub fn freeze(&self) {
        for tensor in self.tensors.values() {
            // The handle that comes back is to the same tensor.
            let _ = tensor.set_requires_grad(false);
        }
    }

    /// Moves every parameter to `momentum * own + (1 - momentum) * other's`: near momentum 1 the
    /// average over training that a teacher is. Running statistics stay each network's own, but
    /// with momentum 0 everything is copied.
    ///
    /// # Errors
    /// Where the other network has other tensors.
    pub fn follow(&self, other: &Self, momentum: f64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for (name, tensor) in &self.tensors {
            let source = other
                .tensors
                .get(name)
                .ok_or_else(|| Error::config("backbone", format!("the tensor `{name}`"), "none"))?;
            let mut tensor = tensor.shallow_clone();
            if momentum == 0.0 {
                tensor.f_copy_(source)?;
            } else if source.requires_grad() {
                let _ = tensor.f_lerp_(source, 1.0 - momentum)?;
            }
        }
        Ok(())
    }

    /// Images `(n, c, h, w)` to pooled features `(n, features)` in float32.
    ///
    /// # Errors
    /// Where the images do not have the network's channels.
    pub fn forward(&self, images: &Tensor, mode: Mode<'_>) -> Result<Tensor, Error> {
        Ok(self.encode(images, mode, &mut Tap::none())?.pooled)
    }

    /// Images `(n, c, h, w)` to the last feature map `(n, features, h', w')` in float32, in
    /// evaluation mode.
    ///
    /// # Errors
    /// Where the images do not have the network's channels, or the network has tokens and no map.
    pub fn map(&self, images: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let mode = Mode::evaluation(precision);
        match self.encode(images, mode, &mut Tap::none())?.local {
            Local::Map(map) => Ok(map.f_to_kind(Kind::Float)?),
            Local::Tokens(_) => {
                let expected = "an output of this backbone, which has tokens and no feature map";
                Err(Error::argument("output", expected, "a feature map"))
            }
        }
    }

    /// The tokens of the patches, or the places of the last feature map row by row,
    /// `(n, places, c)` in float32 and in evaluation mode.
    ///
    /// # Errors
    /// Where the images do not have the network's channels.
    pub fn places(&self, images: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let mut tap = Tap::on(PATCHES);
        let features = self.encode(images, Mode::evaluation(precision), &mut tap)?;
        let places = match (tap.taken(), features.local) {
            (Some(tokens), _) | (None, Local::Tokens(tokens)) => tokens,
            (None, Local::Map(map)) => map.f_flatten(2, 3)?.f_transpose(1, 2)?,
        };
        Ok(places.f_to_kind(Kind::Float)?)
    }

    /// What comes out of the layer of that name (a ResNet's: `bn1`, `layer3`, `layer4.1.conv2`) for
    /// images `(n, c, h, w)`, in float32 and in evaluation mode.
    ///
    /// # Errors
    /// Where the images do not have the network's channels, or there is no such layer; then some
    /// names are listed.
    pub fn layer(
        &self,
        images: &Tensor,
        name: &str,
        precision: Precision,
    ) -> Result<Tensor, Error> {
        let mut tap = Tap::on(name);
        let _ = self.encode(images, Mode::evaluation(precision), &mut tap)?;
        Ok(tap.found()?.f_to_kind(Kind::Float)?)
    }

    /// Whether its blocks can be computed one by one, and again.
    pub fn recomputes(&self) -> bool {
        self.network.chain().is_some()
    }

    /// As [`Backbone::forward`] without a graph, with what [`Backbone::backward_kept`] needs to
    /// take a gradient at the features into the weights. `None` where blocks cannot be computed one
    /// by one.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    pub fn forward_kept(
        &self,
        images: &Tensor,
        mode: Mode<'_>,
    ) -> Result<Option<(Tensor, Kept)>, Error> {
        self.check(images)?;
        let chain = self.network.chain();
        chain
            .map(|chain| recompute::forward(chain, images, mode))
            .transpose()
    }

    /// Takes a gradient `(n, features)` into the weights, block by block.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    pub fn backward_kept(
        &self,
        kept: Kept,
        gradient: &Tensor,
        mode: Mode<'_>,
    ) -> Result<(), Error> {
        match self.network.chain() {
            Some(chain) => recompute::backward(chain, kept, gradient, mode),
            None => Ok(()),
        }
    }

    fn encode(
        &self,
        images: &Tensor,
        mode: Mode<'_>,
        tap: &mut Tap<'_>,
    ) -> Result<Features, Error> {
        self.check(images)?;
        self.network.forward(images, mode, tap)
    }

    fn check(&self, images: &Tensor) -> Result<(), Error> {
        let size = images.size();
        if size.len() != 4 || size[1] != self.config.channels() as i64 || size.contains(&0) {
            return Err(Error::config(
                "backbone.channels",
                format!("images (n, {}, h, w)", self.config.channels()),
                format!("{size:?}"),
            ));
        }
        Ok(())
    }
}
