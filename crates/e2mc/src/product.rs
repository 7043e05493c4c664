//! Products `A B` of panels, row block by row block, each result handed on while it is in the
//! cache.
//!
//! Each element is summed in one fixed order, whatever the number of threads.

use crate::panels::{Panels, Row, WIDTH, count};
use e2mc_base::simd::Simd;
use std::ops::Range;

/// Rows in a block; a multiple of every strip's height.
pub(crate) const BLOCK: usize = 64;
/// Inner panels between two visits to a strip, for which the other factor stays in the cache.
const DEPTH: usize = 16;

/// What becomes of a block of the product.
pub(crate) trait Finish {
    /// Takes the lines of one panel of the block; must be `#[inline(always)]`.
    fn finish<S: Simd>(&mut self, simd: S, panel: usize, lines: &mut [Row]);
}

/// Computes rows `rows` of `A B`, `BLOCK` of them at most, where `B` has `cols` columns. Hands each
/// panel to `finish`.
#[inline(always)]
pub(crate) fn block_product<S: Simd>(
    simd: S,
    a: &Panels,
    b: &Panels,
    rows: Range<usize>,
    cols: usize,
    finish: impl Finish,
) {
    if S::LARGE_TILE {
        strips::<S, 8, 3>(simd, a, b, rows, cols, finish);
    } else {
        strips::<S, 4, 1>(simd, a, b, rows, cols, finish);
    }
}

#[inline(always)]
fn strips<S: Simd, const ROWS: usize, const PANELS: usize>(
    simd: S,
    a: &Panels,
    b: &Panels,
    rows: Range<usize>,
    cols: usize,
    mut finish: impl Finish,
) {
    let inner = count(b.rows());
    let panels = count(cols);
    for column in (0..panels).step_by(PANELS) {
        let mut sums = [[Row::default(); BLOCK]; PANELS];
        // A strip may reach beyond the last panel; what is computed there is not used.
        let b: [&[Row]; PANELS] = std::array::from_fn(|k| b.panel((column + k).min(panels - 1)));
        for start in (0..inner).step_by(DEPTH) {
            let depth = start..inner.min(start + DEPTH);
            let mut row = 0;
            while row + ROWS <= rows.len() {
                let first = rows.start + row;
                add_strip::<S, ROWS, PANELS>(simd, a, first, b, depth.clone(), &mut sums, row);
                row += ROWS;
            }
            while row < rows.len() {
                let first = rows.start + row;
                add_strip::<S, 1, PANELS>(simd, a, first, b, depth.clone(), &mut sums, row);
                row += 1;
            }
        }
        for (panel, sums) in (column..panels).zip(&mut sums) {
            finish.finish(simd, panel, &mut sums[..rows.len()]);
        }
    }
}

/// Adds, to `ROWS` rows of `sums` from `row`, the product of as many rows of `a` from `first` and
/// `b` over the inner panels `depth`.
#[inline(always)]
fn add_strip<S: Simd, const ROWS: usize, const PANELS: usize>(
    simd: S,
    a: &Panels,
    first: usize,
    b: [&[Row]; PANELS],
    depth: Range<usize>,
    sums: &mut [[Row; BLOCK]; PANELS],
    row: usize,
) {
    let inner = b[0].len();
    let mut strip = [[simd.splat(0.0); PANELS]; ROWS];
    for r in 0..ROWS {
        for panel in 0..PANELS {
            strip[r][panel] = simd.load(&sums[panel][row + r]);
        }
    }
    for panel in depth {
        let (a, _) = a.panel(panel)[first..].as_chunks::<ROWS>();
        let a = &a[0];
        let start = panel * WIDTH;
        for k in 0..WIDTH.min(inner - start) {
            let mut line = [simd.splat(0.0); PANELS];
            for panel in 0..PANELS {
                line[panel] = simd.load(&b[panel][start + k]);
            }
            for r in 0..ROWS {
                let a = simd.splat(a[r][k]);
                for panel in 0..PANELS {
                    strip[r][panel] = simd.mul_add(a, line[panel], strip[r][panel]);
                }
            }
        }
    }
    for r in 0..ROWS {
        for panel in 0..PANELS {
            simd.store(strip[r][panel], &mut sums[panel][row + r]);
        }
    }
}
