//! The pass over the columns: transform, centre, sort, marginal entropy, and the entropy's
//! gradient.
//!
//! One panel of sixteen columns at a time, while it is in the cache. As in the authors' code the
//! spacings are those of the centred float32 values: far out in either tail both have the same
//! resolution.

use crate::panels::{Panels, PanelsMut, Row, WIDTH};
use crate::sort::Keys;
use crate::spacings::Spacings;
use crate::{MatrixView, Transform};
use e2mc_base::simd::{Kernel, Level, Simd};
use rayon::prelude::*;
use std::sync::Mutex;

/// What the pass learns about a panel's columns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Columns {
    /// Marginal entropies, in nats.
    pub(crate) entropy: [f64; WIDTH],
    /// Sums of the squared centred values.
    pub(crate) square: [f64; WIDTH],
    /// Whether every embedding value was finite; if not, the rest is void.
    pub(crate) finite: bool,
}

/// Scratch memory, one piece for each thread that is in the pass.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Vec<Keys>>>);

impl Pool {
    fn with<R>(&self, rows: usize, work: impl FnOnce(&mut [Keys]) -> R) -> R {
        // A panic in another thread leaves the list itself intact.
        let list = || {
            self.0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        };
        let mut keys = list().pop().unwrap_or_default();
        keys.resize(rows, Keys::default());
        let result = work(&mut keys);
        list().push(keys);
        result
    }
}

/// What the pass is to do.
#[derive(Clone, Copy)]
pub(crate) struct Marginals<'a> {
    /// The embeddings `(n, d)`.
    pub(crate) z: MatrixView<'a>,
    /// The map to the unit interval.
    pub(crate) transform: Transform,
    /// The estimator.
    pub(crate) spacings: Spacings,
}

impl Marginals<'_> {
    /// Writes the centred transformed values to `u`, the columns' figures to `columns`, and, if
    /// asked, the gradient of `weight * sum_j H_j` with respect to `u` to `gradient`.
    pub(crate) fn run(
        self,
        level: Level,
        u: &mut Panels,
        gradient: Option<(&mut Panels, f64)>,
        columns: &mut [Columns],
        pool: &Pool,
    ) {
        let rows = self.z.rows();
        let group = group(rows);
        let work = |index, u, columns: &mut [Columns], gradient| {
            pool.with(rows, |keys| {
                let first = index * group;
                level.run(Group {
                    pass: self,
                    first,
                    u,
                    gradient,
                    columns,
                    keys,
                });
            });
        };
        let groups = u.groups_mut(group);
        let groups = groups.zip(columns.par_chunks_mut(group)).enumerate();
        match gradient {
            Some((gradient, weight)) => groups
                .zip(gradient.groups_mut(group))
                .for_each(|((i, (u, columns)), lines)| work(i, u, columns, Some((lines, weight)))),
            None => groups.for_each(|(i, (u, columns))| work(i, u, columns, None)),
        }
    }
}

/// Panels whose rows are read together: more than one cache line a row while they fit the cache.
fn group(rows: usize) -> usize {
    const CACHE: usize = 256 * 1024;
    (CACHE / (rows * size_of::<Row>())).clamp(1, 4)
}

/// Neighbouring panels, done by one thread.
struct Group<'a, 'z> {
    pass: Marginals<'z>,
    first: usize,
    u: PanelsMut<'a>,
    gradient: Option<(PanelsMut<'a>, f64)>,
    columns: &'a mut [Columns],
    keys: &'a mut [Keys],
}

impl Kernel for Group<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (z, rows) = (self.pass.z, self.pass.z.rows());
        for index in 0..rows {
            let row = &z.row(index)[self.first * WIDTH..];
            for (panel, values) in row.chunks(WIDTH).take(self.columns.len()).enumerate() {
                self.u.panel(panel)[index] = Row::read(values);
            }
        }
        for (panel, columns) in self.columns.iter_mut().enumerate() {
            let u = self.u.panel(panel);
            columns.finite = self.pass.transform_and_centre(simd, u, &mut columns.square);
            if columns.finite {
                let cols = (z.cols() - (self.first + panel) * WIDTH).min(WIDTH);
                let gradient = self.gradient.as_mut();
                let gradient = gradient.map(|(lines, weight)| (lines.panel(panel), *weight));
                let spacings = &self.pass.spacings;
                columns.entropy = spacings.entropies(simd, u, cols, self.keys, gradient);
            }
        }
    }
}

impl Marginals<'_> {
    /// Replaces a panel's embedding values by the centred transformed ones; false if any is not
    /// finite.
    #[inline(always)]
    fn transform_and_centre<S: Simd>(
        &self,
        simd: S,
        u: &mut [Row],
        square: &mut [f64; WIDTH],
    ) -> bool {
        /// Rows that are summed in float32 before the sum moves to float64.
        const RUN: usize = 32;
        let mut finite = true;
        let mut mean = [0.0_f64; WIDTH];
        for run in u.chunks_mut(RUN) {
            let mut sum = [0.0_f32; WIDTH];
            for row in run {
                let mut all = true;
                for lane in 0..WIDTH {
                    all &= row[lane].is_finite();
                }
                finite &= all;
                self.transform.value_row(simd, row);
                for lane in 0..WIDTH {
                    sum[lane] += row[lane];
                }
            }
            for lane in 0..WIDTH {
                mean[lane] += f64::from(sum[lane]);
            }
        }
        let mut centre = [0.0_f32; WIDTH];
        for lane in 0..WIDTH {
            centre[lane] = (mean[lane] / u.len() as f64) as f32;
        }
        *square = [0.0; WIDTH];
        for run in u.chunks_mut(RUN) {
            let mut sum = [0.0_f32; WIDTH];
            for row in run {
                for lane in 0..WIDTH {
                    row[lane] -= centre[lane];
                    sum[lane] = simd.mul_add_scalar(row[lane], row[lane], sum[lane]);
                }
            }
            for lane in 0..WIDTH {
                square[lane] += f64::from(sum[lane]);
            }
        }
        finite
    }
}
