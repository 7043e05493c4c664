//! DINO against a slow, obvious twin of its formulas, and from step to step.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{self, Bars, StopAfter, copies, dino, place, recipe, train};
use e2mc_data::ViewRecipe;
use e2mc_train::checkpoint::{Checkpoint, Export, Names, ReadOptions, export, save_model};
use e2mc_train::method::{DinoConfig, DinoTemperatures, MethodSettings, dino_loss};
use e2mc_train::{Ending, Error, Recipe, Trainer};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// A ResNet and a ViT, with two large views and two small ones.
fn recipes() -> [Recipe; 2] {
    let small = ViewRecipe {
        count: 2,
        scale: [0.1, 0.4],
        ..ViewRecipe::crop(14)
    };
    let mut resnet = recipe(dino(), "adamw");
    resnet.augmentation.views.push(small);
    resnet.training.weight_decay_end = Some(0.4);
    resnet.training.clip_each_gradient = Some(3.0);
    let mut vit = resnet.clone();
    vit.backbone = serde_json::from_value(json!({"family": "vit", "patch": 7, "image_size": 28,
        "channels": 1, "width": 32, "depth": 2, "heads": 2, "hidden": 48}))
    .unwrap();
    [resnet, vit]
}

fn saved(trainer: &Trainer, folder: &Path) -> Vec<u8> {
    let path = folder.join("compare.safetensors");
    trainer.save(&path).unwrap();
    fs::read(path).unwrap()
}

const N: usize = 3;
const K: usize = 4;
const TEMPERATURES: DinoTemperatures = DinoTemperatures {
    student: 0.1,
    teacher: 0.05,
};

/// `count` numbers in [-0.3, 0.3].
fn numbers(count: usize, seed: f64) -> Vec<f64> {
    (0..count)
        .map(|i| 0.3 * (12.9898 * i as f64 + seed).sin())
        .collect()
}

fn softmax(row: &[f64], centre: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = row
        .iter()
        .zip(centre)
        .map(|(score, centre)| ((score - centre) / temperature).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// Eq. 3 with the centre, pair by pair and image by image.
fn slow_loss(student: &[Vec<f64>], teacher: &[Vec<f64>], centre: &[f64]) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0);
    for (t, of_teacher) in teacher.iter().enumerate() {
        for (s, of_student) in student.iter().enumerate() {
            if s == t {
                continue;
            }
            pairs += 1;
            for image in 0..N {
                let row = image * K..(image + 1) * K;
                let p = softmax(&of_teacher[row.clone()], centre, TEMPERATURES.teacher);
                let q = softmax(&of_student[row], &[0.0; K], TEMPERATURES.student);
                let cross: f64 = p.iter().zip(&q).map(|(p, q)| -p * q.ln()).sum();
                sum += cross / N as f64;
            }
        }
    }
    sum / f64::from(pairs)
}

#[test]
fn the_loss_and_its_gradient_are_those_of_the_formula() {
    let mut student: Vec<_> = (0..4).map(|view| numbers(N * K, f64::from(view))).collect();
    let teacher: Vec<_> = (0..2)
        .map(|view| numbers(N * K, 10.0 + f64::from(view)))
        .collect();
    let centre = numbers(K, 20.0);
    let tensor = |numbers: &Vec<f64>, rows: usize| {
        let flat = Tensor::from_slice(numbers).to_kind(Kind::Float);
        flat.view([rows as i64, K as i64])
            .to_device(place::device())
    };
    let leaves: Vec<Tensor> = student
        .iter()
        .map(|view| tensor(view, N).set_requires_grad(true))
        .collect();
    let teachers: Vec<Tensor> = teacher.iter().map(|view| tensor(view, N)).collect();
    let found = dino_loss(&leaves, &teachers, &tensor(&centre, 1), TEMPERATURES).unwrap();
    let expected = slow_loss(&student, &teacher, &centre);
    let error = (found.double_value(&[]) - expected).abs() / expected;
    assert!(error < 1e-5, "{found}, not {expected}");
    found.backward();
    for view in 0..4 {
        for place in 0..N * K {
            let mut at = |shift: f64| {
                student[view][place] += shift;
                let value = slow_loss(&student, &teacher, &centre);
                student[view][place] -= shift;
                value
            };
            let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
            let found = leaves[view]
                .grad()
                .flatten(0, -1)
                .double_value(&[place as i64]);
            assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
        }
    }
}

#[test]
fn schedules_are_those_of_the_paper() {
    let config = DinoConfig::default();
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
    close(config.temperatures(0).teacher, 0.04);
    close(config.temperatures(29).teacher, 0.07);
    close(config.temperatures(10).teacher, 0.04 + 0.03 * 10.0 / 29.0);
    close(config.temperatures(99).teacher, 0.07);
    close(config.momentum_at(0, 100), 0.996);
    close(config.momentum_at(50, 100), 0.998);
    close(config.momentum_at(100, 100), 1.0);
    let one = DinoConfig {
        teacher_temperature_epochs: 1,
        ..config
    };
    close(one.temperatures(0).teacher, 0.04);
    close(one.temperatures(1).teacher, 0.07);
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
                let stays = name.ends_with("weight_g");
                assert_eq!(tensor == start[&name], stays, "{name}");
            }
            // In the first epoch, and in the second.
            for step in [3, 7] {
                let mut first = Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap();
                let (outcome, mut pieces, _) = train(&mut first, step, Some(&path), 2);
                assert_eq!(outcome, Ending::Interrupted);
                let checkpoint = Checkpoint::read(&path).unwrap();
                let mut second = Trainer::resume(&checkpoint, Device::Cpu, None).unwrap();
                pieces.extend(train(&mut second, u64::MAX, None, 1).1);
                assert_eq!(pieces, losses);
                assert!(saved(&whole, folder.path()) == saved(&second, folder.path()));
            }
        }
    }
}

#[test]
fn teacher_and_centre_follow_and_the_last_layer_waits_an_epoch() {
    for recipe in recipes() {
        let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
        let before = copies(&trainer.model);
        let teachers: Vec<String> = before
            .keys()
            .filter_map(|name| Some(name.strip_prefix("teacher.")?.to_owned()))
            .collect();
        for name in &teachers {
            let teacher = &before[&format!("teacher.{name}")];
            assert_eq!(*teacher, before[name], "{name}");
        }
        assert_eq!(before["center"].abs().max().double_value(&[]), 0.0);
        train(&mut trainer, 1, None, 1);
        let after = copies(&trainer.model);
        for name in teachers.iter().filter(|name| !name.contains("running_")) {
            // The first step's momentum is that of the recipe.
            let expected = &before[name] * 0.9 + &after[name] * 0.1;
            let difference = &after[&format!("teacher.{name}")] - expected;
            let difference = difference.abs().max().double_value(&[]);
            assert!(difference < 1e-6, "{name}: {difference}");
        }
        assert!(after["center"].abs().max().double_value(&[]) > 0.0);
        assert_eq!(after["prototypes.weight_v"], before["prototypes.weight_v"]);
        train(&mut trainer, 5, None, 1);
        let later = copies(&trainer.model);
        assert_eq!(later["prototypes.weight_v"], before["prototypes.weight_v"]);
        train(&mut trainer, 6, None, 1);
        let later = copies(&trainer.model);
        assert!(later["prototypes.weight_v"] != before["prototypes.weight_v"]);
    }
}

#[test]
fn a_batch_in_parts_is_the_whole_batch() {
    let [_, vit] = recipes();
    let run = |parts: usize| {
        let mut recipe = vit.clone();
        recipe.training.accumulate = parts;
        // Without momentum and decay a step is the gradient.
        recipe.optimizer = serde_json::from_value(json!({"name": "sgd", "momentum": 0.0})).unwrap();
        recipe.training.weight_decay_end = None;
        recipe.training.learning_rate = 1e-3;
        let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
        let before = copies(&trainer.model);
        let (_, losses, _) = train(&mut trainer, 2, None, 2);
        let moved = copies(&trainer.model).into_iter().map(|(name, tensor)| {
            let moved = tensor - &before[&name];
            (name, moved)
        });
        (losses, moved.collect::<BTreeMap<String, Tensor>>())
    };
    let (losses, whole) = run(1);
    let (of_parts, parts) = run(4);
    for (loss, other) in losses.iter().zip(of_parts) {
        assert!((loss - other).abs() < 1e-5 * loss.abs(), "{loss} {other}");
    }
    for (name, expected) in whole {
        let scale = expected.norm().double_value(&[]);
        let difference = (&parts[&name] - expected).norm().double_value(&[]);
        assert!(
            difference <= 1e-3 * scale + 1e-8,
            "{name}: {difference} of {scale}"
        );
    }
}

#[test]
fn large_views_come_first() {
    let [mut recipe, _] = recipes();
    recipe.augmentation.views.reverse();
    let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut observer = StopAfter {
        step: 1,
        flag: &stop,
        losses: Vec::new(),
        entropies: Vec::new(),
    };
    let data = std::sync::Arc::new(Bars(40));
    let error = trainer
        .run(data, &common::options(None, 1), &stop, &mut observer)
        .unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("the largest views first"), "{error}");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused =
        |config: DinoConfig, views: usize| config.check(views, 8).unwrap_err().to_string();
    let config = DinoConfig::default;
    assert!(refused(config(), 1).contains("at least 2 views for DINO"));
    for (config, field) in [
        (
            DinoConfig {
                momentum: 1.5,
                ..config()
            },
            "method.momentum",
        ),
        (
            DinoConfig {
                temperature: 0.0,
                ..config()
            },
            "method.temperature",
        ),
        (
            DinoConfig {
                center_momentum: 1.0,
                ..config()
            },
            "method.center_momentum",
        ),
        (
            DinoConfig {
                prototypes: 1,
                ..config()
            },
            "method.prototypes",
        ),
    ] {
        let error = refused(config, 4);
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn an_encoder_for_others_carries_no_teacher() {
    let [_, vit] = recipes();
    let trainer = Trainer::new(vit.clone(), Device::Cpu, 3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.safetensors");
    save_model(&own, &vit, &trainer.model, Default::default()).unwrap();
    let names = |names: Names, backbone_only: bool| -> (Vec<String>, Checkpoint) {
        let path = folder.path().join("out.safetensors");
        let options = Export {
            names,
            backbone_only,
            ..Export::default()
        };
        export(&Checkpoint::read(&own).unwrap(), &path, options).unwrap();
        let tensors = Tensor::read_safetensors(&path).unwrap();
        let names = tensors.into_iter().map(|(name, _)| name).collect();
        let reading = ReadOptions {
            heads: Some(2),
            ..ReadOptions::default()
        };
        (names, Checkpoint::read_with(&path, reading).unwrap())
    };
    let for_training = |name: &String| name.starts_with("teacher.") || name == "center";
    // The whole of it, to continue with.
    let (all, read) = names(Names::E2mc, false);
    assert_eq!(all.len(), trainer.model.tensors().len());
    assert!(all.iter().any(for_training) && read.recipe.method.name() == "dino");
    // The encoder and its head.
    let (theirs, read) = names(Names::Public("timm"), false);
    assert!(!theirs.iter().any(for_training), "{theirs:?}");
    assert!(theirs.contains(&"blocks.0.norm1.weight".to_owned()));
    assert!(theirs.contains(&"projector.0.weight".to_owned()));
    let model = read.to_model(Device::Cpu).unwrap();
    for (name, tensor) in model.tensors() {
        assert_eq!(tensor, trainer.model.tensors()[&name], "{name}");
    }
    let ignored = &read.foreign.as_ref().unwrap().ignored;
    assert!(
        ignored.contains(&"the head of a student of DINO without its teacher".to_owned()),
        "{ignored:?}"
    );
    // The encoder alone.
    for public in [Names::E2mc, Names::Public("timm")] {
        let (backbone, _) = names(public, true);
        let heads = |name: &String| name.starts_with("projector.") || for_training(name);
        assert!(!backbone.iter().any(heads), "{backbone:?}");
    }
}

#[test]
fn a_teachers_frozen_blocks_stay_the_students() {
    for mut recipe in recipes() {
        recipe.training.freeze_blocks = Some(1);
        // Running statistics are of a batch, frozen or not.
        recipe.training.freeze_batch_norm = recipe.backbone.has_batch_norm();
        let config = recipe.backbone.clone();
        let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
        let before = copies(&trainer.model);
        train(&mut trainer, 4, None, 1);
        let after = copies(&trainer.model);
        let mut frozen = 0;
        for (name, student) in &after {
            let Some(layer) = name.strip_prefix("backbone.") else {
                continue;
            };
            let teacher = &after[&format!("teacher.{name}")];
            let stays = config.layer_of(layer) <= 1 || layer.contains("running_");
            assert_eq!(*student == before[name], stays, "{name}");
            assert_eq!(teacher == student, stays, "{name}");
            frozen += usize::from(stays);
        }
        assert!(frozen > 5);
    }
}
