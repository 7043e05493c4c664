//! Signs of collapse in a batch of embeddings, in plain numbers.
//!
//! A collapsed encoder maps all images to nearly one point, or uses only a few dimensions. Its
//! loss can look healthy, so these are logged beside it. The spread of dimension `j` is
//! `sqrt(d)` times the standard deviation of the L2-normalised embeddings' coordinate `j`: near 1
//! where directions are used evenly, near 0 where all images share it (Chen and He 2021, Fig. 2).

use tch::{Kind, Tensor};

use e2mc::{MatrixView, Transform};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Below this mean spread the embeddings have collapsed to nearly one direction.
const COLLAPSED: f64 = 0.2;
/// A dimension with less spread than this carries nothing.
const DEAD: f64 = 0.01;

/// What a batch of embeddings looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collapse {
    /// Dimensions of the embedding.
    pub dims: usize,
    /// Mean over the dimensions of the spread; about 1 is healthy.
    pub spread: f64,
    /// The least spread of a dimension.
    pub least_spread: f64,
    /// Dimensions with a spread under 0.01.
    pub dead_dims: usize,
    /// Mean marginal entropy after the transform, in nats; 0 is uniform.
    pub entropy: f64,
    /// The least marginal entropy, in nats.
    pub least_entropy: f64,
    /// The mean marginal entropy of the dimensions brought to zero mean and unit variance, in nats:
    /// what no mere spreading moves.
    pub entropy_shape: f64,
    /// The off-diagonal covariance of the same.
    pub covariance_shape: f64,
}

impl Collapse {
    /// Measures embeddings `(n, d)`.
    ///
    /// # Errors
    /// Where an embedding is not finite or `n < 2`.
    pub fn measure(embedding: &Tensor, transform: Transform) -> Result<Self, Error> {
        let z = embedding
            .detach()
            .to_kind(Kind::Float)
            .to_device(tch::Device::Cpu)
            .contiguous();
        let (rows, cols) = z.size2()?;
        let norms = z
            .square()
            .sum_dim_intlist([1i64].as_slice(), true, Kind::Float)
            .sqrt();
        let unit = &z / norms.clamp_min(1e-12);
        let spread = unit.std_dim([0i64].as_slice(), true, false) * (cols as f64).sqrt();
        let mut data = vec![0f32; z.numel()];
        z.f_copy_data(&mut data, z.numel())?;
        let criterion = e2mc::Criterion {
            transform,
            beta: 1.0,
            gamma: 0.0,
            epsilon: f32::EPSILON,
        };
        let z = MatrixView::new(&data, rows as usize, cols as usize)?;
        let value = criterion.value(z)?;
        let shape = criterion.shape(z)?;
        Ok(Self {
            dims: cols as usize,
            spread: spread.mean(Kind::Double).double_value(&[]),
            least_spread: spread.min().double_value(&[]),
            dead_dims: spread.lt(DEAD).sum(Kind::Int64).int64_value(&[]) as usize,
            entropy: value.entropy,
            least_entropy: value
                .marginal_entropy
                .iter()
                .map(|&h| f64::from(h))
                .fold(f64::INFINITY, f64::min),
            entropy_shape: shape.entropy_shape,
            covariance_shape: shape.covariance_shape,
        })
    }

    /// What should worry the user, in plain words; empty where nothing does.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.spread < COLLAPSED {
            warnings.push(format!(
                "the embeddings have nearly collapsed to one point: mean spread {:.3}, healthy is \
                 about 1",
                self.spread
            ));
        }
        if self.dead_dims > 0 {
            warnings.push(format!(
                "{} of {} embedding dimensions are nearly constant",
                self.dead_dims, self.dims
            ));
        }
        warnings
    }
}
