use super::layer::INITIAL_DEVIATION;
use super::*;
use crate::random::{Purpose, Stream};
use crate::testing::{embeddings_and_labels, golden, golden_embeddings, separable};
use crate::top1;
use e2mc::Matrix;

/// The probe as one would write it down in float64, one row at a time, from the same start and in
/// the same order.
fn slow_twin(
    train: MatrixView<'_>,
    labels: &[usize],
    classes: usize,
    config: &LinearConfig,
    seed: u64,
) -> (Vec<f64>, Vec<f64>) {
    let dims = train.cols();
    let mut start = vec![0.0; classes * dims];
    Stream::new(seed, Purpose::Weights, 0).fill_normal(&mut start, INITIAL_DEVIATION);
    // Weights and bias in one list: the bias is the weight of a feature that is always 1.
    let width = dims + 1;
    let mut w = vec![0.0; classes * width];
    for c in 0..classes {
        for j in 0..dims {
            w[c * width + j] = f64::from(start[c * dims + j]);
        }
    }
    let mut v = vec![0.0; w.len()];
    for epoch in 0..config.epochs {
        let mut order: Vec<usize> = (0..train.rows()).collect();
        Stream::new(seed, Purpose::Order, epoch as u64).shuffle(&mut order);
        for batch in order.chunks(config.batch) {
            let mut g = vec![0.0; w.len()];
            for &row in batch {
                let x: Vec<f64> = train
                    .row(row)
                    .iter()
                    .map(|&x| f64::from(x))
                    .chain([1.0])
                    .collect();
                let z: Vec<f64> = w
                    .chunks(width)
                    .map(|w| w.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>().exp())
                    .collect();
                let total: f64 = z.iter().sum();
                for c in 0..classes {
                    let r = z[c] / total - f64::from(u8::from(c == labels[row]));
                    for j in 0..width {
                        g[c * width + j] += r * x[j] / batch.len() as f64;
                    }
                }
            }
            for is_bias in [false, true] {
                let own: Vec<usize> = (0..w.len())
                    .filter(|i| (i % width == dims) == is_bias)
                    .collect();
                let norm = |of: &[f64]| own.iter().map(|&i| of[i] * of[i]).sum::<f64>().sqrt();
                let (weight, slope) = (norm(&w), norm(&g));
                let (mut scale, mut decay) = (1.0, config.weight_decay);
                if let LinearOptimizer::Larc { trust } = config.optimizer {
                    if weight == 0.0 || slope == 0.0 {
                        decay = 0.0;
                    } else {
                        scale = trust * weight / (slope + decay * weight + 1e-8);
                    }
                }
                for i in own {
                    v[i] = config.momentum * v[i] + scale * (g[i] + decay * w[i]);
                    w[i] -= config.rate(epoch) * v[i];
                }
            }
        }
    }
    let split = |keep: fn(usize, usize) -> bool| {
        (0..w.len())
            .filter(|i| keep(i % width, dims))
            .map(|i| w[i])
            .collect()
    };
    (split(|j, dims| j < dims), split(|j, dims| j == dims))
}

fn close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (f64::from(*found) - expected).abs() <= tolerance * scale,
            "{found} {expected}"
        );
    }
}

/// The classifier and the last epoch's loss.
fn fit(
    train: MatrixView<'_>,
    labels: &[usize],
    classes: usize,
    config: &LinearConfig,
    seed: u64,
) -> Result<(LinearClassifier, f64), Error> {
    super::fit(train, labels, classes, config, seed).map(|fitted| (fitted.classifier, fitted.loss))
}

#[test]
fn agrees_with_pytorch() {
    let text = std::fs::read_to_string(golden("sgd.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = |name: &str| -> Vec<f64> {
        expected[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect()
    };
    let (embeddings, labels) = golden_embeddings();
    let train = MatrixView::new(&embeddings.data()[..90 * 16], 90, 16).unwrap();
    let config = LinearConfig {
        epochs: 30,
        batch: 128,
        weight_decay: 1e-2,
        ..LinearConfig::vicreg()
    };
    let mut trainer = LinearTrainer::new(16, 5, &config, 0).unwrap();
    trainer.weights.values = golden_weights();
    let loss = train_on(&mut trainer, train, &labels[..90], &config).unwrap();
    assert!((loss - expected["loss"].as_f64().unwrap()).abs() < 1e-5);
    close(&trainer.weights.values, &list("weights"), 1e-5);
    close(&trainer.bias.values, &list("bias"), 1e-5);
}

fn golden_weights() -> Vec<f32> {
    let weight = |j: i32| (0.01 * (0.37 * f64::from(j)).sin()) as f32;
    (0..80).map(weight).collect()
}

#[test]
fn batch_norm_agrees_with_pytorch() {
    let text = std::fs::read_to_string(golden("batch_norm.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (embeddings, labels) = golden_embeddings();
    let train = MatrixView::new(&embeddings.data()[..90 * 16], 90, 16).unwrap();
    let test = MatrixView::new(&embeddings.data()[400 * 16..410 * 16], 10, 16).unwrap();
    let config = LinearConfig {
        epochs: 30,
        batch: 128,
        weight_decay: 1e-2,
        schedule: Schedule::Constant,
        batch_norm: Some(4),
        ..LinearConfig::vicreg()
    };
    let mut trainer = LinearTrainer::new(16, 5, &config, 0).unwrap();
    trainer.weights.values = golden_weights();
    let loss = train_on(&mut trainer, train, &labels[..90], &config).unwrap();
    assert!((loss - expected["loss"].as_f64().unwrap()).abs() < 1e-5);
    let scores = expected["scores"].as_array().unwrap();
    let scores: Vec<f64> = scores.iter().map(|v| v.as_f64().unwrap()).collect();
    let found = trainer.classifier().scores(test).unwrap();
    close(found.data(), &scores, 1e-4);
}

#[test]
fn a_batch_of_one_row_is_normalised_by_what_came_before() {
    let (train, labels) = embeddings_and_labels(21, 6, 3, 1);
    let config = LinearConfig {
        epochs: 3,
        batch: 20,
        batch_norm: Some(1),
        ..LinearPreset::Swav.config(1.0)
    };
    let (classifier, loss) = fit(train.view(), &labels, 3, &config, 1).unwrap();
    let scores = classifier.scores(train.view()).unwrap();
    assert!(loss.is_finite() && scores.data().iter().all(|s| s.is_finite()));
    let config = LinearConfig {
        batch_norm: Some(4),
        ..config
    };
    let error = fit(train.view(), &labels, 3, &config, 1).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a divisor of the number of features")
    );
}

#[test]
fn batches_that_come_one_by_one_give_the_same_bits_as_cached_features() {
    let (train, labels) = embeddings_and_labels(83, 8, 4, 1);
    for preset in [
        LinearPreset::Vicreg,
        LinearPreset::Simsiam,
        LinearPreset::Inat18,
    ] {
        let config = LinearConfig {
            epochs: 5,
            batch: 20,
            ..preset.config(0.1)
        };
        let (cached, loss) = fit(train.view(), &labels, 4, &config, 9).unwrap();
        let mut trainer = LinearTrainer::new(8, 4, &config, 9).unwrap();
        let mut last = 0.0;
        while trainer.epoch() < config.epochs {
            for batch in trainer.order(83).chunks(20) {
                let rows = batch.iter().flat_map(|&row| train.view().row(row));
                let features: Vec<f32> = rows.copied().collect();
                let classes: Vec<usize> = batch.iter().map(|&row| labels[row]).collect();
                trainer.step(&features, &classes).unwrap();
            }
            last = trainer.end_epoch().unwrap();
        }
        assert_eq!((trainer.classifier(), last), (cached, loss), "{preset:?}");
    }
}

#[test]
fn a_trainer_refuses_what_does_not_fit() {
    let config = LinearConfig::default();
    let mut trainer = LinearTrainer::new(3, 2, &config, 0).unwrap();
    assert!(trainer.step(&[0.0; 6], &[0]).is_err());
    assert!(trainer.step(&[0.0; 3], &[2]).is_err());
    assert!(trainer.step(&[0.0, f32::NAN, 0.0], &[1]).is_err());
    assert!(trainer.end_epoch().is_err());
    assert!(LinearTrainer::new(0, 2, &config, 0).is_err());
}

#[test]
fn agrees_with_the_slow_twin_with_short_batches_and_every_schedule() {
    let (train, labels) = embeddings_and_labels(83, 7, 4, 1);
    let step = Schedule::Step {
        milestones: vec![2, 4],
        factor: 0.1,
    };
    let larc = LinearOptimizer::Larc { trust: 0.1 };
    for (schedule, optimizer) in [
        (Schedule::Cosine, LinearOptimizer::Sgd),
        (Schedule::Constant, LinearOptimizer::Sgd),
        (step, LinearOptimizer::Sgd),
        (Schedule::Cosine, larc),
    ] {
        let config = LinearConfig {
            optimizer,
            epochs: 6,
            batch: 20,
            learning_rate: 0.5,
            weight_decay: 0.01,
            schedule,
            ..LinearConfig::vicreg()
        };
        let (classifier, _) = fit(train.view(), &labels, 4, &config, 9).unwrap();
        let (weights, bias) = slow_twin(train.view(), &labels, 4, &config, 9);
        close(&classifier.weights, &weights, 1e-4);
        close(&classifier.bias, &bias, 1e-4);
    }
}

#[test]
fn rates_follow_the_schedule_and_scale_with_the_batch() {
    let config = LinearConfig {
        epochs: 4,
        batch: 512,
        ..LinearPreset::Swav.config(1.0)
    };
    let rates: Vec<f64> = (0..4).map(|e| config.rate(e)).collect();
    for (found, expected) in rates.iter().zip([0.6, 0.512_132, 0.3, 0.087_868]) {
        assert!((found - expected).abs() < 1e-6, "{rates:?}");
    }
    let step = Schedule::Step {
        milestones: vec![1, 3],
        factor: 0.1,
    };
    let config = LinearConfig {
        schedule: step,
        batch: 256,
        ..config
    };
    let rates: Vec<f64> = (0..4).map(|e| config.rate(e)).collect();
    for (found, expected) in rates.iter().zip([0.3, 0.03, 0.03, 0.003]) {
        assert!((found - expected).abs() < 1e-12, "{rates:?}");
    }
}

#[test]
fn a_separable_problem_is_learned_and_the_loss_falls() {
    let (train, labels) = separable(600, 16, 3, 2);
    let (test, test_labels) = separable(300, 16, 3, 3);
    let (classifier, loss) = fit(train.view(), &labels, 3, &LinearConfig::default(), 1).unwrap();
    assert!(loss < 0.1, "{loss}");
    let accuracy = top1(&classifier.predict(test.view()).unwrap(), &test_labels).unwrap();
    assert!(accuracy > 0.99, "{accuracy}");
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let (train, labels) = embeddings_and_labels(300, 8, 3, 4);
    let config = LinearConfig {
        epochs: 3,
        batch: 64,
        ..LinearConfig::default()
    };
    let run = |seed| fit(train.view(), &labels, 3, &config, seed).unwrap();
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0.weights, run(6).0.weights);
}

#[test]
fn a_batch_larger_than_the_training_set_is_the_training_set() {
    let (train, labels) = embeddings_and_labels(40, 8, 3, 5);
    let config = LinearConfig {
        epochs: 5,
        batch: 64,
        ..LinearConfig::default()
    };
    // The same rate for the same single batch.
    let exact = LinearConfig {
        batch: 40,
        learning_rate: 0.02 * 64.0 / 40.0,
        ..config.clone()
    };
    let (a, _) = fit(train.view(), &labels, 3, &config, 6).unwrap();
    let (b, _) = fit(train.view(), &labels, 3, &exact, 6).unwrap();
    close(
        &a.weights,
        &b.weights.iter().map(|&w| f64::from(w)).collect::<Vec<_>>(),
        1e-6,
    );
}

#[test]
fn divergence_is_an_error_that_names_epoch_and_rate() {
    let (mut train, labels) = embeddings_and_labels(300, 8, 3, 6);
    train.data_mut().iter_mut().for_each(|v| *v *= 1e15);
    let config = LinearConfig {
        learning_rate: 1e25,
        schedule: Schedule::Constant,
        ..LinearConfig::default()
    };
    let error = fit(train.view(), &labels, 3, &config, 1).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("linear probe diverged in epoch "),
        "{error}"
    );
    assert!(error.hint().unwrap().starts_with("lower the learning rate"));
}

#[test]
fn bad_settings_are_named() {
    let train = Matrix::new(vec![0.0, 1.0], 2, 1).unwrap();
    let good = LinearConfig::default();
    let step = Schedule::Step {
        milestones: vec![],
        factor: f64::NAN,
    };
    for (config, expected) in [
        (
            LinearConfig {
                epochs: 0,
                ..good.clone()
            },
            "epochs of the linear probe is 0, expected at least 1",
        ),
        (
            LinearConfig {
                batch: 0,
                ..good.clone()
            },
            "batch of the linear probe is 0, expected at least 1",
        ),
        (
            LinearConfig {
                learning_rate: -0.5,
                ..good.clone()
            },
            "learning rate of the linear probe is -0.5, expected a finite number above 0",
        ),
        (
            LinearConfig {
                momentum: 1.0,
                ..good.clone()
            },
            "momentum of the linear probe is 1, expected from 0 to below 1",
        ),
        (
            LinearConfig {
                weight_decay: f64::INFINITY,
                ..good.clone()
            },
            "weight decay of the linear probe is inf, expected a finite number of at least 0",
        ),
        (
            LinearConfig {
                schedule: step,
                ..good.clone()
            },
            "step factor of the linear probe is NaN, expected a finite number above 0",
        ),
    ] {
        let error = fit(train.view(), &[0, 1], 2, &config, 0).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
