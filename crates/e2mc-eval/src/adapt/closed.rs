//! Maps in closed form, from means, variances and directions.
//!
//! Whitening is symmetric (`U f(l) U^T`, also known as ZCA): of all maps that flatten the spectrum
//! alike it moves the embeddings least, and strength 0.5 applied twice is strength 1.
//!
//! What carries nothing stays nothing. A constant dimension maps to 0 in every row, also in rows in
//! which it is not constant: nothing is known of its scale. So does, with a floor of 0, a direction
//! whose variance is rounding.

use rayon::prelude::*;

use super::learn;
use super::map::{Fitted, Linear, Map};
use super::statistics::{Eigen, Statistics};
use super::{Method, Shrinkage, Whiten};
use crate::product::{Operand, multiply};
use crate::{Error, Rows};

/// Rows of a product that one task computes.
const ROWS: usize = 64;

impl Statistics {
    /// Fits `method` to the rows that were measured. `rows` are those rows again, read only by
    /// [`Method::E2mc`], which draws with `seed`; `unit_length` brings every mapped row to length 1
    /// as the last step.
    ///
    /// # Errors
    /// A setting out of its range, rows that are all equal where variances are divided by, fewer
    /// rows than dimensions under a floor of 0, directions that are not found, a file that cannot
    /// be read.
    pub fn fit(
        &self,
        rows: &dyn Rows,
        method: &Method,
        unit_length: bool,
        seed: u64,
    ) -> Result<Map, Error> {
        let dims = self.dims();
        method.check(dims)?;
        let divides = !matches!(method, Method::None | Method::Center);
        if divides && self.mean_variance() <= 0.0 {
            return Err(Error::NoVariance {
                rows: self.rows(),
                cols: dims,
            });
        }
        let linear = match method {
            Method::None | Method::Center => Linear::Identity,
            Method::Standardise => Linear::Diagonal(self.standardising()),
            Method::Whiten(whiten) => Linear::Dense(self.whitening(*whiten)?),
            Method::Abtt { components } => {
                let removed = Method::removed(*components, dims);
                let kept = (0..dims).map(|k| if k < removed { 0.0 } else { 1.0 });
                Linear::Dense(self.along(&kept.collect::<Vec<f64>>())?)
            }
            Method::E2mc(settings) => Linear::Dense(learn::map(self, rows, settings, seed)?),
        };
        let shift = match method {
            Method::None => vec![0.0; dims],
            _ => self.mean().to_vec(),
        };
        Ok(Map {
            shift,
            linear,
            unit_length,
            method: method.clone(),
            fitted: Fitted {
                rows: self.rows(),
                fingerprint: self.fingerprint().into(),
            },
        })
    }

    /// One over each deviation; 0 for a constant.
    fn standardising(&self) -> Vec<f32> {
        let inverse = |s: f64| if s > 0.0 { s.recip() } else { 0.0 };
        self.deviations()
            .into_iter()
            .map(|s| inverse(s) as f32)
            .collect()
    }

    fn whitening(&self, whiten: Whiten) -> Result<Vec<f32>, Error> {
        let Whiten {
            strength,
            shrinkage,
        } = whiten;
        if shrinkage == Shrinkage::Floor(0.0) && self.rows() <= self.dims() {
            return Err(Error::FewerRowsThanDimensions {
                rows: self.rows(),
                cols: self.dims(),
            });
        }
        let values = &self.eigen()?.values;
        // What a matrix of this order leaves of a variance of 0.
        let rounding = 8.0 * f64::EPSILON * self.dims() as f64 * values[0];
        let factors: Vec<f64> = shrinkage
            .of(self, values)
            .into_iter()
            .map(|l| {
                if l > rounding {
                    l.powf(-strength / 2.0)
                } else {
                    0.0
                }
            })
            .collect();
        self.along(&factors)
    }

    /// `U diag(factors) U^T`, in which constant dimensions are 0.
    fn along(&self, factors: &[f64]) -> Result<Vec<f32>, Error> {
        let dims = self.dims();
        let Eigen { vectors, .. } = self.eigen()?;
        let mut scaled = vec![0.0; dims * dims];
        scaled
            .par_chunks_mut(dims)
            .zip(vectors.par_chunks(dims))
            .zip(factors)
            .for_each(|((scaled, vector), factor)| {
                for (scaled, value) in scaled.iter_mut().zip(vector) {
                    *scaled = factor * value;
                }
            });
        let mut weight = vec![0.0_f32; dims * dims];
        weight
            .par_chunks_mut(ROWS * dims)
            .enumerate()
            .for_each(|(part, out)| {
                let (first, count) = (part * ROWS, out.len() / dims);
                // Rows `first..` of the product: columns of the left factor.
                let columns: Vec<f64> = vectors
                    .chunks_exact(dims)
                    .flat_map(|vector| vector[first..first + count].iter().copied())
                    .collect();
                let left = Operand::new(&columns, dims, count).transposed();
                let mut product = vec![0.0; count * dims];
                multiply(&mut product, left, Operand::new(&scaled, dims, dims));
                for (out, value) in out.iter_mut().zip(product) {
                    *out = value as f32;
                }
            });
        for (constant, _) in (self.deviations().iter().enumerate()).filter(|(_, s)| **s == 0.0) {
            weight[constant * dims..][..dims].fill(0.0);
            weight
                .iter_mut()
                .skip(constant)
                .step_by(dims)
                .for_each(|w| *w = 0.0);
        }
        Ok(weight)
    }
}
