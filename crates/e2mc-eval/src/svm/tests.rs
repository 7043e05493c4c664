use e2mc::Matrix;

use super::*;
use crate::average_precision::{Interpolation, average_precisions};
use crate::testing::{embeddings_and_labels, golden, in_pool, separable};
use crate::{MultiLabels, read_embeddings, read_targets, top1};

fn fixed(cost: f64) -> SvmConfig {
    SvmConfig {
        cost: Cost::Fixed(cost),
        ..SvmConfig::default()
    }
}

/// The first and the other rows of the golden multi-label problem.
fn multilabel(rows: usize) -> [(Matrix, MultiLabels); 2] {
    let x = read_embeddings(format!("{}:x", golden("multilabel.npz").display())).unwrap();
    let y = read_targets(format!("{}:y", golden("multilabel.npz").display())).unwrap();
    let Targets::Multi(y) = y else {
        panic!("four labels")
    };
    let part = |range: std::ops::Range<usize>| {
        let data = x.data()[range.start * 20..range.end * 20].to_vec();
        let all: Vec<Vec<Presence>> = (0..4).map(|label| y.column(label)).collect();
        let values = range
            .clone()
            .flat_map(|row| all.iter().map(move |c| c[row]));
        (
            Matrix::new(data, range.len(), 20).unwrap(),
            MultiLabels::new(values.collect(), 4).unwrap(),
        )
    };
    [part(0..rows), part(rows..300)]
}

#[test]
fn average_precision_agrees_with_the_golden_figures() {
    let [(train, targets), (test, truth)] = multilabel(200);
    let golden = [
        (
            0.01,
            [0.975_820_394, 0.978_777_015, 0.971_965_433, 0.958_167_983],
        ),
        (
            1.0,
            [0.987_983_802, 0.975_812_092, 0.970_154_543, 0.952_483_770],
        ),
    ];
    for (cost, expected) in golden {
        let targets = Targets::Multi(targets.clone());
        let fit = svm(train.view(), &targets, 4, &fixed(cost), 0).unwrap();
        assert!(fit.classes.iter().all(|class| class.converged));
        let scores = fit.classifier.scores(test.view()).unwrap();
        let found = average_precisions(scores.view(), &truth, Interpolation::Area).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found.unwrap() - expected).abs() < 1e-3,
                "{found:?} {expected}"
            );
        }
    }
}

/// The primal objective in float64, and its gradient.
fn primal(x: MatrixView<'_>, sign: &[f64], cost: f64, w: &[f64]) -> (f64, Vec<f64>) {
    let mut value = 0.5 * w.iter().map(|w| w * w).sum::<f64>();
    let mut gradient = w.to_vec();
    for (i, sign) in sign.iter().enumerate() {
        let row = x.row(i).iter().map(|&v| f64::from(v)).chain([1.0]);
        let row: Vec<f64> = row.collect();
        let score: f64 = row.iter().zip(w).map(|(x, w)| x * w).sum();
        let slack = (1.0 - sign * score).max(0.0);
        value += cost * slack * slack;
        for (g, x) in gradient.iter_mut().zip(row) {
            *g -= 2.0 * cost * slack * sign * x;
        }
    }
    (value, gradient)
}

#[test]
fn the_solution_is_where_the_primal_gradient_vanishes() {
    let (train, labels) = embeddings_and_labels(300, 7, 3, 1);
    for (cost, tolerance) in [(0.01, 1e-8), (1.0, 1e-8), (20.0, 1e-6)] {
        let config = SvmConfig {
            tolerance,
            max_epochs: 100_000,
            ..fixed(cost)
        };
        let targets = Targets::Classes(labels.clone());
        let fit = svm(train.view(), &targets, 3, &config, 2).unwrap();
        for class in 0..3 {
            assert!(fit.classes[class].converged);
            let weights = &fit.classifier.weights[class * 7..][..7];
            let bias = fit.classifier.bias[class];
            let w: Vec<f64> = weights.iter().chain([&bias]).map(|&w| w.into()).collect();
            let sign: Vec<f64> = labels
                .iter()
                .map(|&l| if l == class { 1.0 } else { -1.0 })
                .collect();
            let (value, gradient) = primal(train.view(), &sign, cost, &w);
            let steepest = gradient.iter().fold(0.0, |m: f64, g| g.abs().max(m));
            // Weights are rounded to float32.
            assert!(
                steepest < 1e-4 * value.max(1.0),
                "{cost}: {steepest} of {value}"
            );
        }
    }
}

#[test]
fn a_positive_weight_is_a_cost_of_its_own() {
    // Doubling the weight of the class equals giving each of its rows twice.
    let (train, labels) = embeddings_and_labels(120, 5, 2, 3);
    let positive: Vec<Presence> = labels
        .iter()
        .map(|&l| {
            if l == 1 {
                Presence::Present
            } else {
                Presence::Absent
            }
        })
        .collect();
    let fit = |x: &Matrix, y: &[Presence], weight| {
        let config = SvmConfig {
            positive_weight: weight,
            tolerance: 1e-9,
            max_epochs: 100_000,
            ..fixed(0.5)
        };
        let targets = Targets::Multi(MultiLabels::new(y.to_vec(), 1).unwrap());
        svm(x.view(), &targets, 1, &config, 0).unwrap().classifier
    };
    let weighted = fit(&train, &positive, 2.0);
    let (mut twice, mut sides) = (train.data().to_vec(), positive.clone());
    for row in (0..120).filter(|&row| labels[row] == 1) {
        twice.extend_from_slice(train.view().row(row));
        sides.push(Presence::Present);
    }
    let rows = sides.len();
    let doubled = fit(&Matrix::new(twice, rows, 5).unwrap(), &sides, 1.0);
    for (a, b) in weighted.weights.iter().zip(&doubled.weights) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn the_grid_avoids_what_erases_the_classes_and_prefers_the_smallest_of_equals() {
    let (train, labels) = separable(200, 6, 4, 4);
    let (test, truth) = separable(100, 6, 4, 5);
    let config = SvmConfig {
        cost: Cost::Grid {
            values: vec![1.0, 0.1, 1e-9],
            folds: 3,
        },
        ..SvmConfig::default()
    };
    let targets = Targets::Classes(labels);
    let fit = svm(train.view(), &targets, 4, &config, 6).unwrap();
    let chosen = fit.classes[0];
    assert!(
        chosen.cost >= 0.1 && chosen.held_out.unwrap() > 0.95,
        "{chosen:?}"
    );
    assert!(fit.classes.iter().all(|class| class.cost == chosen.cost));
    let predictions = fit.classifier.predict(test.view()).unwrap();
    assert!(top1(&predictions, &truth).unwrap() > 0.95);
    let config = SvmConfig {
        cost: Cost::Grid {
            values: vec![1.0 + 1e-9, 1.0],
            folds: 3,
        },
        ..config
    };
    let fit = svm(train.view(), &targets, 4, &config, 6).unwrap();
    assert_eq!(fit.classes[0].cost, 1.0);
}

#[test]
fn each_label_has_its_own_cost_and_ignored_rows_take_no_part() {
    let [(train, targets), _] = multilabel(200);
    let config = SvmConfig {
        cost: Cost::Grid {
            values: vec![1e-4, 1e-2, 1.0],
            folds: 3,
        },
        ..SvmConfig::default()
    };
    let fit = svm(
        train.view(),
        &Targets::Multi(targets.clone()),
        4,
        &config,
        0,
    )
    .unwrap();
    assert!(fit.classes.iter().all(|c| c.held_out.unwrap() > 0.9));

    // Rows that are ignored might as well not be there.
    let mut values: Vec<Presence> = (0..200).map(|row| targets.column(0)[row]).collect();
    values[150..].fill(Presence::Ignored);
    let ignoring = Targets::Multi(MultiLabels::new(values.clone(), 1).unwrap());
    let a = svm(train.view(), &ignoring, 1, &fixed(0.1), 0).unwrap();
    let shorter = Matrix::new(train.data()[..150 * 20].to_vec(), 150, 20).unwrap();
    let without = Targets::Multi(MultiLabels::new(values[..150].to_vec(), 1).unwrap());
    let b = svm(shorter.view(), &without, 1, &fixed(0.1), 0).unwrap();
    assert_eq!(a.classifier.weights, b.classifier.weights);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (train, labels) = embeddings_and_labels(200, 8, 5, 7);
    let targets = Targets::Classes(labels);
    let config = SvmConfig {
        cost: Cost::Grid {
            values: vec![0.01, 0.1],
            folds: 3,
        },
        ..SvmConfig::default()
    };
    let run = |threads| {
        in_pool(threads, || {
            svm(train.view(), &targets, 5, &config, 1).unwrap()
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn standardised_features_are_those_of_the_training_rows() {
    let (mut train, labels) = embeddings_and_labels(200, 4, 3, 8);
    let targets = Targets::Classes(labels);
    let config = SvmConfig {
        standardise: true,
        ..fixed(0.1)
    };
    let plain = svm(train.view(), &targets, 3, &config, 0).unwrap();
    let before = plain.classifier.predict(train.view()).unwrap();
    for row in train.data_mut().chunks_mut(4) {
        row[1] = 1e4 * row[1] - 3.0;
    }
    let scaled = svm(train.view(), &targets, 3, &config, 0).unwrap();
    assert_eq!(scaled.classifier.predict(train.view()).unwrap(), before);
}

#[test]
fn missing_classes_are_listed_and_bad_input_is_named() {
    let (train, labels) = embeddings_and_labels(30, 4, 2, 9);
    let targets = Targets::Classes(labels.clone());
    let fit = svm(train.view(), &targets, 4, &fixed(1.0), 0).unwrap();
    assert_eq!(fit.missing_classes, [2, 3]);
    let scores = fit.classifier.scores(train.view()).unwrap();
    assert_eq!(scores.view().row(0)[2], f32::NEG_INFINITY);

    let text = |targets: Targets, classes, config: &SvmConfig| {
        svm(train.view(), &targets, classes, config, 0)
            .unwrap_err()
            .to_string()
    };
    let one = Targets::Classes(vec![1; 30]);
    assert!(text(one, 2, &fixed(1.0)).starts_with("all 30 training labels are class 1"));
    let none = Targets::Multi(MultiLabels::new(vec![Presence::Absent; 30], 1).unwrap());
    assert!(
        text(none, 1, &fixed(1.0))
            .starts_with("no label to learn, one that some training rows have")
    );
    let short = Targets::Classes(labels[1..].to_vec());
    assert_eq!(
        text(short, 2, &fixed(1.0)),
        "training embeddings have 30 rows, but 29 labels were given"
    );
    assert_eq!(
        text(targets, 2, &fixed(0.0)),
        "C of the SVM is 0, expected a finite number above 0"
    );
}

#[test]
fn a_label_of_a_single_row_takes_the_smallest_cost_and_fails_no_other() {
    let (train, labels) = embeddings_and_labels(60, 5, 2, 3);
    let presence = |has| {
        if has {
            Presence::Present
        } else {
            Presence::Absent
        }
    };
    let values = labels
        .iter()
        .enumerate()
        .flat_map(|(row, &label)| [label == 1, row == 7, row != 7].map(presence));
    let targets = Targets::Multi(MultiLabels::new(values.collect(), 3).unwrap());
    let config = SvmConfig {
        cost: Cost::Grid {
            values: vec![1.0, 0.01],
            folds: 3,
        },
        ..SvmConfig::default()
    };
    let fit = svm(train.view(), &targets, 3, &config, 0).unwrap();
    assert_eq!(fit.classes.len(), 3);
    assert!(fit.classes[0].held_out.is_some());
    for class in &fit.classes[1..] {
        assert_eq!((class.cost, class.held_out), (0.01, None));
    }
}
