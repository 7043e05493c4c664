//! How far each dimension is from uniform once it is mapped to the unit interval (the paper's
//! section on the compact space).
//!
//! The marginal entropy is the criterion's own estimate (paper Eq. 7, C.7); the entropy of a
//! uniform dimension is 0, so its negative is the Kullback-Leibler divergence from uniform. The
//! greatest gap between the distribution functions (Kolmogorov and Smirnov's statistic) says the
//! same on a scale from 0 to 1 that outliers and ties do not stretch.

use e2mc::{Criterion, MatrixView, Transform};
use rayon::prelude::*;

use crate::Error;

/// Columns that are sorted by one task, read together so that each cache line serves them all.
const PANEL: usize = 16;

/// The dimensions after the transform to the unit interval.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Marginals {
    /// The mean of the entropies, in nats; about 0 is uniform.
    pub mean_entropy: f64,
    /// The criterion's off-diagonal covariance, after the transform (paper Eq. 8).
    pub covariance: f64,
    /// The mean of the entropies, in nats, of the dimensions brought to zero mean and unit variance
    /// first: without scale. About 0 where all are normal, for the Gaussian transform.
    pub entropy_shape: f64,
    /// The off-diagonal covariance of the same.
    pub covariance_shape: f64,
    /// The entropy of each dimension, in nats.
    pub entropy: Vec<f32>,
    /// The greatest gap between each dimension's distribution function and the uniform one: 0 is
    /// uniform, near 1 is one point at an end. Of `n` uniform values it is under `1.36 / sqrt n` 19
    /// times of 20.
    pub gap: Vec<f32>,
}

impl Marginals {
    pub(super) fn measure(
        z: MatrixView<'_>,
        transform: Transform,
        epsilon: f32,
    ) -> Result<Self, Error> {
        let criterion = Criterion {
            transform,
            beta: 1.0,
            gamma: 1.0,
            epsilon,
        };
        // Shape and values have been checked; what is left is an epsilon out of its range.
        let wrong = |_| Error::Setting {
            name: "epsilon",
            value: epsilon.to_string(),
            expected: "a positive finite number",
        };
        let value = criterion.value(z).map_err(wrong)?;
        let shape = criterion.shape(z).map_err(wrong)?;
        Ok(Self {
            entropy_shape: shape.entropy_shape,
            covariance_shape: shape.covariance_shape,
            mean_entropy: value.entropy,
            covariance: value.covariance,
            entropy: value.marginal_entropy,
            gap: gaps(z, transform),
        })
    }

    /// The dimensions from the least to the most uniform.
    pub fn by_entropy(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.entropy.len()).collect();
        order.sort_by(|&a, &b| self.entropy[a].total_cmp(&self.entropy[b]));
        order
    }
}

/// The transformed values of the columns from `first`, at most [`PANEL`], one after the other.
fn columns(z: MatrixView<'_>, first: usize, transform: Transform) -> Vec<f32> {
    let width = PANEL.min(z.cols() - first);
    let mut values = vec![0.0; width * z.rows()];
    for (i, row) in z.data().chunks_exact(z.cols()).enumerate() {
        for (j, &value) in row[first..first + width].iter().enumerate() {
            values[j * z.rows() + i] = value;
        }
    }
    let mut mapped = vec![0.0; values.len()];
    transform.values(&values, &mut mapped);
    mapped
}

fn gaps(z: MatrixView<'_>, transform: Transform) -> Vec<f32> {
    let firsts: Vec<usize> = (0..z.cols()).step_by(PANEL).collect();
    firsts
        .into_par_iter()
        .flat_map_iter(|first| {
            let mut values = columns(z, first, transform);
            let gaps: Vec<f32> = values.chunks_exact_mut(z.rows()).map(gap).collect();
            gaps
        })
        .collect()
}

/// The Kolmogorov-Smirnov statistic of `values` against the uniform distribution; sorts them.
fn gap(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let n = values.len() as f64;
    let gap = values.iter().enumerate().fold(0.0_f64, |most, (i, &u)| {
        let u = f64::from(u);
        most.max((u - i as f64 / n).abs())
            .max(((i + 1) as f64 / n - u).abs())
    });
    gap as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2mc::Matrix;

    #[test]
    fn the_gap_of_a_grid_of_one_point_and_of_a_half_is_known() {
        let mut grid: Vec<f32> = (0..100).map(|i| (i as f32 + 0.5) / 100.0).rev().collect();
        assert!((gap(&mut grid) - 0.005).abs() < 1e-6);
        assert!((gap(&mut [0.5; 10]) - 0.5).abs() < 1e-6);
        assert!((gap(&mut [0.0; 10]) - 1.0).abs() < 1e-6);
        let mut half: Vec<f32> = (0..100).map(|i| (i as f32 + 0.5) / 200.0).collect();
        assert!((gap(&mut half) - 0.5).abs() < 0.01);
    }

    #[test]
    fn logistic_values_are_uniform_after_the_sigmoid_and_others_are_not() {
        let rows = 4000;
        let data = (0..rows)
            .flat_map(|i| {
                let u = (i as f32 + 0.5) / rows as f32;
                // Exactly uniform after the sigmoid; on [1/4, 3/4] only; constant; 17 more to pass
                // a panel's end.
                let logit = |u: f32| (u / (1.0 - u)).ln();
                let mut row = vec![logit(u), logit(0.25 + u / 2.0), 0.0];
                row.resize(20, logit(u));
                row
            })
            .collect();
        let z = Matrix::new(data, rows, 20).unwrap();
        let found = Marginals::measure(z.view(), Transform::Sigmoid, 1e-7).unwrap();
        assert!(found.entropy[0].abs() < 0.02 && found.gap[0] < 1e-3);
        assert!(
            (found.entropy[1] + 2.0_f32.ln()).abs() < 0.02,
            "{}",
            found.entropy[1]
        );
        assert!((found.gap[1] - 0.25).abs() < 1e-3);
        assert!(found.entropy[2] < -10.0 && (found.gap[2] - 0.5).abs() < 1e-6);
        assert_eq!(found.gap[19], found.gap[0]);
        assert_eq!(found.by_entropy()[..2], [2, 1]);
    }
}
