//! The choice of the penalty by stratified k-fold cross-validation on the training rows.
//!
//! Each fold is held out in turn. The features were standardised once, by all training rows,
//! without their labels. In each fold the penalties are fitted from the strongest to the weakest,
//! each from where the last ended.

use e2mc::MatrixView;
use rayon::prelude::*;

use super::objective::{HeldOut, Objective};
use crate::Error;
use crate::folds::stratified;
use crate::lbfgs::Settings;

/// With more parameters than this the folds run one after the other: each then occupies all cores
/// by itself, and they need not all be in memory.
const MOST_AT_ONCE: usize = 1 << 16;

/// A penalty and its accuracy (fraction) over all held-out rows.
#[derive(Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) l2: f64,
    pub(super) accuracy: f64,
}

/// The best of `values` over `folds` folds. `labels` are below `classes`, and every class has a
/// row.
pub(super) fn choose(
    features: MatrixView<'_>,
    labels: &[usize],
    classes: usize,
    (values, folds): (&[f64], usize),
    settings: &Settings,
    seed: u64,
) -> Result<Choice, Error> {
    let mut values = values.to_vec();
    values.sort_by(|a, b| b.total_cmp(a));
    let fold_of_row = stratified(labels, classes, folds, seed)?;
    let right_in = |fold: u32| -> Vec<usize> {
        let held_out = HeldOut {
            folds: &fold_of_row,
            fold,
        };
        let mut objective = Objective::new(features, labels, classes, Some(held_out));
        let mut parameters = vec![0.0; objective.parameters()];
        values
            .iter()
            .map(|&l2| {
                objective.minimise(&mut parameters, l2, settings);
                objective.held_out_right(&parameters)
            })
            .collect()
    };
    // Folds beyond the last row's would hold out nothing.
    let used = fold_of_row.iter().max().map_or(0, |last| last + 1);
    let right: Vec<Vec<usize>> = if classes * (features.cols() + 1) > MOST_AT_ONCE {
        (0..used).map(right_in).collect()
    } else {
        (0..used).into_par_iter().map(right_in).collect()
    };
    let total = |i: usize| right.iter().map(|fold| fold[i]).sum::<usize>();
    // From the strongest on, only a better one takes its place.
    let best = (1..values.len()).fold(0, |best, i| if total(i) > total(best) { i } else { best });
    Ok(Choice {
        l2: values[best],
        accuracy: total(best) as f64 / labels.len() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{embeddings_and_labels, in_pool, separable};

    const SETTINGS: Settings = Settings {
        max_iterations: 200,
        tolerance: 1e-4,
        noise: 1e-8,
    };

    #[test]
    fn more_folds_than_rows_leave_one_out() {
        let (features, _) = embeddings_and_labels(4, 3, 2, 1);
        choose(
            features.view(),
            &[0, 1, 0, 1],
            2,
            (&[0.1], 50),
            &SETTINGS,
            1,
        )
        .unwrap();
    }

    #[test]
    fn a_penalty_that_erases_the_classes_is_not_chosen_and_a_useless_one_is_as_strong_as_can_be() {
        let (features, labels) = separable(200, 10, 4, 2);
        let values = [1e-3, 1e4];
        let choice = choose(features.view(), &labels, 4, (&values, 5), &SETTINGS, 3).unwrap();
        assert_eq!(choice.l2, 1e-3);
        assert!(choice.accuracy > 0.9);
        // Well separated: the middle penalties all reach the same accuracy, and the strongest of
        // them is taken.
        let values = [1e-3, 1e-3 * (1.0 + 1e-9)];
        let choice = choose(features.view(), &labels, 4, (&values, 5), &SETTINGS, 3).unwrap();
        assert_eq!(choice.l2, values[1]);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (features, labels) = embeddings_and_labels(300, 10, 8, 4);
        let run = |threads| {
            in_pool(threads, || {
                choose(
                    features.view(),
                    &labels,
                    8,
                    (&[1.0, 0.1, 0.01], 4),
                    &SETTINGS,
                    5,
                )
                .unwrap()
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn classes_of_one_row_cannot_be_held_out() {
        let (features, _) = embeddings_and_labels(4, 3, 2, 5);
        let labels = [0, 0, 1, 2];
        let error = choose(features.view(), &labels, 3, (&[0.1], 2), &SETTINGS, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 class(es) have at least 2 training rows, expected 2 for cross-validation"
        );
    }
}
