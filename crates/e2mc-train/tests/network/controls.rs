//! Controls that change no weight by gradients.

use std::sync::Arc;

use crate::common::{self, Bars, vicreg};
use e2mc_data::{Dataset, Selection};
use e2mc_train::{Model, Output, Recipe, embed};
use tch::{Device, Kind, Tensor};

fn recipe() -> Recipe {
    common::recipe(vicreg(), "sgd")
}

fn model(seed: u64) -> Model {
    Model::new(&recipe(), Device::Cpu, seed).unwrap()
}

fn statistics(model: &Model) -> Vec<(String, Tensor)> {
    let tensors = model.backbone.tensors().iter();
    let own = tensors.filter(|(name, _)| name.contains("running_"));
    own.map(|(name, tensor)| (name.clone(), tensor.copy()))
        .collect()
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

#[test]
fn statistics_become_those_of_the_images() {
    let images: Arc<dyn Dataset> = Arc::new(Bars(64));
    let evaluation = recipe().evaluation;
    let estimate = |batch: usize, batches: usize| {
        let model = model(1);
        let own = model.estimate_statistics(images.clone(), &evaluation, (batches, batch), 2, 5);
        assert!(own.unwrap());
        model
    };
    // One batch of all images: what the first batch norm sees has mean 0 and variance 1 after it.
    let (before, whole) = (model(1), estimate(64, 1));
    let layer = Output::Layer("bn1".into());
    let seen = embed(&whole, images.clone(), &evaluation, layer, 64, 1).unwrap();
    // The mean over the places of a map is left of an output that was brought to mean 0.
    let mean: f32 = seen.data().iter().sum::<f32>() / seen.data().len() as f32;
    assert!(mean.abs() < 1e-3, "{mean}");
    let changed = statistics(&before)
        .iter()
        .zip(statistics(&whole))
        .any(|(a, b)| largest(&(&a.1 - b.1)) > 0.01);
    assert!(changed);
    // The mean of two halves is near the whole, and is the same each time.
    let (halves, again) = (estimate(32, 2), estimate(32, 2));
    for ((name, halves), (_, again)) in statistics(&halves).iter().zip(statistics(&again)) {
        assert_eq!(largest(&(halves - again)), 0.0, "{name}");
    }
    let weights = |model: &Model| -> Vec<Tensor> {
        let parameters = model.parameters().into_iter();
        parameters
            .map(|parameter| parameter.tensor.copy())
            .collect()
    };
    for (a, b) in weights(&before).iter().zip(weights(&whole)) {
        assert_eq!(largest(&(a - b)), 0.0, "weights stay");
    }
}

#[test]
fn fewer_images_than_a_batch_are_an_error() {
    let images: Arc<dyn Dataset> = Arc::new(Selection::new(Arc::new(Bars(8)), vec![0, 1]).unwrap());
    let evaluation = recipe().evaluation;
    let model = model(1);
    assert!(
        model
            .estimate_statistics(images, &evaluation, (1, 4), 1, 0)
            .is_err()
    );
}

#[test]
fn a_model_moves_to_half_way_and_all_the_way() {
    let (start, end) = (model(1), model(2));
    let half = model(2);
    half.move_towards(&start, 0.5).unwrap();
    for (name, tensor) in half.backbone.tensors() {
        let expected = (&start.backbone.tensors()[name] + &end.backbone.tensors()[name]) / 2.0;
        let error = largest(&(tensor - expected).to_kind(Kind::Float));
        assert!(error < 1e-6, "{name}: {error}");
    }
    half.move_towards(&start, 1.0).unwrap();
    for (name, tensor) in half.backbone.tensors() {
        assert_eq!(
            largest(&(tensor - &start.backbone.tensors()[name])),
            0.0,
            "{name}"
        );
    }
}
