//! The layers that networks are made of: convolution, batch norm, layer norm, linear.
//!
//! Their parameters live in a [`tch::nn::VarStore`] under torchvision's names (`weight`, `bias`,
//! `running_mean`, `running_var`) and start from PyTorch's distributions; tch's own layers differ
//! in both. Parameters and statistics are always float32. Under [`Precision::Bf16`] convolutions
//! and linear layers compute in bfloat16 on casts of their weights, through which gradients flow
//! back to the float32 originals, and batch norm sums in float32. It needs no loss scaling:
//! bfloat16 has float32's range.

mod convolution;
mod norm;

pub use convolution::{Convolution, ConvolutionShape};
pub use norm::{LayerNorm, LayerScale};

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tch::nn::init::{FanInOut, NonLinearity, NormalOrUniform};
use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

use crate::Error;
use crate::budget;
use crate::device::has_bfloat16;
use crate::world::{Norm, SOLO, World};

/// The arithmetic of convolutions and linear layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As suits the device: see [`Precision::on`]. Where nobody chose, layers compute in float32.
    #[default]
    Auto,
    /// float32.
    F32,
    /// bfloat16 products; parameters, statistics and losses stay float32.
    Bf16,
}

impl Precision {
    /// The precision on a device: this one, or the choice for [`Precision::Auto`]: bfloat16 on a
    /// GPU with instructions for it (from Nvidia's Ampere on), float32 elsewhere. A processor
    /// without them takes two to three times as long for bfloat16.
    pub fn on(self, device: Device) -> Self {
        match self {
            Self::Auto if has_bfloat16(device) => Self::Bf16,
            Self::Auto => Self::F32,
            chosen => chosen,
        }
    }

    /// The word in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// The kind of the numbers that are multiplied.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Auto | Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// Which statistics batch norm normalises by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// The batch's own, which also move the running ones: training.
    Batch,
    /// The batch's own, while the running ones stay: a batch that will be seen again.
    Unrecorded,
    /// The running ones, which stay: evaluation.
    Running,
}

impl Statistics {
    /// Whether they are those of the batch at hand.
    pub fn are_the_batchs(self) -> bool {
        self != Self::Running
    }
}

/// How numbers go through layers.
#[derive(Clone, Copy, Debug)]
pub struct Mode<'a> {
    /// What batch norm normalises by.
    pub statistics: Statistics,
    /// The arithmetic of convolutions and linear layers.
    pub precision: Precision,
    /// The processes whose rows make up the batch.
    pub world: &'a World,
}

impl Mode<'static> {
    /// A batch that one process holds.
    pub fn solo(statistics: Statistics, precision: Precision) -> Self {
        Self {
            statistics,
            precision,
            world: &SOLO,
        }
    }

    /// Evaluation, where each row is seen alone.
    pub fn evaluation(precision: Precision) -> Self {
        Self::solo(Statistics::Running, precision)
    }
}

/// The tensors of batch norm that are statistics and no parameters.
const STATISTICS: [&str; 2] = ["running_mean", "running_var"];

/// Whether a tensor of that name holds running statistics.
pub fn is_statistic(name: &str) -> bool {
    STATISTICS.iter().any(|statistic| name.ends_with(statistic))
}

/// Whether a tensor of that name is PyTorch's count of the batches that batch norm has seen. It
/// decides nothing, and layers here have none.
pub(crate) fn counts_batches(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// A square convolution without bias, padded so that stride 1 keeps the size.
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    stride: i64,
    padding: i64,
}

impl Conv {
    /// Makes the layer for an odd `kernel`, its weights He-normal over the fan-out as in
    /// torchvision's ResNet.
    ///
    /// # Errors
    /// Where libtorch cannot allocate the weights.
    pub fn new(
        path: &Path,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<Self, Error> {
        let shape = [outputs, inputs, kernel, kernel].map(|size| size as i64);
        let init = Init::Kaiming {
            dist: NormalOrUniform::Normal,
            fan: FanInOut::FanOut,
            non_linearity: NonLinearity::ReLU,
        };
        budget::take(&shape)?;
        let weight = path.f_var("weight", &shape, init)?;
        Ok(Self {
            weight,
            stride: stride as i64,
            padding: (kernel / 2) as i64,
        })
    }

    /// `(n, inputs, h, w)` to `(n, outputs, h / stride, w / stride)`, rounded up, in the
    /// precision's own kind.
    ///
    /// # Errors
    /// Where `x` has another shape.
    pub fn forward(&self, x: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let kind = precision.kind();
        let weight = self.weight.f_to_kind(kind)?;
        let mut x = x.f_to_kind(kind)?;
        let mut stride = self.stride;
        if self.skips_pixels() {
            for dimension in [2, 3] {
                x = x.f_slice(dimension, 0, None, stride)?;
            }
            stride = 1;
        }
        let (stride, padding) = ([stride; 2], [self.padding; 2]);
        Ok(x.f_conv2d::<Tensor>(&weight, None, stride, padding, [1, 1], 1)?)
    }

    /// Whether the pixels that a stride passes over are left out before the product, which is the
    /// same: where kernel and stride leave pixels unseen and channels are few, the weights'
    /// gradient in oneDNN 3.10 (libtorch 2.11, processors with AVX2) writes beyond its buffer and
    /// is wrong (oneDNN's issue 6035: fewer inputs than the 8 or 16 of a vector).
    fn skips_pixels(&self) -> bool {
        let [_, inputs, kernel, _] = self.weight.size()[..] else {
            return false;
        };
        kernel == 1 && self.stride > 1 && inputs < 16
    }
}

/// Batch normalisation over every dimension but the second.
#[derive(Debug)]
pub struct BatchNorm {
    affine: Option<(Tensor, Tensor)>,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    /// How far one batch moves the running statistics.
    pub(crate) const MOMENTUM: f64 = 0.1;
    /// Added to the variance.
    const EPSILON: f64 = 1e-5;

    /// Makes the layer for `width` channels: weight 1 and bias 0 if `affine`, running mean 0 and
    /// running variance 1.
    ///
    /// # Errors
    /// Where libtorch cannot allocate them.
    pub fn new(path: &Path, width: usize, affine: bool) -> Result<Self, Error> {
        let shape = [width as i64];
        budget::take(&shape)?;
        let affine = if affine {
            Some((
                path.f_ones("weight", &shape)?,
                path.f_zeros("bias", &shape)?,
            ))
        } else {
            None
        };
        Ok(Self {
            affine,
            running_mean: path.f_zeros_no_train(STATISTICS[0], &shape)?,
            running_var: path.f_ones_no_train(STATISTICS[1], &shape)?,
        })
    }

    /// Normalises `(n, width)` or `(n, width, h, w)`, keeping its kind; by a batch's own
    /// statistics, those of all processes.
    ///
    /// # Errors
    /// Where `x` has another shape, or by its own statistics with a single value a channel, whose
    /// variance does not exist.
    pub fn forward(&self, x: &Tensor, mode: Mode<'_>) -> Result<Tensor, Error> {
        let Mode {
            statistics, world, ..
        } = mode;
        let size = x.size();
        let values: i64 = size.iter().product::<i64>() / size.get(1).copied().unwrap_or(1).max(1);
        let own = statistics.are_the_batchs();
        if own && values * (world.size() as i64) < 2 {
            return Err(Error::config(
                "training.batch",
                "at least 2 values a channel for batch statistics",
                format!("{size:?}"),
            ));
        }
        let affine = self.affine.as_ref().map(|(weight, bias)| (weight, bias));
        if own {
            let recorded = statistics == Statistics::Batch;
            let norm = Norm {
                affine,
                running: recorded.then_some((&self.running_mean, &self.running_var)),
                momentum: Self::MOMENTUM,
                epsilon: Self::EPSILON,
            };
            if let Some(shared) = world.batch_norm(x, norm) {
                return shared;
            }
        }
        let (weight, bias) = affine.unzip();
        let running = |tensor| (statistics != Statistics::Unrecorded).then_some(tensor);
        Ok(x.f_batch_norm(
            weight,
            bias,
            running(&self.running_mean),
            running(&self.running_var),
            own,
            Self::MOMENTUM,
            Self::EPSILON,
            true,
        )?)
    }
}

/// A linear layer.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Makes the layer, weights and bias uniform within `1 / sqrt(inputs)` as in PyTorch.
    ///
    /// # Errors
    /// Where libtorch cannot allocate them.
    pub fn new(path: &Path, inputs: usize, outputs: usize, bias: bool) -> Result<Self, Error> {
        // Kaiming uniform with a = sqrt 5 has the bound sqrt(6 / ((1 + 5) inputs)).
        let bound = 1.0 / (inputs.max(1) as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        let shape = [outputs as i64, inputs as i64];
        budget::take(&shape)?;
        let weight = path.f_var("weight", &shape, init)?;
        let bias = if bias {
            Some(path.f_var("bias", &[outputs as i64], init)?)
        } else {
            None
        };
        Ok(Self { weight, bias })
    }

    /// Makes the layer with weights from N(0, `deviation`^2) and bias 0, as transformers start.
    ///
    /// # Errors
    /// Where libtorch cannot allocate the weights.
    pub fn normal(
        path: &Path,
        inputs: usize,
        outputs: usize,
        bias: bool,
        deviation: f64,
    ) -> Result<Self, Error> {
        let draw = Init::Randn {
            mean: 0.0,
            stdev: deviation,
        };
        let weight = path.f_var("weight", &[outputs as i64, inputs as i64], draw)?;
        let bias = match bias {
            true => Some(path.f_zeros("bias", &[outputs as i64])?),
            false => None,
        };
        Ok(Self { weight, bias })
    }

    /// Leaves the bias, if there is one, as it was drawn or loaded: it is no longer a parameter.
    pub(crate) fn freeze_bias(&self) {
        if let Some(bias) = &self.bias {
            // The handle that comes back is to the same tensor.
            let _ = bias.set_requires_grad(false);
        }
    }

    /// `(…, inputs)` to `(…, outputs)`, in float32 whatever the precision of the product.
    ///
    /// # Errors
    /// Where `x` has another shape.
    pub fn forward(&self, x: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        Ok(self.product(x, precision)?.f_to_kind(Kind::Float)?)
    }

    /// As [`Linear::forward`], in the precision's own kind.
    ///
    /// # Errors
    /// Where `x` has another shape.
    pub fn product(&self, x: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        self.with_bias(x, precision, self.bias.as_ref())
    }

    /// As [`Linear::product`], but the bias of some outputs is 0, whatever the layer holds.
    ///
    /// # Errors
    /// Where `x` has another shape, or there are no such outputs.
    pub(crate) fn product_without_bias_of(
        &self,
        x: &Tensor,
        precision: Precision,
        outputs: Range<i64>,
    ) -> Result<Tensor, Error> {
        let Some(bias) = &self.bias else {
            return self.product(x, precision);
        };
        let rest = bias.size1()? - outputs.end;
        let bias = Tensor::f_cat(
            &[
                bias.f_narrow(0, 0, outputs.start)?,
                bias.f_narrow(0, outputs.start, outputs.end - outputs.start)?
                    .f_zeros_like()?,
                bias.f_narrow(0, outputs.end, rest)?,
            ],
            0,
        )?;
        self.with_bias(x, precision, Some(&bias))
    }

    fn with_bias(
        &self,
        x: &Tensor,
        precision: Precision,
        bias: Option<&Tensor>,
    ) -> Result<Tensor, Error> {
        let kind = precision.kind();
        let cast = |tensor: &Tensor| tensor.f_to_kind(kind);
        let bias = bias.map(cast).transpose()?;
        Ok(cast(x)?.f_linear(&cast(&self.weight)?, bias.as_ref())?)
    }
}
