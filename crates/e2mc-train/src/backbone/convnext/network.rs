//! The ConvNeXt with its weights.

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::config::ConvnextConfig;
use crate::Error;
use crate::backbone::family::{Chain, Features, Local, Network};
use crate::backbone::tap::Tap;
use crate::layer::{Convolution, ConvolutionShape, LayerNorm, LayerScale, Linear, Mode, Precision};

/// The standard deviation that weights are drawn with, as in the authors' code.
const DEVIATION: f64 = 0.02;

/// Scales each channel by how strong its response is over the map, compared with the others'.
#[derive(Debug)]
struct ResponseNorm {
    weight: Tensor,
    bias: Tensor,
}

impl ResponseNorm {
    fn new(path: &Path, width: usize) -> Result<Self, Error> {
        let zeros = |name: &str| path.f_var(name, &[width as i64], Init::Const(0.0));
        Ok(Self {
            weight: zeros("weight")?,
            bias: zeros("bias")?,
        })
    }

    /// `(n, h, w, width)`, in float32.
    fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = x.f_to_kind(Kind::Float)?;
        let response = x.f_norm_scalaropt_dim(2.0, [1i64, 2].as_slice(), true)?;
        let mean = response.f_mean_dim([-1i64].as_slice(), true, Kind::Float)?;
        let relative = response.f_div(&mean.f_add_scalar(ConvnextConfig::EPSILON)?)?;
        let scaled = x.f_mul(&relative)?.f_mul(&self.weight)?;
        Ok(x.f_add(&scaled.f_add(&self.bias)?)?)
    }
}

/// A depthwise filter, a layer norm and two linear layers at each place, as a residual branch.
#[derive(Debug)]
struct Block {
    name: String,
    filter: Convolution,
    norm: LayerNorm,
    first: Linear,
    response: Option<ResponseNorm>,
    second: Linear,
    scale: Option<LayerScale>,
}

impl Block {
    fn new(
        path: &Path,
        name: String,
        width: usize,
        config: &ConvnextConfig,
    ) -> Result<Self, Error> {
        let hidden = config.expansion * width;
        let mlp = path / "mlp";
        let linear = |name: &str, inputs, outputs| {
            Linear::normal(&(&mlp / name), inputs, outputs, true, DEVIATION)
        };
        let depthwise = ConvolutionShape {
            inputs: width,
            outputs: width,
            kernel: config.kernel,
            stride: 1,
            groups: width,
            bias: true,
        };
        Ok(Self {
            name,
            filter: Convolution::new(&(path / "conv_dw"), depthwise, DEVIATION)?,
            norm: LayerNorm::new(&(path / "norm"), width, ConvnextConfig::EPSILON)?,
            first: linear("fc1", width, hidden)?,
            response: match config.response_norm {
                true => Some(ResponseNorm::new(&(&mlp / "grn"), hidden)?),
                false => None,
            },
            second: linear("fc2", hidden, width)?,
            scale: match config.layer_scale {
                true => Some(LayerScale::new(path, width, ConvnextConfig::LAYER_SCALE)?),
                false => None,
            },
        })
    }

    /// `(n, width, h, w)` to the same shape.
    fn forward(
        &self,
        x: &Tensor,
        precision: Precision,
        tap: &mut Tap<'_>,
    ) -> Result<Tensor, Error> {
        let y = self.filter.forward(x, precision)?;
        tap.see(&format!("{}.conv_dw", self.name), &y)?;
        let y = self.norm.forward(&y.f_permute([0, 2, 3, 1])?)?;
        let y = self.first.product(&y, precision)?.f_gelu("none")?;
        let y = match &self.response {
            Some(norm) => norm.forward(&y)?,
            None => y,
        };
        let y = self.second.forward(&y, precision)?;
        let y = match &self.scale {
            Some(scale) => scale.forward(&y)?,
            None => y,
        };
        let sum = x.f_add(&y.f_permute([0, 3, 1, 2])?)?;
        tap.see(&self.name, &sum)?;
        Ok(sum)
    }
}

/// Blocks of one width, behind a filter that halves the map.
#[derive(Debug)]
struct Stage {
    name: String,
    shrink: Option<(LayerNorm, Convolution)>,
    blocks: Vec<Block>,
}

/// The network.
#[derive(Debug)]
pub(super) struct ConvNext {
    stem: (Convolution, LayerNorm),
    stages: Vec<Stage>,
    norm: Option<LayerNorm>,
    smallest: i64,
}

impl ConvNext {
    /// Makes the network under timm's names.
    pub(super) fn new(path: &Path, config: &ConvnextConfig) -> Result<Self, Error> {
        let epsilon = ConvnextConfig::EPSILON;
        let patches = |path: &Path, inputs, outputs, side| {
            let shape = ConvolutionShape {
                inputs,
                outputs,
                kernel: side,
                stride: side,
                groups: 1,
                bias: true,
            };
            Convolution::new(path, shape, DEVIATION)
        };
        let first = config.widths.first().copied().unwrap_or_default();
        let stem = path / "stem";
        let stem = (
            patches(&(&stem / 0), config.channels, first, config.patch)?,
            LayerNorm::new(&(&stem / 1), first, epsilon)?,
        );
        let mut stages = Vec::with_capacity(config.depths.len());
        let (mut inputs, all) = (first, path / "stages");
        for (number, (depth, width)) in config.stages().enumerate() {
            let (path, name) = (&all / number, format!("stages.{number}"));
            let (before, blocks) = (&path / "downsample", &path / "blocks");
            let shrink = match number {
                0 => None,
                _ => Some((
                    LayerNorm::new(&(&before / 0), inputs, epsilon)?,
                    patches(&(&before / 1), inputs, width, 2)?,
                )),
            };
            let block = |i: usize| {
                let name = format!("{name}.blocks.{i}");
                Block::new(&(&blocks / i), name, width, config)
            };
            stages.push(Stage {
                blocks: (0..depth).map(block).collect::<Result<_, _>>()?,
                name,
                shrink,
            });
            inputs = width;
        }
        let norm = path / "head" / "norm";
        Ok(Self {
            stem,
            stages,
            norm: match config.head_norm {
                true => Some(LayerNorm::new(&norm, inputs, config.head_epsilon)?),
                false => None,
            },
            smallest: config.smallest() as i64,
        })
    }
}

impl Network for ConvNext {
    fn forward(
        &self,
        images: &Tensor,
        mode: Mode<'_>,
        tap: &mut Tap<'_>,
    ) -> Result<Features, Error> {
        let (_, _, height, width) = images.size4()?;
        if height.min(width) < self.smallest {
            return Err(Error::config(
                "backbone.patch",
                format!("images of at least {0} x {0} pixels", self.smallest),
                format!("{height} x {width}"),
            ));
        }
        let mut x = self.first(images, mode)?;
        tap.see("stem", &x)?;
        for stage in &self.stages {
            if let Some(shrunk) = stage.shrunk(&x, mode)? {
                x = shrunk;
                tap.see(&format!("{}.downsample", stage.name), &x)?;
            }
            for block in &stage.blocks {
                x = block.forward(&x, mode.precision, tap)?;
            }
            tap.see(&stage.name, &x)?;
        }
        Ok(Features {
            pooled: self.pooled(&x)?,
            local: Local::Map(x),
        })
    }

    fn chain(&self) -> Option<&dyn Chain> {
        Some(self)
    }
}

impl Chain for ConvNext {
    fn blocks(&self) -> usize {
        self.stages.iter().map(|stage| stage.blocks.len()).sum()
    }

    fn stem(&self, images: &Tensor, mode: Mode<'_>) -> Result<Tensor, Error> {
        self.first(images, mode)
    }

    fn block(
        &self,
        number: usize,
        x: &Tensor,
        _size: [i64; 2],
        mode: Mode<'_>,
    ) -> Result<Tensor, Error> {
        let mut places = self.stages.iter().flat_map(|stage| {
            let blocks = stage.blocks.iter().enumerate();
            blocks.map(move |(place, block)| (stage, place, block))
        });
        let (stage, place, block) = places.nth(number).expect("one of the network's blocks");
        let shrunk = match place {
            0 => stage.shrunk(x, mode)?,
            _ => None,
        };
        block.forward(
            shrunk.as_ref().unwrap_or(x),
            mode.precision,
            &mut Tap::none(),
        )
    }

    fn pool(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.pooled(x)
    }
}

impl ConvNext {
    /// Images to the first map, in float32.
    fn first(&self, images: &Tensor, mode: Mode<'_>) -> Result<Tensor, Error> {
        let x = self.stem.0.forward(images, mode.precision)?;
        self.stem.1.forward_map(&x)
    }

    /// The last map to features.
    fn pooled(&self, x: &Tensor) -> Result<Tensor, Error> {
        let pooled = x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?;
        match &self.norm {
            Some(norm) => norm.forward(&pooled),
            None => Ok(pooled),
        }
    }
}

impl Stage {
    /// The halved map that the stage's blocks work on, where it halves it.
    fn shrunk(&self, x: &Tensor, mode: Mode<'_>) -> Result<Option<Tensor>, Error> {
        let Some((norm, filter)) = &self.shrink else {
            return Ok(None);
        };
        let x = filter.forward(&norm.forward_map(x)?, mode.precision)?;
        Ok(Some(x.f_to_kind(Kind::Float)?))
    }
}
