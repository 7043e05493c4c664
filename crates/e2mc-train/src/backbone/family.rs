//! What a family of backbones is: a configuration, a network, and its names in files.
//!
//! The rest of the crate knows a backbone by these traits alone. A family's layers, their names and
//! what its settings mean stay in the family's own files.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::sync::Arc;

use e2mc_data::{Filter, Preprocessing};
use tch::nn::Path;
use tch::{Kind, Tensor};

use super::found::Found;
use super::naming::Naming;
use super::tap::Tap;
use crate::Error;
use crate::archive::Problem;
use crate::layer::Mode;
use crate::settings::Settings;

/// A family of backbones.
pub trait Family: Debug + Send + Sync {
    /// The name that `family` has in a recipe: `resnet`.
    fn name(&self) -> &'static str;

    /// Reads the settings under `[backbone]`, without `family`.
    ///
    /// # Errors
    /// Where a setting is unknown, missing or of another type.
    fn read(&self, settings: Settings) -> Result<Arc<dyn NetworkConfig>, serde_json::Error>;

    /// What a file must hold to be of this family, for a message: ``a ResNet (`conv1.weight`, …)``.
    fn looks_like(&self) -> String;

    /// What to do where a file holds no network that is known: give one of this family.
    fn advice(&self) -> &'static str;

    /// Naming schemes in files: the family's own first, then the public ones.
    fn namings(&self) -> &'static [Naming];

    /// The configuration of the network whose tensors a file holds.
    ///
    /// # Errors
    /// Where they make up no network of this family.
    fn infer(&self, found: &Found<'_>) -> Result<Arc<dyn NetworkConfig>, Problem>;

    /// A key that sorts its tensors as PyTorch makes the modules, each layer's weight before its
    /// bias: the order in which an optimiser's state is numbered.
    fn order(&self, name: &str) -> Vec<usize>;
}

/// Files of JSON by their names.
pub type Companions = Vec<(&'static str, serde_json::Value)>;

/// What decides the shapes of one network's parameters.
pub trait NetworkConfig: Any + Debug + Display + Send + Sync {
    /// Its family.
    fn family(&self) -> &'static dyn Family;

    /// What [`Family::read`] reads; see [`settings_of`](crate::settings_of).
    fn settings(&self) -> Settings;

    /// Checks every setting.
    ///
    /// # Errors
    /// Names the first one that is out of range, as `backbone.width`.
    fn check(&self) -> Result<(), Error>;

    /// Makes the network under `path` with freshly drawn weights.
    ///
    /// # Errors
    /// Where libtorch cannot allocate them.
    fn build(&self, path: &Path) -> Result<Box<dyn Network>, Error>;

    /// Numbers per image.
    fn features(&self) -> usize;

    /// Channels of the images: 1 or 3.
    fn channels(&self) -> usize;

    /// Whether batch norm is in it, so that statistics of a batch and running ones mean something.
    fn has_batch_norm(&self) -> bool;

    /// Layers that a rate can decay over, at least 1: the stem is one, each block another.
    fn layers(&self) -> usize;

    /// The layer that a tensor belongs to, from 0 for the stem to below [`NetworkConfig::layers`].
    fn layer_of(&self, name: &str) -> usize;

    /// Height and width of the images that it is made for, in pixels; `None` for ImageNet's.
    fn image_side(&self) -> Option<usize> {
        None
    }

    /// What the sides of images must be multiples of, in pixels, at least 1.
    fn side_multiple(&self) -> usize {
        1
    }

    /// What the sides of images may be at most, in pixels; `None` for any.
    fn longest_side(&self) -> Option<usize> {
        None
    }

    /// The filter that the family's authors resize images with when they judge their networks.
    fn filter(&self) -> Filter {
        Filter::Bilinear
    }

    /// The names that a library gives the tensors of this network: the family's first naming of
    /// that name. `None` where the library has no such network.
    fn naming(&self, library: &str) -> Option<&'static Naming> {
        let mut namings = self.family().namings().iter();
        namings.find(|naming| naming.names.contains(&library))
    }

    /// Changes the tensors, by the family's own names, to those of a library's network that gives
    /// the same features. Nothing by default.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    fn refit(&self, _library: &str, _tensors: &mut BTreeMap<String, Tensor>) -> Result<(), Error> {
        Ok(())
    }

    /// What stands beside the weights in a folder that a library loads, by the files' names. `None`
    /// where the library has no such folders, and by default.
    fn companions(&self, _library: &str, _evaluation: &Preprocessing) -> Option<Companions> {
        None
    }

    /// What was assumed where this was read off tensors, since no shape tells it.
    fn assumed(&self) -> Option<String> {
        None
    }

    /// Whether tensors that this was read off can be those of `wanted`: where no shape tells the
    /// difference, they can.
    fn may_be(&self, wanted: &dyn NetworkConfig) -> bool {
        self.family().name() == wanted.family().name() && self.settings() == wanted.settings()
    }
}

impl PartialEq for dyn NetworkConfig {
    fn eq(&self, other: &Self) -> bool {
        self.family().name() == other.family().name() && self.settings() == other.settings()
    }
}

/// A network with its weights.
pub trait Network: Debug {
    /// Images `(n, c, h, w)`, whose shape has been checked, to features. Every layer's output is
    /// shown to `tap` under the layer's name.
    ///
    /// # Errors
    /// Where the images do not fit the network.
    fn forward(
        &self,
        images: &Tensor,
        mode: Mode<'_>,
        tap: &mut Tap<'_>,
    ) -> Result<Features, Error>;

    /// The network link by link, which `training.checkpoint_blocks` needs. `None` where it cannot
    /// be computed so, and by default.
    fn chain(&self) -> Option<&dyn Chain> {
        None
    }
}

/// A network whose blocks can be computed one by one: its stem is a link, each block is one, and
/// what makes features of the last.
pub trait Chain {
    /// How many blocks there are.
    fn blocks(&self) -> usize;

    /// Images `(n, c, h, w)` to what the first block takes.
    ///
    /// # Errors
    /// Where the images do not fit the network.
    fn stem(&self, images: &Tensor, mode: Mode<'_>) -> Result<Tensor, Error>;

    /// What a block, below [`Chain::blocks`], makes of the output of the one before; `size` is the
    /// images' height and width. It depends on nothing else and leaves its input as it is.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    fn block(
        &self,
        number: usize,
        x: &Tensor,
        size: [i64; 2],
        mode: Mode<'_>,
    ) -> Result<Tensor, Error>;

    /// The last block's output to the pooled features `(n, features)` in float32.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    fn pool(&self, x: &Tensor) -> Result<Tensor, Error>;

    /// How many links there are: the stem, the blocks, and the pooling.
    fn links(&self) -> usize {
        self.blocks() + 2
    }

    /// What the link of that number makes of the output of the one before, or link 0 of the images.
    ///
    /// # Errors
    /// As those that it calls.
    fn link(
        &self,
        number: usize,
        x: &Tensor,
        size: [i64; 2],
        mode: Mode<'_>,
    ) -> Result<Tensor, Error> {
        match number.checked_sub(1) {
            None => self.stem(x, mode),
            Some(block) if block < self.blocks() => self.block(block, x, size, mode),
            Some(_) => self.pool(x),
        }
    }
}

/// What a network makes of images.
#[derive(Debug)]
pub struct Features {
    /// `(n, features)` in float32.
    pub pooled: Tensor,
    /// What was pooled, in the precision's own kind.
    pub local: Local,
}

/// A network's last features by place.
#[derive(Debug)]
pub enum Local {
    /// A feature map `(n, c, h, w)`.
    Map(Tensor),
    /// Tokens `(n, t, c)`.
    Tokens(Tensor),
}

impl Features {
    /// The mean over the places of a feature map `(n, c, h, w)`.
    ///
    /// # Errors
    /// Where it has another shape.
    pub fn of_map(map: Tensor) -> Result<Self, Error> {
        Ok(Self {
            pooled: map.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?,
            local: Local::Map(map),
        })
    }
}
