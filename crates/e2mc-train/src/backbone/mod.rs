//! Backbones: images `(n, c, h, w)` in, pooled features `(n, features)` out.
//!
//! The one family today is the ResNet, in every depth and width of the paper and of
//! the public VICReg, SwAV and SimSiam checkpoints, with torchvision's parameter names.

mod allocator;
mod config;
mod resnet;

use tch::nn::Path;
use tch::{Kind, Tensor};

pub use config::{Architecture, BackboneConfig, Stem};

use crate::Error;
use crate::layer::{Precision, Statistics};
use resnet::ResNet;

/// A network whose features are wanted.
#[derive(Debug)]
pub struct Backbone {
    network: ResNet,
    config: BackboneConfig,
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
        Ok(Self {
            network: ResNet::new(path, config)?,
            config: config.clone(),
        })
    }

    /// Numbers per image.
    pub fn features(&self) -> usize {
        self.config.features()
    }

    /// Images `(n, c, h, w)` to pooled features `(n, features)` in float32, normalised by
    /// `statistics`.
    ///
    /// # Errors
    /// Where the images do not have the network's channels.
    pub fn forward(
        &self,
        images: &Tensor,
        statistics: Statistics,
        precision: Precision,
    ) -> Result<Tensor, Error> {
        let size = images.size();
        if size.len() != 4 || size[1] != self.config.channels as i64 || size.contains(&0) {
            return Err(Error::config(
                "backbone.channels",
                format!("images (n, {}, h, w)", self.config.channels),
                format!("{size:?}"),
            ));
        }
        let map = self.network.forward(images, statistics, precision)?;
        Ok(map.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
    }
}
