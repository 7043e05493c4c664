use super::*;
use crate::testing::{
    SplitMix, embeddings_and_labels, golden, golden_embeddings, in_pool, separable,
};
use crate::top1;
use e2mc::Matrix;

fn fixed(l2: f64) -> LogisticConfig {
    LogisticConfig {
        l2: L2::Fixed(l2),
        ..LogisticConfig::default()
    }
}

#[test]
fn agrees_with_scikit_learn() {
    let text = std::fs::read_to_string(golden("logistic.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (embeddings, labels) = golden_embeddings();
    let train = MatrixView::new(&embeddings.data()[..400 * 16], 400, 16).unwrap();
    let test = MatrixView::new(&embeddings.data()[400 * 16..], 100, 16).unwrap();
    let ten = MatrixView::new(&test.data()[..160], 10, 16).unwrap();
    for case in expected["cases"].as_array().unwrap() {
        let l2 = case["l2"].as_f64().unwrap();
        let config = LogisticConfig {
            tolerance: 1e-7,
            ..fixed(l2)
        };
        let (classifier, report) = fit(train, &labels[..400], 5, &config, 0).unwrap();
        assert!(report.gradient_norm < 1e-6, "{report:?}");

        // Scores are defined up to a constant for each row; scikit-learn's sum to 0.
        let scores = classifier.scores(ten).unwrap();
        let wanted: Vec<f64> = case["scores"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect();
        for (found, wanted) in scores.data().chunks(5).zip(wanted.chunks(5)) {
            let shift = found.iter().map(|&v| f64::from(v)).sum::<f64>() / 5.0;
            for (&found, wanted) in found.iter().zip(wanted) {
                let difference = f64::from(found) - shift - wanted;
                assert!(difference.abs() < 1e-3, "l2 {l2}: {difference}");
            }
        }
        let predictions: Vec<usize> = case["predictions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as usize)
            .collect();
        assert_eq!(classifier.predict(test).unwrap(), predictions, "l2 {l2}");

        let standardised = Standardiser::measure(train).apply(train);
        let mut objective = Objective::new(standardised.view(), &labels[..400], 5, None);
        let parameters: Vec<f64> = classifier
            .weights
            .iter()
            .chain(&classifier.bias)
            .map(|&p| f64::from(p))
            .collect();
        let value = objective.evaluate(&parameters, l2, &mut vec![0.0; parameters.len()]);
        assert!(
            (value - case["objective"].as_f64().unwrap()).abs() < 1e-6,
            "l2 {l2}: {value}"
        );
    }
}

#[test]
fn the_default_converges_and_classifies_a_separable_problem() {
    let (train, labels) = separable(500, 16, 5, 1);
    let (test, test_labels) = separable(300, 16, 5, 2);
    let (classifier, report) =
        fit(train.view(), &labels, 5, &LogisticConfig::default(), 0).unwrap();
    assert!(
        report.converged && report.held_out_accuracy.unwrap() > 0.99,
        "{report:?}"
    );
    let accuracy = top1(&classifier.predict(test.view()).unwrap(), &test_labels).unwrap();
    assert!(accuracy > 0.99, "{accuracy}");
}

#[test]
fn rescaling_and_shifting_a_feature_changes_no_prediction() {
    let (train, labels) = embeddings_and_labels(400, 6, 8, 3);
    let (test, _) = embeddings_and_labels(200, 6, 8, 4);
    let moved = |matrix: &Matrix| {
        let mut out = matrix.clone();
        for row in out.data_mut().chunks_mut(6) {
            for (j, value) in row.iter_mut().enumerate() {
                *value =
                    *value * 4.0_f32.powi(j as i32 * 5 - 15) + [0.0, 0.0, 0.0, 8.0, 0.0, 0.0][j];
            }
        }
        out
    };
    let config = LogisticConfig {
        tolerance: 1e-6,
        ..fixed(0.01)
    };
    let predict = |train: &Matrix, test: &Matrix| {
        let (classifier, _) = fit(train.view(), &labels, 8, &config, 0).unwrap();
        classifier.predict(test.view()).unwrap()
    };
    assert_eq!(
        predict(&train, &test),
        predict(&moved(&train), &moved(&test))
    );
}

#[test]
fn the_order_of_the_rows_changes_no_prediction() {
    let (train, labels) = embeddings_and_labels(400, 6, 8, 5);
    let (test, _) = embeddings_and_labels(200, 6, 8, 6);
    let order = SplitMix(7).permutation(400);
    let data = order
        .iter()
        .flat_map(|&i| train.view().row(i))
        .copied()
        .collect();
    let shuffled = Matrix::new(data, 400, 6).unwrap();
    let shuffled_labels: Vec<usize> = order.iter().map(|&i| labels[i]).collect();
    let config = LogisticConfig {
        tolerance: 1e-6,
        ..fixed(0.01)
    };
    let predict = |train: &Matrix, labels: &[usize]| {
        let (classifier, _) = fit(train.view(), labels, 8, &config, 0).unwrap();
        classifier.predict(test.view()).unwrap()
    };
    assert_eq!(
        predict(&train, &labels),
        predict(&shuffled, &shuffled_labels)
    );
}

#[test]
fn a_constant_feature_adds_nothing_even_if_it_varies_in_the_test_set() {
    let (mut train, labels) = embeddings_and_labels(200, 4, 3, 8);
    let (test, _) = embeddings_and_labels(50, 4, 3, 9);
    train.data_mut().chunks_mut(4).for_each(|row| row[2] = 0.1);
    let (classifier, report) = fit(train.view(), &labels, 3, &fixed(1e-3), 0).unwrap();
    assert!(report.converged);
    let mut moved = test.clone();
    moved.data_mut().chunks_mut(4).for_each(|row| row[2] = 1e30);
    assert_eq!(
        classifier.scores(test.view()).unwrap(),
        classifier.scores(moved.view()).unwrap()
    );
    // All features constant: the biases alone, so the most frequent class everywhere.
    let flat = Matrix::new(vec![0.3; 12], 6, 2).unwrap();
    let (classifier, report) = fit(flat.view(), &[2, 1, 1, 0, 1, 2], 3, &fixed(0.1), 0).unwrap();
    assert!(report.converged);
    assert_eq!(classifier.predict(flat.view()).unwrap(), [1; 6]);
    let row = classifier.scores(flat.view()).unwrap();
    let probability = |c: usize| {
        let total: f32 = row.data()[..3].iter().map(|s| s.exp()).sum();
        row.data()[c].exp() / total
    };
    for (class, frequency) in [1.0 / 6.0, 0.5, 1.0 / 3.0].into_iter().enumerate() {
        assert!((probability(class) - frequency).abs() < 1e-3);
    }
}

#[test]
fn more_features_than_rows_and_no_penalty_still_end() {
    let (train, labels) = embeddings_and_labels(30, 200, 4, 10);
    for l2 in [0.0, 1e-6, 1.0, 1e6] {
        let (classifier, report) = fit(train.view(), &labels, 4, &fixed(l2), 0).unwrap();
        assert!(report.converged, "l2 {l2}: {report:?}");
        if l2 < 1e3 {
            assert_eq!(classifier.predict(train.view()).unwrap(), labels, "l2 {l2}");
        }
    }
}

#[test]
fn a_limit_on_the_steps_is_kept_and_reported() {
    let (train, labels) = embeddings_and_labels(300, 6, 8, 11);
    let config = LogisticConfig {
        max_iterations: 2,
        tolerance: 1e-6,
        ..fixed(1e-4)
    };
    let (_, report) = fit(train.view(), &labels, 8, &config, 0).unwrap();
    assert_eq!((report.iterations, report.converged), (2, false));
    assert!(report.gradient_norm > 1e-6);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (train, labels) = embeddings_and_labels(5000, 12, 6, 12);
    let run = |threads| {
        in_pool(threads, || {
            fit(train.view(), &labels, 6, &LogisticConfig::default(), 3).unwrap()
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn bad_settings_are_named() {
    let train = Matrix::new(vec![0.0, 1.0, 2.0, 3.0], 4, 1).unwrap();
    let grid = |values: &[f64], folds| LogisticConfig {
        l2: L2::Grid {
            values: values.to_vec(),
            folds,
        },
        ..LogisticConfig::default()
    };
    for (config, expected) in [
        (
            fixed(-1.0),
            "l2 of the logistic probe is -1, expected a finite number of at least 0",
        ),
        (
            grid(&[0.1, f64::NAN], 2),
            "l2 of the logistic probe is NaN, expected a finite number of at least 0",
        ),
        (
            grid(&[], 2),
            "no l2 for the grid given, expected at least 1",
        ),
        (
            grid(&[0.1], 1),
            "folds of the l2 grid is 1, expected at least 2",
        ),
        (
            LogisticConfig {
                max_iterations: 0,
                ..fixed(0.1)
            },
            "max_iterations of the logistic probe is 0, expected at least 1",
        ),
        (
            LogisticConfig {
                tolerance: 0.0,
                ..fixed(0.1)
            },
            "tolerance of the logistic probe is 0, expected a finite number above 0",
        ),
    ] {
        let error = fit(train.view(), &[0, 1, 0, 1], 2, &config, 0).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
