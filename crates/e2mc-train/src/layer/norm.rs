//! Layer normalisation, and the scale of a residual branch.

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use crate::Error;

/// Normalises each row of channels by its own mean and variance, in float32 whatever comes in.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    /// Makes the layer for `width` channels: weight 1 and bias 0. `epsilon` is added to the
    /// variance.
    ///
    /// # Errors
    /// Where libtorch cannot allocate them.
    pub fn new(path: &Path, width: usize, epsilon: f64) -> Result<Self, Error> {
        let shape = [width as i64];
        Ok(Self {
            weight: path.f_ones("weight", &shape)?,
            bias: path.f_zeros("bias", &shape)?,
            epsilon,
        })
    }

    /// Normalises `(…, width)` over the last dimension.
    ///
    /// # Errors
    /// Where `x` has another shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        let x = x.f_to_kind(Kind::Float)?;
        Ok(x.f_layer_norm(self.weight.size(), weight, bias, self.epsilon, true)?)
    }

    /// Normalises each place of a feature map `(n, width, h, w)`.
    ///
    /// # Errors
    /// Where `x` has another shape.
    pub fn forward_map(&self, x: &Tensor) -> Result<Tensor, Error> {
        let rows = self.forward(&x.f_permute([0, 2, 3, 1])?)?;
        Ok(rows.f_permute([0, 3, 1, 2])?)
    }
}

/// Scales each channel of a residual branch (LayerScale, Touvron et al. 2021).
#[derive(Debug)]
pub struct LayerScale {
    gamma: Tensor,
}

impl LayerScale {
    /// Makes the layer for `width` channels, all at `start`, under the name `gamma`.
    ///
    /// # Errors
    /// Where libtorch cannot allocate it.
    pub fn new(path: &Path, width: usize, start: f64) -> Result<Self, Error> {
        let gamma = path.f_var("gamma", &[width as i64], Init::Const(start))?;
        Ok(Self { gamma })
    }

    /// Scales `(…, width)` along the last dimension.
    ///
    /// # Errors
    /// Where `x` has another shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(x.f_mul(&self.gamma)?)
    }
}
