//! The residual network (He et al. 2016) as torchvision builds it: batch norm after every
//! convolution, a bottleneck's stride on its 3 x 3 convolution ("v1.5").
//!
//! A wide network is widened everywhere, the stem included, as are the public ResNet-50 x2
//! checkpoints of VICReg and SwAV (torchvision's `wide_resnet` widens the bottlenecks alone).

use tch::nn::Path;
use tch::{TchError, Tensor};

use super::config::{ResnetConfig, Stem};
use crate::Error;
use crate::backbone::family::{Chain, Features, Network};
use crate::backbone::tap::Tap;
use crate::layer::{BatchNorm, Conv, Mode};

/// A convolution and its batch norm.
#[derive(Debug)]
struct Unit {
    conv: Conv,
    norm: BatchNorm,
    /// The two layers' names.
    names: [String; 2],
}

impl Unit {
    fn forward(&self, x: &Tensor, mode: Mode<'_>, tap: &mut Tap<'_>) -> Result<Tensor, Error> {
        let y = self.conv.forward(x, mode.precision)?;
        tap.see(&self.names[0], &y)?;
        let y = self.norm.forward(&y, mode)?;
        tap.see(&self.names[1], &y)?;
        Ok(y)
    }
}

/// `relu(body(x) + shortcut(x))`, with a ReLU between the body's units.
#[derive(Debug)]
struct Block {
    name: String,
    body: Vec<Unit>,
    /// `None` where shapes agree: the identity.
    shortcut: Option<Unit>,
}

impl Block {
    fn new(
        path: &Path,
        name: String,
        inputs: usize,
        width: usize,
        stride: usize,
        config: &ResnetConfig,
    ) -> Result<Self, Error> {
        let outputs = width * config.expansion();
        // Kernel, outputs and stride of each convolution.
        let shapes: &[_] = if config.architecture.bottleneck() {
            &[(1, width, 1), (3, width, stride), (1, outputs, 1)]
        } else {
            &[(3, width, stride), (3, width, 1)]
        };
        let mut channels = inputs;
        let mut body = Vec::with_capacity(shapes.len());
        for (i, &(kernel, outputs, stride)) in (1..).zip(shapes) {
            let conv = path / format!("conv{i}");
            let norm = path / format!("bn{i}");
            body.push(Unit {
                conv: Conv::new(&conv, channels, outputs, kernel, stride)?,
                norm: BatchNorm::new(&norm, outputs, true)?,
                names: ["conv", "bn"].map(|layer| format!("{name}.{layer}{i}")),
            });
            channels = outputs;
        }
        let shortcut = if stride != 1 || inputs != outputs {
            let path = path / "downsample";
            Some(Unit {
                conv: Conv::new(&(&path / 0), inputs, outputs, 1, stride)?,
                norm: BatchNorm::new(&(&path / 1), outputs, true)?,
                names: ["0", "1"].map(|layer| format!("{name}.downsample.{layer}")),
            })
        } else {
            None
        };
        Ok(Self {
            name,
            body,
            shortcut,
        })
    }

    fn forward(&self, x: &Tensor, mode: Mode<'_>, tap: &mut Tap<'_>) -> Result<Tensor, Error> {
        let mut y = x.shallow_clone();
        for (i, unit) in self.body.iter().enumerate() {
            if i > 0 {
                y = y.f_relu_()?;
            }
            y = unit.forward(&y, mode, tap)?;
        }
        let mut sum = match &self.shortcut {
            Some(unit) => y.f_add_(&unit.forward(x, mode, tap)?)?,
            None => y.f_add_(x)?,
        };
        let sum = sum.f_relu_()?;
        tap.see(&self.name, &sum)?;
        Ok(sum)
    }
}

/// The network up to its last feature map.
#[derive(Debug)]
pub(super) struct ResNet {
    stem: Unit,
    pool: bool,
    blocks: Vec<Block>,
}

impl ResNet {
    /// Makes the network under torchvision's names.
    pub(super) fn new(path: &Path, config: &ResnetConfig) -> Result<Self, Error> {
        let (kernel, stride) = match config.stem {
            Stem::Imagenet => (7, 2),
            Stem::Small => (3, 1),
            Stem::SmallStride2 => (3, 2),
        };
        let stem = Unit {
            conv: Conv::new(
                &(path / "conv1"),
                config.channels,
                config.width,
                kernel,
                stride,
            )?,
            norm: BatchNorm::new(&(path / "bn1"), config.width, true)?,
            names: ["conv1", "bn1"].map(str::to_owned),
        };
        let mut blocks = Vec::new();
        let mut channels = config.width;
        for (stage, count) in config.architecture.blocks().into_iter().enumerate() {
            let stage_name = format!("layer{}", stage + 1);
            let path = path / &stage_name;
            let width = config.width << stage;
            for i in 0..count {
                let stride = if i == 0 && stage > 0 { 2 } else { 1 };
                let name = format!("{stage_name}.{i}");
                let path = &path / i;
                blocks.push(Block::new(&path, name, channels, width, stride, config)?);
                channels = width * config.expansion();
            }
        }
        Ok(Self {
            stem,
            pool: config.stem == Stem::Imagenet,
            blocks,
        })
    }

    /// Images `(n, c, h, w)` to the map before the first block.
    fn first(&self, images: &Tensor, mode: Mode<'_>, tap: &mut Tap<'_>) -> Result<Tensor, Error> {
        let images = channels_last(images)?;
        let mut stem = self.stem.forward(&images, mode, tap)?;
        let mut x = stem.f_relu_()?;
        tap.see("relu", &x)?;
        if self.pool {
            x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
            tap.see("maxpool", &x)?;
        }
        Ok(x)
    }

    /// Images `(n, c, h, w)` to the last feature map, in the precision's own kind.
    fn map(&self, images: &Tensor, mode: Mode<'_>, tap: &mut Tap<'_>) -> Result<Tensor, Error> {
        let mut x = self.first(images, mode, tap)?;
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x, mode, tap)?;
            let (stage, _) = block.name.split_once('.').unwrap_or_default();
            // The last block of a stage is what comes out of the stage.
            if self
                .blocks
                .get(i + 1)
                .is_none_or(|next| !next.name.starts_with(stage))
            {
                tap.see(stage, &x)?;
            }
        }
        Ok(x)
    }
}

impl Network for ResNet {
    fn forward(
        &self,
        images: &Tensor,
        mode: Mode<'_>,
        tap: &mut Tap<'_>,
    ) -> Result<Features, Error> {
        Features::of_map(self.map(images, mode, tap)?)
    }

    fn chain(&self) -> Option<&dyn Chain> {
        Some(self)
    }
}

impl Chain for ResNet {
    fn blocks(&self) -> usize {
        self.blocks.len()
    }

    fn stem(&self, images: &Tensor, mode: Mode<'_>) -> Result<Tensor, Error> {
        self.first(images, mode, &mut Tap::none())
    }

    fn block(
        &self,
        number: usize,
        x: &Tensor,
        _size: [i64; 2],
        mode: Mode<'_>,
    ) -> Result<Tensor, Error> {
        self.blocks[number].forward(x, mode, &mut Tap::none())
    }

    fn pool(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(Features::of_map(x.shallow_clone())?.pooled)
    }
}

/// The same images with a pixel's channels next to each other in memory, which every later layer
/// keeps.
fn channels_last(images: &Tensor) -> Result<Tensor, TchError> {
    let (n, c, h, w) = images.size4()?;
    // With one channel the layout is the same either way; only the strides tell libtorch which.
    let strides = [h * w * c, 1, w * c, c];
    images
        .f_permute([0, 2, 3, 1])?
        .f_contiguous()?
        .f_as_strided([n, c, h, w], strides, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::resnet::Architecture;
    use crate::layer::{Precision, Statistics};
    use tch::{Device, Kind, nn};

    #[test]
    fn stems_keep_halve_or_quarter_the_size() {
        for (stem, side) in [
            (Stem::Small, 8),
            (Stem::SmallStride2, 4),
            (Stem::Imagenet, 2),
        ] {
            let variables = nn::VarStore::new(Device::Cpu);
            let architecture = Architecture::Resnet18;
            let config = ResnetConfig {
                architecture,
                width: 4,
                stem,
                channels: 1,
            };
            let network = ResNet::new(&variables.root(), &config).unwrap();
            // The stages shrink by eight in all.
            let images = Tensor::zeros([1, 1, 64, 64], (Kind::Float, Device::Cpu));
            let mode = Mode::evaluation(Precision::F32);
            let map = network.map(&images, mode, &mut Tap::none()).unwrap();
            assert_eq!(map.size(), [1, 32, side, side], "{stem:?}");
        }
    }

    #[test]
    fn every_layer_keeps_a_pixels_channels_together() {
        for channels in [1, 3] {
            let variables = nn::VarStore::new(Device::Cpu);
            let architecture = Architecture::Resnet50;
            let config = ResnetConfig {
                architecture,
                width: 4,
                stem: Stem::Small,
                channels,
            };
            let network = ResNet::new(&variables.root(), &config).unwrap();
            let shape = [2, channels as i64, 16, 16];
            let images = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
            let mode = Mode::solo(Statistics::Batch, Precision::F32);
            let map = network.map(&images, mode, &mut Tap::none()).unwrap();
            assert_eq!(map.stride(), [2 * 2 * 128, 1, 2 * 128, 128]);
        }
    }
}
