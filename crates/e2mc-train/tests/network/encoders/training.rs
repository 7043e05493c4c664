//! Training of encoders that are no ResNets: exact resume, frozen blocks, rates by layer.

use std::collections::BTreeMap;

use e2mc_train::backbone::BackboneConfig;
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{Device, Ending, Recipe, Trainer};
use serde_json::json;

use crate::common::{copies, recipe, train, vicreg};

pub(super) fn recipe_of(backbone: serde_json::Value, optimizer: &str) -> Recipe {
    let mut recipe = recipe(vicreg(), optimizer);
    recipe.backbone = serde_json::from_value::<BackboneConfig>(backbone).unwrap();
    recipe
}

pub(super) fn vit() -> serde_json::Value {
    json!({"family": "vit", "patch": 7, "image_size": 28, "channels": 1, "width": 32, "depth": 2, "heads": 2,
        "hidden": 48, "registers": 2, "layer_scale": true, "mlp": "swiglu"})
}

pub(super) fn convnext() -> serde_json::Value {
    json!({"family": "convnext", "depths": [1, 1, 1, 1], "widths": [8, 8, 12, 16], "patch": 2, "channels": 1})
}

#[test]
fn a_run_stops_and_goes_on_as_if_it_had_never_stopped() {
    let rope = json!({"family": "vit", "patch": 7, "image_size": 28, "channels": 1, "width": 32, "depth": 1,
        "heads": 2, "hidden": 48, "positions": "rope", "placed": 0, "key_bias": false, "pool": "class-and-mean"});
    for backbone in [vit(), rope, convnext()] {
        for parts in [1, 2] {
            let mut recipe = recipe_of(backbone.clone(), "adamw");
            recipe.training.accumulate = parts;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("checkpoint.safetensors");
            let mut whole = Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap();
            let start = copies(&whole.model);
            let (outcome, losses, _) = train(&mut whole, u64::MAX, None, 2);
            assert_eq!((outcome, losses.len()), (Ending::Finished, 10));
            for (name, tensor) in copies(&whole.model) {
                assert!(tensor != start[&name], "{name} has not moved");
            }
            let mut first = Trainer::new(recipe, Device::Cpu, 3).unwrap();
            let (_, mut pieces, _) = train(&mut first, 4, Some(&path), 2);
            let checkpoint = Checkpoint::read(&path).unwrap();
            let mut second = Trainer::resume(&checkpoint, Device::Cpu, None).unwrap();
            pieces.extend(train(&mut second, u64::MAX, None, 1).1);
            assert_eq!(pieces, losses);
            assert_eq!(copies(&whole.model), copies(&second.model));
        }
    }
}

#[test]
fn keys_without_a_bias_keep_none() {
    let mut backbone = vit();
    backbone["key_bias"] = false.into();
    let mut trainer = Trainer::new(recipe_of(backbone, "adamw"), Device::Cpu, 3).unwrap();
    train(&mut trainer, 3, None, 1);
    let bias = &copies(&trainer.model)["backbone.blocks.0.attn.qkv.bias"];
    let sizes: Vec<f64> = (0..3)
        .map(|part| bias.narrow(0, 32 * part, 32).abs().max().double_value(&[]))
        .collect();
    assert!(
        sizes[0] > 0.0 && sizes[1] == 0.0 && sizes[2] > 0.0,
        "{sizes:?}"
    );
}

/// How far each tensor of a ViT moves in a step of plain descent.
fn moved(change: impl Fn(&mut Recipe)) -> BTreeMap<String, f64> {
    // LayerScale would make gradients too small for a step to show.
    let mut backbone = vit();
    backbone["layer_scale"] = false.into();
    moved_of(backbone, change)
}

/// The same of any network.
fn moved_of(backbone: serde_json::Value, change: impl Fn(&mut Recipe)) -> BTreeMap<String, f64> {
    let mut recipe = recipe_of(backbone, "sgd");
    recipe.optimizer =
        serde_json::from_value(json!({"name": "sgd", "momentum": 0.0, "weight_decay": 0.0}))
            .unwrap();
    change(&mut recipe);
    let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
    let before = copies(&trainer.model);
    train(&mut trainer, 1, None, 1);
    let after = copies(&trainer.model).into_iter();
    after
        .map(|(name, tensor)| {
            let distance = (&tensor - &before[&name]).norm().double_value(&[]);
            (name, distance)
        })
        .collect()
}

#[test]
fn rates_fall_from_layer_to_layer() {
    let full = moved(|_| ());
    let less = moved(|recipe| recipe.training.layer_decay = Some(0.5));
    for (name, scale) in [
        ("backbone.pos_embed", 0.125),
        ("backbone.blocks.0.mlp.fc1.weight", 0.25),
        ("backbone.blocks.1.attn.proj.weight", 0.5),
        ("backbone.norm.bias", 0.5),
        ("projector.0.weight", 1.0),
    ] {
        let ratio = less[name] / full[name];
        assert!((ratio / scale - 1.0).abs() < 1e-2, "{name}: {ratio}");
    }
}

#[test]
fn matrices_alone_decay() {
    let decay = |only: bool| {
        moved(move |recipe| {
            let sgd = json!({"name": "sgd", "momentum": 0.0, "weight_decay": 1e4});
            recipe.optimizer = serde_json::from_value(sgd).unwrap();
            recipe.training.decay_matrices_only = only;
            recipe.training.layer_decay = Some(0.9);
        })
    };
    let (none, all, matrices) = (
        moved(|recipe| recipe.training.layer_decay = Some(0.9)),
        decay(false),
        decay(true),
    );
    for (name, decays) in [
        ("backbone.norm.weight", false),
        ("backbone.blocks.1.norm2.weight", false),
        ("backbone.blocks.0.attn.qkv.weight", true),
        ("projector.1.weight", false),
        ("projector.0.weight", true),
    ] {
        assert!(all[name] > 10.0 * none[name], "{name}");
        let same = (matrices[name] / none[name] - 1.0).abs() < 1e-3;
        assert_eq!(!same, decays, "{name}: {} {}", matrices[name], none[name]);
    }
}

#[test]
fn the_stages_of_a_convnext_have_rates_and_can_be_frozen() {
    // LayerScale starts near zero: only a large step shows.
    let moved = |change: fn(&mut Recipe)| {
        moved_of(convnext(), |recipe| {
            recipe.training.learning_rate *= 1e3;
            change(recipe);
        })
    };
    let full = moved(|_| ());
    let less = moved(|recipe| recipe.training.layer_decay = Some(0.5));
    for (name, scale) in [
        ("backbone.stem.0.bias", 0.03125),
        ("backbone.stages.0.blocks.0.mlp.fc2.bias", 0.0625),
        ("backbone.stages.3.blocks.0.mlp.fc2.bias", 0.5),
        ("projector.0.weight", 1.0),
    ] {
        let ratio = less[name] / full[name];
        assert!((ratio / scale - 1.0).abs() < 1e-2, "{name}: {ratio}");
    }
    let frozen = moved(|recipe| recipe.training.freeze_blocks = Some(2));
    for (name, distance) in frozen {
        let first = ["stem.", "stages.0.", "stages.1."];
        let first = first
            .iter()
            .any(|part| name.starts_with(&format!("backbone.{part}")));
        assert_eq!(distance == 0.0, first, "{name}");
    }
}

#[test]
fn frozen_blocks_stay_as_they_are() {
    let moved = moved(|recipe| {
        recipe.training.freeze_blocks = Some(1);
        recipe.training.layer_decay = Some(0.5);
    });
    for (name, distance) in moved {
        let frozen = [
            "pos_embed",
            "cls_token",
            "reg_token",
            "patch_embed.",
            "blocks.0.",
        ];
        let frozen = frozen
            .iter()
            .any(|part| name.starts_with(&format!("backbone.{part}")));
        assert_eq!(distance == 0.0, frozen, "{name}");
    }
    let mut recipe = recipe_of(vit(), "sgd");
    let refused = |recipe: &Recipe| recipe.check().unwrap_err().to_string();
    recipe.training.freeze_blocks = Some(3);
    assert!(refused(&recipe).contains("at most the 2 blocks of vit/7"));
    recipe.training.freeze_blocks = None;
    recipe.training.layer_decay = Some(0.0);
    assert!(refused(&recipe).contains("above 0 and at most 1"));
    recipe.training.layer_decay = None;
    recipe.augmentation.views[0].size = 24;
    let error = refused(&recipe);
    assert!(
        error.contains("a multiple of 7 pixels for vit/7"),
        "{error}"
    );
}
