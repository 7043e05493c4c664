//! How separable single images are: the distances to the 1st and to the 100th nearest neighbour
//! (paper, Fig. 3).
//!
//! Euclidean distances between embeddings as they are. A sample of the rows asks; every row of the
//! data may answer, so that what is said of a query row is exact. The first pass ranks by
//! `a.b - |b|^2 / 2` of rows in float32, which are first moved and scaled so that usual rows are
//! about 1 whatever a few outliers are; the second measures the distances of the best 128 in
//! float64, so that near duplicates are not lost in rounding.
//!
//! Cost: `2 q n d` operations for `q` query rows; `q 128` candidates of memory and one block.

use e2mc::{Matrix, MatrixView};
use rayon::prelude::*;

use super::histogram::{Histogram, overlap};
use super::rows::each_block;
use crate::knn::search::Best;
use crate::product::{Operand, multiply};
use crate::{Error, Rows};

/// The farther of the two neighbours, as in the paper.
const FAR: usize = 100;
/// Neighbours whose distance is measured exactly: some more, as their order was found in float32.
const CANDIDATES: usize = 128;
/// Rows of one product, on either side.
const TILE: usize = 512;
/// Bins of the histograms.
const BINS: usize = 50;

/// Distances to near and to farther neighbours.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Neighbours {
    /// Rows that asked.
    pub queries: usize,
    /// Rows that could answer.
    pub rows: usize,
    /// Mean distance to the nearest other row.
    pub first_mean: f64,
    /// Its standard error; 0 where all rows asked.
    pub first_error: f64,
    /// Mean distance to the 100th nearest other row; none of fewer than 101 rows.
    pub hundredth_mean: Option<f64>,
    /// Its standard error; 0 where all rows asked.
    pub hundredth_error: Option<f64>,
    /// The area that the two histograms share, 0 (every image stands apart) to 1.
    pub overlap: Option<f64>,
    /// Rows that asked and have an exact copy.
    pub copies: usize,
    /// The distance to the nearest row, of each row that asked.
    #[serde(skip)]
    pub first: Vec<f64>,
    /// The distance to the 100th; empty where there are too few rows.
    #[serde(skip)]
    pub hundredth: Vec<f64>,
}

/// The query rows: their values and their places among all rows.
pub(super) struct Queries {
    pub(super) values: Matrix,
    pub(super) places: Vec<usize>,
}

impl Neighbours {
    pub(super) fn measure(source: &dyn Rows, queries: &Queries) -> Result<Self, Error> {
        let rows = source.rows();
        let keep = CANDIDATES.min(rows - 1);
        let candidates = candidates(source, queries, keep)?;
        let distances = distances(source, queries, &candidates, keep)?;
        let at = |rank: usize| -> Vec<f64> {
            let each = distances.chunks_exact(keep);
            each.map(|sorted| sorted[rank - 1]).collect()
        };
        let first = at(1);
        let hundredth = (rows > FAR).then(|| at(FAR));
        let low = first.iter().copied().fold(f64::INFINITY, f64::min);
        let high = hundredth.as_ref().unwrap_or(&first);
        let high = high.iter().chain(&first).copied().fold(low, f64::max);
        let histogram = |values: &[f64]| Histogram::of(values, low, high, BINS);
        let shared = hundredth
            .as_ref()
            .map(|far| overlap(&histogram(&first), &histogram(far)));
        let all = queries.places.len() == rows;
        let error = |values: &[f64]| if all { 0.0 } else { standard_error(values) };
        Ok(Self {
            queries: queries.places.len(),
            rows,
            first_mean: average(&first),
            first_error: error(&first),
            hundredth_mean: hundredth.as_deref().map(average),
            hundredth_error: hundredth.as_deref().map(error),
            overlap: shared,
            copies: first.iter().filter(|&&distance| distance == 0.0).count(),
            first,
            hundredth: hundredth.unwrap_or_default(),
        })
    }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn standard_error(values: &[f64]) -> f64 {
    let (n, mean) = (values.len() as f64, average(values));
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (n - 1.0).max(1.0) / n).sqrt()
}

/// The `keep` nearest other rows of each query row, about in order.
fn candidates(source: &dyn Rows, queries: &Queries, keep: usize) -> Result<Vec<u32>, Error> {
    let dims = queries.values.cols();
    let frame = Frame::of(&queries.values);
    let mut centred = queries.values.data().to_vec();
    for row in centred.chunks_exact_mut(dims) {
        for (d, value) in row.iter_mut().enumerate() {
            *value = frame.place(*value, d);
        }
    }
    let mut best: Vec<Best> = queries.places.iter().map(|_| Best::new(keep)).collect();
    // Few query rows still occupy all cores.
    let chunk = queries
        .places
        .len()
        .div_ceil(32)
        .next_multiple_of(32)
        .min(TILE);
    each_block(source, |first, block| {
        let tiles = Tile::all_of(block, &frame);
        best.par_chunks_mut(chunk)
            .zip(centred.par_chunks(chunk * dims))
            .zip(queries.places.par_chunks(chunk))
            .for_each_init(Vec::new, |product, ((best, rows), places)| {
                for (i, tile) in tiles.iter().enumerate() {
                    let (start, width) = (first + i * TILE, tile.halves.len());
                    product.resize(best.len() * width, 0.0_f32);
                    multiply(
                        product,
                        Operand::new(rows, best.len(), dims),
                        Operand::new(&tile.columns, dims, width),
                    );
                    let lines = product.chunks_exact_mut(width);
                    for ((best, line), &place) in best.iter_mut().zip(lines).zip(places) {
                        for (value, half) in line.iter_mut().zip(&tile.halves) {
                            let rank = *value - half;
                            // An outlier overflows; it still counts, as the farthest, so that
                            // `keep` come back.
                            *value = if rank.is_finite() { rank } else { f32::MIN };
                        }
                        // No row is its own neighbour.
                        if (start..start + width).contains(&place) {
                            line[place - start] = f32::NEG_INFINITY;
                        }
                        best.offer(start as u32, line);
                    }
                }
            });
        Ok(())
    })?;
    Ok(best
        .into_par_iter()
        .flat_map_iter(|best| best.into_sorted().map(|neighbour| neighbour.index))
        .collect())
}

/// Where float32 tells the rows apart: distances in it are the true ones times a constant.
struct Frame {
    centre: Vec<f64>,
    /// A power of two, so that it rounds nothing.
    scale: f64,
}

impl Frame {
    /// The centre is the median of each column and the scale that of the rows' largest deviations,
    /// so that one row of huge values moves neither and usual rows neither overflow nor vanish when
    /// they are squared.
    fn of(queries: &Matrix) -> Self {
        let (data, dims) = (queries.data(), queries.cols());
        let centre: Vec<f64> = (0..dims)
            .into_par_iter()
            .map(|d| {
                median(
                    data.iter()
                        .skip(d)
                        .step_by(dims)
                        .map(|&v| v.into())
                        .collect(),
                )
            })
            .collect();
        let deviations = data.chunks_exact(dims).map(|row| {
            let each = row.iter().zip(&centre);
            each.fold(0.0, |most: f64, (&v, c)| most.max((f64::from(v) - c).abs()))
        });
        // Copies of the centre have no scale.
        let deviations: Vec<f64> = deviations.filter(|&deviation| deviation > 0.0).collect();
        let scale = if deviations.is_empty() {
            1.0
        } else {
            (-median(deviations).log2().round()).exp2()
        };
        Self { centre, scale }
    }

    fn place(&self, value: f32, d: usize) -> f32 {
        ((f64::from(value) - self.centre[d]) * self.scale) as f32
    }
}

/// The lower median of some values.
fn median(mut values: Vec<f64>) -> f64 {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Some centred rows as columns, with half their squared lengths.
struct Tile {
    columns: Vec<f32>,
    halves: Vec<f32>,
}

impl Tile {
    fn all_of(block: MatrixView<'_>, frame: &Frame) -> Vec<Self> {
        let firsts: Vec<usize> = (0..block.rows()).step_by(TILE).collect();
        firsts
            .into_par_iter()
            .map(|first| Self::new(block, first, frame))
            .collect()
    }

    fn new(block: MatrixView<'_>, first: usize, frame: &Frame) -> Self {
        let width = TILE.min(block.rows() - first);
        let mut columns = vec![0.0; width * block.cols()];
        let mut halves = vec![0.0; width];
        // Take the number of rows that fills a cache line of each output row.
        for start in (0..width).step_by(16) {
            let group = start..(start + 16).min(width);
            for (d, line) in columns.chunks_exact_mut(width).enumerate() {
                for (value, r) in line[group.clone()].iter_mut().zip(group.clone()) {
                    *value = frame.place(block.row(first + r)[d], d);
                    halves[r] += *value * *value;
                }
            }
        }
        halves.iter_mut().for_each(|half| *half *= 0.5);
        Self { columns, halves }
    }
}

/// The distances of the candidates in float64, increasing, `keep` for each query row.
fn distances(
    source: &dyn Rows,
    queries: &Queries,
    candidates: &[u32],
    keep: usize,
) -> Result<Vec<f64>, Error> {
    // By the row that is to be read: (row, place in `candidates`).
    let mut wanted: Vec<(u32, u32)> = candidates.iter().copied().zip(0..).collect();
    wanted.par_sort_unstable();
    let mut found = vec![0.0; candidates.len()];
    let mut next = 0;
    each_block(source, |first, block| {
        let end = first + block.rows();
        let count = wanted[next..].partition_point(|&(row, _)| (row as usize) < end);
        let here = &wanted[next..next + count];
        let measured: Vec<f64> = here
            .par_iter()
            .map(|&(row, place)| {
                let asks = queries.values.view().row(place as usize / keep);
                distance(asks, block.row(row as usize - first))
            })
            .collect();
        for (&(_, place), distance) in here.iter().zip(measured) {
            found[place as usize] = distance;
        }
        next += count;
        Ok(())
    })?;
    found
        .par_chunks_mut(keep)
        .for_each(|distances| distances.sort_unstable_by(f64::total_cmp));
    Ok(found)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square: f64 = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum();
    square.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{embeddings_and_labels, in_pool};

    fn measure(z: &Matrix, places: Vec<usize>) -> Neighbours {
        let values = places
            .iter()
            .flat_map(|&p| z.view().row(p).to_vec())
            .collect();
        let values = Matrix::new(values, places.len(), z.cols()).unwrap();
        let queries = Queries { values, places };
        Neighbours::measure(&z.view(), &queries).unwrap()
    }

    /// Sorted distances of row `i` to all others, by the obvious way.
    fn slow(z: &Matrix, i: usize) -> Vec<f64> {
        let others = (0..z.rows()).filter(|&j| j != i);
        let mut all: Vec<f64> = others
            .map(|j| distance(z.view().row(i), z.view().row(j)))
            .collect();
        all.sort_by(f64::total_cmp);
        all
    }

    #[test]
    fn agrees_with_sorting_all_distances() {
        let (mut z, _) = embeddings_and_labels(1300, 11, 4, 3);
        // Far from the origin, and near duplicates that float32 products cannot tell from copies.
        for (i, value) in z.data_mut().iter_mut().enumerate() {
            *value += 500.0 + if i % 11 == 0 { 1e-3 } else { 0.0 };
        }
        let twin = z.view().row(5).to_vec();
        z.data_mut()[11 * 900..][..11].copy_from_slice(&twin);
        z.data_mut()[11 * 900] += 1e-4;
        let places: Vec<usize> = (0..1300).step_by(5).collect();
        let found = measure(&z, places.clone());
        let all: Vec<Vec<f64>> = places.iter().map(|&i| slow(&z, i)).collect();
        let mean = |rank: usize| all.iter().map(|d| d[rank - 1]).sum::<f64>() / all.len() as f64;
        assert!((found.first_mean - mean(1)).abs() < 1e-9 * mean(1));
        assert!((found.hundredth_mean.unwrap() - mean(100)).abs() < 1e-9 * mean(100));
        assert!(found.first_error > 0.0 && found.hundredth_error.unwrap() > 0.0);
        assert_eq!((found.queries, found.rows, found.copies), (260, 1300, 0));
    }

    #[test]
    fn huge_and_tiny_rows_leave_every_query_its_own_neighbours() {
        let (plain, _) = embeddings_and_labels(1300, 11, 4, 3);
        let mut outlier = plain.clone();
        outlier.data_mut()[11 * 10..][..11].fill(1e25);
        let mut in_one_column = plain.clone();
        in_one_column.data_mut()[11 * 10 + 3] = 3e38;
        let mut tiny = plain;
        tiny.data_mut().iter_mut().for_each(|value| *value *= 1e-25);
        for z in [outlier, in_one_column, tiny] {
            let places: Vec<usize> = (0..1300).step_by(5).collect();
            let found = measure(&z, places.clone());
            assert!(found.first_mean.is_finite() && found.hundredth_mean.unwrap().is_finite());
            assert_eq!(found.hundredth.len(), places.len());
            for (at, &place) in places.iter().enumerate().filter(|(_, place)| **place != 10) {
                let all = slow(&z, place);
                assert_eq!((found.first[at], found.hundredth[at]), (all[0], all[99]));
            }
        }
    }

    #[test]
    fn points_on_a_line_have_known_neighbours() {
        let data = (0..400).flat_map(|i| [i as f32, 0.0]).collect();
        let found = measure(&Matrix::new(data, 400, 2).unwrap(), (0..400).collect());
        assert_eq!((found.first_mean, found.first_error), (1.0, 0.0));
        // 50 away in the middle, up to 100 at the ends.
        let expected: f64 = (0..400_i32)
            .map(|i| f64::from(100 - i.min(399 - i).min(50)))
            .sum::<f64>()
            / 400.0;
        assert!((found.hundredth_mean.unwrap() - expected).abs() < 1e-12);
        assert_eq!(found.overlap, Some(0.0));
    }

    #[test]
    fn copies_are_counted_and_few_rows_have_no_hundredth() {
        let mut data: Vec<f32> = (0..40).map(|i| (i as f32).sin()).collect();
        data.copy_within(0..4, 36);
        let found = measure(&Matrix::new(data, 20, 2).unwrap(), (0..20).collect());
        assert_eq!(found.copies, 4);
        assert!(found.hundredth_mean.is_none() && found.overlap.is_none());
        let one = measure(
            &Matrix::new(vec![0.5; 240], 120, 2).unwrap(),
            (0..120).collect(),
        );
        assert_eq!(
            (one.first_mean, one.hundredth_mean, one.overlap),
            (0.0, Some(0.0), Some(1.0))
        );
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (z, _) = embeddings_and_labels(700, 9, 4, 3);
        let run = |threads| in_pool(threads, || measure(&z, (0..700).step_by(3).collect()));
        assert_eq!(run(1), run(3));
    }
}
