//! The two doors, by what comes in through them: a backbone and a method that only this test knows.
//! Each is one file and one line of `register`; `docs/adding-a-backbone.md` and
//! `docs/adding-a-method.md` show their code.

#[path = "../common/mod.rs"]
mod common;
mod follower;
mod patches;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{copies, train, vicreg};
use e2mc_train::backbone::{BackboneConfig, register_family};
use e2mc_train::checkpoint::{Checkpoint, Export, Layout, Names, ReadOptions, export};
use e2mc_train::method::{MethodConfig, MethodSettings, register_method};
use e2mc_train::optim::Role;
use e2mc_train::{Ending, Model, Output, Recipe, Trainer};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// What a program does before it reads a recipe or a checkpoint.
fn register() {
    register_family(&patches::Patches).unwrap();
    register_method(&follower::FOLLOWER).unwrap();
}

fn patches() -> BackboneConfig {
    serde_json::from_value(json!({"family": "patches", "width": 20})).unwrap()
}

fn follower() -> MethodConfig {
    serde_json::from_value(json!({"name": "follower", "momentum": 0.8})).unwrap()
}

/// Recipes of the new backbone with a method of ours, the other way round, and of both new ones.
fn recipes() -> [Recipe; 3] {
    register();
    let resnet = common::recipe(follower(), "adamw");
    let mut with_vicreg = common::recipe(vicreg(), "sgd");
    with_vicreg.backbone = patches();
    let mut both = common::recipe(follower(), "adamw");
    both.backbone = patches();
    both.training.clip_gradients = Some(1.0);
    [resnet, with_vicreg, both]
}

fn images(n: i64) -> Tensor {
    let grid = Tensor::arange(n * 28 * 28, (Kind::Double, Device::Cpu));
    let values = (grid * 0.37).sin().to_kind(Kind::Float);
    values.reshape([n, 1, 28, 28])
}

fn saved(trainer: &Trainer, folder: &Path) -> Vec<u8> {
    let path = folder.join("compare.safetensors");
    trainer.save(&path).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn a_run_trains_stops_and_goes_on_as_if_it_had_never_stopped() {
    for recipe in recipes() {
        for parts in [1, 2] {
            let mut recipe = recipe.clone();
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
            let (outcome, mut pieces, _) = train(&mut first, 4, Some(&path), 2);
            assert_eq!(outcome, Ending::Interrupted);
            let checkpoint = Checkpoint::read(&path).unwrap();
            assert!(checkpoint.foreign.is_none());
            let mut second = Trainer::resume(&checkpoint, Device::Cpu, None).unwrap();
            pieces.extend(train(&mut second, u64::MAX, None, 1).1);
            assert_eq!(pieces, losses);
            assert!(saved(&whole, folder.path()) == saved(&second, folder.path()));
        }
    }
}

#[test]
fn the_loss_falls() {
    for mut recipe in recipes() {
        recipe.criterion = e2mc_train::criterion::CriterionConfig::None;
        recipe.training.epochs = 6;
        let mut trainer = Trainer::new(recipe, Device::Cpu, 1).unwrap();
        let (_, losses, _) = train(&mut trainer, u64::MAX, None, 2);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        assert!(mean(&losses[25..]) < mean(&losses[..5]), "{losses:?}");
    }
}

#[test]
fn the_teacher_starts_as_a_copy_and_follows_by_the_schedule() {
    let [_, _, recipe] = recipes();
    let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
    let before = copies(&trainer.model);
    let pairs = |tensors: &BTreeMap<String, Tensor>| -> Vec<(String, Tensor, Tensor)> {
        let teacher = tensors.iter().filter_map(|(name, theirs)| {
            let own = name.strip_prefix("teacher.")?;
            let copy = tensors[own].shallow_clone();
            Some((own.to_owned(), copy, theirs.shallow_clone()))
        });
        teacher.collect()
    };
    assert_eq!(pairs(&before).len(), 8);
    for (name, own, teacher) in pairs(&before).iter().take(6) {
        assert_eq!(own, teacher, "{name}");
    }
    train(&mut trainer, 1, None, 1);
    // One step of ten: cos(pi / 10) = 0.951.
    let momentum = 1.0 - 0.2 * 0.5 * (1.0 + 0.951_056_516_295_153_5);
    for (name, own, teacher) in pairs(&copies(&trainer.model)) {
        let expected = &before[&name] * momentum + own * (1.0 - momentum);
        let difference = (teacher - expected).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{name}: {difference}");
    }
    let trained = trainer.model.parameters();
    assert!(trained.iter().all(|p| !p.name.starts_with("teacher.")));
}

#[test]
fn a_checkpoint_without_the_teacher_starts_one() {
    let [_, with_vicreg, both] = recipes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut trainer = Trainer::new(with_vicreg, Device::Cpu, 5).unwrap();
    train(&mut trainer, 3, Some(&path), 1);
    let options = ReadOptions {
        layout: Some(Layout::Backbone),
        ..ReadOptions::default()
    };
    let backbone = Checkpoint::read_with(&path, options).unwrap();
    let (new, _) = Trainer::from_weights(both.clone(), &backbone, Device::Cpu, 6).unwrap();
    let tensors = copies(&new.model);
    for (name, trained) in copies(&trainer.model) {
        if name.starts_with("backbone.") {
            assert_eq!(tensors[&name], trained, "{name}");
            assert_eq!(tensors[&format!("teacher.{name}")], trained, "{name}");
        }
    }
    // A checkpoint that has a teacher keeps it.
    let mut trainer = Trainer::new(both.clone(), Device::Cpu, 5).unwrap();
    train(&mut trainer, 3, Some(&path), 1);
    let whole = Checkpoint::read(&path).unwrap();
    let (next, _) = Trainer::from_weights(both, &whole, Device::Cpu, 6).unwrap();
    assert_eq!(copies(&next.model), copies(&trainer.model));
}

#[test]
fn files_with_public_names_are_written_and_recognised() {
    let [_, _, recipe] = recipes();
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.safetensors");
    let trainer = Trainer::new(recipe.clone(), Device::Cpu, 5).unwrap();
    trainer.save(&own).unwrap();
    let own = Checkpoint::read(&own).unwrap();
    let features = trainer.model.features(&images(3)).unwrap();
    for (names, landmark) in [("own", "blocks.0.weight"), ("hub", "trunk.0.mlp.weight")] {
        for file in ["out.pth", "out.safetensors"] {
            let path = folder.path().join(file);
            let options = Export {
                names: Names::Public(names),
                backbone_only: true,
                ..Export::default()
            };
            let (_, count) = export(&own, &path, options).unwrap();
            assert_eq!(count, 6);
            let read = Checkpoint::read(&path).unwrap();
            assert!(read.foreign.is_some() && read.is_headless());
            assert!(read.is_of(&recipe.backbone));
            assert_eq!(read.recipe.backbone, recipe.backbone);
            assert_eq!(read.recipe.evaluation.crop, 28);
            assert_eq!(read.model["backbone.blocks.0.weight"].name(), landmark);
            let model = Model::new(&read.recipe, Device::Cpu, 0).unwrap();
            read.apply_to(&model).unwrap();
            assert_eq!(
                model.features(&images(3)).unwrap(),
                features,
                "{names} {file}"
            );
        }
    }
    let options = Export {
        names: Names::TORCHVISION,
        ..Export::default()
    };
    let error = export(&own, &folder.path().join("out.pth"), options).unwrap_err();
    let expected = "expected one of own, hub for patches7 of width 20, found `torchvision`";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn layers_can_be_looked_at_and_maps_are_refused() {
    let [_, _, recipe] = recipes();
    let model = Model::new(&recipe, Device::Cpu, 1).unwrap();
    let output = |name: &str| model.output(&images(3), &name.parse::<Output>().unwrap());
    assert_eq!(output("backbone").unwrap().size(), [3, 20]);
    assert_eq!(output("projector").unwrap().size(), [3, 16]);
    assert_eq!(output("blocks.1").unwrap(), output("backbone").unwrap());
    assert_ne!(output("blocks.0").unwrap(), output("backbone").unwrap());
    let error = output("layer3").unwrap_err().to_string();
    assert!(
        error.contains("a layer such as embed, blocks.0, blocks.1"),
        "{error}"
    );
    let error = output("map6x6").unwrap_err().to_string();
    assert!(error.contains("tokens and no feature map"), "{error}");
}

#[test]
fn parameters_know_what_and_where_they_are() {
    let [_, _, recipe] = recipes();
    let model = Model::new(&recipe, Device::Cpu, 1).unwrap();
    let found: Vec<_> = model
        .parameters()
        .into_iter()
        .map(|parameter| (parameter.name, parameter.role, parameter.layer))
        .collect();
    let expected = [
        ("backbone.blocks.0.bias", Role::Bias, Some(1)),
        ("backbone.blocks.0.weight", Role::Weight, Some(1)),
        ("backbone.blocks.1.bias", Role::Bias, Some(2)),
        ("backbone.blocks.1.weight", Role::Weight, Some(2)),
        ("backbone.embed.bias", Role::Bias, Some(0)),
        ("backbone.embed.weight", Role::Weight, Some(0)),
        ("projector.bias", Role::Bias, None),
        ("projector.weight", Role::Weight, None),
    ];
    assert_eq!(
        found,
        expected.map(|(name, role, layer)| (name.to_owned(), role, layer))
    );
}

#[test]
fn layers_nearer_to_the_images_move_less() {
    let [_, _, mut recipe] = recipes();
    recipe.optimizer = serde_json::from_value(json!({"name": "sgd", "momentum": 0.0})).unwrap();
    recipe.training.clip_gradients = None;
    let moved = |layer_decay: f64| {
        let mut recipe = recipe.clone();
        let method = json!({"name": "follower", "layer_decay": layer_decay});
        recipe.method = serde_json::from_value(method).unwrap();
        let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
        let before = copies(&trainer.model);
        train(&mut trainer, 1, None, 1);
        let after = copies(&trainer.model);
        move |name: &str| (&after[name] - &before[name]).norm().double_value(&[])
    };
    let (full, less) = (moved(1.0), moved(0.5));
    for (name, scale) in [
        ("backbone.embed.weight", 0.125),
        ("backbone.blocks.0.weight", 0.25),
        ("backbone.blocks.1.weight", 0.5),
        ("projector.weight", 1.0),
    ] {
        let ratio = less(name) / full(name);
        assert!((ratio / scale - 1.0).abs() < 1e-2, "{name}: {ratio}");
    }
}

#[test]
fn recipes_say_and_keep_the_settings() {
    let [_, _, recipe] = recipes();
    let text = serde_json::to_string(&recipe).unwrap();
    let read: Recipe = serde_json::from_str(&text).unwrap();
    assert_eq!(read, recipe);
    assert!(text.contains(r#""family":"patches""#) && text.contains(r#""name":"follower""#));
    let error = |backbone| {
        let config = serde_json::from_value::<BackboneConfig>(backbone);
        config.unwrap_err().to_string()
    };
    assert!(error(json!({"family": "patches", "hight": 3})).contains("unknown field `hight`"));
    let unknown = error(json!({"family": "mixer"}));
    assert!(
        unknown.contains("expected one of `resnet`, `vit`, `convnext`, `patches`"),
        "{unknown}"
    );
    let method = serde_json::from_value::<MethodConfig>(json!({"name": "leader"}));
    assert!(
        method
            .unwrap_err()
            .to_string()
            .contains("`simsiam`, `none`, `follower`")
    );

    let mut again = recipe.clone();
    again.training.checkpoint_blocks = true;
    let error = Trainer::new(again, Device::Cpu, 1).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("its blocks cannot be computed one by one"),
        "{error}"
    );

    let refused = |change: fn(&mut Recipe)| {
        let mut recipe = recipe.clone();
        change(&mut recipe);
        recipe.check().unwrap_err().to_string()
    };
    let error = refused(|recipe| recipe.training.freeze_batch_norm = true);
    assert!(error.contains("which has no batch norm"), "{error}");
    let error = refused(|recipe| recipe.augmentation.views[0].count = 3);
    assert!(error.contains("expected 2 views"), "{error}");
    let error = refused(|recipe| recipe.training.clip_gradients = Some(0.0));
    assert!(error.contains("training.clip_gradients"), "{error}");
    assert!(follower::FollowerConfig::default().check(2, 8).is_ok());
}

#[test]
fn a_name_is_taken_once() {
    register();
    static OTHER: e2mc_train::method::MethodKind =
        e2mc_train::method::MethodKind::of::<follower::FollowerConfig>("vicreg");
    let error = register_method(&OTHER).unwrap_err().to_string();
    assert!(error.contains("found a second `vicreg`"), "{error}");
}

/// The blocks of Rust in a document.
fn blocks(document: &str) -> Vec<&str> {
    let parts = document.split("```rust\n").skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_tutorials_show_this_code() {
    for (document, sources) in [
        (
            include_str!("../../../../docs/adding-a-backbone.md"),
            [include_str!("patches.rs"), include_str!("main.rs")],
        ),
        (
            include_str!("../../../../docs/adding-a-method.md"),
            [include_str!("follower.rs"), include_str!("main.rs")],
        ),
    ] {
        let blocks = blocks(document);
        assert!(blocks.len() >= 4, "{} blocks", blocks.len());
        for (place, &block) in blocks.iter().enumerate() {
            assert!(!block.trim().is_empty(), "block {place} is empty");
            let others = blocks.iter().enumerate().filter(|other| other.0 != place);
            for (other, shown) in others {
                let twice = shown.contains(block);
                assert!(
                    !twice,
                    "block {place} is shown again in block {other}:\n{block}"
                );
            }
            let found = sources.iter().any(|source| source.contains(block));
            assert!(found, "no source of this test has the block:\n{block}");
        }
    }
}
