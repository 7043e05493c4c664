//! What every closed-form map is made of: one pass over the rows, and the directions of their
//! covariance.
//!
//! Products and sums are float64 ([`Gram`](crate::diagnostics)): sums of float32 products hide
//! every direction with less than some thousandths of the largest deviation, and those are the
//! directions that whitening divides by (`sums_in_float32_would_hide_weak_directions` below shows
//! it). Cost: `n d^2` operations for the products, about `9 d^3` for the directions; memory: a
//! block of 8 MiB three times, and some matrices of `d x d` float64, whatever the number of rows.

use std::sync::OnceLock;

use faer::{MatRef, Side};
use sha2::{Digest, Sha256};

use crate::diagnostics::Config;
use crate::diagnostics::moments::Moments;
use crate::{Error, Rows};

/// Means and covariances of rows, from which maps are made.
pub struct Statistics {
    moments: Moments,
    fingerprint: String,
    eigen: OnceLock<Eigen>,
}

/// The directions of a covariance.
pub(super) struct Eigen {
    /// Variances, largest first.
    pub(super) values: Vec<f64>,
    /// `(d, d)`, row-major: row `k` is the direction of variance `k`, of length 1.
    pub(super) vectors: Vec<f64>,
}

impl Statistics {
    /// Goes through `rows` `(n, d)` once, a block at a time.
    ///
    /// # Errors
    /// Fewer than two rows, no columns or more than [`Config::MOST_COLUMNS`], a value that is not
    /// finite, a file that cannot be read.
    pub fn measure(rows: &dyn Rows) -> Result<Self, Error> {
        let (count, dims) = (rows.rows(), rows.cols());
        if count < 2 {
            return Err(Error::TooFewRows { rows: count });
        }
        if dims == 0 {
            return Err(Error::NoColumns {
                set: "the",
                rows: count,
            });
        }
        if dims > Config::MOST_COLUMNS {
            return Err(Error::TooManyColumns {
                cols: dims,
                limit: Config::MOST_COLUMNS,
            });
        }
        let (moments, _) = Moments::measure(rows, &[])?;
        let mut hash = Sha256::new();
        hash.update((count as u64).to_le_bytes());
        hash.update((dims as u64).to_le_bytes());
        let diagonal = moments.covariance.iter().step_by(dims + 1);
        for value in moments.mean.iter().chain(diagonal) {
            hash.update(value.to_le_bytes());
        }
        let fingerprint = hex(&hash.finalize());
        Ok(Self {
            moments,
            fingerprint,
            eigen: OnceLock::new(),
        })
    }

    /// The number of rows `n`.
    pub fn rows(&self) -> usize {
        self.moments.rows
    }

    /// The number of columns `d`.
    pub fn dims(&self) -> usize {
        self.moments.dims()
    }

    /// The mean of each dimension.
    pub fn mean(&self) -> &[f64] {
        &self.moments.mean
    }

    /// The covariance matrix `(d, d)`, row-major, of the population (`1/n`).
    pub fn covariance(&self) -> &[f64] {
        &self.moments.covariance
    }

    /// The mean of the fourth power of the rows' distance to their mean.
    pub(super) fn fourth(&self) -> f64 {
        self.moments.fourth
    }

    /// The standard deviation of each dimension, of the population; 0 exactly for a constant one.
    pub fn deviations(&self) -> Vec<f64> {
        self.moments.deviations()
    }

    /// The mean of the dimensions' variances.
    pub fn mean_variance(&self) -> f64 {
        let d = self.dims();
        let trace: f64 = self.covariance().iter().step_by(d + 1).sum();
        trace / d as f64
    }

    /// Tells these rows from others: it changes with any value, up to rounding of the means and
    /// variances in float64, and not with the file's format or the number of threads.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The directions of the covariance; found at the first call.
    ///
    /// # Errors
    /// If the iteration does not converge.
    pub(super) fn eigen(&self) -> Result<&Eigen, Error> {
        if let Some(eigen) = self.eigen.get() {
            return Ok(eigen);
        }
        let order = self.dims();
        let found = MatRef::from_row_major_slice(self.covariance(), order, order)
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| Error::Eigenvalues { order })?;
        let (u, s) = (found.U(), found.S());
        let backwards = || (0..order).rev();
        let values = backwards().map(|k| s[k]).collect();
        let vectors = backwards()
            .flat_map(|k| (0..order).map(move |row| u[(row, k)]))
            .collect();
        Ok(self.eigen.get_or_init(|| Eigen { values, vectors }))
    }
}

impl std::fmt::Debug for Statistics {
    /// The size; the matrices would fill screens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statistics")
            .field("rows", &self.rows())
            .field("dims", &self.dims())
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SplitMix, embeddings_and_labels, in_pool};
    use e2mc::Matrix;

    #[test]
    fn directions_are_orthonormal_and_make_up_the_covariance() {
        let (z, _) = embeddings_and_labels(300, 9, 3, 1);
        let statistics = Statistics::measure(&z.view()).unwrap();
        let Eigen { values, vectors } = statistics.eigen().unwrap();
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
        for i in 0..9 {
            for j in 0..9 {
                let along = |k: usize, at: usize| vectors[9 * k + at];
                let product: f64 = (0..9).map(|at| along(i, at) * along(j, at)).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
                let sum: f64 = (0..9).map(|k| values[k] * along(k, i) * along(k, j)).sum();
                assert!((sum - statistics.covariance()[9 * i + j]).abs() < 1e-12 * values[0]);
            }
        }
    }

    /// Two dimensions that differ by a thousandth: the weak direction has 2.5e-7 of the variance.
    #[test]
    fn sums_in_float32_would_hide_weak_directions() {
        let mut random = SplitMix(5);
        let n = 40_000;
        let data: Vec<f32> = (0..n)
            .flat_map(|_| {
                let common = random.normal();
                [common, common + 1e-3 * random.normal()]
            })
            .collect();
        let z = Matrix::new(data, n, 2).unwrap();
        let statistics = Statistics::measure(&z.view()).unwrap();
        // By definition, on the difference itself.
        let differences: Vec<f64> = z
            .data()
            .chunks(2)
            .map(|row| f64::from(row[0]) - f64::from(row[1]))
            .collect();
        let mean = differences.iter().sum::<f64>() / n as f64;
        let expected = differences.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64 / 2.0;
        let weak = |c: &[f64]| (c[0] + c[3]) / 2.0 - c[1];
        let found = statistics.eigen().unwrap().values[1];
        assert!((found / expected - 1.0).abs() < 1e-2, "{found} {expected}");
        assert!((weak(statistics.covariance()) / expected - 1.0).abs() < 1e-2);

        // The same by products in float32 over blocks of 1024 rows, added up in float64.
        let mut sums = [0.0_f64; 4];
        for block in z.data().chunks(2 * 1024) {
            let mut part = [0.0_f32; 4];
            for row in block.chunks(2) {
                for (part, (i, j)) in part.iter_mut().zip([(0, 0), (0, 1), (1, 0), (1, 1)]) {
                    *part += row[i] * row[j];
                }
            }
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum += f64::from(part);
            }
        }
        sums.iter_mut().for_each(|sum| *sum /= n as f64);
        let error = (weak(&sums) / expected - 1.0).abs();
        assert!(error > 0.1, "float32 would do: off by {error}");
    }

    #[test]
    fn a_fingerprint_depends_on_every_value_and_not_on_threads() {
        let (mut z, _) = embeddings_and_labels(3000, 4, 3, 1);
        let of = |z: &Matrix, threads| {
            in_pool(threads, || {
                let statistics = Statistics::measure(&z.view()).unwrap();
                statistics.fingerprint().to_owned()
            })
        };
        let first = of(&z, 1);
        assert_eq!(first, of(&z, 3));
        assert_eq!(first.len(), 64);
        z.data_mut()[7777] += 1e-3;
        assert_ne!(first, of(&z, 1));
    }

    #[test]
    fn bad_rows_are_told() {
        let message = |data: Vec<f32>, rows, cols| {
            let z = Matrix::new(data, rows, cols).unwrap();
            Statistics::measure(&z.view()).unwrap_err().to_string()
        };
        assert_eq!(
            message(vec![1.0, 2.0], 1, 2),
            "the embeddings have 1 row(s), expected at least 2"
        );
        assert_eq!(
            message(vec![], 2, 0),
            "the embeddings have 2 rows of 0 dimensions, expected at least 1"
        );
        assert_eq!(
            message(vec![1.0, 2.0, f32::NAN, 0.0], 2, 2),
            "the embeddings hold NaN at row 1, column 0, expected a finite number"
        );
    }
}
