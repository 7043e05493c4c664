//! Rows of unit length, `x = z / |z|`, and the way back.
//!
//! `dL/dz = (g - x (x . g)) / |z|` for `g = dL/dx`: only what is tangent to the sphere remains.

use crate::panels::{Panels, PanelsMut, Row, WIDTH};
use crate::{Error, MatrixView};
use e2mc_base::simd::{Kernel, Level, Simd};
use rayon::prelude::*;

/// Rows that one thread measures at a time.
const CHUNK: usize = 64;
/// Panels that are filled together, so that a visit to a row reads more than one cache line.
const GROUP: usize = 4;
/// Rows shorter than this have no direction.
const SHORTEST: f64 = 1e-12;

/// Embeddings with the factor that brings each row to the length that a criterion wants.
pub(super) struct Rows<'a> {
    z: MatrixView<'a>,
    /// `1 / |z|` of each row, 0 for a row without direction; empty where rows stay unchanged.
    inverse: Vec<f64>,
}

impl<'a> Rows<'a> {
    /// Rows of unit length.
    ///
    /// # Errors
    /// A value that is not finite.
    pub(super) fn unit(level: Level, z: MatrixView<'a>) -> Result<Self, Error> {
        let mut inverse = vec![0.0; z.rows()];
        let chunks = inverse.par_chunks_mut(CHUNK).enumerate();
        let finite = chunks.map(|(index, inverse)| {
            level.run(Measure {
                z,
                first: index * CHUNK,
                inverse,
            })
        });
        match finite.reduce(|| true, |a, b| a & b) {
            true => Ok(Self { z, inverse }),
            false => Err(z.not_finite()),
        }
    }

    /// Rows as they are.
    ///
    /// # Errors
    /// A value that is not finite.
    pub(super) fn plain(z: MatrixView<'a>) -> Result<Self, Error> {
        let chunks = z.data().par_chunks(1 << 16);
        let all = chunks.map(|values| values.iter().fold(true, |all, v| all & v.is_finite()));
        match all.reduce(|| true, |a, b| a & b) {
            true => Ok(Self {
                z,
                inverse: Vec::new(),
            }),
            false => Err(z.not_finite()),
        }
    }

    /// The embeddings that were given.
    pub(super) fn z(&self) -> MatrixView<'a> {
        self.z
    }

    /// The factor of row `index`.
    #[inline(always)]
    pub(super) fn factor(&self, index: usize) -> f64 {
        self.inverse.get(index).copied().unwrap_or(1.0)
    }

    /// The scaled rows `(n, d)` in panels.
    pub(super) fn panels(&self, level: Level) -> Panels {
        let mut panels = Panels::default();
        panels.resize(self.z.rows(), self.z.cols());
        let groups = panels.groups_mut(GROUP).enumerate();
        groups.for_each(|(index, lines)| {
            level.run(Fill {
                rows: self,
                first: index * GROUP,
                lines,
            });
        });
        panels
    }

    /// Takes the gradient of row `index` back to the embedding that was given.
    #[inline(always)]
    pub(super) fn backward(&self, index: usize, gradient: &mut [f32]) {
        let Some(&inverse) = self.inverse.get(index) else {
            return;
        };
        let row = self.z.row(index);
        let radial = inverse * inverse * dot(row, gradient);
        for (gradient, z) in gradient.iter_mut().zip(row) {
            *gradient = (inverse * (f64::from(*gradient) - f64::from(*z) * radial)) as f32;
        }
    }
}

/// `a . b` in float64, in a fixed order.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let (a, a_rest) = a.as_chunks::<WIDTH>();
    let (b, b_rest) = b.as_chunks::<WIDTH>();
    let mut sums = [0.0_f64; WIDTH];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..WIDTH {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    let rest = a_rest.iter().zip(b_rest);
    let rest: f64 = rest.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sums.iter().sum::<f64>() + rest
}

/// The inverse lengths of a few rows; false if any holds a value that is not finite.
struct Measure<'a, 'z> {
    z: MatrixView<'z>,
    first: usize,
    inverse: &'a mut [f64],
}

impl Kernel for Measure<'_, '_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> bool {
        let mut finite = true;
        for (index, inverse) in self.inverse.iter_mut().enumerate() {
            let row = self.z.row(self.first + index);
            // The squares of float32 cannot overflow float64, so the sum tells whether all are
            // finite.
            let square = dot(row, row);
            finite &= square.is_finite();
            let length = square.sqrt();
            *inverse = if length < SHORTEST { 0.0 } else { 1.0 / length };
        }
        finite
    }
}

/// A few neighbouring panels of the scaled rows.
struct Fill<'a, 'z> {
    rows: &'a Rows<'z>,
    first: usize,
    lines: PanelsMut<'a>,
}

impl Kernel for Fill<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) {
        let panels = self.lines.len();
        for index in 0..self.rows.z.rows() {
            let factor = self.rows.factor(index);
            let row = &self.rows.z.row(index)[self.first * WIDTH..];
            for (panel, values) in row.chunks(WIDTH).take(panels).enumerate() {
                let mut line = Row::read(values);
                for lane in 0..WIDTH {
                    line[lane] = (f64::from(line[lane]) * factor) as f32;
                }
                self.lines.panel(panel)[index] = line;
            }
        }
    }
}
