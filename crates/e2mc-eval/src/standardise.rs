//! Features of mean 0 and standard deviation 1.

use e2mc::{Matrix, MatrixView};
use rayon::prelude::*;

/// Rows summed by one task; fixed, so that the sums do not depend on the number of threads.
const ROWS: usize = 1024;

/// The mean and the standard deviation (of the population, `1/n`) of each training feature.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standardiser {
    mean: Vec<f64>,
    /// One over the standard deviation; 0 for a constant feature, which then is 0 everywhere.
    scale: Vec<f64>,
}

impl Standardiser {
    /// Measures the features of `train` `(n, d)`, `n` and `d` at least 1, in float64 and two
    /// passes.
    pub(crate) fn measure(train: MatrixView<'_>) -> Self {
        let (n, dims) = (train.rows() as f64, train.cols());
        let mut mean = sum_of_rows(train, |sums, row| {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        });
        mean.iter_mut().for_each(|m| *m /= n);
        let squares = sum_of_rows(train, |sums, row| {
            for ((sum, &value), mean) in sums.iter_mut().zip(row).zip(&mean) {
                *sum += (f64::from(value) - mean).powi(2);
            }
        });
        let first = train.row(0);
        let mut varies = vec![false; dims];
        for row in train.data().chunks_exact(dims) {
            for ((varies, value), first) in varies.iter_mut().zip(row).zip(first) {
                *varies |= value != first;
            }
        }
        // The rounding of the mean leaves a constant feature some variance, so variance cannot
        // tell.
        let scale = squares
            .iter()
            .zip(varies)
            .map(|(sum, varies)| {
                if varies {
                    (sum / n).sqrt().recip()
                } else {
                    0.0
                }
            })
            .collect();
        Self { mean, scale }
    }

    /// The standardised copy of `features` `(n, d)`.
    pub(crate) fn apply(&self, features: MatrixView<'_>) -> Matrix {
        let dims = self.mean.len();
        let mut out = Matrix::zeros(features.rows(), dims);
        let rows = features.data().par_chunks(ROWS * dims);
        out.data_mut()
            .par_chunks_mut(ROWS * dims)
            .zip(rows)
            .for_each(|(out, rows)| {
                for (out, row) in out.chunks_exact_mut(dims).zip(rows.chunks_exact(dims)) {
                    for (((out, &value), mean), scale) in
                        out.iter_mut().zip(row).zip(&self.mean).zip(&self.scale)
                    {
                        *out = ((f64::from(value) - mean) * scale) as f32;
                    }
                }
            });
        out
    }
}

/// The rows of `matrix` `(n, d)` at length 1; rows of zeros stay.
pub fn unit_length(matrix: MatrixView<'_>) -> Matrix {
    let mut out = Matrix::zeros(matrix.rows(), matrix.cols());
    let cols = matrix.cols().max(1);
    let rows = out.data_mut().par_chunks_mut(cols);
    rows.zip(matrix.data().par_chunks(cols))
        .for_each(|(out, row)| {
            let scale = inverse_norm(row);
            for (out, &value) in out.iter_mut().zip(row) {
                *out = (f64::from(value) * scale) as f32;
            }
        });
    out
}

/// One over the length of `row`, or 0 for a row of zeros; in float64 the squares neither overflow
/// nor vanish.
pub(crate) fn inverse_norm(row: &[f32]) -> f64 {
    let squares: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    if squares > 0.0 {
        squares.sqrt().recip()
    } else {
        0.0
    }
}

fn sum_of_rows(matrix: MatrixView<'_>, add: impl Fn(&mut [f64], &[f32]) + Sync) -> Vec<f64> {
    let dims = matrix.cols();
    let parts: Vec<Vec<f64>> = matrix
        .data()
        .par_chunks(ROWS * dims)
        .map(|rows| {
            let mut sums = vec![0.0; dims];
            rows.chunks_exact(dims).for_each(|row| add(&mut sums, row));
            sums
        })
        .collect();
    let mut total = vec![0.0; dims];
    for part in parts {
        total
            .iter_mut()
            .zip(part)
            .for_each(|(total, sum)| *total += sum);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{embeddings_and_labels, in_pool};

    #[test]
    fn training_features_get_mean_0_and_deviation_1_and_constants_0() {
        let (mut train, _) = embeddings_and_labels(2500, 5, 3, 1);
        for row in train.data_mut().chunks_mut(5) {
            row[1] = 0.1; // not exactly representable: its mean is rounded
            row[2] = row[2] * 1e-3 + 1e4; // far from zero
            row[3] *= 1e-25; // squares vanish in float32
        }
        let out = Standardiser::measure(train.view()).apply(train.view());
        for c in 0..5 {
            let column: Vec<f64> = out
                .data()
                .iter()
                .skip(c)
                .step_by(5)
                .map(|&v| v.into())
                .collect();
            let mean = column.iter().sum::<f64>() / 2500.0;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2500.0;
            assert!(mean.abs() < 1e-6, "{c}: {mean}");
            let expected = if c == 1 { 0.0 } else { 1.0 };
            assert!((variance - expected).abs() < 1e-5, "{c}: {variance}");
        }
    }

    #[test]
    fn rows_get_length_1_and_zeros_stay() {
        let m = Matrix::new(vec![3.0, 4.0, 0.0, 0.0, 0.0, 1e-30], 3, 2).unwrap();
        assert_eq!(unit_length(m.view()).data(), [0.6, 0.8, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (train, _) = embeddings_and_labels(5000, 7, 3, 2);
        let run = |threads| in_pool(threads, || Standardiser::measure(train.view()));
        assert_eq!(run(1), run(3));
    }
}
