//! Sketched isotropic Gaussian regularisation (SIGReg; Balestriero and LeCun, LeJEPA, 2025, arXiv
//! 2511.08544): does the embedding look like a standard normal distribution along random
//! directions?
//!
//! For each direction `a` of unit length the Epps-Pulley statistic of the projections
//! `p_i = z_i . a` is `n int |C(t) - e^(-t^2/2)|^2 e^(-t^2/2) dt` with `C(t) = mean_i e^(i t p_i)`;
//! the value is its mean over the directions. The integrand is even in `t`: as in the authors'
//! public code (LeJEPA, MINIMAL.md) the trapezoid rule with `knots` points from 0 to `t_max` is
//! doubled. The directions are standard normal vectors divided by their length, new ones each step.
//!
//! The knots are multiples of one, so one sine and cosine a projection is enough: the others follow
//! by rotation, and the gradient, a trigonometric polynomial in `p_i`, by Horner's rule. The work
//! is two products of `n d slices` multiplications.

use super::check_coefficient;
use super::uniformity::Store;
use super::unit::Rows;
use crate::elementary::{ln, sin_cos};
use crate::gram::transpose;
use crate::panels::{Panels, PanelsMut, Row, WIDTH, count};
use crate::product::{BLOCK, Finish, block_product};
use crate::{Error, Matrix, MatrixView};
use e2mc_base::random::Stream;
use e2mc_base::simd::{Kernel, Level, Simd};
use rayon::prelude::*;

/// Panels of directions that one thread works on; the width of the products' strips.
const GROUP: usize = 3;
/// The last number of the position of a direction's random numbers; the others are seed, step and
/// direction.
const PURPOSE: u64 = u64::from_le_bytes(*b"sigreg\0\0");

/// The statistic's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigreg {
    /// Random directions, at least 1.
    pub slices: usize,
    /// Points of the trapezoid rule from 0 to `t_max`, at least 2.
    pub knots: usize,
    /// Where the integral ends, above 0.
    pub t_max: f64,
}

impl Default for Sigreg {
    /// The public code's: 1024 directions, 17 knots from 0 to 3.
    fn default() -> Self {
        Self {
            slices: 1024,
            knots: 17,
            t_max: 3.0,
        }
    }
}

/// Random directions of unit length.
#[derive(Debug)]
pub struct Directions {
    /// The directions as columns, `(d, 16 GROUP)` at most in each group.
    groups: Vec<Panels>,
    /// The directions as rows, `(slices, d)`.
    turned: Panels,
    slices: usize,
    cols: usize,
}

impl Directions {
    /// The `(slices, d)` directions, one a row.
    pub fn matrix(&self) -> Matrix {
        let mut matrix = Matrix::zeros(self.slices, self.cols);
        let lines = matrix.data_mut().chunks_mut(self.cols.max(1)).enumerate();
        for (index, line) in lines {
            for (panel, values) in line.chunks_mut(WIDTH).enumerate() {
                self.turned.panel(panel)[index].write(values);
            }
        }
        matrix
    }
}

impl Sigreg {
    /// Draws the directions for embeddings of `d` columns: the same for the same settings, seed and
    /// step. Every number belongs to (seed, step, direction).
    ///
    /// # Errors
    /// A setting out of range.
    pub fn directions(&self, d: usize, seed: u64, step: u64) -> Result<Directions, Error> {
        self.check()?;
        let level = Level::detect();
        let panels = count(self.slices);
        let groups = (0..panels.div_ceil(GROUP)).into_par_iter().map(|group| {
            let first = group * GROUP * WIDTH;
            let slices = (self.slices - first).min(GROUP * WIDTH);
            let mut columns = Panels::default();
            columns.resize(d, slices);
            let mut rows = vec![0.0_f32; count(d) * WIDTH];
            for panel in 0..count(slices) {
                let lines = columns.panel_mut(panel);
                lines.fill(Row::default());
                for lane in 0..WIDTH.min(slices - panel * WIDTH) {
                    let slice = (first + panel * WIDTH + lane) as u64;
                    level.run(Direction {
                        position: [seed, step, slice, PURPOSE],
                        values: &mut rows,
                        d,
                    });
                    for (line, value) in lines.iter_mut().zip(&rows) {
                        line[lane] = *value;
                    }
                }
            }
            columns
        });
        let groups: Vec<Panels> = groups.collect();
        let mut turned = Panels::default();
        turned.resize(self.slices, d);
        turned
            .groups_mut(1)
            .enumerate()
            .for_each(|(index, mut lines)| {
                let rows = index * WIDTH..d.min((index + 1) * WIDTH);
                for (panel, lines) in lines.panel(0).chunks_mut(WIDTH).enumerate() {
                    let columns = groups[panel / GROUP].panel(panel % GROUP);
                    transpose(&columns[rows.clone()], lines);
                }
            });
        Ok(Directions {
            groups,
            turned,
            slices: self.slices,
            cols: d,
        })
    }

    /// The value on embeddings `z` `(n, d)`, at least 0; about 1 for a standard normal sample.
    ///
    /// # Errors
    /// Fewer than two rows, no columns, a value that is not finite, a setting out of range, or
    /// directions of another width.
    pub fn value(&self, z: MatrixView, directions: &Directions) -> Result<f64, Error> {
        self.evaluate(Level::detect(), z, directions, None)
    }

    /// The value on embeddings `z` `(n, d)`; writes its gradient `(n, d)`, row-major, to
    /// `gradient`.
    ///
    /// # Errors
    /// As [`Sigreg::value`], and if `gradient` does not hold `n * d` values.
    pub fn value_and_gradient(
        &self,
        z: MatrixView,
        directions: &Directions,
        gradient: &mut [f32],
    ) -> Result<f64, Error> {
        z.check_gradient(gradient)?;
        self.evaluate(Level::detect(), z, directions, Some(gradient))
    }

    /// Distance of two knots.
    fn spacing(&self) -> f64 {
        self.t_max / (self.knots - 1) as f64
    }

    /// Place, normal characteristic function and weight of knot `index`, which counts for `-t` too.
    fn knot(&self, index: usize) -> (f64, f64, f64) {
        let t = index as f64 * self.spacing();
        let normal = (-0.5 * t * t).exp();
        let end = index == 0 || index + 1 == self.knots;
        let width = if end { 1.0 } else { 2.0 } * self.spacing();
        (t, normal, width * normal)
    }

    pub(super) fn evaluate(
        &self,
        level: Level,
        z: MatrixView,
        directions: &Directions,
        gradient: Option<&mut [f32]>,
    ) -> Result<f64, Error> {
        self.check()?;
        z.check_batch()?;
        let (expected, found) = (z.cols(), directions.cols);
        if expected != found {
            return Err(Error::Directions { expected, found });
        }
        let x = Rows::plain(z)?.panels(level);
        let mut projections = Panels::default();
        projections.resize(z.rows(), directions.slices);
        let groups = projections.groups_mut(GROUP).zip(&directions.groups);
        let statistics = groups.enumerate().map(|(index, (projections, columns))| {
            let slices = (directions.slices - index * GROUP * WIDTH).min(GROUP * WIDTH);
            level.run(Slices {
                settings: *self,
                all: directions.slices,
                x: &x,
                columns,
                slices,
                projections,
                with_gradient: gradient.is_some(),
            })
        });
        // Collected in order: nothing is added up across threads.
        let statistics: Vec<f64> = statistics.collect();
        if let Some(gradient) = gradient {
            let blocks = gradient.par_chunks_mut(BLOCK * z.cols()).enumerate();
            blocks.for_each(|(index, gradient)| {
                level.run(Block {
                    slopes: &projections,
                    directions: &directions.turned,
                    first: index * BLOCK,
                    cols: z.cols(),
                    gradient,
                });
            });
        }
        Ok(statistics.iter().sum::<f64>() / directions.slices as f64)
    }

    fn check(&self) -> Result<(), Error> {
        check_coefficient("t_max", self.t_max, false)?;
        for (name, value, least, expected) in [
            ("slices", self.slices, 1, "at least 1"),
            ("knots", self.knots, 2, "at least 2"),
        ] {
            if value < least {
                let value = value as f64;
                return Err(Error::Coefficient {
                    name,
                    value,
                    expected,
                });
            }
        }
        Ok(())
    }
}

/// One direction: normal numbers (Box-Muller), divided by their length.
struct Direction<'a> {
    position: [u64; 4],
    /// Room for `d` values, rounded up to whole panels; the rest becomes zero.
    values: &'a mut [f32],
    d: usize,
}

impl Kernel for Direction<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        const HALF: usize = WIDTH / 2;
        let mut random = Stream::at(self.position);
        let mut square = 0.0_f64;
        let (lines, _) = self.values.as_chunks_mut::<WIDTH>();
        for (index, line) in lines.iter_mut().enumerate() {
            let mut bytes = [0; 4 * WIDTH];
            random.fill_bytes(&mut bytes);
            let (words, _) = bytes.as_chunks::<4>();
            // Multiples of 2^-24 in (0, 1], so that the logarithm is finite.
            let unit =
                |word: &[u8; 4]| ((u32::from_le_bytes(*word) >> 8) + 1) as f32 / (1 << 24) as f32;
            for lane in 0..HALF {
                let radius = (-2.0 * ln(simd, unit(&words[lane]))).sqrt();
                let angle = std::f64::consts::TAU * f64::from(unit(&words[HALF + lane]));
                let (sin, cos) = sin_cos(simd, angle);
                line[lane] = radius * cos;
                line[HALF + lane] = radius * sin;
            }
            for lane in 0..WIDTH {
                if index * WIDTH + lane >= self.d {
                    line[lane] = 0.0;
                }
                square += f64::from(line[lane]).powi(2);
            }
        }
        // All numbers are zero only if every radius is: the first coordinate then stands for the
        // direction.
        if square == 0.0
            && let Some(first) = self.values.first_mut()
        {
            (*first, square) = (1.0, 1.0);
        }
        let factor = 1.0 / square.sqrt();
        for value in self.values {
            *value = (f64::from(*value) * factor) as f32;
        }
    }
}

/// A few panels of directions: projections, statistics, and the statistics' slopes in place of the
/// projections.
struct Slices<'a> {
    settings: Sigreg,
    /// Directions in all.
    all: usize,
    x: &'a Panels,
    columns: &'a Panels,
    slices: usize,
    projections: PanelsMut<'a>,
    with_gradient: bool,
}

impl Kernel for Slices<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) -> f64 {
        let n = self.x.rows();
        for first in (0..n).step_by(BLOCK) {
            let rows = first..n.min(first + BLOCK);
            let keep = Keep {
                projections: &mut self.projections,
                first,
            };
            block_product(simd, self.x, self.columns, rows, self.slices, keep);
        }
        let mut sum = 0.0;
        for panel in 0..self.projections.len() {
            let lanes = WIDTH.min(self.slices - panel * WIDTH);
            let lines = self.projections.panel(panel);
            let mut coefficients = vec![[Row::default(); 2]; self.settings.knots];
            let statistics = self
                .settings
                .statistics(simd, lines, self.all, &mut coefficients);
            sum += statistics[..lanes].iter().sum::<f64>();
            if self.with_gradient {
                self.settings.slopes(simd, lines, &coefficients);
            }
        }
        sum
    }
}

/// Keeps the projections of a block of rows.
struct Keep<'a, 'p> {
    projections: &'a mut PanelsMut<'p>,
    first: usize,
}

impl Finish for Keep<'_, '_> {
    #[inline(always)]
    fn finish<S: Simd>(&mut self, _: S, panel: usize, lines: &mut [Row]) {
        self.projections.panel(panel)[self.first..][..lines.len()].copy_from_slice(lines);
    }
}

impl Sigreg {
    /// The statistics of a panel's columns. Writes, for each knot, what cosine and sine weigh in
    /// the gradient of the mean over `all` directions.
    #[inline(always)]
    fn statistics<S: Simd>(
        &self,
        simd: S,
        projections: &[Row],
        all: usize,
        coefficients: &mut [[Row; 2]],
    ) -> [f64; WIDTH] {
        /// Rows that are summed in float32 before the sum moves to float64.
        const RUN: usize = 32;
        let n = projections.len() as f64;
        let mut sums = vec![[[0.0_f64; WIDTH]; 2]; self.knots];
        let mut run_sums = vec![[Row::default(); 2]; self.knots];
        for run in projections.chunks(RUN) {
            run_sums.fill([Row::default(); 2]);
            for line in run {
                let (sin_1, cos_1) = self.rotation(simd, line);
                let (mut sin, mut cos) = (sin_1, cos_1);
                for sums in &mut run_sums[1..] {
                    for lane in 0..WIDTH {
                        let (s, c) = (sin[lane], cos[lane]);
                        sums[0][lane] += c;
                        sums[1][lane] += s;
                        cos[lane] = simd.mul_add_scalar(c, cos_1[lane], -s * sin_1[lane]);
                        sin[lane] = simd.mul_add_scalar(s, cos_1[lane], c * sin_1[lane]);
                    }
                }
            }
            for (sums, run_sums) in sums.iter_mut().zip(&run_sums) {
                for part in 0..2 {
                    for lane in 0..WIDTH {
                        sums[part][lane] += f64::from(run_sums[part][lane]);
                    }
                }
            }
        }
        let mut statistics = [0.0; WIDTH];
        // At t = 0 both functions are 1.
        for index in 1..self.knots {
            let (t, normal, weight) = self.knot(index);
            let slope = 2.0 * weight * t / all as f64;
            for lane in 0..WIDTH {
                let real = sums[index][0][lane] / n - normal;
                let imaginary = sums[index][1][lane] / n;
                statistics[lane] += n * weight * (real * real + imaginary * imaginary);
                coefficients[index][0][lane] = (slope * imaginary) as f32;
                coefficients[index][1][lane] = (slope * real) as f32;
            }
        }
        statistics
    }

    /// Replaces projections `p` by `sum_k a_k cos(t_k p) - b_k sin(t_k p)`, the real part of a
    /// polynomial in `e^(i t_1 p)` with the coefficients `a_k + i b_k`.
    #[inline(always)]
    fn slopes<S: Simd>(&self, simd: S, projections: &mut [Row], coefficients: &[[Row; 2]]) {
        for line in projections {
            let (sin, cos) = self.rotation(simd, line);
            let (mut real, mut imaginary) = (Row::default(), Row::default());
            for [a, b] in coefficients.iter().rev() {
                for lane in 0..WIDTH {
                    let (x, y) = (real[lane], imaginary[lane]);
                    let (sin, cos) = (sin[lane], cos[lane]);
                    real[lane] = simd.mul_add_scalar(x, cos, simd.mul_add_scalar(-y, sin, a[lane]));
                    imaginary[lane] =
                        simd.mul_add_scalar(x, sin, simd.mul_add_scalar(y, cos, b[lane]));
                }
            }
            *line = real;
        }
    }

    /// Sine and cosine of one knot's spacing times each projection.
    #[inline(always)]
    fn rotation<S: Simd>(&self, simd: S, line: &Row) -> (Row, Row) {
        let spacing = self.spacing();
        let (mut sin, mut cos) = (Row::default(), Row::default());
        for lane in 0..WIDTH {
            (sin[lane], cos[lane]) = sin_cos(simd, spacing * f64::from(line[lane]));
        }
        (sin, cos)
    }
}

/// The gradient of a few rows from their slopes along the directions.
struct Block<'a, 'g> {
    slopes: &'a Panels,
    directions: &'a Panels,
    first: usize,
    cols: usize,
    gradient: &'g mut [f32],
}

impl Kernel for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            slopes,
            directions,
            first,
            cols,
            gradient,
        } = self;
        let rows = gradient.len() / cols;
        let store = Store { gradient, cols };
        block_product(simd, slopes, directions, first..first + rows, cols, store);
    }
}
