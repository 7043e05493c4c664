//! `X^T X` in float64 of rows that come in blocks: the lower half only, in square tiles, one task a
//! tile.
//!
//! Products of float32 numbers are exact in float64, so that even the smallest eigenvalues of the
//! sum mean something: a float32 sum would hide every direction with less than a few thousandths of
//! the largest deviation. Each tile adds its blocks in the order in which they come; the result
//! does not depend on the number of threads.

use rayon::prelude::*;

use crate::product::{Operand, multiply_add};

/// Columns of a tile's side.
const SIDE: usize = 256;

/// The running sum.
pub(super) struct Gram {
    order: usize,
    /// Tile `(i, j)` with `i >= j` is at `i (i + 1) / 2 + j`, row-major.
    tiles: Vec<Vec<f64>>,
}

impl Gram {
    /// A sum of nothing, for rows of `order` columns.
    pub(super) fn new(order: usize) -> Self {
        let count = order.div_ceil(SIDE);
        let width = |index: usize| SIDE.min(order - index * SIDE);
        let tiles = (0..count)
            .flat_map(|i| (0..=i).map(move |j| vec![0.0; width(i) * width(j)]))
            .collect();
        Self { order, tiles }
    }

    /// Adds the products of `rows`, whole rows one after the other.
    pub(super) fn add(&mut self, rows: &[f64]) {
        let order = self.order;
        let count = rows.len() / order;
        // Each strip of columns is copied together once; all tiles then read contiguous memory.
        let strips: Vec<Vec<f64>> = (0..order)
            .into_par_iter()
            .step_by(SIDE)
            .map(|first| {
                let columns = first..order.min(first + SIDE);
                rows.chunks_exact(order)
                    .flat_map(|row| row[columns.clone()].iter().copied())
                    .collect()
            })
            .collect();
        self.tiles
            .par_iter_mut()
            .enumerate()
            .for_each(|(index, tile)| {
                let (i, j) = place(index);
                let (wide, high) = (strips[j].len() / count, strips[i].len() / count);
                let left = Operand::new(&strips[i], count, high).transposed();
                multiply_add(tile, left, Operand::new(&strips[j], count, wide));
            });
    }

    /// The whole symmetric matrix, row-major.
    pub(super) fn into_matrix(self) -> Vec<f64> {
        let order = self.order;
        let mut matrix = vec![0.0; order * order];
        for (index, tile) in self.tiles.iter().enumerate() {
            let (i, j) = place(index);
            let wide = SIDE.min(order - j * SIDE);
            for (r, line) in tile.chunks_exact(wide).enumerate() {
                for (c, &value) in line.iter().enumerate() {
                    let (row, column) = (i * SIDE + r, j * SIDE + c);
                    matrix[row * order + column] = value;
                    matrix[column * order + row] = value;
                }
            }
        }
        matrix
    }
}

/// Row and column of a tile of the lower half.
fn place(index: usize) -> (usize, usize) {
    let mut row = 0;
    while (row + 1) * (row + 2) / 2 <= index {
        row += 1;
    }
    (row, index - row * (row + 1) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SplitMix, in_pool};

    #[test]
    fn blocks_add_up_to_the_product_of_all_rows() {
        let mut random = SplitMix(3);
        for (rows, order) in [(7, 3), (40, 255), (33, 256), (20, 300), (9, 520)] {
            let x: Vec<f64> = (0..rows * order)
                .map(|_| f64::from(random.normal()))
                .collect();
            let run = |threads| {
                in_pool(threads, || {
                    let mut gram = Gram::new(order);
                    x.chunks(4 * order).for_each(|rows| gram.add(rows));
                    gram.into_matrix()
                })
            };
            let found = run(2);
            for (i, j) in [
                (0, 0),
                (order - 1, 0),
                (0, order - 1),
                (order / 2, order - 1),
            ] {
                let expected: f64 = x.chunks(order).map(|row| row[i] * row[j]).sum();
                assert!(
                    (found[i * order + j] - expected).abs() < 1e-12,
                    "{order}: {i} {j}"
                );
            }
            assert_eq!(found, run(1), "threads");
        }
    }
}
