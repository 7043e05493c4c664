//! The k training rows of greatest cosine similarity for each test row, exactly, without the full
//! similarity matrix.
//!
//! The training rows come in blocks: normalise a block, multiply it with every block of normalised
//! test rows, and offer the similarities to each test row's running best. A training block is
//! transposed once, when it is normalised: the product would otherwise spend as long on reordering
//! it, for every test block, as on multiplying. Blocks are padded with rows of zeros, so that every
//! similarity is computed by the same kernel whatever its place: equal rows get equal similarities,
//! bit for bit.

use std::cmp::Reverse;
use std::ops::Range;

use rayon::prelude::*;

use super::plan::{ALIGNMENT, Plan, TRAIN_ROWS};
use crate::product::{Operand, multiply};
use crate::standardise::inverse_norm;
use crate::{Error, Rows, check};

/// A training row and its similarity to a test row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) index: u32,
    pub(crate) similarity: f32,
}

/// The `k` nearest training rows of each of the `wanted` test rows, best first; at equal similarity
/// the lower row first.
///
/// The caller has checked that both are of equal width, and that
/// `1 <= k <= train.rows() <= u32::MAX`.
pub(super) fn nearest(
    train: &dyn Rows,
    test: &dyn Rows,
    wanted: Range<usize>,
    k: usize,
    plan: &Plan,
) -> Result<Vec<Neighbour>, Error> {
    let (dims, block) = (test.cols(), plan.block);
    let mut best: Vec<Best> = wanted.clone().map(|_| Best::new(k)).collect();
    let test_rows = normalised(test, wanted, block)?;

    for start in (0..train.rows()).step_by(plan.panel_rows) {
        let rows = start..(start + plan.panel_rows).min(train.rows());
        let panel = normalised_columns(train, rows.clone())?;
        best.par_chunks_mut(block)
            .zip(test_rows.par_chunks(block * dims))
            .for_each_init(Vec::new, |tile, (best, test_rows)| {
                for (i, train_columns) in panel.chunks(TRAIN_ROWS * dims).enumerate() {
                    let first = start + i * TRAIN_ROWS;
                    let width = train_columns.len() / dims;
                    tile.resize(block * width, 0.0_f32);
                    multiply(
                        tile,
                        Operand::new(test_rows, block, dims),
                        Operand::new(train_columns, dims, width),
                    );
                    let filled = width.min(rows.end - first);
                    for (best, similarities) in best.iter_mut().zip(tile.chunks(width)) {
                        best.offer(first as u32, &similarities[..filled]);
                    }
                }
            });
    }
    Ok(best
        .into_par_iter()
        .flat_map_iter(Best::into_sorted)
        .collect())
}

/// The rows at unit length (rows of zeros stay), then rows of zeros up to a multiple of `multiple`.
fn normalised(test: &dyn Rows, rows: Range<usize>, multiple: usize) -> Result<Vec<f32>, Error> {
    let dims = test.cols();
    let values = test.read(rows.clone())?;
    check::finite(&values, dims, rows.start, check::TEST)?;
    let mut out = vec![0.0; rows.len().next_multiple_of(multiple) * dims];
    out.par_chunks_mut(dims)
        .zip(values.par_chunks(dims))
        .for_each(|(out, row)| {
            let scale = inverse_norm(row);
            for (out, &value) in out.iter_mut().zip(row) {
                *out = scaled(value, scale);
            }
        });
    Ok(out)
}

/// The given rows at unit length as columns: blocks of `(d, TRAIN_ROWS)`, row-major, the last one
/// only as wide as needed, padded with columns of zeros.
fn normalised_columns(train: &dyn Rows, rows: Range<usize>) -> Result<Vec<f32>, Error> {
    let dims = train.cols();
    let values = train.read(rows.clone())?;
    check::finite(&values, dims, rows.start, check::TRAINING)?;
    let row = |index: usize| &values[index * dims..][..dims];
    let mut out = vec![0.0; rows.len().next_multiple_of(ALIGNMENT) * dims];
    out.par_chunks_mut(TRAIN_ROWS * dims)
        .enumerate()
        .for_each(|(i, block)| {
            let width = block.len() / dims;
            let first = i * TRAIN_ROWS;
            let filled = width.min(rows.len() - first);
            // Take the number of rows that fills a cache line of each output row.
            for start in (0..filled).step_by(16) {
                let group = start..(start + 16).min(filled);
                let mut scales = [0.0; 16];
                for (scale, r) in scales.iter_mut().zip(group.clone()) {
                    *scale = inverse_norm(row(first + r));
                }
                for (d, out) in block.chunks_exact_mut(width).enumerate() {
                    for ((out, r), &scale) in out[group.clone()]
                        .iter_mut()
                        .zip(group.clone())
                        .zip(&scales)
                    {
                        *out = scaled(row(first + r)[d], scale);
                    }
                }
            }
        });
    Ok(out)
}

fn scaled(value: f32, scale: f64) -> f32 {
    (f64::from(value) * scale) as f32
}

/// The best `k` of the similarities offered so far, as sortable keys, and up to `k` more that came
/// since the last pruning.
pub(crate) struct Best {
    k: usize,
    keys: Vec<u64>,
    /// Anything not above this cannot be among the best: rows are offered in order, and a later
    /// equal one loses.
    threshold: f32,
}

impl Best {
    pub(crate) fn new(k: usize) -> Self {
        Self {
            k,
            keys: Vec::with_capacity(2 * k),
            threshold: f32::NEG_INFINITY,
        }
    }

    /// Offers the similarities to the training rows `first..`.
    pub(crate) fn offer(&mut self, first: u32, similarities: &[f32]) {
        const LANES: usize = 16;
        for (i, chunk) in similarities.chunks(LANES).enumerate() {
            // Most chunks hold nothing of interest; this test is a few vector instructions.
            if !chunk
                .iter()
                .fold(false, |any, &s| any | (s > self.threshold))
            {
                continue;
            }
            for (j, &similarity) in chunk.iter().enumerate() {
                if similarity > self.threshold {
                    self.keys
                        .push(key(first + (i * LANES + j) as u32, similarity));
                    if self.keys.len() == 2 * self.k {
                        self.prune();
                    }
                }
            }
        }
    }

    fn prune(&mut self) {
        let (_, &mut last, _) = self
            .keys
            .select_nth_unstable_by_key(self.k - 1, |&k| Reverse(k));
        self.keys.truncate(self.k);
        self.threshold = neighbour(last).similarity;
    }

    pub(crate) fn into_sorted(mut self) -> impl Iterator<Item = Neighbour> {
        self.keys.sort_unstable_by_key(|&k| Reverse(k));
        self.keys.truncate(self.k);
        self.keys.into_iter().map(neighbour)
    }
}

/// A number that is greater for a greater similarity and, at equal similarity, for a lower index.
fn key(index: u32, similarity: f32) -> u64 {
    // -0 becomes +0; then flip so that the bits of all floats compare as unsigned integers.
    let bits = (similarity + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    };
    u64::from(ordered) << 32 | u64::from(!index)
}

fn neighbour(key: u64) -> Neighbour {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 1 {
        ordered & !(1 << 31)
    } else {
        !ordered
    };
    Neighbour {
        index: !(key as u32),
        similarity: f32::from_bits(bits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_by_similarity_then_by_lower_index_and_read_back() {
        let similarities = [-1.0, -0.5, -1e-30, 0.0, 1e-30, 0.25, 1.0_f32];
        for (i, &a) in similarities.iter().enumerate() {
            assert_eq!(
                neighbour(key(7, a)),
                Neighbour {
                    index: 7,
                    similarity: a
                }
            );
            assert!(key(3, a) > key(4, a));
            assert!(similarities[..i].iter().all(|&b| key(9, a) > key(0, b)));
        }
        assert_eq!(key(1, -0.0), key(1, 0.0));
    }

    #[test]
    fn a_running_best_keeps_what_a_full_sort_would() {
        // Few distinct values, so that ties reach over the k-th place in every case.
        for k in [1, 2, 7, 64] {
            let similarities: Vec<f32> = (0..1000_u32)
                .map(|i| (i.wrapping_mul(2_654_435_761) >> 27) as f32 / 32.0)
                .collect();
            let mut best = Best::new(k);
            for (i, chunk) in similarities.chunks(77).enumerate() {
                best.offer(77 * i as u32, chunk);
            }
            let mut order: Vec<usize> = (0..similarities.len()).collect();
            order.sort_by(|&a, &b| similarities[b].total_cmp(&similarities[a])); // stable
            let found: Vec<usize> = best.into_sorted().map(|n| n.index as usize).collect();
            assert_eq!(found, order[..k]);
        }
    }
}
