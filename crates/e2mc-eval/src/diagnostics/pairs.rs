//! Two dimensions at a time: which pairs fill the unit square and which depend on each other
//! (paper, Fig. 2 and D.1).
//!
//! Uniform marginals without correlation are not yet a uniform pair: the paper's "X", points on
//! both diagonals of the square, has both and is far from independent. So each pair is tested for
//! independence, on the ranks of its two dimensions in a `b x b` grid whose rows and columns all
//! hold `n / b` points: Pearson's chi-square with `(b - 1)^2` degrees of freedom, and the mutual
//! information `I`, less its bias `(b - 1)^2 / 2n`. By `h(x, y) = h(x) + h(y) - I` the divergence
//! of the pair from the uniform distribution of the square is `-h(x) - h(y) + I`, all in nats.
//!
//! Equal values are ranked in a random order of their own in each dimension, so that ties make
//! nothing dependent. Dead dimensions are left out: they would only be the farthest from uniform.
//! Cost: `n` counts for each of the `d (d - 1) / 2` pairs, so a sample of the rows is used and, of
//! very many dimensions, some.

use e2mc::{MatrixView, Transform};
use rayon::prelude::*;
use statrs::function::gamma::gamma_ur;

use super::rows::spread_rows;
use crate::random::{Purpose, Stream};

/// Most rows and columns of the grid.
const FINEST: usize = 8;
/// Points that a cell of the grid holds at least, if all are independent.
const EXPECTED: usize = 5;
/// Dimensions whose pairs are looked at, at most.
const MOST_DIMENSIONS: usize = 2048;
/// Pairs named in each list.
const NAMED: usize = 4;
/// Below this absolute correlation a dependence is hidden from the covariance.
const HIDDEN: f64 = 0.1;
/// Pairs are called dependent at this level, after correction for their number.
const LEVEL: f64 = 0.05;

/// What two dimensions have in common.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Pair {
    /// Zero-based.
    pub first: usize,
    /// Zero-based, above `first`.
    pub second: usize,
    /// Pearson's correlation over all rows, before the transform.
    pub correlation: f64,
    /// The divergence from the uniform distribution of the square, in nats; 0 is uniform.
    pub divergence: f64,
    /// The mutual information, in nats; about 0 if independent.
    pub mutual_information: f64,
    /// Pearson's chi-square of independence.
    pub chi_square: f64,
    /// The chance of a chi-square as large if the two were independent.
    pub p: f64,
    /// The same times the number of pairs looked at, at most 1 (Bonferroni).
    pub p_corrected: f64,
}

/// The pairs of dimensions.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Pairs {
    /// Rows looked at.
    pub rows: usize,
    /// Dimensions whose pairs were looked at.
    pub dimensions: usize,
    /// Pairs looked at.
    pub pairs: usize,
    /// Rows and columns of the grid.
    pub grid: usize,
    /// Degrees of freedom of the chi-square.
    pub degrees: usize,
    /// Pairs whose independence is rejected at 5 %, corrected for the number of pairs.
    pub dependent: usize,
    /// The mean mutual information, in nats.
    pub mean_mutual_information: f64,
    /// The pairs nearest to uniform, the nearest first.
    pub most_uniform: Vec<Pair>,
    /// The pairs farthest from uniform, the farthest first.
    pub least_uniform: Vec<Pair>,
    /// The pairs of the largest mutual information, the largest first.
    pub most_dependent: Vec<Pair>,
    /// The same among pairs whose absolute correlation is under 0.1: what covariance cannot see.
    pub most_hidden: Vec<Pair>,
}

impl Pairs {
    /// Measures the pairs of the `live` dimensions of `z` `(n, d)`, given each dimension's
    /// `entropy` after the transform and the `correlation` over all rows. `None` for fewer than two
    /// dimensions, or too few rows for a grid of two by two.
    pub(super) fn measure(
        z: MatrixView<'_>,
        entropy: &[f32],
        live: &[usize],
        correlation: impl Fn(usize, usize) -> f64 + Sync,
        seed: u64,
    ) -> Option<Self> {
        let rows = z.rows();
        let grid = ((rows / EXPECTED) as f64).sqrt() as usize;
        let grid = grid.min(FINEST);
        if grid < 2 || live.len() < 2 {
            return None;
        }
        let dimensions: Vec<usize> = spread_rows(live.len(), MOST_DIMENSIONS, seed)
            .into_iter()
            .map(|index| live[index])
            .collect();
        let cells: Vec<Vec<u8>> = dimensions
            .par_iter()
            .map(|&j| ranks(z, j, grid, seed))
            .collect();
        let test = Test::new(rows, grid, dimensions.len());
        let entropy: Vec<f64> = dimensions.iter().map(|&j| entropy[j].into()).collect();
        // One task for each dimension, with all before it; the longest first, so that no core waits
        // for one.
        let parts: Vec<Part> = (1..dimensions.len())
            .into_par_iter()
            .rev()
            .map(|i| {
                let mut part = Part::default();
                for j in 0..i {
                    let (chi_square, information) = test.statistics(&cells[j], &cells[i]);
                    part.add(
                        &test,
                        Pair {
                            first: dimensions[j],
                            second: dimensions[i],
                            correlation: correlation(dimensions[j], dimensions[i]),
                            divergence: information - entropy[i] - entropy[j],
                            mutual_information: information,
                            chi_square,
                            p: 0.0,
                            p_corrected: 0.0,
                        },
                    );
                }
                part
            })
            .collect();
        let whole = parts.into_iter().rev().fold(Part::default(), Part::join);
        let with_p = |pairs: Vec<Pair>| pairs.into_iter().map(|pair| test.with_p(pair)).collect();
        Some(Self {
            rows,
            dimensions: dimensions.len(),
            pairs: test.pairs,
            grid,
            degrees: test.degrees,
            dependent: whole.dependent,
            mean_mutual_information: whole.information / test.pairs as f64,
            most_uniform: with_p(whole.most_uniform),
            least_uniform: with_p(whole.least_uniform),
            most_dependent: with_p(whole.most_dependent),
            most_hidden: with_p(whole.most_hidden),
        })
    }
}

/// The cell of each row in dimension `j`: its rank in `0..grid`.
fn ranks(z: MatrixView<'_>, j: usize, grid: usize, seed: u64) -> Vec<u8> {
    let rows = z.rows();
    let mut order: Vec<u32> = (0..rows as u32).collect();
    Stream::new(seed, Purpose::Ties, j as u64).shuffle(&mut order);
    // -0 and 0 are equal.
    order.sort_by(|&a, &b| {
        let value = |row: u32| z.row(row as usize)[j] + 0.0;
        value(a).total_cmp(&value(b))
    });
    let mut cells = vec![0; rows];
    for (rank, &row) in order.iter().enumerate() {
        cells[row as usize] = (rank * grid / rows) as u8;
    }
    cells
}

/// The test of independence for a number of rows.
struct Test {
    grid: usize,
    degrees: usize,
    pairs: usize,
    /// Rows.
    n: f64,
    /// Rows in each row or column of the grid.
    margins: Vec<f64>,
    /// `c ln c` for each count.
    logarithms: Vec<f64>,
    /// A chi-square above this is rejected.
    critical: f64,
}

impl Test {
    fn new(rows: usize, grid: usize, dimensions: usize) -> Self {
        let mut margins = vec![0.0; grid];
        for rank in 0..rows {
            margins[rank * grid / rows] += 1.0;
        }
        let degrees = (grid - 1) * (grid - 1);
        let pairs = dimensions * (dimensions - 1) / 2;
        Self {
            grid,
            degrees,
            pairs,
            n: rows as f64,
            margins,
            logarithms: (0..=rows)
                .map(|count| count as f64 * (count.max(1) as f64).ln())
                .collect(),
            critical: critical(degrees, LEVEL / pairs as f64),
        }
    }

    /// Chi-square and mutual information of two dimensions.
    fn statistics(&self, a: &[u8], b: &[u8]) -> (f64, f64) {
        // Four tables in turn: one would wait for its own last count.
        let mut tables = [[0_u32; FINEST * FINEST]; 4];
        let grid = FINEST as u8;
        let (a, a_rest) = a.as_chunks::<4>();
        let (b, b_rest) = b.as_chunks::<4>();
        for (a, b) in a.iter().zip(b) {
            for (table, (a, b)) in tables.iter_mut().zip(a.iter().zip(b)) {
                table[usize::from((a * grid + b) & (grid * grid - 1))] += 1;
            }
        }
        for (a, b) in a_rest.iter().zip(b_rest) {
            tables[0][usize::from(a * grid + b)] += 1;
        }
        let (mut squares, mut logarithms) = (0.0, 0.0);
        for i in 0..self.grid {
            for j in 0..self.grid {
                let cell = i * FINEST + j;
                let count: usize = tables.iter().map(|table| table[cell] as usize).sum();
                squares += (count * count) as f64 / (self.margins[i] * self.margins[j]);
                logarithms += self.logarithms[count];
            }
        }
        let margins: f64 = self.margins.iter().map(|m| m * m.ln()).sum();
        let information = (logarithms - 2.0 * margins) / self.n + self.n.ln();
        let bias = self.degrees as f64 / (2.0 * self.n);
        (self.n * (squares - 1.0), information - bias)
    }

    fn with_p(&self, pair: Pair) -> Pair {
        let p = tail(self.degrees, pair.chi_square);
        Pair {
            p,
            p_corrected: (p * self.pairs as f64).min(1.0),
            ..pair
        }
    }
}

/// The chance that a chi-square is above `value`.
fn tail(degrees: usize, value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    gamma_ur(degrees as f64 / 2.0, value / 2.0)
}

/// The chi-square whose tail is `p`, by halving.
fn critical(degrees: usize, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while tail(degrees, high) > p {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if tail(degrees, middle) > p {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// What is known of some of the pairs.
#[derive(Default)]
struct Part {
    dependent: usize,
    information: f64,
    most_uniform: Vec<Pair>,
    least_uniform: Vec<Pair>,
    most_dependent: Vec<Pair>,
    most_hidden: Vec<Pair>,
}

impl Part {
    fn add(&mut self, test: &Test, pair: Pair) {
        self.dependent += usize::from(pair.chi_square > test.critical);
        self.information += pair.mutual_information;
        self.name(pair);
    }

    /// Keeps the pair in each list whose worst it beats.
    fn name(&mut self, pair: Pair) {
        insert(&mut self.most_uniform, pair, |pair| -pair.divergence);
        insert(&mut self.least_uniform, pair, |pair| pair.divergence);
        insert(&mut self.most_dependent, pair, |pair| {
            pair.mutual_information
        });
        if pair.correlation.abs() < HIDDEN {
            insert(&mut self.most_hidden, pair, |pair| pair.mutual_information);
        }
    }

    fn join(mut self, later: Self) -> Self {
        self.dependent += later.dependent;
        self.information += later.information;
        // A pair that is in any list of its part is offered to all of them; it may be in several.
        let lists = [
            later.most_uniform,
            later.least_uniform,
            later.most_dependent,
            later.most_hidden,
        ];
        let mut pairs = lists.concat();
        pairs.sort_by_key(|pair| (pair.second, pair.first));
        pairs.dedup_by_key(|pair| (pair.second, pair.first));
        pairs.into_iter().for_each(|pair| self.name(pair));
        self
    }
}

/// Puts `pair` in its place among the best; of equals the earlier stays first.
fn insert(best: &mut Vec<Pair>, pair: Pair, score: impl Fn(&Pair) -> f64) {
    if best.len() == NAMED && score(&pair) <= score(&best[NAMED - 1]) {
        return;
    }
    let place = best.partition_point(|other| score(other) >= score(&pair));
    best.insert(place, pair);
    best.truncate(NAMED);
}

/// The places in the unit square of the rows of `z` in two dimensions, for a scatter plot.
pub fn unit_square(
    z: MatrixView<'_>,
    first: usize,
    second: usize,
    transform: Transform,
) -> Vec<[f32; 2]> {
    (0..z.rows())
        .map(|i| [first, second].map(|j| transform.value(z.row(i)[j])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::in_pool;
    use e2mc::Matrix;

    fn uniform(stream: &mut Stream) -> f32 {
        (stream.unit() as f32).clamp(1e-6, 1.0 - 1e-6)
    }

    fn logit(u: f32) -> f32 {
        (u / (1.0 - u)).ln()
    }

    /// Dimensions 0 and 1 independent; 2 is on an X with 0; 3 is a copy of 1; 4 is constant; 5 too.
    fn samples(rows: usize) -> Matrix {
        let mut stream = Stream::new(5, Purpose::Weights, 0);
        let data = (0..rows)
            .flat_map(|_| {
                let (a, b) = (uniform(&mut stream), uniform(&mut stream));
                let x = if stream.below(2) == 0 { a } else { 1.0 - a };
                [logit(a), logit(b), logit(x), logit(b), 1.0, 1.0]
            })
            .collect();
        Matrix::new(data, rows, 6).unwrap()
    }

    /// Only the copies are correlated.
    fn correlation(i: usize, j: usize) -> f64 {
        f64::from(u8::from((i, j) == (1, 3)))
    }

    fn measure(z: &Matrix, columns: usize) -> Pairs {
        let data = z
            .data()
            .chunks(6)
            .flat_map(|row| row[..columns].to_vec())
            .collect();
        let z = Matrix::new(data, z.rows(), columns).unwrap();
        let live: Vec<usize> = (0..columns).collect();
        Pairs::measure(z.view(), &vec![0.0; columns], &live, correlation, 0).unwrap()
    }

    #[test]
    fn an_x_is_told_from_the_uniform_square() {
        let z = samples(2000);
        // The X has uniform marginals and no correlation...
        let column = |j: usize| {
            z.data()
                .iter()
                .skip(j)
                .step_by(6)
                .map(|&v| Transform::Sigmoid.value(v) - 0.5)
        };
        let covariance = column(0).zip(column(2)).map(|(a, b)| a * b).sum::<f32>() / 2000.0;
        assert!(covariance.abs() < 0.005, "{covariance}");
        // ... and is found out.
        let found = measure(&z, 3);
        assert_eq!(
            (found.pairs, found.grid, found.degrees, found.dependent),
            (3, 8, 49, 1)
        );
        let x = found.most_dependent[0];
        assert_eq!((x.first, x.second), (0, 2));
        // Two of eight cells in each row: ln 4, less what falls beside the cells of the mirrored
        // arm.
        assert!((x.mutual_information - 4.0_f64.ln()).abs() < 0.15, "{x:?}");
        assert!(x.p < 1e-100 && x.p_corrected < 1e-100);
        assert_eq!(found.least_uniform[0], x);
        for pair in &found.most_uniform[..2] {
            assert!(pair.p > 0.001 && pair.divergence.abs() < 0.02, "{pair:?}");
        }
    }

    #[test]
    fn copies_are_dependent_and_constants_are_not() {
        let found = measure(&samples(2000), 6);
        assert_eq!(found.dependent, 2);
        let copy = found.most_dependent[0];
        assert_eq!((copy.first, copy.second), (1, 3));
        assert!((copy.mutual_information - 8.0_f64.ln()).abs() < 0.02);
        let hidden = found.most_hidden[0];
        assert_eq!((hidden.first, hidden.second), (0, 2));
    }

    #[test]
    fn one_in_twenty_independent_pairs_is_under_five_percent() {
        // Half the dimensions are continuous, half constant, so that their ranks are all ties.
        let mut stream = Stream::new(6, Purpose::Weights, 0);
        let (rows, cols) = (1000, 60);
        let data = (0..rows * cols)
            .map(|i| {
                if i % 2 == 0 {
                    uniform(&mut stream)
                } else {
                    0.5
                }
            })
            .collect();
        let z = Matrix::new(data, rows, cols).unwrap();
        let cells: Vec<_> = (0..cols).map(|j| ranks(z.view(), j, 8, 0)).collect();
        let test = Test::new(rows, 8, cols);
        let (mut low, mut information) = (0, 0.0);
        for i in 0..cols {
            for j in 0..i {
                let (chi_square, mutual) = test.statistics(&cells[i], &cells[j]);
                low += usize::from(tail(test.degrees, chi_square) < 0.05);
                information += mutual / test.pairs as f64;
            }
        }
        // 1770 pairs: 88.5 expected, standard deviation 9.
        assert!((60..=117).contains(&low), "{low}");
        assert!(information.abs() < 2e-3, "{information}");
    }

    #[test]
    fn the_statistics_are_those_of_the_textbook() {
        // Counts 10, 20 / 20, 10: chi-square 60 (1/9 + ...) = 20/3, I = ln 2 + (2/3 ln (1/3) 1/...
        // ) below.
        let mut a = vec![0_u8; 30];
        a.extend([1; 30]);
        let b: Vec<u8> = (0..60).map(|i| u8::from((10..40).contains(&i))).collect();
        let test = Test::new(60, 2, 2);
        let (chi_square, information) = test.statistics(&a, &b);
        assert!((chi_square - 20.0 / 3.0).abs() < 1e-9, "{chi_square}");
        let (third, most) = (1.0_f64 / 3.0, 2.0_f64 / 3.0);
        let expected = 2.0_f64.ln() + third * third.ln() + most * most.ln();
        assert!((information - (expected - 1.0 / 120.0)).abs() < 1e-12);
        assert!((tail(1, 3.841_458_8) - 0.05).abs() < 1e-6);
        assert!((critical(49, 0.05) - 66.338_65).abs() < 1e-4);
    }

    #[test]
    fn cells_hold_more_rows_than_sixteen_bits_count() {
        let rows = 600_000;
        let a: Vec<u8> = (0..rows).map(|i| u8::from(i >= rows / 2)).collect();
        let (chi_square, _) = Test::new(rows, 2, 2).statistics(&a, &a);
        assert!((chi_square - rows as f64).abs() < 1e-3, "{chi_square}");
    }

    #[test]
    fn few_rows_get_a_coarse_grid_or_none_and_threads_change_nothing() {
        let z = samples(45);
        assert_eq!(measure(&z, 3).grid, 3);
        let few = samples(19);
        assert!(Pairs::measure(few.view(), &[0.0; 6], &[0, 1, 2], correlation, 0).is_none());
        assert!(Pairs::measure(z.view(), &[0.0; 6], &[1], correlation, 0).is_none());
        let run = |threads| in_pool(threads, || measure(&z, 6));
        assert_eq!(run(1), run(3));
    }
}
