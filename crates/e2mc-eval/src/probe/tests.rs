use super::*;
use crate::testing::{embeddings_and_labels, in_pool, separable};
use crate::{L2, top1};
use e2mc::Matrix;

fn probes() -> [Probe; 2] {
    [
        Probe::Sgd(LinearConfig {
            epochs: 20,
            ..crate::LinearPreset::Swav.config(1.0)
        }),
        Probe::Logistic(LogisticConfig {
            l2: L2::Fixed(1e-3),
            ..LogisticConfig::default()
        }),
    ]
}

#[test]
fn both_probes_learn_and_the_prediction_is_the_fit_classifiers() {
    let (train, labels) = separable(400, 12, 4, 1);
    let (test, test_labels) = separable(200, 12, 4, 2);
    for probe in probes() {
        let prediction = probe
            .fit_predict(train.view(), &labels, test.view(), 4, 5)
            .unwrap();
        assert!(top1(&prediction.predictions, &test_labels).unwrap() > 0.98);
        let fit = probe.fit(train.view(), &labels, 4, 5).unwrap();
        assert_eq!(
            fit.classifier.predict(test.view()).unwrap(),
            prediction.predictions
        );
        assert_eq!(
            (fit.report, fit.missing_classes),
            (prediction.report, vec![])
        );
    }
}

#[test]
fn missing_classes_are_listed_and_the_others_learned() {
    let (train, mut labels) = separable(300, 12, 3, 3);
    let (test, mut test_labels) = separable(100, 12, 3, 4);
    for label in labels.iter_mut().chain(&mut test_labels) {
        *label = [1, 2, 5][*label];
    }
    for probe in probes() {
        let prediction = probe
            .fit_predict(train.view(), &labels, test.view(), 7, 5)
            .unwrap();
        assert_eq!(prediction.missing_classes, [0, 3, 4, 6]);
        assert!(top1(&prediction.predictions, &test_labels).unwrap() > 0.98);
    }
    let fit = probes()[1].fit(train.view(), &labels, 7, 0).unwrap();
    let scores = fit.classifier.scores(test.view()).unwrap();
    assert_eq!(
        (scores.rows(), scores.cols(), fit.classifier.dims()),
        (100, 7, 12)
    );
    for row in scores.data().chunks(7) {
        for (class, score) in row.iter().enumerate() {
            assert_eq!(score.is_finite(), [1, 2, 5].contains(&class));
        }
    }
}

#[test]
fn many_seeds_are_the_same_as_one_by_one_on_any_number_of_threads() {
    let (train, labels) = embeddings_and_labels(300, 12, 4, 5);
    let (test, _) = embeddings_and_labels(100, 12, 4, 6);
    let seeds = [3, 1, 4, 1, 5];
    for probe in probes() {
        let alone: Vec<Prediction> = seeds
            .iter()
            .map(|&s| {
                probe
                    .fit_predict(train.view(), &labels, test.view(), 4, s)
                    .unwrap()
            })
            .collect();
        for threads in [1, 3] {
            let together = in_pool(threads, || {
                probe
                    .fit_predict_seeds(train.view(), &labels, test.view(), 4, &seeds)
                    .unwrap()
            });
            assert_eq!(alone, together);
        }
    }
}

#[test]
fn bad_input_is_named() {
    let (train, labels) = embeddings_and_labels(10, 2, 2, 7);
    let labels: Vec<usize> = labels.iter().enumerate().map(|(i, _)| i % 2).collect();
    let none = Matrix::zeros(0, 2);
    let flat = Matrix::zeros(10, 0);
    let wide = Matrix::zeros(4, 3);
    let mut nan = train.clone();
    nan.data_mut()[7] = f32::NEG_INFINITY;
    for probe in probes() {
        let text = |train: &Matrix, labels: &[usize], test: &Matrix, classes| {
            probe
                .fit_predict(train.view(), labels, test.view(), classes, 0)
                .unwrap_err()
                .to_string()
        };
        for (found, expected) in [
            (
                text(&none, &[], &train, 2),
                "training embeddings have no rows, expected at least 1",
            ),
            (
                text(&train, &labels, &none, 2),
                "test embeddings have no rows, expected at least 1",
            ),
            (
                text(&flat, &labels, &train, 2),
                "training embeddings have 10 rows of 0 dimensions, expected at least 1",
            ),
            (
                text(&train, &labels, &wide, 2),
                "test embeddings have 3 dimensions, expected 2 as the training embeddings",
            ),
            (
                text(&nan, &labels, &train, 2),
                "training embeddings hold -inf at row 3, column 1, expected a finite number",
            ),
            (
                text(&train, &labels, &nan, 2),
                "test embeddings hold -inf at row 3, column 1, expected a finite number",
            ),
            (
                text(&train, &labels[..9], &train, 2),
                "training embeddings have 10 rows, but 9 labels were given",
            ),
            (
                text(&train, &labels, &train, 1),
                "training label 1 at row 1 is out of range for 1 classes",
            ),
            (
                text(&train, &labels, &train, usize::MAX),
                "18446744073709551615 classes, expected at most 100000",
            ),
            (
                text(&train, &[1; 10], &train, 2),
                "all 10 training labels are class 1, expected at least 2 classes",
            ),
        ] {
            assert_eq!(found, expected);
        }
    }
}
