//! Dual coordinate descent for one class against the rest (Hsieh, Chang, Lin, Keerthi and
//! Sundararajan 2008, algorithm 3).
//!
//! The dual of the squared hinge is `min 1/2 a'(Q + D) a - sum a` over `a >= 0`, with
//! `Q_ij = y_i y_j x_i.x_j` and `D_ii = 1 / (2 C_i)`. One coordinate at a time is minimised
//! exactly, in a random order, while `w = sum_i a_i y_i x_i` is kept up. Coordinates that stay at 0
//! with a gradient above the last epoch's largest violation are set aside until the others have
//! converged.

use e2mc::MatrixView;
use e2mc_base::simd::{Kernel, Level, Simd};
use rayon::prelude::*;

use crate::random::{Purpose, Stream};

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) positive_weight: f64,
    pub(super) tolerance: f64,
    pub(super) max_epochs: usize,
}

/// How a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Solution {
    pub(super) epochs: usize,
    pub(super) converged: bool,
}

/// Rows of two sides.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) features: MatrixView<'a>,
    /// [`squared_norms`] of the features.
    pub(super) norms: &'a [f64],
    /// The rows that take part.
    pub(super) rows: &'a [u32],
    /// The side of each of them.
    pub(super) positive: &'a [bool],
}

/// `x.x` of each row, with the bias's feature of 1.
pub(super) fn squared_norms(features: MatrixView<'_>) -> Vec<f64> {
    let of_row = |row: &[f32]| 1.0 + row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    features
        .data()
        .par_chunks(features.cols())
        .map(of_row)
        .collect()
}

impl<'a> Problem<'a> {
    /// A solver that starts from zero; `stream` decides the order of the coordinates.
    pub(super) fn solver(self, seed: u64, stream: u64) -> Solver<'a> {
        Solver {
            problem: self,
            dual: vec![0.0; self.rows.len()],
            weights: vec![0.0; self.features.cols() + 1],
            order: (0..self.rows.len() as u32).collect(),
            random: Stream::new(seed, Purpose::Coordinates, stream),
        }
    }
}

/// The state of the descent: a further `solve` with a greater `C` starts where the last ended.
pub(super) struct Solver<'a> {
    problem: Problem<'a>,
    dual: Vec<f64>,
    /// `(d + 1)`, the last one the bias.
    pub(super) weights: Vec<f64>,
    order: Vec<u32>,
    random: Stream,
}

/// The descent, whose loops over a row's features are compiled for each instruction set.
struct Descent<'s, 'p> {
    solver: &'s mut Solver<'p>,
    cost: f64,
    settings: &'s Settings,
}

impl Kernel for Descent<'_, '_> {
    type Output = Solution;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Solution {
        self.solver.descend(self.cost, self.settings)
    }
}

impl Solver<'_> {
    /// Descends until the tolerance is met.
    pub(super) fn solve(&mut self, cost: f64, settings: &Settings) -> Solution {
        Level::detect().run(Descent {
            solver: self,
            cost,
            settings,
        })
    }

    #[inline(always)]
    fn descend(&mut self, cost: f64, settings: &Settings) -> Solution {
        let Self {
            problem,
            dual,
            weights,
            order,
            random,
        } = self;
        let Problem {
            features,
            norms,
            rows,
            positive,
        } = *problem;
        let dims = features.cols();
        let diagonal = [0.5 / cost, 0.5 / (cost * settings.positive_weight)];
        let (weights, bias) = weights.split_at_mut(dims);
        let bias = &mut bias[0];
        let mut active = order.len();
        let mut largest_before = f64::INFINITY;
        for epoch in 1..=settings.max_epochs {
            let (mut largest, mut smallest) = (f64::NEG_INFINITY, f64::INFINITY);
            for place in 0..active {
                let other = place + random.pick((active - place) as u32) as usize;
                order.swap(place, other);
            }
            let mut place = 0;
            while place < active {
                let at = order[place] as usize;
                let row = rows[at] as usize;
                let x = &features.data()[row * dims..][..dims];
                let sign = if positive[at] { 1.0 } else { -1.0 };
                let extra = diagonal[usize::from(positive[at])];
                let score = dot(x, weights) + *bias;
                let gradient = sign * score - 1.0 + extra * dual[at];
                let mut projected = gradient;
                if dual[at] == 0.0 {
                    if gradient > largest_before {
                        active -= 1;
                        order.swap(place, active);
                        continue;
                    }
                    projected = gradient.min(0.0);
                }
                largest = largest.max(projected);
                smallest = smallest.min(projected);
                if projected.abs() > 1e-12 {
                    let before = dual[at];
                    dual[at] = (before - gradient / (norms[row] + extra)).max(0.0);
                    let step = (dual[at] - before) * sign;
                    add(weights, step, x);
                    *bias += step;
                }
                place += 1;
            }
            if largest - smallest <= settings.tolerance {
                if active == order.len() {
                    return Solution {
                        epochs: epoch,
                        converged: true,
                    };
                }
                // Those set aside have their say.
                active = order.len();
                largest_before = f64::INFINITY;
                continue;
            }
            largest_before = if largest > 0.0 {
                largest
            } else {
                f64::INFINITY
            };
        }
        Solution {
            epochs: settings.max_epochs,
            converged: false,
        }
    }

    /// The score of a row of features.
    pub(super) fn score(&self, x: &[f32]) -> f64 {
        let (weights, bias) = self.weights.split_at(x.len());
        dot(x, weights) + bias[0]
    }
}

#[inline(always)]
fn dot(x: &[f32], w: &[f64]) -> f64 {
    // Running sums in a fixed order, which become vector instructions.
    const LANES: usize = 32;
    let mut sums = [0.0; LANES];
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (w, w_rest) = w.as_chunks::<LANES>();
    for (x, w) in x.iter().zip(w) {
        for lane in 0..LANES {
            sums[lane] += f64::from(x[lane]) * w[lane];
        }
    }
    let rest: f64 = x_rest
        .iter()
        .zip(w_rest)
        .map(|(&x, w)| f64::from(x) * w)
        .sum();
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + rest
}

#[inline(always)]
fn add(w: &mut [f64], step: f64, x: &[f32]) {
    for (w, &x) in w.iter_mut().zip(x) {
        *w += step * f64::from(x);
    }
}
