//! DINO's head: linear layers with GELU between them to a bottleneck, which is normalised, and a
//! last layer whose weights are a length times a direction (weight normalisation, Salimans and
//! Kingma 2016).
//!
//! Names of the parameters: `projector.0`, `projector.2`, … as `nn.Sequential` counts them, and
//! `prototypes.weight_g` `(k, 1)` and `prototypes.weight_v` `(k, d)` as `weight_norm` has them.

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::config::DinoConfig;
use super::network::PROTOTYPES;
use crate::Error;
use crate::budget;
use crate::layer::{Linear, Precision};
use crate::method::swav::normalised;

/// What linear layers are drawn with, as in the authors' code.
const DEVIATION: f64 = 0.02;

/// The head of the student or of the teacher.
#[derive(Debug)]
pub struct DinoHead {
    layers: Vec<Linear>,
    /// `(k, 1)`.
    lengths: Tensor,
    /// `(k, d)`, of any length.
    directions: Tensor,
    /// All parameters.
    parameters: Vec<Tensor>,
}

impl DinoHead {
    /// Makes the head under `path` for `features` numbers an image.
    ///
    /// # Errors
    /// Without layers, or where one is 0 wide.
    pub fn new(path: &Path, features: usize, config: &DinoConfig) -> Result<Self, Error> {
        let widths = &config.projector;
        if widths.is_empty() || widths.contains(&0) {
            let expected = "one layer width or more, each at least 1";
            let found = format!("{widths:?}");
            return Err(Error::config("method.projector", expected, found));
        }
        let mut parameters = Vec::new();
        let mut layers = Vec::with_capacity(widths.len());
        let mut inputs = features;
        for (place, &width) in widths.iter().enumerate() {
            budget::take(&[width as i64, inputs as i64])?;
            // Two modules a layer in nn.Sequential: Linear and GELU.
            let path = path / "projector" / (2 * place);
            layers.push(Linear::normal(&path, inputs, width, true, DEVIATION)?);
            parameters.extend(["weight", "bias"].map(|name| path.get(name)));
            inputs = width;
        }
        let path = path / PROTOTYPES;
        let shape = [config.prototypes as i64, inputs as i64];
        budget::take(&shape)?;
        // As PyTorch draws a linear layer.
        let bound = 1.0 / (inputs as f64).sqrt();
        let (lo, up) = (-bound, bound);
        let directions = path.f_var("weight_v", &shape, Init::Uniform { lo, up })?;
        let lengths = path.f_ones("weight_g", &[shape[0], 1])?;
        if config.unit_prototypes {
            // The handle that comes back is to the same tensor.
            let _ = lengths.set_requires_grad(false);
        }
        parameters.extend(["weight_v", "weight_g"].map(|name| path.get(name)));
        Ok(Self {
            layers,
            lengths,
            directions,
            parameters: parameters.into_iter().flatten().collect(),
        })
    }

    /// Features `(n, features)` to the bottleneck `(n, d)` before normalisation, in float32.
    ///
    /// # Errors
    /// Where the features do not fit.
    pub fn bottleneck(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let mut x = features.shallow_clone();
        for (place, layer) in self.layers.iter().enumerate() {
            if place > 0 {
                x = x.f_gelu("none")?;
            }
            x = layer.product(&x, precision)?;
        }
        Ok(x.f_to_kind(Kind::Float)?)
    }

    /// The bottleneck `(n, d)` before normalisation to scores `(n, k)` in float32.
    ///
    /// # Errors
    /// Where the bottleneck does not fit.
    pub fn scores(&self, bottleneck: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let norms = self
            .directions
            .f_norm_scalaropt_dim(2.0, [1i64].as_slice(), true)?;
        let weight = self.directions.f_mul(&self.lengths.f_div(&norms)?)?;
        let kind = precision.kind();
        let unit = normalised(bottleneck)?.f_to_kind(kind)?;
        let scores = unit.f_linear::<Tensor>(&weight.f_to_kind(kind)?, None)?;
        Ok(scores.f_to_kind(Kind::Float)?)
    }

    /// Makes its parameters constants.
    pub(super) fn freeze(&self) {
        for tensor in &self.parameters {
            let _ = tensor.set_requires_grad(false);
        }
    }

    /// Moves every parameter to `momentum * own + (1 - momentum) * other's`.
    pub(super) fn follow(&self, other: &Self, momentum: f64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for (own, other) in self.parameters.iter().zip(&other.parameters) {
            let mut own = own.shallow_clone();
            if momentum == 0.0 {
                own.f_copy_(other)?;
            } else {
                let _ = own.f_lerp_(other, 1.0 - momentum)?;
            }
        }
        Ok(())
    }
}
