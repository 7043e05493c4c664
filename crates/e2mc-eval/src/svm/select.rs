//! The choice of `C` by stratified cross-validation on the training rows.
//!
//! Within a fold the values go from the smallest to the largest, each fit starting where the last
//! ended.

use std::sync::{Mutex, PoisonError};

use e2mc::MatrixView;
use rayon::prelude::*;

use super::Task;
use super::dual::{Problem, Settings};
use crate::average_precision::{Interpolation, average_precision};
use crate::folds::stratified;
use crate::{Error, Presence};

/// The values to choose from and what they are evaluated on.
pub(super) struct Grid<'a> {
    pub(super) features: MatrixView<'a>,
    pub(super) norms: &'a [f64],
    /// Ascending.
    pub(super) values: &'a [f64],
    pub(super) folds: usize,
    pub(super) settings: &'a Settings,
    pub(super) seed: u64,
}

impl Grid<'_> {
    /// One value for all classes: the smallest of best accuracy over all held-out rows, and that
    /// accuracy.
    pub(super) fn by_accuracy(
        &self,
        tasks: &[Task],
        labels: &[usize],
        classes: usize,
    ) -> Result<(f64, f64), Error> {
        let fold_of_row = stratified(labels, classes, self.folds, self.seed)?;
        let mut right = vec![0; self.values.len()];
        for fold in folds(&fold_of_row) {
            let out: Vec<u32> = (0..labels.len() as u32)
                .filter(|&row| fold_of_row[row as usize] == fold)
                .collect();
            // For each value the best class of each held-out row so far, and its score: those of
            // all classes are never in memory. The lower class is the better of equals, so that the
            // order of the classes does not matter.
            let best = vec![(f32::NEG_INFINITY, tasks[0].class); self.values.len() * out.len()];
            let best = Mutex::new(best);
            tasks.par_iter().for_each(|task| {
                let scores = self.scores(task, &fold_of_row, fold, &out);
                let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
                for (best, score) in best.iter_mut().zip(scores) {
                    if score > best.0 || (score == best.0 && task.class < best.1) {
                        *best = (score, task.class);
                    }
                }
            });
            let best = best.into_inner().unwrap_or_else(PoisonError::into_inner);
            for (right, best) in right.iter_mut().zip(best.chunks_exact(out.len())) {
                let rows = best.iter().zip(&out);
                *right += rows
                    .filter(|&(best, &row)| best.1 == labels[row as usize])
                    .count();
            }
        }
        let accuracy = |right: usize| right as f64 / labels.len() as f64;
        Ok(self.smallest_best(right.into_iter().map(accuracy).collect()))
    }

    /// One value for this label: the smallest of best mean average precision over the folds, and
    /// that mean. A label that a single row has, or lacks, cannot be held out: it gets the smallest
    /// value, without a score, and fails no other.
    pub(super) fn by_average_precision(&self, task: &Task) -> Result<(f64, Option<f64>), Error> {
        let positive = task.positive();
        let present = positive.iter().filter(|&&p| p).count();
        if present < 2 || positive.len() - present < 2 {
            return Ok((self.values[0], None));
        }
        let sides: Vec<usize> = positive.iter().map(|&p| usize::from(p)).collect();
        let of_task = stratified(&sides, 2, self.folds, self.seed)?;
        let mut fold_of_row = vec![u32::MAX; self.features.rows()];
        for (&row, &fold) in task.rows.iter().zip(&of_task) {
            fold_of_row[row as usize] = fold;
        }
        let precisions: Vec<Option<Vec<f64>>> = folds(&of_task)
            .into_par_iter()
            .map(|fold| {
                let (out, truth): (Vec<u32>, Vec<Presence>) = task
                    .rows
                    .iter()
                    .zip(positive.iter())
                    .filter(|&(&row, _)| fold_of_row[row as usize] == fold)
                    .map(|(&row, &positive)| {
                        let presence = if positive {
                            Presence::Present
                        } else {
                            Presence::Absent
                        };
                        (row, presence)
                    })
                    .unzip();
                let scores = self.scores(task, &fold_of_row, fold, &out);
                let of_value = |scores| average_precision(scores, &truth, Interpolation::Area);
                scores.chunks(out.len()).map(of_value).collect()
            })
            .collect();
        // A fold without a row that has the label judges nothing.
        let precisions: Vec<Vec<f64>> = precisions.into_iter().flatten().collect();
        let mean =
            |i: usize| precisions.iter().map(|p| p[i]).sum::<f64>() / precisions.len() as f64;
        let (cost, score) = self.smallest_best((0..self.values.len()).map(mean).collect());
        Ok((cost, Some(score)))
    }

    /// The scores of the held-out rows `out` for each value, `(values, out)`, fitted on the task's
    /// other rows.
    fn scores(&self, task: &Task, fold_of_row: &[u32], fold: u32, out: &[u32]) -> Vec<f32> {
        let (rows, positive): (Vec<u32>, Vec<bool>) = task
            .rows
            .iter()
            .zip(task.positive().iter())
            .filter(|&(&row, _)| fold_of_row[row as usize] != fold)
            .unzip();
        let problem = Problem {
            features: self.features,
            norms: self.norms,
            rows: &rows,
            positive: &positive,
        };
        let stream = (u64::from(fold) + 1) << 32 | task.class as u64;
        let mut solver = problem.solver(self.seed, stream);
        let mut scores = Vec::with_capacity(self.values.len() * out.len());
        for &cost in self.values {
            solver.solve(cost, self.settings);
            let of_rows = out.iter();
            scores.extend(of_rows.map(|&row| solver.score(self.features.row(row as usize)) as f32));
        }
        scores
    }

    fn smallest_best(&self, scores: Vec<f64>) -> (f64, f64) {
        let better = |best, i| if scores[i] > scores[best] { i } else { best };
        let best = (1..scores.len()).fold(0, better);
        (self.values[best], scores[best])
    }
}

/// The folds that hold a row.
fn folds(fold_of_row: &[u32]) -> Vec<u32> {
    (0..fold_of_row.iter().max().map_or(0, |last| last + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svm::{dual, tasks};
    use crate::testing::embeddings_and_labels;
    use crate::{SvmConfig, Targets};

    #[test]
    fn the_choice_equals_that_by_the_scores_of_all_classes_at_once() {
        let (train, labels) = embeddings_and_labels(300, 6, 5, 4);
        let targets = Targets::Classes(labels.clone());
        let (tasks, _) = tasks(train.view(), &targets, 5).unwrap();
        let norms = dual::squared_norms(train.view());
        let settings = SvmConfig::default().settings();
        let grid = Grid {
            features: train.view(),
            norms: &norms,
            values: &[1e-6, 1e-4, 1e-2, 1.0],
            folds: 4,
            settings: &settings,
            seed: 3,
        };
        let fold_of_row = stratified(&labels, 5, 4, 3).unwrap();
        let mut right = [0; 4];
        for fold in 0..4 {
            let out: Vec<u32> = (0..300)
                .filter(|&r| fold_of_row[r as usize] == fold)
                .collect();
            let scores = tasks
                .iter()
                .map(|t| grid.scores(t, &fold_of_row, fold, &out));
            let scores: Vec<Vec<f32>> = scores.collect();
            for (i, right) in right.iter_mut().enumerate() {
                for (at, &row) in out.iter().enumerate() {
                    let score = |class: usize| scores[class][i * out.len() + at];
                    let best = (1..5).fold(0, |b, c| if score(c) > score(b) { c } else { b });
                    *right += usize::from(best == labels[row as usize]);
                }
            }
        }
        let best = *right.iter().max().unwrap();
        let first = right.iter().position(|&r| r == best).unwrap();
        assert_eq!(
            grid.by_accuracy(&tasks, &labels, 5).unwrap(),
            (grid.values[first], best as f64 / 300.0)
        );
    }
}
