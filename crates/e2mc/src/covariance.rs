//! The off-diagonal covariance penalty `sum_{j != k} C_jk^2 / d` with `C = U^T U / (n - 1)` (paper,
//! Eq. 8).
//!
//! `U` is the centred transformed embedding `(n, d)`. The sum over all of `C` is a squared
//! Frobenius norm, and `||U^T U|| = ||U U^T||`: whichever of the `d x d` and the `n x n` product is
//! smaller gives the value and, with `4 / (d (n-1)^2) (U U^T U - U diag(U^T U))`, the gradient with
//! respect to `U`.

use crate::gram::{Tiles, transpose};
use crate::panels::{Panels, Row, WIDTH, count};
use e2mc_base::simd::Level;
use rayon::prelude::*;

/// Columns that are turned into rows at a time for the `n x n` product.
const CHUNK: usize = 1024;

/// The smaller of the two products, and what it takes to make it.
#[derive(Debug, Default)]
pub(crate) struct Gram {
    tiles: Tiles,
    turned: Panels,
    product: Panels,
    sums: Vec<f64>,
    by_rows: bool,
}

impl Gram {
    /// Computes the product for `u` `(n, d)`. Returns `sum_{j != k} (U^T U)_jk^2`, for which the
    /// `squares` of the columns, the diagonal of `U^T U`, must be known.
    pub(crate) fn compute(&mut self, level: Level, u: &Panels, d: usize, squares: &[f64]) -> f64 {
        let n = u.rows();
        self.by_rows = n < d;
        if !self.by_rows {
            self.tiles.reset(d);
            self.tiles.add_gram(level, u);
            return self
                .tiles
                .expand(level, &mut self.product, true, &mut self.sums);
        }
        self.add_by_rows(level, u, d);
        self.expand_by_rows(level, squares.iter().map(|square| square * square).sum())
    }

    /// Computes `U U^T` for `u` `(n, d)`, in tiles alone: the first half of [`Gram::compute`] where
    /// some columns are elsewhere.
    pub(crate) fn add_by_rows(&mut self, level: Level, u: &Panels, d: usize) {
        let n = u.rows();
        self.by_rows = true;
        self.tiles.reset(n);
        for first in (0..count(d)).step_by(CHUNK / WIDTH) {
            let panels = first..count(d).min(first + CHUNK / WIDTH);
            self.turned.resize(panels.len() * WIDTH, n);
            let lines = self.turned.groups_mut(1);
            lines.enumerate().for_each(|(index, mut lines)| {
                let rows = index * WIDTH..n.min((index + 1) * WIDTH);
                for (panel, lines) in panels.clone().zip(lines.panel(0).chunks_mut(WIDTH)) {
                    transpose(&u.panel(panel)[rows.clone()], lines);
                }
            });
            self.tiles.add_gram(level, &self.turned);
        }
    }

    /// The numbers of the tiles, which other columns' are added to between the halves.
    pub(crate) fn tiles(&mut self) -> &mut Tiles {
        &mut self.tiles
    }

    /// Writes the whole product from its tiles. Returns `sum_{j != k} (U^T U)_jk^2`, given the sum
    /// of the squares of `U^T U`'s diagonal.
    pub(crate) fn expand_by_rows(&mut self, level: Level, diagonal: f64) -> f64 {
        let all = self
            .tiles
            .expand(level, &mut self.product, false, &mut self.sums);
        // Both are sums of squares, the second a part of the first: only rounding can make it
        // negative.
        (all - diagonal).max(0.0)
    }

    /// The factors `(A, B)` of `U (U^T U)`, and whether the product still holds the diagonal's
    /// part.
    pub(crate) fn factors<'a>(&'a self, u: &'a Panels) -> (&'a Panels, &'a Panels, bool) {
        if self.by_rows {
            (&self.product, u, true)
        } else {
            (u, &self.product, false)
        }
    }
}

/// Takes the diagonal's part `U diag(U^T U)` from lines of a panel of `U (U^T U)`.
#[inline(always)]
pub(crate) fn subtract_diagonal(lines: &mut [Row], u: &[Row], diagonal: &[f64]) {
    let mut factors = [0.0; WIDTH];
    for (factor, diagonal) in factors.iter_mut().zip(diagonal) {
        *factor = *diagonal as f32;
    }
    for (line, u) in lines.iter_mut().zip(u) {
        let (sum, u) = (*line, *u);
        for lane in 0..WIDTH {
            line[lane] = sum[lane] - u[lane] * factors[lane];
        }
    }
}
