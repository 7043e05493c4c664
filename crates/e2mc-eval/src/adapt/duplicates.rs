//! Rows that are nearly the same, which must not lie on two sides of a split.
//!
//! Two rows belong together if the cosine similarity of what they have beyond the mean of all rows
//! reaches a threshold; groups are what such pairs connect. The mean is taken off because features
//! after a ReLU all point the same way. 0.99 is what copies of an image in another size or
//! compression reach, and different images hardly ever do; a few dimensions leave no room to tell
//! them apart, and then only equal rows are grouped.
//!
//! Cost: `n^2 d` operations as blocked products; `n` is at most the rows that take part in the
//! choice.

use std::collections::HashMap;

use e2mc::MatrixView;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::product::{Operand, multiply};

/// Rows of a block.
const ROWS: usize = 512;
/// A group with a larger share of the rows than this says that closeness is no sign of copies.
const LARGEST_SHARE: f64 = 0.1;

/// Which rows are nearly the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Groups {
    /// The group of each row, counted from 0 in the order of their first rows.
    pub(super) of_row: Vec<usize>,
    /// The number of groups.
    pub(super) count: usize,
    /// The similarity from which rows were grouped; none if only equal rows were.
    pub(super) threshold: Option<f64>,
}

impl Groups {
    /// Groups the rows of `z` `(n, d)` by the cosine similarity `threshold`.
    pub(super) fn find(z: MatrixView<'_>, threshold: f64) -> Self {
        let equal = equal_rows(z);
        let near = near_rows(z, threshold, equal.clone());
        let (of_row, count) = numbered(near);
        let mut sizes = vec![0_usize; count];
        of_row.iter().for_each(|&group| sizes[group] += 1);
        let largest = sizes.into_iter().max().unwrap_or(0);
        let bound = (LARGEST_SHARE * z.rows() as f64).max(2.0);
        if largest as f64 <= bound {
            return Self {
                of_row,
                count,
                threshold: Some(threshold),
            };
        }
        let (of_row, count) = numbered(equal);
        Self {
            of_row,
            count,
            threshold: None,
        }
    }
}

/// Connects rows that are equal, minus zero and zero alike.
fn equal_rows(z: MatrixView<'_>) -> Union {
    let mut union = Union::new(z.rows());
    let hashes: Vec<[u8; 32]> = z
        .data()
        .par_chunks_exact(z.cols())
        .map(|row| {
            let mut hash = Sha256::new();
            row.iter()
                .for_each(|v| hash.update((v + 0.0).to_le_bytes()));
            hash.finalize().into()
        })
        .collect();
    let mut first: HashMap<[u8; 32], usize> = HashMap::with_capacity(z.rows());
    for (row, hash) in hashes.into_iter().enumerate() {
        let earlier = *first.entry(hash).or_insert(row);
        union.join(earlier, row);
    }
    union
}

/// Connects rows of at least that similarity, beyond those that are connected already.
fn near_rows(z: MatrixView<'_>, threshold: f64, mut union: Union) -> Union {
    let (n, d) = (z.rows(), z.cols());
    let unit = centred_unit_rows(z);
    let blocks = n.div_ceil(ROWS);
    let block = |index: usize| {
        let rows = (n - index * ROWS).min(ROWS);
        Operand::new(&unit[index * ROWS * d..][..rows * d], rows, d)
    };
    let pairs: Vec<(usize, usize)> = (0..blocks)
        .flat_map(|i| (0..=i).map(move |j| (i, j)))
        .collect();
    let least = threshold as f32;
    let found: Vec<Vec<(u32, u32)>> = pairs
        .par_iter()
        .map_init(Vec::new, |tile, &(i, j)| {
            let wide = (n - j * ROWS).min(ROWS);
            let high = (n - i * ROWS).min(ROWS);
            tile.resize(high * wide, 0.0_f32);
            multiply(tile, block(i), block(j).transposed());
            // A tile's pairs as a forest of its own: at most as many as it has rows.
            let mut local = Union::new(high + wide);
            let mut edges = Vec::new();
            for (r, line) in tile.chunks_exact(wide).enumerate() {
                if !line.iter().fold(false, |any, &s| any | (s >= least)) {
                    continue;
                }
                for (c, &similarity) in line.iter().enumerate() {
                    let (a, b) = (i * ROWS + r, j * ROWS + c);
                    if similarity >= least && a != b && local.join(r, high + c) {
                        edges.push((a as u32, b as u32));
                    }
                }
            }
            edges
        })
        .collect();
    for (a, b) in found.into_iter().flatten() {
        union.join(a as usize, b as usize);
    }
    union
}

/// The rows less their mean, at length 1; a row at the mean becomes 0 and is near to none.
fn centred_unit_rows(z: MatrixView<'_>) -> Vec<f32> {
    let d = z.cols();
    let mut mean = vec![0.0_f64; d];
    for row in z.data().chunks_exact(d) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(m, &v)| *m += f64::from(v));
    }
    mean.iter_mut().for_each(|m| *m /= z.rows() as f64);
    let mut unit = vec![0.0; z.data().len()];
    unit.par_chunks_exact_mut(d)
        .zip(z.data().par_chunks_exact(d))
        .for_each(|(unit, row)| {
            let centred = || row.iter().zip(&mean).map(|(&v, m)| f64::from(v) - m);
            let length = centred().map(|v| v * v).sum::<f64>().sqrt();
            if length > 0.0 {
                unit.iter_mut()
                    .zip(centred())
                    .for_each(|(u, v)| *u = (v / length) as f32);
            }
        });
    unit
}

/// Sets that grow together.
#[derive(Clone)]
struct Union {
    leader: Vec<u32>,
}

impl Union {
    fn new(len: usize) -> Self {
        Self {
            leader: (0..len as u32).collect(),
        }
    }

    fn find(&mut self, mut of: usize) -> usize {
        while self.leader[of] as usize != of {
            self.leader[of] = self.leader[self.leader[of] as usize];
            of = self.leader[of] as usize;
        }
        of
    }

    /// Whether the two were apart.
    fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        // The lowest member leads.
        self.leader[a.max(b)] = a.min(b) as u32;
        a != b
    }
}

fn numbered(mut union: Union) -> (Vec<usize>, usize) {
    let mut numbers = HashMap::new();
    let of_row = (0..union.leader.len())
        .map(|row| {
            let next = numbers.len();
            *numbers.entry(union.find(row)).or_insert(next)
        })
        .collect();
    (of_row, numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SplitMix, in_pool};
    use e2mc::Matrix;

    /// By the definition: every pair, in float64.
    fn slow(z: MatrixView<'_>, threshold: f64) -> Vec<usize> {
        let (n, d) = (z.rows(), z.cols());
        let mean: Vec<f64> = (0..d)
            .map(|j| (0..n).map(|i| f64::from(z.row(i)[j])).sum::<f64>() / n as f64)
            .collect();
        let centred = |i: usize| -> Vec<f64> {
            z.row(i)
                .iter()
                .zip(&mean)
                .map(|(&v, m)| f64::from(v) - m)
                .collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut group: Vec<usize> = (0..n).collect();
        for i in 0..n {
            for j in 0..i {
                let (a, b) = (centred(i), centred(j));
                if dot(&a, &b) >= threshold * (dot(&a, &a) * dot(&b, &b)).sqrt() {
                    let (from, to) = (group[i].max(group[j]), group[i].min(group[j]));
                    group
                        .iter_mut()
                        .filter(|g| **g == from)
                        .for_each(|g| *g = to);
                }
            }
        }
        let mut order: Vec<usize> = Vec::new();
        group
            .iter()
            .map(|g| {
                order.iter().position(|o| o == g).unwrap_or_else(|| {
                    order.push(*g);
                    order.len() - 1
                })
            })
            .collect()
    }

    /// 700 rows far from zero, of which some follow an earlier one closely, in chains too.
    fn rows() -> Matrix {
        let mut random = SplitMix(11);
        let d = 24;
        let mut data: Vec<f32> = Vec::new();
        for row in 0..700_usize {
            let near = row % 10 == 9;
            for j in 0..d {
                let value = if near {
                    data[(row - 9 + row % 7) * d + j] + 0.05 * random.normal()
                } else {
                    5.0 + random.normal()
                };
                data.push(value);
            }
        }
        Matrix::new(data, 700, d).unwrap()
    }

    #[test]
    fn groups_are_those_of_every_pair_compared() {
        let z = rows();
        let groups = Groups::find(z.view(), 0.99);
        assert_eq!(groups.of_row, slow(z.view(), 0.99));
        assert_eq!(groups.threshold, Some(0.99));
        assert!((600..690).contains(&groups.count), "{}", groups.count);
        let again = in_pool(1, || Groups::find(z.view(), 0.99));
        assert_eq!(groups, again);
    }

    #[test]
    fn where_all_rows_are_close_only_equal_ones_are_grouped() {
        // On a line every row is parallel to half of the others.
        let data: Vec<f32> = (0..40).map(|i| (i % 30) as f32).collect();
        let z = Matrix::new(data, 40, 1).unwrap();
        let groups = Groups::find(z.view(), 0.99);
        assert_eq!((groups.threshold, groups.count), (None, 30));
        assert_eq!(groups.of_row[30..], groups.of_row[..10]);
        let zeros = Matrix::new(vec![0.0, -0.0, 0.0, 1.0], 2, 2).unwrap();
        assert_eq!(Groups::find(zeros.view(), 0.99).count, 2);
    }
}
