//! See an embedding: what its dimensions, directions and neighbourhoods look like, without labels.
//!
//! [`diagnose`] goes over the rows three times, a block at a time, so that embeddings that do not
//! fit in memory are read from their file: means, covariances and what follows from them are of all
//! rows. What needs rows side by side is of a sample where there are too many, and says so: the
//! marginal entropies, the uniformity, the pairs of dimensions, and the query rows for their
//! neighbours (all rows may answer). Every figure depends on the rows and the seed alone.
//!
//! `docs/diagnostics.md` defines each figure and names its source.

mod dimensions;
mod eigenvalues;
mod gram;
mod histogram;
mod lidar;
mod marginals;
pub(crate) mod moments;
mod neighbours;
mod pairs;
mod plane;
pub(crate) mod rows;
mod spectrum;
mod surroundings;
mod uniformity;

use e2mc::{Criterion, Matrix, Transform};

use crate::{Error, Rows};
use moments::Moments;
use neighbours::Queries;
use rows::{pick, spread_rows};

pub use dimensions::{CorrelatedPair, Dimensions};
pub use lidar::lidar;
pub use marginals::Marginals;
pub use neighbours::Neighbours;
pub use pairs::{Pair, Pairs, unit_square};
pub use plane::{Plane, turned};
pub use spectrum::Spectrum;
pub use surroundings::{Asked, NEAREST, Placed, Surroundings};
pub use uniformity::{Uniformity, alignment};

/// What to look at, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The map to the unit interval.
    pub transform: Transform,
    /// Added to each spacing inside the logarithm of the marginal entropy; positive and finite.
    pub epsilon: f32,
    /// Seed of the samples.
    pub seed: u64,
    /// Rows kept in memory for the marginal entropies, at least 2.
    pub marginal_rows: usize,
    /// Rows that ask for their neighbours, at least 2.
    pub queries: usize,
    /// Rows whose pairs give the uniformity, at least 2.
    pub uniformity_rows: usize,
    /// Rows that the pairs of dimensions are looked at with, at least 2.
    pub pair_rows: usize,
}

impl Config {
    /// The most columns: their covariance matrix takes `8 d^2` bytes, 2 GiB here.
    pub const MOST_COLUMNS: usize = 16_384;

    /// The usual extent for `cols` columns: a sample of 512 MiB at most, 5,000 query rows.
    pub fn new(transform: Transform, cols: usize) -> Self {
        const SAMPLE: usize = 512 << 20;
        let epsilon = match transform {
            Transform::Sigmoid => Criterion::vicreg().epsilon,
            Transform::Gaussian => Criterion::swav().epsilon,
        };
        Self {
            transform,
            epsilon,
            seed: 0,
            marginal_rows: (SAMPLE / (4 * cols.max(1))).clamp(1024, 1 << 18),
            queries: 5000,
            uniformity_rows: 8192,
            pair_rows: 2048,
        }
    }

    fn check(&self) -> Result<(), Error> {
        for (name, value) in [
            ("rows for the marginal entropies", self.marginal_rows),
            ("rows that ask for neighbours", self.queries),
            ("rows for the uniformity", self.uniformity_rows),
            ("rows for the pairs of dimensions", self.pair_rows),
        ] {
            if value < 2 {
                return Err(Error::Setting {
                    name,
                    value: value.to_string(),
                    expected: "at least 2",
                });
            }
        }
        Ok(())
    }
}

/// What an embedding looks like.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Diagnostics {
    /// Rows.
    pub rows: usize,
    /// Dimensions.
    pub dims: usize,
    /// Rows of nothing but zeros.
    pub zero_rows: usize,
    /// Computed from all rows.
    pub dimensions: Dimensions,
    /// Computed from all rows.
    pub spectrum: Spectrum,
    /// Rows that the marginals are of.
    pub marginal_rows: usize,
    /// Computed from those rows, after the transform.
    pub marginals: Marginals,
    /// Computed from a sample; `None` if fewer than two of its rows have a direction.
    pub uniformity: Option<Uniformity>,
    /// Neighbours of sampled query rows, searched among all rows.
    pub neighbours: Neighbours,
    /// Computed from a sample of the rows and of the live dimensions; `None` for fewer than 20 rows
    /// or two dimensions.
    pub pairs: Option<Pairs>,
}

/// Measures the embeddings that `source` holds.
///
/// Time: `n d^2` operations for the covariance, `2 q n d` for `q` query rows, `d^3` for the
/// spectrum. Memory: the sample of [`Config::marginal_rows`] three times, some matrices of `d x d`
/// float64, and a block.
///
/// # Errors
/// Fewer than two rows or columns, more than [`Config::MOST_COLUMNS`] columns, a value that is not
/// finite, a setting out of its range, or a file that cannot be read.
pub fn diagnose(source: &dyn Rows, config: &Config) -> Result<Diagnostics, Error> {
    let (rows, dims) = (source.rows(), source.cols());
    rows::check_shape(rows, dims)?;
    config.check()?;
    // With fewer rows than dimensions, the spectrum needs all rows.
    let wanted = config.marginal_rows.max(if rows < dims { rows } else { 0 });
    let sampled = spread_rows(rows, wanted, config.seed);
    let (moments, sample) = Moments::measure(source, &sampled)?;
    let dimensions = Dimensions::measure(&moments);
    let spectrum = Spectrum::measure(&moments, &sample, (rows < dims).then_some(&sample))?;
    let marginals = Marginals::measure(sample.view(), config.transform, config.epsilon)?;
    let part = |count| sample_rows(&sample.view(), count, config.seed);
    let uniformity = Uniformity::measure(part(config.uniformity_rows)?.view());
    let pairs = Pairs::measure(
        part(config.pair_rows)?.view(),
        &marginals.entropy,
        &dimensions.live(),
        |i, j| moments.correlation(i, j),
        config.seed,
    );
    let asking = spread_rows(sample.rows(), config.queries, config.seed);
    let queries = Queries {
        values: pick(&sample.view(), &asking)?,
        places: asking.iter().map(|&row| sampled[row]).collect(),
    };
    let marginal_rows = sample.rows();
    drop(sample);
    let neighbours = Neighbours::measure(source, &queries)?;
    Ok(Diagnostics {
        rows,
        dims,
        zero_rows: moments.zero_rows,
        dimensions,
        spectrum,
        marginal_rows,
        marginals,
        uniformity,
        neighbours,
        pairs,
    })
}

/// The rows of `source` that [`diagnose`] shows in pictures: `count` of them, evenly spread, the
/// same for the same seed.
///
/// # Errors
/// A file that cannot be read.
pub fn sample_rows(source: &dyn Rows, count: usize, seed: u64) -> Result<Matrix, Error> {
    pick(source, &spread_rows(source.rows(), count, seed))
}

#[cfg(test)]
mod tests;
