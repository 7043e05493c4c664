//! Symmetric products `X^T X` of which only the lower half is computed.
//!
//! The result is cut into square tiles, each computed by one thread in a fixed order of summation,
//! so that it does not depend on the number of threads. A tile is built from strips of a few rows
//! by one or three panels that stay in registers while the inner dimension runs.

use crate::panels::{Panels, PanelsMut, Row, WIDTH, count};
use e2mc_base::simd::{Kernel, Level, Simd};
use rayon::prelude::*;
use std::ops::Range;

/// Panels in a tile's side; a multiple of every strip's width.
const SIDE: usize = 6;
/// Lines of a tile: `SIDE` panels of `SIDE * WIDTH` rows.
const TILE: usize = SIDE * SIDE * WIDTH;
/// Inner steps between two visits to a strip, for which the panels stay in the cache.
const DEPTH: usize = 256;
/// Bytes of `x` that are worked on at a time.
const CACHE: usize = 4 << 20;

/// The lower half of a symmetric matrix, in tiles.
#[derive(Debug, Default)]
pub(crate) struct Tiles {
    lines: Vec<Row>,
    order: usize,
}

impl Tiles {
    /// Takes the shape `(order, order)`, keeping the memory, and sets all to zero.
    pub(crate) fn reset(&mut self, order: usize) {
        let side = count(order).div_ceil(SIDE);
        self.order = order;
        self.lines.clear();
        self.lines
            .resize(side * (side + 1) / 2 * TILE, Row::default());
    }

    /// How many numbers the tiles of a matrix of that order hold.
    pub(crate) fn len(order: usize) -> usize {
        let side = count(order).div_ceil(SIDE);
        side * (side + 1) / 2 * TILE * WIDTH
    }

    /// The tiles' numbers, in rows.
    pub(crate) fn lines(&self) -> &[Row] {
        &self.lines
    }

    /// The tiles' numbers, in rows, to write to.
    pub(crate) fn lines_mut(&mut self) -> &mut [Row] {
        &mut self.lines
    }

    /// Adds `X^T X`, where `x` has the tiles' order of columns.
    pub(crate) fn add_gram(&mut self, level: Level, x: &Panels) {
        let panels = count(self.order);
        // All tiles take their part of a chunk of rows while the chunk is in the cache.
        let chunk = (CACHE / (panels * size_of::<Row>())).max(DEPTH);
        for first in (0..x.rows()).step_by(chunk) {
            let rows = first..x.rows().min(first + chunk);
            self.lines
                .par_chunks_mut(TILE)
                .enumerate()
                .for_each(|(index, tile)| {
                    let (i, j) = position(index);
                    let (i, j) = (i * SIDE, j * SIDE);
                    level.run(Tile {
                        x,
                        rows: rows.clone(),
                        panels,
                        i,
                        j,
                        tile,
                    });
                });
        }
    }

    /// Writes the whole matrix to `full`, its diagonal replaced by zero if asked. Returns the sum
    /// of the squares of what was written; `sums` is scratch.
    pub(crate) fn expand(
        &self,
        level: Level,
        full: &mut Panels,
        zero_diagonal: bool,
        sums: &mut Vec<f64>,
    ) -> f64 {
        full.resize(self.order, self.order);
        let work = |(panel, mut lines): (usize, PanelsMut)| {
            let lines = lines.panel(0);
            level.run(Expand {
                tiles: self,
                panel,
                lines,
                zero_diagonal,
            })
        };
        let squares = full.groups_mut(1).enumerate().map(work);
        // Stored before they are added up: the order of a parallel sum is not fixed.
        squares.collect_into_vec(sums);
        sums.iter().sum()
    }

    /// Block `(i, j)` of sixteen by sixteen, `i >= j`, one line for each of its rows.
    fn block(&self, i: usize, j: usize) -> &[Row] {
        let (tile_i, tile_j) = (i / SIDE, j / SIDE);
        let tile = (tile_i * (tile_i + 1) / 2 + tile_j) * TILE;
        let line = (j % SIDE * SIDE + i % SIDE) * WIDTH;
        &self.lines[tile + line..][..WIDTH]
    }
}

/// Row and column of the tile `index` of a lower half stored row by row.
fn position(index: usize) -> (usize, usize) {
    let mut row = 0;
    while (row + 1) * (row + 2) / 2 <= index {
        row += 1;
    }
    (row, index - row * (row + 1) / 2)
}

/// One tile: rows of the panels from `i`, columns of the panels from `j`.
struct Tile<'a> {
    x: &'a Panels,
    rows: Range<usize>,
    panels: usize,
    i: usize,
    j: usize,
    tile: &'a mut [Row],
}

impl Kernel for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LARGE_TILE {
            self.strips::<S, 8, 3>(simd)
        } else {
            self.strips::<S, 4, 1>(simd)
        }
    }
}

impl Tile<'_> {
    #[inline(always)]
    fn strips<S: Simd, const ROWS: usize, const PANELS: usize>(self, simd: S) {
        let Self {
            x,
            rows,
            panels,
            i,
            j,
            tile,
        } = self;
        for start in rows.clone().step_by(DEPTH) {
            let depth = start..rows.end.min(start + DEPTH);
            for column in (0..SIDE)
                .step_by(PANELS)
                .filter(|column| j + column < panels)
            {
                let b: [&[Row]; PANELS] = std::array::from_fn(|k| {
                    // A strip may reach beyond the last panel; what is computed there is not used.
                    &x.panel((j + column + k).min(panels - 1))[depth.clone()]
                });
                for row in 0..SIDE.min(panels - i) {
                    // Blocks above the diagonal are mirror images of others.
                    if i + row < j + column {
                        continue;
                    }
                    let a = &x.panel(i + row)[depth.clone()];
                    for part in 0..WIDTH / ROWS {
                        let line = (column * SIDE + row) * WIDTH + part * ROWS;
                        let strip = &mut tile[line..];
                        add_strip::<S, ROWS, PANELS>(simd, a, part, b, strip);
                    }
                }
            }
        }
    }
}

/// Adds to a strip of `ROWS` rows and `PANELS` panels the product of part `part` of `a`,
/// transposed, and `b`.
#[inline(always)]
fn add_strip<S: Simd, const ROWS: usize, const PANELS: usize>(
    simd: S,
    a: &[Row],
    part: usize,
    b: [&[Row]; PANELS],
    strip: &mut [Row],
) {
    let mut sums = [[simd.splat(0.0); PANELS]; ROWS];
    for k in 0..a.len() {
        let (rows, _) = a[k][part * ROWS..].as_chunks::<ROWS>();
        let a = &rows[0];
        let mut lines = [simd.splat(0.0); PANELS];
        for panel in 0..PANELS {
            lines[panel] = simd.load(&b[panel][k]);
        }
        for row in 0..ROWS {
            let a = simd.splat(a[row]);
            for panel in 0..PANELS {
                sums[row][panel] = simd.mul_add(a, lines[panel], sums[row][panel]);
            }
        }
    }
    for panel in 0..PANELS {
        let lines = &mut strip[panel * SIDE * WIDTH..][..ROWS];
        for (line, sums) in lines.iter_mut().zip(&sums) {
            simd.store(simd.add(simd.load(line), sums[panel]), line);
        }
    }
}

/// One panel of the whole matrix from the tiles of its lower half.
struct Expand<'a> {
    tiles: &'a Tiles,
    panel: usize,
    lines: &'a mut [Row],
    zero_diagonal: bool,
}

impl Kernel for Expand<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let Self {
            tiles,
            panel,
            lines,
            zero_diagonal,
        } = self;
        let mut squares = [0.0_f64; WIDTH];
        for (index, lines) in lines.chunks_mut(WIDTH).enumerate() {
            if index >= panel {
                let block = tiles.block(index, panel);
                lines.copy_from_slice(&block[..lines.len()]);
            } else {
                transpose(tiles.block(panel, index), lines);
            }
            if index == panel && zero_diagonal {
                for (lane, line) in lines.iter_mut().enumerate() {
                    line[lane] = 0.0;
                }
            }
            let mut sum = [0.0_f32; WIDTH];
            for line in lines {
                for lane in 0..WIDTH {
                    sum[lane] += line[lane] * line[lane];
                }
            }
            for lane in 0..WIDTH {
                squares[lane] += f64::from(sum[lane]);
            }
        }
        squares.iter().sum()
    }
}

/// Writes the transpose of up to sixteen lines; lanes without a line become zero.
#[inline(always)]
pub(crate) fn transpose(from: &[Row], to: &mut [Row]) {
    for (lane, to) in to.iter_mut().enumerate() {
        *to = Row::default();
        for (to, from) in to.iter_mut().zip(from) {
            *to = from[lane];
        }
    }
}
