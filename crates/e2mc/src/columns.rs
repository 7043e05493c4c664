//! The criterion in two halves, for several processes that hold some columns each, of all rows.
//!
//! A column's entropy is a matter of its process alone. Of the covariance each process knows a part
//! of the `n x n` product `U U^T = sum_p U_p U_p^T`: [`Criterion::begin`] leaves it in the
//! workspace, the processes add theirs up, and [`Criterion::finish`] has value and gradient from
//! the sum. Each process does its share of the work, and none holds all embeddings. The product has
//! half of `n^2` numbers, whatever `d` is.

use crate::gradient::{Backward, Covariance};
use crate::gram::Tiles;
use crate::panels::WIDTH;
use crate::{Criterion, Error, MatrixView, Workspace};
use e2mc_base::simd::Level;

/// What is added up over the processes, beside the product in the workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// The sum of the marginal entropies over the number of all columns, in nats.
    pub entropy: f64,
    /// The sum of the squares of `U^T U`'s diagonal.
    pub squares: f64,
}

/// The value on all columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whole {
    /// Mean of the marginal entropies, in nats.
    pub entropy: f64,
    /// Sum of the squared off-diagonal covariances over the number of columns.
    pub covariance: f64,
    /// `gamma * covariance - beta * entropy`.
    pub loss: f64,
}

impl Workspace {
    /// How many numbers the product of `rows` rows has.
    pub fn product_len(rows: usize) -> usize {
        Tiles::len(rows)
    }

    /// Copies the product after [`Criterion::begin`].
    ///
    /// # Panics
    /// If `to` does not hold [`Workspace::product_len`] numbers.
    pub fn write_product(&mut self, to: &mut [f32]) {
        let lines = self.gram.tiles().lines();
        assert_eq!(to.len(), lines.len() * WIDTH, "the product's length");
        for (to, line) in to.chunks_mut(WIDTH).zip(lines) {
            line.write(to);
        }
    }

    fn read_product(&mut self, from: &[f32]) {
        let lines = self.gram.tiles().lines_mut();
        assert_eq!(from.len(), lines.len() * WIDTH, "the product's length");
        for (from, line) in from.chunks(WIDTH).zip(lines) {
            line.copy_from_slice(from);
        }
    }
}

impl Criterion {
    /// The first half, on some columns `z` `(n, own)` of `dims` in all.
    ///
    /// # Errors
    /// As [`Criterion::value`]; a value that is not finite is counted among these columns.
    pub fn begin(
        &self,
        z: MatrixView,
        dims: usize,
        workspace: &mut Workspace,
    ) -> Result<Part, Error> {
        let level = Level::detect();
        let entropy = self.marginals(level, (z, dims), self.beta != 0.0, workspace)?;
        let Workspace {
            centred,
            squares,
            gram,
            ..
        } = workspace;
        gram.add_by_rows(level, centred, z.cols());
        let squares = squares.iter().map(|square| square * square).sum();
        Ok(Part { entropy, squares })
    }

    /// The second half: `sum` and `product` are added up over the processes. Writes `dloss/dz`
    /// `(n, own)`, row-major, to `gradient`.
    ///
    /// # Errors
    /// If `gradient` does not hold `n * own` values.
    ///
    /// # Panics
    /// If `product` is not that of [`Criterion::begin`] on the same columns and workspace.
    pub fn finish(
        &self,
        (z, dims): (MatrixView, usize),
        sum: Part,
        product: &[f32],
        gradient: &mut [f32],
        workspace: &mut Workspace,
    ) -> Result<Whole, Error> {
        z.check_gradient(gradient)?;
        let level = Level::detect();
        workspace.read_product(product);
        let Workspace {
            centred,
            entropy_gradient,
            squares,
            gram,
            ..
        } = workspace;
        let scale = 1.0 / (dims as f64 * (z.rows() as f64 - 1.0).powi(2));
        let off_diagonal = gram.expand_by_rows(level, sum.squares) * scale;
        let covariance = Covariance {
            u: centred,
            gram,
            diagonal: squares,
            weight: (4.0 * self.gamma * scale) as f32,
        };
        let backward = Backward {
            z,
            transform: self.transform,
            entropy: (self.beta != 0.0).then_some(&*entropy_gradient),
            covariance: (self.gamma != 0.0).then_some(covariance),
        };
        backward.run(level, gradient);
        Ok(Whole {
            entropy: sum.entropy,
            covariance: off_diagonal,
            loss: self.gamma * off_diagonal - self.beta * sum.entropy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value and gradient from the columns of `z` `(n, d)` dealt out to `processes`.
    fn dealt(
        criterion: &Criterion,
        z: &[f32],
        (n, d): (usize, usize),
        processes: usize,
    ) -> (Whole, Vec<f32>) {
        let most = d.div_ceil(processes);
        let ranges: Vec<_> = (0..processes)
            .map(|rank| (rank * most).min(d)..((rank + 1) * most).min(d))
            .filter(|range| !range.is_empty())
            .collect();
        let own = |range: &std::ops::Range<usize>| -> Vec<f32> {
            (0..n)
                .flat_map(|row| z[row * d..][range.clone()].to_vec())
                .collect()
        };
        let mut workspaces: Vec<Workspace> = Vec::new();
        let mut sum = Part::default();
        let mut product = vec![0.0; Workspace::product_len(n)];
        for range in &ranges {
            let own = own(range);
            let mut workspace = Workspace::new();
            let z = MatrixView::new(&own, n, range.len()).unwrap();
            let part = criterion.begin(z, d, &mut workspace).unwrap();
            sum.entropy += part.entropy;
            sum.squares += part.squares;
            let mut added = vec![0.0; product.len()];
            workspace.write_product(&mut added);
            product
                .iter_mut()
                .zip(added)
                .for_each(|(all, part)| *all += part);
            workspaces.push(workspace);
        }
        let mut gradient = vec![0.0; n * d];
        let mut whole = None;
        for (range, workspace) in ranges.iter().zip(&mut workspaces) {
            let own = own(range);
            let view = MatrixView::new(&own, n, range.len()).unwrap();
            let mut out = vec![0.0; own.len()];
            let found = criterion.finish((view, d), sum, &product, &mut out, workspace);
            whole = Some(found.unwrap());
            for (row, out) in out.chunks(range.len()).enumerate() {
                gradient[row * d..][range.clone()].copy_from_slice(out);
            }
        }
        (whole.unwrap(), gradient)
    }

    #[test]
    fn the_halves_are_the_whole_however_the_columns_are_dealt_out() {
        let mut state = 1_u32;
        for (n, d) in [(24, 70), (40, 12), (9, 5)] {
            let z: Vec<f32> = (0..n * d)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 22) as f32 - 2.0
                })
                .collect();
            for criterion in [Criterion::vicreg(), Criterion::swav()] {
                let mut expected = vec![0.0; n * d];
                let view = MatrixView::new(&z, n, d).unwrap();
                let value = criterion.value_and_gradient(view, &mut expected).unwrap();
                let largest = expected.iter().fold(0.0_f32, |m, g| m.max(g.abs()));
                for processes in [1, 2, 4, 7] {
                    let (whole, gradient) = dealt(&criterion, &z, (n, d), processes);
                    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * b.abs().max(1e-3);
                    assert!(close(whole.entropy, value.entropy), "{whole:?} {value:?}");
                    assert!(
                        close(whole.covariance, value.covariance),
                        "{n} {d} {processes}"
                    );
                    assert!(close(whole.loss, value.loss));
                    for (a, b) in gradient.iter().zip(&expected) {
                        assert!(
                            (a - b).abs() <= 1e-5 * largest,
                            "{n} {d} {processes}: {a} {b}"
                        );
                    }
                }
            }
        }
    }
}
