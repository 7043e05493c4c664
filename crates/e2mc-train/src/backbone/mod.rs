//! Backbones: images `(n, c, h, w)` in, pooled features `(n, features)` out.
//!
//! The one family today is the ResNet, in every depth and width of the paper and of
//! the public VICReg, SwAV and SimSiam checkpoints, with torchvision's parameter names.

mod allocator;
mod config;
mod resnet;
mod tap;

use tch::nn::Path;
use tch::{Kind, Tensor};

pub use config::{Architecture, BackboneConfig, Stem};

use crate::Error;
use crate::layer::{Precision, Statistics};
use resnet::ResNet;
use tap::Tap;

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
        let map = self.forward_map(images, statistics, precision, &mut Tap::none())?;
        Ok(map.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
    }

    /// Images `(n, c, h, w)` to the last feature map `(n, features, h', w')` in float32, in evaluation mode.
    ///
    /// # Errors
    /// Where the images do not have the network's channels.
    pub fn map(&self, images: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let map = self.forward_map(images, Statistics::Running, precision, &mut Tap::none())?;
        Ok(map.f_to_kind(Kind::Float)?)
    }

    /// What comes out of the layer of that name (torchvision's: `bn1`, `layer3`, `layer4.1.conv2`) for images
    /// `(n, c, h, w)`, in float32 and in evaluation mode.
    ///
    /// # Errors
    /// Where the images do not have the network's channels, or there is no such layer; then some names are listed.
    pub fn layer(
        &self,
        images: &Tensor,
        name: &str,
        precision: Precision,
    ) -> Result<Tensor, Error> {
        let mut tap = Tap::on(name);
        let _ = self.forward_map(images, Statistics::Running, precision, &mut tap)?;
        Ok(tap.found()?.f_to_kind(Kind::Float)?)
    }

    fn forward_map(
        &self,
        images: &Tensor,
        statistics: Statistics,
        precision: Precision,
        tap: &mut Tap<'_>,
    ) -> Result<Tensor, Error> {
        let size = images.size();
        if size.len() != 4 || size[1] != self.config.channels as i64 || size.contains(&0) {
            return Err(Error::config(
                "backbone.channels",
                format!("images (n, {}, h, w)", self.config.channels),
                format!("{size:?}"),
            ));
        }
        self.network.forward(images, statistics, precision, tap)
    }
}
