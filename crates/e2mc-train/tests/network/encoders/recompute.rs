//! Blocks that are computed again for the gradient: every number is that of a run that keeps all.

use std::collections::BTreeMap;

use e2mc_data::ViewRecipe;
use e2mc_train::{Device, Recipe, Trainer};
use serde_json::json;
use tch::Tensor;

use super::training::{convnext, recipe_of, vit};
use crate::common::{copies, dino, recipe, train, vicreg};

fn rope() -> serde_json::Value {
    json!({"family": "vit", "patch": 7, "image_size": 28, "channels": 1, "width": 32, "depth": 2,
        "heads": 2, "hidden": 48, "positions": "rope", "placed": 0, "pool": "class-and-mean"})
}

/// Batch norm has running statistics.
fn resnet() -> serde_json::Value {
    serde_json::to_value(recipe(vicreg(), "sgd").backbone).unwrap()
}

/// The model after three steps, with and without, and the losses.
fn both(recipe: &Recipe) -> [(Vec<f64>, BTreeMap<String, Tensor>); 2] {
    [false, true].map(|again| {
        let mut recipe = recipe.clone();
        recipe.training.checkpoint_blocks = again;
        let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
        let (_, losses, _) = train(&mut trainer, 3, None, 2);
        (losses, copies(&trainer.model))
    })
}

fn assert_same(recipe: &Recipe, tolerance: f64) {
    let start = copies(&Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap().model);
    let [(losses, kept), (of_again, again)] = both(recipe);
    for (loss, other) in losses.iter().zip(&of_again) {
        assert!(
            (loss - other).abs() <= tolerance * loss.abs(),
            "{loss} {other}"
        );
    }
    let mut moved = 0;
    for (name, expected) in &kept {
        // Compared with how far the steps have moved the tensor.
        let far = (expected - &start[name]).norm().double_value(&[]);
        let difference = (&again[name] - expected).norm().double_value(&[]);
        assert!(
            difference <= tolerance * far,
            "{name}: {difference} of {far}"
        );
        moved += usize::from(far > 0.0);
    }
    assert!(moved > 10, "{moved} tensors have moved");
}

#[test]
fn the_gradient_is_that_of_a_run_that_keeps_all() {
    for backbone in [vit(), rope(), convnext(), resnet()] {
        for parts in [1, 2] {
            let mut recipe = recipe_of(backbone.clone(), "sgd");
            recipe.training.accumulate = parts;
            assert_same(&recipe, 1e-5);
        }
    }
}

#[test]
fn views_of_two_sizes_frozen_blocks_and_clipping_change_nothing() {
    for backbone in [vit(), convnext(), resnet()] {
        let mut recipe = recipe_of(backbone, "sgd");
        recipe.method = dino();
        recipe.augmentation.views.push(ViewRecipe {
            count: 2,
            ..ViewRecipe::crop(21)
        });
        recipe.training.clip_each_gradient = Some(1.0);
        recipe.training.freeze_blocks = Some(1);
        assert_same(&recipe, 1e-5);
        recipe.training.head_warmup_steps = Some(2);
        recipe.training.accumulate = 4;
        assert_same(&recipe, 1e-5);
    }
}

#[test]
fn products_in_half_precision_are_the_same_ones() {
    let mut recipe = recipe_of(vit(), "sgd");
    recipe.training.precision = serde_json::from_value(json!("bf16")).unwrap();
    assert_same(&recipe, 1e-3);
}
