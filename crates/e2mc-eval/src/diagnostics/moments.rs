//! What one pass over all rows gives: means, covariances, extremes, and a sample of rows for what
//! needs them side by side.

use e2mc::{Matrix, MatrixView};
use rayon::prelude::*;

use super::gram::Gram;
use super::rows::{check_finite, each_block};
use crate::{Error, Rows};

/// Means and covariances of all rows, in float64.
pub(crate) struct Moments {
    /// The number of rows.
    pub(crate) rows: usize,
    /// The mean of each dimension.
    pub(crate) mean: Vec<f64>,
    /// The covariance matrix `(d, d)`, row-major, of the population (`1/n`); the variance of a
    /// constant dimension is 0.
    pub(crate) covariance: Vec<f64>,
    /// Rows of nothing but zeros, which have no direction.
    pub(super) zero_rows: usize,
    /// The mean over the rows of the fourth power of their distance to the mean; what the
    /// Ledoit-Wolf estimate needs beyond the covariance.
    pub(crate) fourth: f64,
}

impl Moments {
    /// Goes through all rows once; also returns the rows `sampled`, increasing indices.
    ///
    /// Sums are taken around the mean of the first block, not around zero: the variance of numbers
    /// far from zero would be a small difference of large sums.
    pub(crate) fn measure(source: &dyn Rows, sampled: &[usize]) -> Result<(Self, Matrix), Error> {
        let (rows, cols) = (source.rows(), source.cols());
        let mut centre: Vec<f64> = Vec::new();
        let mut sum = vec![0.0; cols];
        let mut gram = Gram::new(cols);
        let mut powers = Powers::new(cols);
        let mut extremes = vec![(f32::INFINITY, f32::NEG_INFINITY); cols];
        let mut zero_rows = 0;
        let mut sample = Matrix::zeros(sampled.len(), cols);
        let mut taken = 0;
        let mut shifted = Vec::new();
        each_block(source, |first, block| {
            check_finite(first, block)?;
            if centre.is_empty() {
                centre = mean(block);
            }
            shifted.resize(block.data().len(), 0.0);
            shifted
                .par_chunks_exact_mut(cols)
                .zip(block.data().par_chunks_exact(cols))
                .for_each(|(shifted, row)| {
                    for ((shifted, &value), centre) in shifted.iter_mut().zip(row).zip(&centre) {
                        *shifted = f64::from(value) - centre;
                    }
                });
            for row in shifted.chunks_exact(cols) {
                for (sum, value) in sum.iter_mut().zip(row) {
                    *sum += value;
                }
                powers.add(row);
            }
            for row in block.data().chunks_exact(cols) {
                zero_rows += usize::from(row.iter().all(|&value| value == 0.0));
                for ((least, most), &value) in extremes.iter_mut().zip(row) {
                    *least = least.min(value);
                    *most = most.max(value);
                }
            }
            gram.add(&shifted);
            while let Some(&row) = sampled
                .get(taken)
                .filter(|&&row| row < first + block.rows())
            {
                sample.data_mut()[taken * cols..][..cols].copy_from_slice(block.row(row - first));
                taken += 1;
            }
            Ok(())
        })?;

        let n = rows as f64;
        let offset: Vec<f64> = sum.iter().map(|sum| sum / n).collect();
        let mut covariance = gram.into_matrix();
        let fourth = powers.about(&offset, &covariance, n);
        for (i, line) in covariance.chunks_exact_mut(cols).enumerate() {
            for (j, value) in line.iter_mut().enumerate() {
                let constant = [i, j].into_iter().any(|k| extremes[k].0 == extremes[k].1);
                *value = if constant {
                    0.0
                } else {
                    *value / n - offset[i] * offset[j]
                };
            }
        }
        let mean = centre
            .iter()
            .zip(&offset)
            .map(|(centre, offset)| centre + offset)
            .collect();
        Ok((
            Self {
                rows,
                mean,
                covariance,
                zero_rows,
                fourth,
            },
            sample,
        ))
    }

    /// The number of columns.
    pub(crate) fn dims(&self) -> usize {
        self.mean.len()
    }

    /// The correlation of two dimensions; 0 where one is constant.
    pub(super) fn correlation(&self, i: usize, j: usize) -> f64 {
        let at = |i: usize, j: usize| self.covariance[i * self.dims() + j];
        let product = at(i, i) * at(j, j);
        if product > 0.0 {
            (at(i, j) / product.sqrt()).clamp(-1.0, 1.0)
        } else {
            0.0
        }
    }

    /// The standard deviation of each dimension, of the population.
    pub(crate) fn deviations(&self) -> Vec<f64> {
        let d = self.dims();
        (0..d)
            .map(|j| self.covariance[j * d + j].max(0.0).sqrt())
            .collect()
    }
}

/// Sums of powers of rows' lengths, from which the fourth moment about any centre follows.
struct Powers {
    second: f64,
    fourth: f64,
    /// The sum of the rows, each times its squared length.
    weighted: Vec<f64>,
}

impl Powers {
    fn new(cols: usize) -> Self {
        Self {
            second: 0.0,
            fourth: 0.0,
            weighted: vec![0.0; cols],
        }
    }

    fn add(&mut self, row: &[f64]) {
        let square: f64 = row.iter().map(|value| value * value).sum();
        self.second += square;
        self.fourth += square * square;
        for (sum, value) in self.weighted.iter_mut().zip(row) {
            *sum += square * value;
        }
    }

    /// The mean of `|y - o|^4 = (|y|^2 - 2 o.y + |o|^2)^2` over the `n` rows `y`, whose mean is the
    /// `offset` `o` and whose sum of products `y y^T` is `gram`.
    fn about(&self, offset: &[f64], gram: &[f64], n: f64) -> f64 {
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let square = dot(offset, offset);
        let projected: f64 = gram
            .chunks_exact(offset.len())
            .zip(offset)
            .map(|(line, o)| o * dot(line, offset))
            .sum();
        let sum = self.fourth + 4.0 * projected + n * square * square
            - 4.0 * dot(offset, &self.weighted)
            + 2.0 * square * self.second
            - 4.0 * square * n * square;
        (sum / n).max(0.0)
    }
}

fn mean(block: MatrixView<'_>) -> Vec<f64> {
    let mut mean = vec![0.0; block.cols()];
    for row in block.data().chunks_exact(block.cols()) {
        for (mean, &value) in mean.iter_mut().zip(row) {
            *mean += f64::from(value);
        }
    }
    mean.iter_mut()
        .for_each(|mean| *mean /= block.rows() as f64);
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embeddings_and_labels;

    #[test]
    fn one_pass_agrees_with_two_even_far_from_zero() {
        let (mut z, _) = embeddings_and_labels(5000, 6, 3, 1);
        for (i, row) in z.data_mut().chunks_mut(6).enumerate() {
            row[1] = 0.1;
            row[2] = row[2] * 1e-2 + 1e4;
            row[3] = if i % 2 == 0 { 0.0 } else { row[3] };
        }
        z.data_mut()[..6].fill(0.0);
        let sampled = [0, 17, 4999];
        let (moments, sample) = Moments::measure(&z.view(), &sampled).unwrap();
        assert_eq!(
            (moments.rows, moments.dims(), moments.zero_rows),
            (5000, 6, 1)
        );
        for (place, &row) in sampled.iter().enumerate() {
            assert_eq!(sample.view().row(place), z.view().row(row));
        }
        let column = |j: usize| -> Vec<f64> {
            z.data()
                .iter()
                .skip(j)
                .step_by(6)
                .map(|&v| v.into())
                .collect()
        };
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        for i in 0..6 {
            let (a, m) = (column(i), mean(&column(i)));
            assert!((moments.mean[i] - m).abs() <= 1e-12 * m.abs().max(1.0));
            for j in 0..6 {
                let (b, n) = (column(j), mean(&column(j)));
                let expected = a
                    .iter()
                    .zip(&b)
                    .map(|(a, b)| (a - m) * (b - n))
                    .sum::<f64>()
                    / 5000.0;
                let found = moments.covariance[i * 6 + j];
                assert!(
                    (found - expected).abs() < 1e-10 * expected.abs().max(1.0),
                    "{i} {j}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn the_fourth_moment_is_about_the_mean_of_all_rows() {
        let (mut z, _) = embeddings_and_labels(6000, 5, 3, 2);
        // The first block is elsewhere, so that its mean is not that of all.
        for (i, row) in z.data_mut().chunks_mut(5).enumerate() {
            row[3] += if i < 4096 { 3.0 } else { -20.0 };
        }
        let (moments, _) = Moments::measure(&z.view(), &[]).unwrap();
        let expected = z
            .data()
            .chunks(5)
            .map(|row| {
                let square = row
                    .iter()
                    .zip(&moments.mean)
                    .map(|(&v, m)| (f64::from(v) - m).powi(2));
                square.sum::<f64>().powi(2)
            })
            .sum::<f64>()
            / 6000.0;
        assert!((moments.fourth / expected - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_finite_is_found_in_its_row() {
        let mut z = Matrix::zeros(30_000, 3);
        z.data_mut()[3 * 29_000 + 2] = f32::NAN;
        let error = Moments::measure(&z.view(), &[]).err().unwrap().to_string();
        assert_eq!(
            error,
            "the embeddings hold NaN at row 29000, column 2, expected a finite number"
        );
    }
}
