//! Convolutions with a bias: the patches of a transformer, and the depthwise filters of a ConvNeXt.

use tch::Tensor;
use tch::nn::{Init, Path};

use super::Precision;
use crate::Error;

/// The shape of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct ConvolutionShape {
    /// Channels that come in.
    pub inputs: usize,
    /// Channels that come out.
    pub outputs: usize,
    /// Height and width of the kernel in pixels.
    pub kernel: usize,
    /// Pixels from place to place. With 1 the kernel is odd and the map keeps its size; otherwise
    /// nothing is padded.
    pub stride: usize,
    /// Groups of channels, each with filters of its own; they divide both numbers of channels.
    pub groups: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

/// A square convolution.
#[derive(Debug)]
pub struct Convolution {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
    groups: i64,
}

impl Convolution {
    /// Makes the layer: weights normal with standard deviation `deviation`, bias 0.
    ///
    /// # Errors
    /// Where libtorch cannot allocate them.
    pub fn new(path: &Path, shape: ConvolutionShape, deviation: f64) -> Result<Self, Error> {
        let ConvolutionShape {
            inputs,
            outputs,
            kernel,
            stride,
            groups,
            bias,
        } = shape;
        let size = [outputs, inputs / groups.max(1), kernel, kernel].map(|size| size as i64);
        let draw = Init::Randn {
            mean: 0.0,
            stdev: deviation,
        };
        let weight = path.f_var("weight", &size, draw)?;
        let bias = match bias {
            true => Some(path.f_zeros("bias", &[outputs as i64])?),
            false => None,
        };
        Ok(Self {
            weight,
            bias,
            stride: stride as i64,
            padding: if stride == 1 { kernel as i64 / 2 } else { 0 },
            groups: groups as i64,
        })
    }

    /// `(n, inputs, h, w)` to `(n, outputs, h / stride, w / stride)`, rounded down, in the
    /// precision's own kind.
    ///
    /// # Errors
    /// Where `x` has another shape.
    pub fn forward(&self, x: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let kind = precision.kind();
        let mut x = x.f_to_kind(kind)?;
        // The rows that no kernel reaches are left out: where a stride leaves some, the weights'
        // gradient in oneDNN 3.10 is wrong for few channels (see `Conv`).
        for dimension in [2, 3] {
            let length = x.size()[dimension as usize];
            let rest = length % self.stride;
            if rest > 0 && length > rest {
                x = x.f_narrow(dimension, 0, length - rest)?;
            }
        }
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(kind));
        Ok(x.f_conv2d(
            &self.weight.f_to_kind(kind)?,
            bias.transpose()?,
            [self.stride; 2],
            [self.padding; 2],
            [1, 1],
            self.groups,
        )?)
    }
}
