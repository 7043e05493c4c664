//! The penalised cross-entropy and its gradient, in one pass over the rows.
//!
//! With residuals `R = softmax(X W^T + b) - Y` the gradient is `R^T X / n + l2 W` for the weights
//! and the mean residual for the biases. The rows are cut into a fixed number of parts, which the
//! cores share; each part goes through cache-sized blocks: two products and the softmax between
//! them.

use e2mc::MatrixView;
use rayon::prelude::*;

use crate::lbfgs::{self, Minimum, Settings};
use crate::product::{Operand, multiply, multiply_add};
use crate::softmax::{argmax, cross_entropy};

/// Parts that the cores share; fixed, so that the sums do not depend on the number of threads.
const PARTS: usize = 16;
/// Rows of one block.
const ROWS: usize = 256;

/// The rows of one fold are held out of the objective.
#[derive(Clone, Copy)]
pub(super) struct HeldOut<'a> {
    /// The fold of each row.
    pub(super) folds: &'a [u32],
    /// The fold that is held out.
    pub(super) fold: u32,
}

impl HeldOut<'_> {
    fn contains(&self, row: usize) -> bool {
        self.folds[row] == self.fold
    }
}

/// The objective over the parameters: the weights `(classes, d)`, row-major, then the biases.
pub(super) struct Objective<'a> {
    features: MatrixView<'a>,
    labels: &'a [usize],
    classes: usize,
    held_out: Option<HeldOut<'a>>,
    /// Rows not held out.
    count: usize,
    parts: Vec<Part>,
}

/// One part's buffers and sums.
struct Part {
    /// Residuals of one block `(rows, classes)`.
    residuals: Vec<f32>,
    /// Gradient of one block's weights.
    block: Vec<f32>,
    /// Gradient of the part, as the parameters.
    gradient: Vec<f64>,
    loss: f64,
}

impl<'a> Objective<'a> {
    /// Cross-entropy of `features` `(n, d)` against `labels` below `classes`, over the rows that
    /// are not held out.
    pub(super) fn new(
        features: MatrixView<'a>,
        labels: &'a [usize],
        classes: usize,
        held_out: Option<HeldOut<'a>>,
    ) -> Self {
        let count = match held_out {
            None => labels.len(),
            Some(held_out) => (0..labels.len())
                .filter(|&row| !held_out.contains(row))
                .count(),
        };
        let weights = classes * features.cols();
        let part_rows = Self::part_rows(labels.len());
        let parts = (0..labels.len().div_ceil(part_rows))
            .map(|_| Part {
                residuals: Vec::new(),
                block: vec![0.0; weights],
                gradient: vec![0.0; weights + classes],
                loss: 0.0,
            })
            .collect();
        Self {
            features,
            labels,
            classes,
            held_out,
            count,
            parts,
        }
    }

    fn part_rows(rows: usize) -> usize {
        rows.div_ceil(PARTS).max(ROWS)
    }

    /// The number of parameters.
    pub(super) fn parameters(&self) -> usize {
        self.classes * (self.features.cols() + 1)
    }

    /// Weights and biases in float32.
    pub(super) fn split(&self, parameters: &[f64]) -> (Vec<f32>, Vec<f32>) {
        let mut weights: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
        let bias = weights.split_off(self.classes * self.features.cols());
        (weights, bias)
    }

    /// Minimises over the parameters, from where they are.
    pub(super) fn minimise(
        &mut self,
        parameters: &mut [f64],
        l2: f64,
        settings: &Settings,
    ) -> Minimum {
        lbfgs::minimise(
            parameters,
            |p, gradient| self.evaluate(p, l2, gradient),
            settings,
        )
    }

    /// The value at `parameters`; writes the gradient.
    pub(super) fn evaluate(&mut self, parameters: &[f64], l2: f64, gradient: &mut [f64]) -> f64 {
        let Self {
            features,
            labels,
            classes,
            held_out,
            count,
            ref mut parts,
        } = *self;
        let dims = features.cols();
        let mut rounded: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
        let bias = rounded.split_off(classes * dims);
        let weights = Operand::new(&rounded, classes, dims);

        let part_rows = Self::part_rows(labels.len());
        parts.par_iter_mut().enumerate().for_each(|(i, part)| {
            part.loss = 0.0;
            part.gradient.fill(0.0);
            let end = ((i + 1) * part_rows).min(labels.len());
            for start in (i * part_rows..end).step_by(ROWS) {
                let rows = start..(start + ROWS).min(end);
                let x = &features.data()[rows.start * dims..rows.end * dims];
                let x = Operand::new(x, rows.len(), dims);
                part.residuals.clear();
                rows.clone()
                    .for_each(|_| part.residuals.extend_from_slice(&bias));
                multiply_add(&mut part.residuals, x, weights.transposed());
                part.loss += match held_out {
                    None => {
                        let labels = labels[rows.clone()].iter().copied();
                        cross_entropy(&mut part.residuals, classes, labels)
                    }
                    Some(held_out) => {
                        let by_row = part.residuals.chunks_exact_mut(classes).zip(rows.clone());
                        by_row
                            .map(|(residuals, row)| {
                                if held_out.contains(row) {
                                    residuals.fill(0.0);
                                    return 0.0;
                                }
                                cross_entropy(residuals, classes, [labels[row]])
                            })
                            .sum()
                    }
                };
                let residuals = Operand::new(&part.residuals, rows.len(), classes);
                multiply(&mut part.block, residuals.transposed(), x);
                let (weights, bias) = part.gradient.split_at_mut(classes * dims);
                for (sum, &value) in weights.iter_mut().zip(&part.block) {
                    *sum += f64::from(value);
                }
                for row in part.residuals.chunks_exact(classes) {
                    for (sum, &residual) in bias.iter_mut().zip(row) {
                        *sum += f64::from(residual);
                    }
                }
            }
        });

        let scale = (count as f64).recip();
        gradient.fill(0.0);
        for part in parts.iter() {
            for (sum, value) in gradient.iter_mut().zip(&part.gradient) {
                *sum += value;
            }
        }
        gradient.iter_mut().for_each(|g| *g *= scale);
        let mut penalty = 0.0;
        for (g, w) in gradient.iter_mut().zip(parameters).take(classes * dims) {
            *g += l2 * w;
            penalty += w * w;
        }
        let loss: f64 = parts.iter().map(|part| part.loss).sum();
        loss * scale + 0.5 * l2 * penalty
    }

    /// How many of the held-out rows `parameters` classify rightly.
    pub(super) fn held_out_right(&self, parameters: &[f64]) -> usize {
        let Some(held_out) = self.held_out else {
            return 0;
        };
        let (weights, bias) = self.split(parameters);
        let dims = self.features.cols();
        let weights = Operand::new(&weights, self.classes, dims).transposed();
        let mut logits = vec![0.0; self.classes];
        (0..self.labels.len())
            .filter(|&row| held_out.contains(row))
            .filter(|&row| {
                logits.copy_from_slice(&bias);
                multiply_add(
                    &mut logits,
                    Operand::new(self.features.row(row), 1, dims),
                    weights,
                );
                argmax(&logits) == self.labels[row]
            })
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SplitMix, embeddings_and_labels, in_pool};

    /// The objective as one would write it down, in float64.
    fn slow_twin(
        features: MatrixView<'_>,
        labels: &[usize],
        classes: usize,
        rows: &[usize],
        l2: f64,
        parameters: &[f64],
    ) -> f64 {
        let dims = features.cols();
        let (weights, bias) = parameters.split_at(classes * dims);
        let loss = |row: usize| {
            let logits: Vec<f64> = (0..classes)
                .map(|c| {
                    let products = features.row(row).iter().zip(&weights[c * dims..]);
                    bias[c] + products.map(|(&x, w)| f64::from(x) * w).sum::<f64>()
                })
                .collect();
            logits
                .iter()
                .map(|z| (z - logits[labels[row]]).exp())
                .sum::<f64>()
                .ln()
        };
        let sum: f64 = rows.iter().map(|&row| loss(row)).sum();
        let squares: f64 = weights.iter().map(|w| w * w).sum();
        sum / rows.len() as f64 + 0.5 * l2 * squares
    }

    fn parameters(len: usize) -> Vec<f64> {
        let mut random = SplitMix(99);
        // Exactly float32, as the objective rounds them.
        (0..len).map(|_| f64::from(0.3 * random.normal())).collect()
    }

    #[test]
    fn value_and_gradient_agree_with_the_slow_twin_and_its_finite_differences() {
        let (features, labels) = embeddings_and_labels(700, 4, 3, 1);
        let folds: Vec<u32> = (0..700).map(|i| i % 5).collect();
        for held_out in [
            None,
            Some(HeldOut {
                folds: &folds,
                fold: 2,
            }),
        ] {
            let rows: Vec<usize> = (0..700)
                .filter(|&r| held_out.is_none() || folds[r] != 2)
                .collect();
            let mut objective = Objective::new(features.view(), &labels, 3, held_out);
            let parameters = parameters(objective.parameters());
            let mut gradient = vec![0.0; parameters.len()];
            let value = objective.evaluate(&parameters, 0.05, &mut gradient);
            let twin = |p: &[f64]| slow_twin(features.view(), &labels, 3, &rows, 0.05, p);
            assert!((value - twin(&parameters)).abs() < 1e-6 * value);
            for i in 0..parameters.len() {
                let mut moved = parameters.clone();
                moved[i] += 1e-5;
                let above = twin(&moved);
                moved[i] -= 2e-5;
                let difference = (above - twin(&moved)) / 2e-5;
                assert!(
                    (gradient[i] - difference).abs() < 2e-6,
                    "{i}: {} {difference}",
                    gradient[i]
                );
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (features, labels) = embeddings_and_labels(9000, 20, 6, 2);
        let run = |threads| {
            in_pool(threads, || {
                let mut objective = Objective::new(features.view(), &labels, 6, None);
                let parameters = parameters(objective.parameters());
                let mut gradient = vec![0.0; parameters.len()];
                (
                    objective.evaluate(&parameters, 0.01, &mut gradient),
                    gradient,
                )
            })
        };
        for threads in [2, 5] {
            assert_eq!(run(1), run(threads));
        }
    }

    #[test]
    fn held_out_rows_are_judged_by_the_largest_logit() {
        let (features, labels) = embeddings_and_labels(90, 4, 3, 3);
        let folds: Vec<u32> = (0..90).map(|i| i % 2).collect();
        let held_out = HeldOut {
            folds: &folds,
            fold: 1,
        };
        let objective = Objective::new(features.view(), &labels, 3, Some(held_out));
        // Only the first feature and the biases: class 0 wherever it is above 0, class 2 elsewhere.
        let mut p = vec![0.0; objective.parameters()];
        (p[0], p[12], p[13]) = (1.0, 0.0, -10.0);
        let expected = (0..90)
            .filter(|r| r % 2 == 1)
            .filter(|&r| {
                labels[r]
                    == if features.view().row(r)[0] >= 0.0 {
                        0
                    } else {
                        2
                    }
            })
            .count();
        assert_eq!(objective.held_out_right(&p), expected);
    }
}
