//! Uniformity on the hypersphere (Wang and Isola 2020), the paper's AUH:
//! `log mean_{i < j} exp(-t |x_i - x_j|^2)` over the pairs of rows of unit length `x`.
//!
//! Rows are compared a block at a time, `|x_i - x_j|^2 = |x_i|^2 + |x_j|^2 - 2 x_i . x_j`, so that
//! memory is that of the embedding and no `n x n` array is kept. Kernel values are relative to the
//! row's largest, so that no `t` underflows. With `e_ij` the kernel values and `S` their sum over
//! pairs, `dL/dx_i = -2 t / S sum_j e_ij (x_i - x_j)`, of which the part along `x_i` does not
//! survive the way back through the normalisation.

use super::check_coefficient;
use super::unit::Rows;
use crate::elementary::exp;
use crate::gram::transpose;
use crate::panels::{Panels, Row, WIDTH, count};
use crate::product::{BLOCK, Finish, block_product};
use crate::{Error, MatrixView};
use e2mc_base::simd::{Kernel, Level, Simd};
use rayon::prelude::*;

/// Uniformity of one view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uniformity {
    /// The kernel's sharpness `t`, above 0.
    pub t: f64,
}

impl Default for Uniformity {
    /// The paper's ablation (Table 3): `t = 2`.
    fn default() -> Self {
        Self { t: 2.0 }
    }
}

impl Uniformity {
    /// The value on embeddings `z` `(n, d)`, from `-4 t` to 0; lower is more uniform.
    ///
    /// # Errors
    /// Fewer than two rows, no columns, a value that is not finite, or `t` out of range.
    pub fn value(&self, z: MatrixView) -> Result<f64, Error> {
        self.evaluate(Level::detect(), z, None)
    }

    /// The value on embeddings `z` `(n, d)`; writes its gradient `(n, d)`, row-major, to
    /// `gradient`.
    ///
    /// # Errors
    /// As [`Uniformity::value`], and if `gradient` does not hold `n * d` values.
    pub fn value_and_gradient(&self, z: MatrixView, gradient: &mut [f32]) -> Result<f64, Error> {
        z.check_gradient(gradient)?;
        self.evaluate(Level::detect(), z, Some(gradient))
    }

    pub(super) fn evaluate(
        &self,
        level: Level,
        z: MatrixView,
        gradient: Option<&mut [f32]>,
    ) -> Result<f64, Error> {
        check_coefficient("t", self.t, false)?;
        z.check_batch()?;
        let (n, d) = (z.rows(), z.cols());
        let rows = Rows::unit(level, z)?;
        let x = rows.panels(level);
        let pass = Pass {
            turned: &turned(&x, d),
            lengths: &lengths(&x, d),
            x: &x,
            cols: d,
            t: self.t as f32,
        };
        let block = |scratch: &mut Panels, index: usize, gradient: Option<&mut [f32]>| {
            let first = index * BLOCK;
            level.run(Block {
                pass,
                rows: BLOCK.min(n - first),
                first,
                gradient,
                scratch,
            })
        };
        let (kernels, gradient): (Vec<Vec<RowSum>>, _) = match gradient {
            None => {
                let blocks = (0..n.div_ceil(BLOCK)).into_par_iter();
                let blocks = blocks.map_init(Panels::default, |memory, i| block(memory, i, None));
                (blocks.collect(), None)
            }
            Some(gradient) => {
                let blocks = gradient.par_chunks_mut(BLOCK * d).enumerate();
                let blocks = blocks.map_init(Panels::default, |memory, (i, gradient)| {
                    block(memory, i, Some(gradient))
                });
                (blocks.collect(), Some(gradient))
            }
        };
        let kernels: Vec<RowSum> = kernels.into_iter().flatten().collect();
        let nearest = kernels.iter().fold(f64::INFINITY, |m, k| m.min(k.nearest));
        // Each row's sum is relative to its nearest neighbour; here all become relative to the
        // nearest pair.
        let factor = |kernel: &RowSum| (-self.t * (kernel.nearest - nearest)).exp();
        let sum: f64 = kernels
            .iter()
            .map(|kernel| kernel.sum * factor(kernel))
            .sum();
        if let Some(gradient) = gradient {
            // The sum holds each pair twice.
            let scale = 4.0 * self.t / sum;
            let lines = gradient.par_chunks_mut(d).zip(&kernels).enumerate();
            lines
                .with_min_len(BLOCK)
                .for_each(|(index, (gradient, kernel))| {
                    let scale = (scale * factor(kernel)) as f32;
                    level.run(Finishing {
                        rows: &rows,
                        index,
                        scale,
                        gradient,
                    });
                });
        }
        Ok(-self.t * nearest + (sum / (n as f64 * (n as f64 - 1.0))).ln())
    }
}

/// One row's kernel values.
struct RowSum {
    /// The squared distance to the nearest other row.
    nearest: f64,
    /// The sum of `exp(-t (d^2 - nearest))` over the other rows.
    sum: f64,
}

/// `X^T` `(d, n)` in panels.
fn turned(x: &Panels, d: usize) -> Panels {
    let n = x.rows();
    let mut turned = Panels::default();
    turned.resize(d, n);
    turned
        .groups_mut(1)
        .enumerate()
        .for_each(|(index, mut lines)| {
            let rows = index * WIDTH..n.min((index + 1) * WIDTH);
            for (panel, lines) in lines.panel(0).chunks_mut(WIDTH).enumerate() {
                transpose(&x.panel(panel)[rows.clone()], lines);
            }
        });
    turned
}

/// The squared length of each row as it is in float32: 1 but for rounding, or 0. Filled up with
/// zeros to whole panels.
fn lengths(x: &Panels, d: usize) -> Vec<f32> {
    let mut lengths = vec![0.0_f32; count(x.rows()) * WIDTH];
    lengths[..x.rows()]
        .par_chunks_mut(BLOCK)
        .enumerate()
        .for_each(|(block, lengths)| {
            for (index, length) in lengths.iter_mut().enumerate() {
                let lines = (0..count(d)).map(|panel| x.panel(panel)[block * BLOCK + index]);
                let squares =
                    lines.map(|line| line.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>());
                *length = squares.sum::<f64>() as f32;
            }
        });
    lengths
}

/// What the pass over blocks of rows needs to know.
#[derive(Clone, Copy)]
struct Pass<'a> {
    x: &'a Panels,
    turned: &'a Panels,
    lengths: &'a [f32],
    cols: usize,
    t: f32,
}

/// `rows` rows from `first`, against all rows; `gradient` receives `sum_j e_ij x_j`.
struct Block<'a, 'g> {
    pass: Pass<'a>,
    first: usize,
    rows: usize,
    gradient: Option<&'g mut [f32]>,
    scratch: &'g mut Panels,
}

impl Kernel for Block<'_, '_> {
    type Output = Vec<RowSum>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<RowSum> {
        let Self {
            pass,
            first,
            rows,
            gradient,
            scratch,
        } = self;
        let n = pass.x.rows();
        scratch.resize(rows, n);
        let mut nearest = [Row([f32::INFINITY; WIDTH]); BLOCK];
        let distances = Distances {
            pass,
            first,
            scratch: &mut *scratch,
            nearest: &mut nearest,
        };
        block_product(simd, pass.x, pass.turned, first..first + rows, n, distances);
        let nearest = nearest.map(|line| line.iter().fold(f32::INFINITY, |m, v| m.min(*v)));
        let mut sums = [[0.0_f64; WIDTH]; BLOCK];
        for panel in 0..count(n) {
            let lines = scratch.panel_mut(panel).iter_mut();
            for ((line, nearest), sums) in lines.zip(&nearest).zip(&mut sums) {
                for lane in 0..WIDTH {
                    // A row's distance to itself and to what is beyond the matrix is infinite.
                    let exponent = (-pass.t * (line[lane] - nearest)).max(-87.0);
                    let kernel = exp(simd, exponent);
                    line[lane] = if line[lane] == f32::INFINITY {
                        0.0
                    } else {
                        kernel
                    };
                    sums[lane] += f64::from(line[lane]);
                }
            }
        }
        if let Some(gradient) = gradient {
            let cols = pass.cols;
            block_product(
                simd,
                scratch,
                pass.x,
                0..rows,
                cols,
                Store { gradient, cols },
            );
        }
        let sums = sums.iter().zip(&nearest).take(rows);
        let sums = sums.map(|(sums, nearest)| RowSum {
            nearest: f64::from(*nearest),
            sum: sums.iter().sum(),
        });
        sums.collect()
    }
}

/// Keeps squared distances, and each row's smallest.
struct Distances<'a, 'g> {
    pass: Pass<'a>,
    first: usize,
    scratch: &'g mut Panels,
    nearest: &'g mut [Row; BLOCK],
}

impl Finish for Distances<'_, '_> {
    #[inline(always)]
    fn finish<S: Simd>(&mut self, simd: S, panel: usize, lines: &mut [Row]) {
        let columns = panel * WIDTH;
        let others = Row::read(&self.pass.lengths[columns..][..WIDTH]);
        let beyond = self.pass.x.rows().saturating_sub(columns);
        let scratch = self.scratch.panel_mut(panel);
        for index in 0..lines.len() {
            let row = self.first + index;
            let own = self.pass.lengths[row];
            let line = lines[index];
            let mut out = Row::default();
            for lane in 0..WIDTH {
                let distance = simd
                    .mul_add_scalar(-2.0, line[lane], own + others[lane])
                    .max(0.0);
                let counts = lane < beyond && columns + lane != row;
                out[lane] = if counts { distance } else { f32::INFINITY };
                self.nearest[index][lane] = self.nearest[index][lane].min(out[lane]);
            }
            scratch[index] = out;
        }
    }
}

/// Writes a product row-major.
pub(super) struct Store<'g> {
    pub(super) gradient: &'g mut [f32],
    pub(super) cols: usize,
}

impl Finish for Store<'_> {
    #[inline(always)]
    fn finish<S: Simd>(&mut self, _: S, panel: usize, lines: &mut [Row]) {
        let columns = panel * WIDTH..self.cols.min((panel + 1) * WIDTH);
        for (index, line) in lines.iter().enumerate() {
            line.write(&mut self.gradient[index * self.cols..][columns.clone()]);
        }
    }
}

/// Scales one row's gradient and takes it back through the normalisation.
struct Finishing<'a, 'z, 'g> {
    rows: &'a Rows<'z>,
    index: usize,
    scale: f32,
    gradient: &'g mut [f32],
}

impl Kernel for Finishing<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for value in self.gradient.iter_mut() {
            *value *= self.scale;
        }
        self.rows.backward(self.index, self.gradient);
    }
}
