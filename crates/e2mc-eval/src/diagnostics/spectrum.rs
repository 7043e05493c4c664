//! How many directions the embeddings use: the spectrum of their covariance and what is read from
//! it.
//!
//! - spectrum: the eigenvalues `l_1 >= l_2 >= ...` of the covariance matrix (population, `1/n`),
//!   all rows;
//! - participation ratio `(sum l)^2 / sum l^2`: the number of equally strong directions that would
//!   be as concentrated;
//! - RankMe (Garrido et al. 2023, Eq. 1): `exp(-sum p ln p)`, `p_k = s_k / sum s + 1e-7`, over the
//!   singular values `s` of the embeddings as they are, not centred;
//! - alpha (alpha-ReQ, Agrawal et al. 2022): `l_i ~ i^-alpha`, by least squares on logarithms over
//!   the ranks 3 to 100, rank i with weight 1/i. Near 1 is the decay that the authors find with
//!   good features; more is a spectrum that falls faster.
//!
//! Singular values come from the eigenvalues of `Z^T Z`, or of `Z Z^T` where there are fewer rows
//! than dimensions, in float64: those under some `1e-7` of the largest cannot be told from 0 and
//! count as 0, as in float32 data they should.
//!
//! The floor is what rounding alone gives: a value `v` that was computed in `b` bits is off by a
//! few units, about `4 * 2^-b v` at most, so each dimension has noise of variance
//! `16 * 2^-2b v^2 / 3`, and `n` rows of `d` such dimensions have eigenvalues of up to
//! `(1 + sqrt(d / n))^2` times that (Marchenko and Pastur). Below it the spectrum is of the
//! arithmetic, not of the model.

use e2mc::{Matrix, MatrixView};
use half::{bf16, f16};

use super::eigenvalues::eigenvalues;
use super::gram::Gram;
use super::moments::Moments;
use crate::Error;

/// Added to each share of RankMe, as its authors do.
const RANKME_EPSILON: f64 = 1e-7;
/// Ranks over which alpha is fitted, counted from 1, both included.
const ALPHA_RANKS: (usize, usize) = (3, 100);

/// The directions of the embeddings, by strength.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Spectrum {
    /// RankMe: from about 1 to the number of dimensions (or rows, where there are fewer).
    pub rankme: f64,
    /// `(sum l)^2 / sum l^2` of the covariance's eigenvalues; 0 where all are 0.
    pub participation_ratio: f64,
    /// The decay of the spectrum, `l_i ~ i^-alpha`; none if fewer than 3 of the ranks have a
    /// positive eigenvalue.
    pub alpha: Option<f64>,
    /// The share of the variance in the strongest direction, 0 to 1.
    pub top_share: f64,
    /// Directions that hold 99 % of the variance.
    pub directions_99: usize,
    /// Eigenvalues below this may come from rounding alone.
    pub floor: f64,
    /// The eigenvalues of the covariance, largest first: as many as there are dimensions, or rows
    /// where there are fewer.
    pub eigenvalues: Vec<f64>,
}

impl Spectrum {
    /// From the moments of all rows and some of the rows; `all` are the rows themselves where there
    /// are fewer of them than dimensions.
    pub(super) fn measure(
        moments: &Moments,
        some: &Matrix,
        all: Option<&Matrix>,
    ) -> Result<Self, Error> {
        let (n, d) = (moments.rows as f64, moments.dims());
        let (centred, raw) = match all {
            Some(rows) if rows.rows() < d => {
                let size = rows.rows();
                let mut centred = of_rows(rows.view(), &moments.mean);
                centred.iter_mut().for_each(|value| *value /= n);
                let raw = of_rows(rows.view(), &vec![0.0; d]);
                both(&centred, &raw, size)?
            }
            _ => {
                let mut raw = moments.covariance.clone();
                for (line, mean) in raw.chunks_exact_mut(d).zip(&moments.mean) {
                    for (value, other) in line.iter_mut().zip(&moments.mean) {
                        *value += mean * other;
                    }
                }
                both(&moments.covariance, &raw, d)?
            }
        };
        let centred = without_noise(centred);
        let singular: Vec<f64> = without_noise(raw).into_iter().map(f64::sqrt).collect();
        let total: f64 = centred.iter().sum();
        let squares: f64 = centred.iter().map(|l| l * l).sum();
        Ok(Self {
            rankme: rankme(&singular),
            participation_ratio: if squares > 0.0 {
                total * total / squares
            } else {
                0.0
            },
            alpha: alpha(&centred),
            top_share: if total > 0.0 { centred[0] / total } else { 0.0 },
            directions_99: directions(&centred, 0.99),
            floor: floor(moments, bits(some.data())),
            eigenvalues: centred,
        })
    }
}

/// The largest eigenvalue that rounding to so many bits gives.
fn floor(moments: &Moments, bits: i32) -> f64 {
    let (n, d) = (moments.rows as f64, moments.dims() as f64);
    let variances = moments.covariance.iter().step_by(moments.dims() + 1);
    let squares = variances
        .zip(&moments.mean)
        .map(|(v, mean)| v + mean * mean);
    let noise = 16.0 * 2f64.powi(-2 * bits) / 3.0 * squares.sum::<f64>() / d;
    noise * (1.0 + (d / n).sqrt()).powi(2)
}

/// The bits of the values' type, as far as the values tell: 11 of float16, 8 of bfloat16, else 24.
/// Whole numbers are exact in any of them.
fn bits(values: &[f32]) -> i32 {
    let all = |holds: fn(f32) -> bool| values.iter().all(|&value| holds(value));
    if all(|value| value.fract() == 0.0) {
        24
    } else if all(|value| bf16::from_f32(value).to_f32() == value) {
        8
    } else if all(|value| f16::from_f32(value).to_f32() == value) {
        11
    } else {
        24
    }
}

/// The eigenvalues of two matrices, each on its own core.
fn both(a: &[f64], b: &[f64], order: usize) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let (a, b) = rayon::join(|| eigenvalues(a, order), || eigenvalues(b, order));
    Ok((a?, b?))
}

/// `(X - c)(X - c)^T` of a few wide rows.
pub(super) fn of_rows(rows: MatrixView<'_>, centre: &[f64]) -> Vec<f64> {
    /// Columns of `X` that are handed on together.
    const COLUMNS: usize = 256;
    let (n, d) = (rows.rows(), rows.cols());
    let mut gram = Gram::new(n);
    let mut block = Vec::new();
    for first in (0..d).step_by(COLUMNS) {
        let columns = first..d.min(first + COLUMNS);
        block.clear();
        for j in columns {
            block.extend((0..n).map(|i| f64::from(rows.row(i)[j]) - centre[j]));
        }
        gram.add(&block);
    }
    gram.into_matrix()
}

/// Eigenvalues that rounding alone can make are 0.
fn without_noise(mut values: Vec<f64>) -> Vec<f64> {
    let floor = values.len() as f64 * f64::EPSILON * values.first().copied().unwrap_or(0.0);
    for value in &mut values {
        if *value <= floor {
            *value = 0.0;
        }
    }
    values
}

fn rankme(singular: &[f64]) -> f64 {
    let total: f64 = singular.iter().sum();
    if total <= 0.0 {
        return 0.0;
    }
    let entropy: f64 = singular
        .iter()
        .map(|s| s / total + RANKME_EPSILON)
        .map(|p| -p * p.ln())
        .sum();
    entropy.exp()
}

/// The weighted least-squares slope of `ln l_i` over `-ln i`.
fn alpha(eigenvalues: &[f64]) -> Option<f64> {
    let (from, to) = ALPHA_RANKS;
    let points: Vec<(f64, f64, f64)> = (from..=to.min(eigenvalues.len()))
        .filter(|&i| eigenvalues[i - 1] > 0.0)
        .map(|i| (1.0 / i as f64, (i as f64).ln(), eigenvalues[i - 1].ln()))
        .collect();
    if points.len() < 3 {
        return None;
    }
    let weight: f64 = points.iter().map(|p| p.0).sum();
    let x: f64 = points.iter().map(|p| p.0 * p.1).sum::<f64>() / weight;
    let y: f64 = points.iter().map(|p| p.0 * p.2).sum::<f64>() / weight;
    let along: f64 = points.iter().map(|p| p.0 * (p.1 - x) * (p.2 - y)).sum();
    let across: f64 = points.iter().map(|p| p.0 * (p.1 - x).powi(2)).sum();
    Some(-along / across)
}

fn directions(eigenvalues: &[f64], share: f64) -> usize {
    let total: f64 = eigenvalues.iter().sum();
    let mut sum = 0.0;
    for (i, value) in eigenvalues.iter().enumerate() {
        if sum >= share * total {
            return i;
        }
        sum += value;
    }
    eigenvalues.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SplitMix;

    fn spectrum(z: &Matrix) -> Spectrum {
        let (moments, _) = Moments::measure(&z.view(), &[]).unwrap();
        Spectrum::measure(&moments, z, (z.rows() < z.cols()).then_some(z)).unwrap()
    }

    /// `rows` samples of `rank` equally strong directions in `dims` dimensions.
    fn of_rank(rows: usize, dims: usize, rank: usize, seed: u64) -> Matrix {
        let mut random = SplitMix(seed);
        let mix: Vec<f32> = (0..rank * dims).map(|_| random.normal()).collect();
        let data = (0..rows)
            .flat_map(|_| {
                let hidden: Vec<f32> = (0..rank).map(|_| random.normal()).collect();
                let mix = &mix;
                (0..dims)
                    .map(move |j| {
                        (0..rank)
                            .map(|k| hidden[k] * mix[k * dims + j])
                            .sum::<f32>()
                    })
                    .collect::<Vec<f32>>()
            })
            .collect();
        Matrix::new(data, rows, dims).unwrap()
    }

    #[test]
    fn an_orthogonal_cube_uses_every_direction_equally() {
        // The corners of a cube: covariance I exactly, mean 0.
        let dims = 6;
        let data = (0..64)
            .flat_map(|i| (0..dims).map(move |j| if i >> j & 1 == 1 { 1.0 } else { -1.0 }))
            .collect();
        let found = spectrum(&Matrix::new(data, 64, dims).unwrap());
        assert!(found.eigenvalues.iter().all(|l| (l - 1.0).abs() < 1e-12));
        assert!((found.participation_ratio - 6.0).abs() < 1e-12);
        assert!((found.rankme - 6.0).abs() < 1e-5);
        assert!(found.alpha.unwrap().abs() < 1e-10);
        assert_eq!(found.directions_99, 6);
    }

    #[test]
    fn a_low_rank_is_found_by_tall_and_by_wide_matrices() {
        for (rows, dims) in [(2000, 40), (60, 300)] {
            let found = spectrum(&of_rank(rows, dims, 5, 2));
            let nonzero = found
                .eigenvalues
                .iter()
                .filter(|&&l| l > 1e-6 * found.eigenvalues[0]);
            assert_eq!(nonzero.count(), 5, "{rows} x {dims}");
            assert!(
                found.rankme > 4.0 && found.rankme < 5.05,
                "{}",
                found.rankme
            );
            assert!(found.participation_ratio > 3.0 && found.participation_ratio <= 5.0);
            assert!(found.directions_99 <= 5);
        }
    }

    #[test]
    fn the_floor_lies_between_what_is_there_and_what_rounding_adds() {
        let halves = |z: &Matrix| {
            let values = z.data().iter().map(|&v| f16::from_f32(v).to_f32());
            Matrix::new(values.collect(), z.rows(), z.cols()).unwrap()
        };
        for (rows, dims) in [(2000, 40), (60, 300)] {
            let single = of_rank(rows, dims, 5, 2);
            for z in [halves(&single), single] {
                let found = spectrum(&z);
                let above = found.eigenvalues.iter().filter(|&&l| l > found.floor);
                assert_eq!(above.count(), 5, "{rows} x {dims}: {}", found.floor);
            }
        }
        // Whole numbers are exact, however few bits they have.
        assert_eq!(
            (bits(&[3.0, 1.0]), bits(&[0.5, 1.0]), bits(&[0.1])),
            (24, 8, 24)
        );
        assert_eq!(bits(&[f16::from_f32(0.1).to_f32()]), 11);
    }

    #[test]
    fn rows_and_columns_give_the_same_spectrum() {
        // 50 x 50 by either way.
        let z = of_rank(50, 50, 50, 3);
        let (moments, _) = Moments::measure(&z.view(), &[]).unwrap();
        let by_columns = eigenvalues(&moments.covariance, 50).unwrap();
        let by_rows = eigenvalues(&of_rows(z.view(), &moments.mean), 50).unwrap();
        for (a, b) in by_columns.iter().zip(&by_rows) {
            assert!((a - b / 50.0).abs() < 1e-9 * by_columns[0]);
        }
    }

    #[test]
    fn one_point_has_no_directions() {
        let found = spectrum(&Matrix::new(vec![0.25; 40], 10, 4).unwrap());
        assert_eq!(
            (found.participation_ratio, found.alpha, found.top_share),
            (0.0, None, 0.0)
        );
        assert!((found.rankme - 1.0).abs() < 1e-4, "{}", found.rankme);
        assert_eq!(spectrum(&Matrix::zeros(4, 3)).rankme, 0.0);
    }

    #[test]
    fn a_power_law_gives_its_exponent() {
        for exponent in [0.5, 1.0, 2.3] {
            let values: Vec<f64> = (1..=300).map(|i| f64::from(i).powf(-exponent)).collect();
            assert!((alpha(&values).unwrap() - exponent).abs() < 1e-10);
        }
        assert_eq!(alpha(&[1.0, 1.0, 1.0, 1.0]), None);
    }
}
