//! Variance and covariance regularisation: VICReg's two terms without its invariance.
//!
//! On the columns of `X` `(n, d)`, which is the embedding with rows of unit length (hypersphere) or
//! as it is (projector):
//! - variance: `mean_j max(0, t - sqrt(var_j + 1e-4))` with the unbiased variance and the target
//!   `t`, `1 / sqrt d` on the hypersphere, where that is the most that all columns can have, and 1
//!   else;
//! - covariance: `sum_{j != k} C_jk^2 / d` with `C = X_c^T X_c / (n - 1)`.
//!
//! `loss = variance_weight * variance + covariance_weight * covariance`. Checked against the
//! numbers of the E2MC authors' code (paper, Table 3). As in [`crate::Criterion`], for `n < d` the
//! `n x n` product gives the covariance and its gradient.

use super::check_coefficient;
use super::unit::Rows;
use crate::covariance::{Gram, subtract_diagonal};
use crate::panels::{Panels, PanelsMut, Row, WIDTH, count};
use crate::product::{BLOCK, Finish, block_product};
use crate::{Error, MatrixView};
use e2mc_base::simd::{Kernel, Level, Simd};
use rayon::prelude::*;

/// Added to each variance, so that the root has a slope at 0.
const EPSILON: f64 = 1e-4;
/// Panels that are centred together.
const GROUP: usize = 4;

/// Where the statistics are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// On rows of unit length, with the target deviation `1 / sqrt d`.
    Hypersphere,
    /// On the embedding as it is, with the target deviation 1.
    Projector,
}

/// Variance and covariance regularisation of one view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vcreg {
    /// Where the statistics are taken.
    pub space: Space,
    /// Weight of the variance term, at least 0.
    pub variance: f64,
    /// Weight of the covariance term, at least 0.
    pub covariance: f64,
}

impl Default for Vcreg {
    /// The paper's ablation (Table 3): hypersphere, 0.1 and 0.001.
    fn default() -> Self {
        Self {
            space: Space::Hypersphere,
            variance: 0.1,
            covariance: 0.001,
        }
    }
}

/// The value of [`Vcreg`] on one view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VcregValue {
    /// Mean over the columns of what their deviation lacks, from 0 to the target.
    pub variance: f64,
    /// Sum of the squared off-diagonal covariances over `d`, at least 0.
    pub covariance: f64,
    /// The two, weighted.
    pub loss: f64,
}

impl Vcreg {
    /// The value on embeddings `z` `(n, d)`.
    ///
    /// # Errors
    /// Fewer than two rows, no columns, a value that is not finite, or a weight out of range.
    pub fn value(&self, z: MatrixView) -> Result<VcregValue, Error> {
        self.evaluate(Level::detect(), z, None)
    }

    /// The value on embeddings `z` `(n, d)`; writes `dloss/dz` `(n, d)`, row-major, to `gradient`.
    ///
    /// # Errors
    /// As [`Vcreg::value`], and if `gradient` does not hold `n * d` values.
    pub fn value_and_gradient(
        &self,
        z: MatrixView,
        gradient: &mut [f32],
    ) -> Result<VcregValue, Error> {
        z.check_gradient(gradient)?;
        self.evaluate(Level::detect(), z, Some(gradient))
    }

    pub(super) fn evaluate(
        &self,
        level: Level,
        z: MatrixView,
        gradient: Option<&mut [f32]>,
    ) -> Result<VcregValue, Error> {
        check_coefficient("variance weight", self.variance, true)?;
        check_coefficient("covariance weight", self.covariance, true)?;
        z.check_batch()?;
        let (n, d) = (z.rows() as f64, z.cols() as f64);
        let (rows, target) = match self.space {
            Space::Hypersphere => (Rows::unit(level, z)?, 1.0 / d.sqrt()),
            Space::Projector => (Rows::plain(z)?, 1.0),
        };
        let mut centred = rows.panels(level);
        let squares = centre(level, &mut centred, z.cols());
        let mut slopes = vec![0.0_f32; count(z.cols()) * WIDTH];
        let mut lack = 0.0;
        for (slope, square) in slopes.iter_mut().zip(&squares) {
            let deviation = (square / (n - 1.0) + EPSILON).sqrt();
            if deviation < target {
                lack += target - deviation;
                *slope = (-self.variance / (d * (n - 1.0) * deviation)) as f32;
            }
        }
        let mut gram = Gram::default();
        let scale = 1.0 / (d * (n - 1.0).powi(2));
        let covariance = gram.compute(level, &centred, z.cols(), &squares) * scale;
        let variance = lack / d;
        if let Some(gradient) = gradient {
            let backward = Backward {
                rows: &rows,
                centred: &centred,
                slopes: &slopes,
                gram: &gram,
                squares: &squares,
                weight: (4.0 * self.covariance * scale) as f32,
            };
            let blocks = gradient.par_chunks_mut(BLOCK * z.cols()).enumerate();
            blocks.for_each(|(index, gradient)| {
                let first = index * BLOCK;
                level.run(Block {
                    pass: backward,
                    first,
                    gradient,
                });
            });
        }
        Ok(VcregValue {
            variance,
            covariance,
            loss: self.variance * variance + self.covariance * covariance,
        })
    }
}

/// Takes the mean off each column. Returns the sums of the squares of what remains, one for each of
/// `cols` columns.
fn centre(level: Level, x: &mut Panels, cols: usize) -> Vec<f64> {
    let groups = x.groups_mut(GROUP);
    let squares = groups.map(|lines| level.run(Centre { lines }));
    // Collected in order: nothing is added up across threads.
    let squares: Vec<Vec<[f64; WIDTH]>> = squares.collect();
    squares.into_iter().flatten().flatten().take(cols).collect()
}

/// A few neighbouring panels to centre.
struct Centre<'a> {
    lines: PanelsMut<'a>,
}

impl Kernel for Centre<'_> {
    type Output = Vec<[f64; WIDTH]>;

    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) -> Vec<[f64; WIDTH]> {
        let mut all = Vec::with_capacity(self.lines.len());
        for panel in 0..self.lines.len() {
            let lines = self.lines.panel(panel);
            let mut mean = [0.0_f64; WIDTH];
            for line in lines.iter() {
                for lane in 0..WIDTH {
                    mean[lane] += f64::from(line[lane]);
                }
            }
            for lane in 0..WIDTH {
                mean[lane] /= lines.len() as f64;
            }
            let mut squares = [0.0_f64; WIDTH];
            for line in lines {
                for lane in 0..WIDTH {
                    let centred = f64::from(line[lane]) - mean[lane];
                    line[lane] = centred as f32;
                    squares[lane] += centred * centred;
                }
            }
            all.push(squares);
        }
        all
    }
}

/// What the pass over the rows needs to know.
#[derive(Clone, Copy)]
struct Backward<'a, 'z> {
    rows: &'a Rows<'z>,
    centred: &'a Panels,
    /// The variance term's gradient is this times the centred column.
    slopes: &'a [f32],
    gram: &'a Gram,
    squares: &'a [f64],
    weight: f32,
}

/// The rows from `first`, as many as `gradient` holds.
struct Block<'a, 'z, 'g> {
    pass: Backward<'a, 'z>,
    first: usize,
    gradient: &'g mut [f32],
}

impl Kernel for Block<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            pass,
            first,
            gradient,
        } = self;
        let cols = pass.rows.z().cols();
        let rows = gradient.len() / cols;
        let mut scatter = Scatter {
            pass,
            first,
            gradient: &mut *gradient,
        };
        if pass.weight == 0.0 {
            for panel in 0..count(cols) {
                scatter.finish(simd, panel, &mut [Row::default(); BLOCK][..rows]);
            }
        } else {
            let (a, b, _) = pass.gram.factors(pass.centred);
            block_product(simd, a, b, first..first + rows, cols, scatter);
        }
        for (index, gradient) in gradient.chunks_exact_mut(cols).enumerate() {
            pass.rows.backward(first + index, gradient);
        }
    }
}

/// Adds the two terms' gradients with respect to the rows that the statistics are taken of.
struct Scatter<'a, 'z, 'g> {
    pass: Backward<'a, 'z>,
    first: usize,
    gradient: &'g mut [f32],
}

impl Finish for Scatter<'_, '_, '_> {
    #[inline(always)]
    fn finish<S: Simd>(&mut self, simd: S, panel: usize, lines: &mut [Row]) {
        let pass = self.pass;
        let u = &pass.centred.panel(panel)[self.first..][..lines.len()];
        if let (_, _, true) = pass.gram.factors(pass.centred) {
            subtract_diagonal(lines, u, &pass.squares[panel * WIDTH..]);
        }
        let cols = pass.rows.z().cols();
        let columns = panel * WIDTH..cols.min((panel + 1) * WIDTH);
        let slopes = Row::read(&pass.slopes[panel * WIDTH..][..WIDTH]);
        for index in 0..lines.len() {
            let (line, u) = (lines[index], u[index]);
            let mut out = Row::default();
            for lane in 0..WIDTH {
                out[lane] = simd.mul_add_scalar(pass.weight, line[lane], slopes[lane] * u[lane]);
            }
            out.write(&mut self.gradient[index * cols..][columns.clone()]);
        }
    }
}
