//! The criterion's two figures without scale.
//!
//! Under a fixed transform an embedding's marginal entropy rises when the embedding merely spreads,
//! and its covariance with it. [`Criterion::shape`] therefore brings each dimension to zero mean
//! and unit variance (of the population, `1/n`, in float64) before the transform: what is left
//! depends on the shape of the marginals and on the correlations, not on location or scale. It is
//! for evaluation; nothing is trained by it.
//!
//! [`mean_deviation`] and [`rescaled`] make the other answer to the same question: the base
//! embedding with the spread of the one that it is compared with.

use crate::{Criterion, Error, Matrix, MatrixView};

/// Entropy and covariance of an embedding whose dimensions have zero mean and unit variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Mean of the marginal entropies, in nats; at most about 0. For
    /// [`Transform::Gaussian`](crate::Transform::Gaussian) it is about 0 where all marginals are
    /// normal.
    pub entropy_shape: f64,
    /// Sum of the squared off-diagonal covariances after the transform, over `d`; 0 for `d = 1`.
    pub covariance_shape: f64,
}

impl Criterion {
    /// The entropy and the covariance of `z` `(n, d)` after each dimension is brought to zero mean
    /// and unit variance, then transformed. A constant dimension stays constant: its entropy is
    /// that of ties, `ln epsilon` and below 0 by far. Takes a copy of `z`.
    ///
    /// # Errors
    /// As [`Criterion::value`].
    pub fn shape(&self, z: MatrixView) -> Result<Shape, Error> {
        z.check_batch()?;
        if z.data().iter().any(|value| !value.is_finite()) {
            return Err(z.not_finite());
        }
        let moments = moments(z);
        let mut standard = Matrix::zeros(z.rows(), z.cols());
        let rows = standard.data_mut().chunks_exact_mut(z.cols());
        for (out, row) in rows.zip(z.data().chunks_exact(z.cols())) {
            for ((out, &value), moments) in out.iter_mut().zip(row).zip(&moments) {
                *out = ((f64::from(value) - moments.mean) * moments.inverse()) as f32;
            }
        }
        let value = self.value(standard.view())?;
        Ok(Shape {
            entropy_shape: value.entropy,
            covariance_shape: value.covariance,
        })
    }
}

/// The mean over the dimensions of the standard deviation (of the population) of `z` `(n, d)`; 0
/// without rows or columns.
pub fn mean_deviation(z: MatrixView) -> f64 {
    if z.data().is_empty() {
        return 0.0;
    }
    let sum: f64 = moments(z).iter().map(|m| m.deviation).sum();
    sum / z.cols() as f64
}

/// `z` `(n, d)` with each dimension stretched by `factor` about its mean: the base embedding with
/// another spread.
pub fn rescaled(z: MatrixView, factor: f64) -> Matrix {
    rescaled_like(z, z, factor)
}

/// `z` `(n, d)` with each dimension stretched by `factor` about the mean that it has in `known`
/// `(m, d)`.
///
/// # Panics
/// `known` has another number of dimensions.
pub fn rescaled_like(known: MatrixView, z: MatrixView, factor: f64) -> Matrix {
    assert_eq!(known.cols(), z.cols(), "both have the same dimensions");
    let mut out = Matrix::zeros(z.rows(), z.cols());
    if z.data().is_empty() {
        return out;
    }
    let moments = moments(known);
    let rows = out.data_mut().chunks_exact_mut(z.cols());
    for (out, row) in rows.zip(z.data().chunks_exact(z.cols())) {
        for ((out, &value), m) in out.iter_mut().zip(row).zip(&moments) {
            *out = (m.mean + factor * (f64::from(value) - m.mean)) as f32;
        }
    }
    out
}

/// Mean and standard deviation of one dimension.
#[derive(Clone, Copy, Default)]
struct Moments {
    mean: f64,
    deviation: f64,
}

impl Moments {
    /// One over the deviation; 0 for a constant.
    fn inverse(self) -> f64 {
        if self.deviation > 0.0 {
            self.deviation.recip()
        } else {
            0.0
        }
    }
}

/// Mean and deviation of each column, in two passes; exactly 0 for a constant column.
fn moments(z: MatrixView) -> Vec<Moments> {
    let (n, cols) = (z.rows() as f64, z.cols());
    let mut moments = vec![Moments::default(); cols];
    for row in z.data().chunks_exact(cols) {
        for (m, &value) in moments.iter_mut().zip(row) {
            m.mean += f64::from(value);
        }
    }
    moments.iter_mut().for_each(|m| m.mean /= n);
    let mut varies = vec![false; cols];
    for row in z.data().chunks_exact(cols) {
        for (((m, varies), value), first) in
            moments.iter_mut().zip(&mut varies).zip(row).zip(z.row(0))
        {
            m.deviation += (f64::from(*value) - m.mean).powi(2);
            // The rounding of the mean leaves a constant some deviation, so deviation cannot tell.
            *varies |= value != first;
        }
    }
    for (m, varies) in moments.iter_mut().zip(varies) {
        m.deviation = if varies {
            (m.deviation / n).sqrt()
        } else {
            0.0
        };
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transform;

    /// `n` values of each column, a different shape in each: normal by quantiles, uniform, and far
    /// from both.
    fn embedding(n: usize) -> Matrix {
        let data = (0..n)
            .flat_map(|i| {
                let u = (i as f64 + 0.5) / n as f64;
                let v = (i * 37 % n) as f64 / n as f64;
                [(u / (1.0 - u)).ln() as f32, v as f32, (v * v * v) as f32]
            })
            .collect();
        Matrix::new(data, n, 3).unwrap()
    }

    #[test]
    fn neither_scale_nor_location_changes_the_shape_and_both_change_the_value() {
        for criterion in [Criterion::vicreg(), Criterion::swav()] {
            let z = embedding(401);
            let plain = criterion.shape(z.view()).unwrap();
            let mut moved = z.clone();
            for row in moved.data_mut().chunks_mut(3) {
                for (value, (scale, shift)) in
                    row.iter_mut().zip([(0.25, 3.0), (8.0, -1.0), (2.0, 0.5)])
                {
                    *value = *value * scale + shift;
                }
            }
            let other = criterion.shape(moved.view()).unwrap();
            assert!((plain.entropy_shape - other.entropy_shape).abs() < 1e-4);
            assert!((plain.covariance_shape - other.covariance_shape).abs() < 1e-7);
            let value = |z: &Matrix| criterion.value(z.view()).unwrap().entropy;
            assert!((value(&z) - value(&moved)).abs() > 0.1);
        }
    }

    #[test]
    fn it_is_the_value_of_the_standardised_columns_made_by_hand() {
        let z = embedding(257);
        let column = |j: usize| -> Vec<f64> {
            z.data()
                .iter()
                .skip(j)
                .step_by(3)
                .map(|&v| v.into())
                .collect()
        };
        let mut standard = z.clone();
        for j in 0..3 {
            let x = column(j);
            let mean = x.iter().sum::<f64>() / 257.0;
            let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 257.0;
            for (i, v) in x.iter().enumerate() {
                standard.data_mut()[3 * i + j] = ((v - mean) / variance.sqrt()) as f32;
            }
        }
        let criterion = Criterion::swav();
        let expected = criterion.value(standard.view()).unwrap();
        let found = criterion.shape(z.view()).unwrap();
        assert_eq!(found.entropy_shape, expected.entropy);
        assert_eq!(found.covariance_shape, expected.covariance);
    }

    #[test]
    fn normal_marginals_have_no_entropy_to_gain_whatever_their_scale() {
        // Quantiles of the normal distribution by bisection of the transform itself.
        let n = 4001;
        let quantile = |u: f32| {
            let (mut low, mut high) = (-8.0_f32, 8.0_f32);
            for _ in 0..60 {
                let middle = (low + high) / 2.0;
                if Transform::Gaussian.value(middle) < u {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            low
        };
        let data: Vec<f32> = (0..n)
            .map(|i| 50.0 + 0.01 * quantile((i as f32 + 0.5) / n as f32))
            .collect();
        let z = Matrix::new(data, n, 1).unwrap();
        let shape = Criterion::swav().shape(z.view()).unwrap();
        assert!(shape.entropy_shape.abs() < 0.02, "{shape:?}");
        assert_eq!(shape.covariance_shape, 0.0);
    }

    #[test]
    fn a_constant_dimension_and_bad_input_are_told() {
        let z = Matrix::new(vec![0.1, 1.0, 0.1, 2.0, 0.1, 4.0], 3, 2).unwrap();
        let shape = Criterion::vicreg().shape(z.view()).unwrap();
        assert!(shape.entropy_shape.is_finite() && shape.entropy_shape < -5.0);
        let one = Matrix::new(vec![1.0, 2.0], 1, 2).unwrap();
        assert_eq!(
            Criterion::vicreg().shape(one.view()),
            Err(Error::TooFewRows { rows: 1 })
        );
        let bad = Matrix::new(vec![1.0, f32::NAN], 2, 1).unwrap();
        let error = Criterion::vicreg().shape(bad.view());
        assert!(matches!(error, Err(Error::NotFinite { row: 1, .. })));
    }

    #[test]
    fn a_rescaled_embedding_has_the_spread_asked_for_and_the_same_mean_and_shape() {
        let z = embedding(301);
        let wide = rescaled(z.view(), 1.125);
        let ratio = mean_deviation(wide.view()) / mean_deviation(z.view());
        assert!((ratio - 1.125).abs() < 1e-6, "{ratio}");
        let mean = |m: &Matrix| m.data().iter().skip(2).step_by(3).sum::<f32>() / 301.0;
        assert!((mean(&z) - mean(&wide)).abs() < 1e-6);
        let criterion = Criterion::vicreg();
        let (a, b) = (criterion.shape(z.view()), criterion.shape(wide.view()));
        assert!((a.unwrap().entropy_shape - b.unwrap().entropy_shape).abs() < 1e-4);
        let empty = Matrix::new(vec![], 0, 3).unwrap();
        assert_eq!(mean_deviation(empty.view()), 0.0);
        assert_eq!(rescaled(empty.view(), 2.0), empty);
    }
}
