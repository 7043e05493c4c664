//! A batch in parts is the whole batch: in value, in gradient and in what is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::{Bars, recipe, simsiam, swav, train, vicreg};
use e2mc_data::{Loader, LoaderConfig, Pipeline};
use e2mc_train::criterion::CriterionConfig;
use e2mc_train::layer::{Mode, Precision, Statistics};
use e2mc_train::method::{MethodConfig, SwavConfig};
use e2mc_train::optim::ScheduleConfig;
use e2mc_train::{Recipe, Trainer};
use tch::{Device, Tensor};

fn plain(method: MethodConfig, parts: usize) -> Recipe {
    let mut recipe = recipe(method, "sgd");
    // Without momentum and decay a step is the gradient.
    recipe.optimizer =
        serde_json::from_value(serde_json::json!({"name": "sgd", "momentum": 0.0})).unwrap();
    recipe.schedule = ScheduleConfig::Constant { warmup: 0.0 };
    // So little of the criterion that rounding does not grow from step to step.
    if let CriterionConfig::E2mc { beta, gamma, .. } = &mut recipe.criterion {
        (*beta, *gamma) = (0.1, 1.0);
    }
    if let MethodConfig::Simsiam(config) = &mut recipe.method {
        config.predictor_learning_rate = Some(1e-3);
    }
    recipe.training.learning_rate = 1e-3;
    recipe.training.accumulate = parts;
    recipe
}

fn copies(trainer: &Trainer) -> BTreeMap<String, Tensor> {
    let copy = |(name, tensor): (String, Tensor)| (name, tensor.detach().copy());
    trainer.model.tensors().into_iter().map(copy).collect()
}

/// The losses of `steps` steps, and how far they moved each tensor.
fn moved(mut recipe: Recipe, steps: u64) -> (Vec<f64>, BTreeMap<String, Tensor>) {
    recipe.training.freeze_batch_norm = true;
    let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
    let before = copies(&trainer);
    let (_, losses, _) = train(&mut trainer, steps, None, 2);
    let after = copies(&trainer);
    let difference = |(name, tensor): (String, Tensor)| {
        let difference = tensor - &before[&name];
        (name, difference)
    };
    (losses, after.into_iter().map(difference).collect())
}

fn agrees(method: MethodConfig, parts: usize, steps: u64) {
    let (losses, whole) = moved(plain(method.clone(), 1), steps);
    let (in_parts, pieces) = moved(plain(method, parts), steps);
    assert_eq!(losses.len() as u64, steps);
    for (a, b) in losses.iter().zip(&in_parts) {
        assert!(
            (a - b).abs() <= 1e-4 * a.abs().max(0.1),
            "{losses:?} {in_parts:?}"
        );
    }
    for (name, expected) in &whole {
        // Batch norm takes these out again: they move by rounding and nothing else.
        if ["projector.0.bias", "predictor.1.running_mean"].contains(&name.as_str()) {
            continue;
        }
        let scale = expected.norm().double_value(&[]);
        let difference = (&pieces[name] - expected).norm().double_value(&[]);
        assert!(
            difference <= 1e-3 * scale,
            "{name}: {difference} of {scale}"
        );
    }
    let moves = |name: &str| whole[name].norm().double_value(&[]) > 0.0;
    assert!(moves("backbone.conv1.weight") && moves("projector.0.weight"));
}

#[test]
fn the_gradient_of_a_batch_in_parts_is_that_of_the_whole_batch() {
    for method in [vicreg(), swav(), simsiam()] {
        for parts in [2, 4] {
            agrees(method.clone(), parts, 1);
        }
    }
}

#[test]
fn the_queue_the_prototypes_and_the_predictor_go_along() {
    // From the third step on the queue is used and the prototypes move.
    let MethodConfig::Swav(config) = swav() else {
        unreachable!()
    };
    let early = SwavConfig {
        queue_epoch: 0,
        freeze_prototypes: 2,
        ..config
    };
    agrees(MethodConfig::Swav(early), 4, 4);
    agrees(simsiam(), 4, 4);
}

#[test]
fn a_loss_summed_over_small_batches_is_another() {
    let mut small = plain(vicreg(), 1);
    small.training.batch = 4;
    let (losses, _) = moved(small, 2);
    let (whole, _) = moved(plain(vicreg(), 1), 1);
    let mean = (losses[0] + losses[1]) / 2.0;
    assert!(
        (mean - whole[0]).abs() > 1e-3 * whole[0].abs(),
        "{mean} {whole:?}"
    );
}

#[test]
fn running_statistics_see_each_part_once() {
    for method in [swav(), simsiam()] {
        let joined = matches!(method, MethodConfig::Swav(_));
        let mut recipe = plain(method, 4);
        // Weights do not move, so that both see the same network.
        recipe.training.learning_rate = 1e-30;
        let augmentation = recipe.augmentation.clone();
        let mut trainer = Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap();
        train(&mut trainer, 1, None, 1);
        let found = copies(&trainer);

        let config = LoaderConfig {
            batch: 8,
            seed: 3,
            ..LoaderConfig::default()
        };
        let pipeline = Pipeline::Augment(augmentation);
        let loader = Loader::new(Arc::new(Bars(40)), pipeline, config).unwrap();
        let batch = loader.epoch(0, 0).next().unwrap().unwrap();
        let views: Vec<Tensor> = batch
            .views
            .iter()
            .map(|view| Tensor::from_slice(&view.data).view(view.shape.map(|size| size as i64)))
            .collect();
        let groups: Vec<&[Tensor]> = if joined {
            vec![&views[..2], &views[2..]]
        } else {
            views.chunks(1).collect()
        };
        let fresh = Trainer::new(recipe, Device::Cpu, 3).unwrap();
        for group in groups {
            for part in 0..4 {
                let rows: Vec<_> = group
                    .iter()
                    .map(|view| view.narrow(0, 2 * part, 2))
                    .collect();
                let images = Tensor::cat(&rows, 0);
                let mode = Mode::solo(Statistics::Batch, Precision::F32);
                let _ = fresh.model.backbone.forward(&images, mode).unwrap();
            }
        }
        for (name, expected) in copies(&fresh) {
            if name.starts_with("backbone.") && name.contains("running_") {
                let difference = (&found[&name] - &expected).abs().max().double_value(&[]);
                let scale = expected.abs().max().double_value(&[]);
                assert!(
                    difference <= 1e-5 * scale,
                    "{name}: {difference} of {scale}"
                );
            }
        }
    }
}
