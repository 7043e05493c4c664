//! Marginal entropies from m-spacings (Vasicek 1976; Learned-Miller & Fisher 2003), and their
//! gradient.
//!
//! With the `n` values of a column sorted, `u_(1) <= ... <= u_(n)`, and `m = round(sqrt n)`,
//! `H = 1/(n-m) sum_i ln( (n+1)/m (u_(i+m) - u_(i)) + eps )`, `i` from 1 to `n - m` (paper, Eq. 7).
//! A value takes part in at most two spacings: as the upper end of one and as the lower end of
//! another. Among equal values the gradient goes by row, in the order of the sort.

use crate::elementary::ln;
use crate::panels::{Row, WIDTH};
use crate::sort::{self, Keys, LANES};
use e2mc_base::simd::Simd;

/// The constants of the estimator for `n` rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spacings {
    m: usize,
    scale: f32,
    epsilon: f32,
}

impl Spacings {
    /// For `rows >= 2`; then `m` is from 1 to `rows - 1`.
    pub(crate) fn new(rows: usize, epsilon: f32) -> Self {
        let m = (rows as f64).sqrt().round() as usize;
        Self {
            m,
            scale: ((rows + 1) as f64 / m as f64) as f32,
            epsilon,
        }
    }

    /// The entropies of the first `cols` columns of the panel `u`, in nats. Writes `weight * dH/du`
    /// to `gradient`. `keys` is scratch of as many rows as `u`.
    #[inline(always)]
    pub(crate) fn entropies<S: Simd>(
        &self,
        simd: S,
        u: &[Row],
        cols: usize,
        keys: &mut [Keys],
        mut gradient: Option<(&mut [Row], f64)>,
    ) -> [f64; WIDTH] {
        let count = (u.len() - self.m) as f64;
        // The derivative of one logarithm is this over its argument.
        let mut weight = None;
        if let Some((_, factor)) = gradient {
            weight = Some((factor * f64::from(self.scale) / count) as f32);
        }
        let mut entropies = [0.0; WIDTH];
        for first in (0..cols).step_by(LANES) {
            for (index, (keys, u)) in keys.iter_mut().zip(u).enumerate() {
                sort::pack(simd, &u[first..first + LANES], index as u32, keys);
            }
            sort::sort(simd, keys);
            for keys in &mut *keys {
                sort::unpack(simd, keys);
            }
            let sums = self.logarithms(simd, keys, weight);
            for lane in 0..LANES {
                entropies[first + lane] = sums[lane] / count;
            }
            if let Some((gradient, _)) = &mut gradient {
                self.scatter(keys, first, gradient);
            }
        }
        entropies
    }

    /// The sum of the logarithms of each lane's spacings. If there is a `weight`, replaces each
    /// value by `weight` over the argument of the logarithm whose spacing begins there, or by 0.
    #[inline(always)]
    fn logarithms<S: Simd>(
        &self,
        simd: S,
        sorted: &mut [Keys],
        weight: Option<f32>,
    ) -> [f64; LANES] {
        /// Spacings of a lane that are summed in float32 before the sum moves to float64.
        const RUN: usize = 32;
        let count = sorted.len() - self.m;
        let mut sums = [0.0; LANES];
        for start in (0..count).step_by(RUN) {
            let mut sum = [0.0_f32; LANES];
            for i in start..count.min(start + RUN) {
                let (upper, lower) = (sorted[i + self.m].values(), sorted[i].values());
                let mut arguments = [0.0; LANES];
                for lane in 0..LANES {
                    let spacing = upper[lane] - lower[lane];
                    arguments[lane] = simd.mul_add_scalar(spacing, self.scale, self.epsilon);
                }
                for lane in 0..LANES {
                    sum[lane] += ln(simd, arguments[lane]);
                }
                if let Some(weight) = weight {
                    for argument in &mut arguments {
                        *argument = weight / *argument;
                    }
                    sorted[i].set_values(arguments);
                }
            }
            for lane in 0..LANES {
                sums[lane] += f64::from(sum[lane]);
            }
        }
        if weight.is_some() {
            for keys in &mut sorted[count..] {
                keys.set_values([0.0; LANES]);
            }
        }
        sums
    }

    /// Sends the gradient of each value back to the row that it came from.
    #[inline(always)]
    fn scatter(&self, sorted: &mut [Keys], first: usize, gradient: &mut [Row]) {
        // As the upper end of one spacing, and as the lower end of another; from the last row up,
        // so that what a row needs is still there.
        for i in (0..sorted.len()).rev() {
            let mut upper = [0.0; LANES];
            if i >= self.m {
                upper = sorted[i - self.m].values();
            }
            let mut slopes = sorted[i].values();
            for lane in 0..LANES {
                slopes[lane] = upper[lane] - slopes[lane];
            }
            sorted[i].set_values(slopes);
        }
        for keys in sorted {
            let (slopes, rows) = (keys.values(), keys.rows());
            for lane in 0..LANES {
                gradient[rows[lane] as usize][first + lane] = slopes[lane];
            }
        }
    }
}
