//! Whole steps against PyTorch's arithmetic (`golden/dino`), whose weights and views follow from a
//! formula.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use e2mc_data::{Augmentation, Batch, Preprocessing, View, ViewRecipe};
use serde_json::json;
use tch::{Device, Kind, Tensor};

use crate::checkpoint::{Checkpoint, Layout, ReadOptions};
use crate::criterion::{CriterionConfig, TransformName};
use crate::optim::ScheduleConfig;
use crate::recipe::{Recipe, TrainingConfig};
use crate::trainer::Trainer;

const BATCH: usize = 6;
const SIDES: [usize; 4] = [14, 14, 7, 7];

fn recipe() -> Recipe {
    let view = |size| ViewRecipe {
        count: 2,
        ..ViewRecipe::crop(size)
    };
    Recipe {
        name: "steps".into(),
        description: String::new(),
        backbone: serde_json::from_value(
            json!({"family": "vit", "patch": 7, "image_size": 14, "channels": 1,
            "width": 16, "depth": 1, "heads": 2, "hidden": 32}),
        )
        .unwrap(),
        method: serde_json::from_value(json!({"name": "dino", "projector": [12, 12, 6],
            "prototypes": 10, "momentum": 0.9, "teacher_temperature_epochs": 2}))
        .unwrap(),
        criterion: CriterionConfig::E2mc {
            transform: TransformName::Gaussian,
            beta: 0.1,
            gamma: 1.0,
            epsilon: 1e-7,
        },
        training: TrainingConfig {
            epochs: 3,
            batch: BATCH,
            learning_rate: 0.01,
            decay_matrices_only: true,
            clip_each_gradient: Some(0.05),
            weight_decay_end: Some(0.4),
            ..TrainingConfig::default()
        },
        optimizer: serde_json::from_value(
            json!({"name": "adamw", "epsilon": 1e-4, "weight_decay": 0.04}),
        )
        .unwrap(),
        schedule: ScheduleConfig::Constant { warmup: 0.0 },
        augmentation: Augmentation {
            views: vec![view(14), view(7)],
            ..Augmentation::small_grey()
        },
        evaluation: Preprocessing {
            crop: 14,
            ..Preprocessing::small_grey()
        },
    }
}

/// `count` numbers in [-1, 1] of number `k`.
fn series(count: i64, k: f64) -> Tensor {
    let place = Tensor::arange(count, (Kind::Double, Device::Cpu));
    let u = (place * 12.9898 + 78.233 * k).sin() * 43758.5453;
    (&u - u.floor()) * 2.0 - 1.0
}

/// The weights that PyTorch started from.
fn start(trainer: &Trainer) -> BTreeMap<String, Tensor> {
    let values = (0..).zip(trainer.model.tensors());
    values
        .map(|(k, (name, tensor))| {
            let (shape, count) = (tensor.size(), tensor.numel() as i64);
            let r = series(count, f64::from(k));
            let r = match shape.as_slice() {
                _ if name.ends_with("weight_g") => r.ones_like(),
                [_] if name.ends_with("weight") => r * 0.25 + 1.0,
                [_] => r * 0.1,
                _ => r * (6.0 / (count / shape[0]) as f64).sqrt(),
            };
            (name, r.to_kind(Kind::Float).reshape(shape))
        })
        .collect()
}

fn batch(step: usize) -> Batch {
    let views = SIDES.iter().enumerate().map(|(view, &side)| {
        let numbers = series(
            (BATCH * side * side) as i64,
            (1000 + 10 * step + view) as f64,
        );
        View {
            data: Vec::try_from(numbers.to_kind(Kind::Float)).unwrap(),
            shape: [BATCH, 1, side, side],
        }
    });
    Batch {
        indices: (0..BATCH).collect(),
        labels: vec![None; BATCH],
        views: views.collect(),
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/dino")
        .join(name)
}

fn golden(name: &str) -> BTreeMap<String, Tensor> {
    let tensors = Tensor::read_safetensors(file(name)).unwrap();
    tensors.into_iter().collect()
}

/// A run from the full checkpoint that PyTorch wrote.
fn continued(path: &Path) -> Trainer {
    let options = ReadOptions {
        layout: Some(Layout::Dino),
        heads: Some(2),
        ..ReadOptions::default()
    };
    let checkpoint = Checkpoint::read_with(path, options).unwrap();
    let (trainer, _) = Trainer::from_weights(recipe(), &checkpoint, Device::Cpu, 0).unwrap();
    assert!(checkpoint.missing_in(&trainer.model).is_empty());
    trainer
}

#[test]
fn three_steps_are_those_of_pytorch() {
    let trainer = Trainer::new(recipe(), Device::Cpu, 0).unwrap();
    let start = start(&trainer);
    tch::no_grad(|| {
        for (name, mut tensor) in trainer.model.tensors() {
            tensor.copy_(&start[&name]);
        }
    });
    steps_are_those_of_pytorch(trainer);
}

#[test]
fn a_full_checkpoint_goes_on_as_in_pytorch() {
    let trainer = continued(&file("full.pth"));
    let start = start(&trainer);
    for (name, tensor) in trainer.model.tensors() {
        assert_eq!(tensor, start[&name], "{name}");
    }
    steps_are_those_of_pytorch(trainer);
}

#[test]
fn heads_of_a_full_checkpoint_give_what_pytorch_gives() {
    let golden = golden("heads.safetensors");
    let close = |found: &Tensor, name: &str| {
        let expected = &golden[name];
        let error = (found - expected).abs().max() / expected.abs().max();
        let error = error.double_value(&[]);
        assert!(error < 1e-5, "{name}: {error}");
    };
    let view = &batch(0).views[0];
    let images = Tensor::from_slice(&view.data).reshape([BATCH as i64, 1, 14, 14]);
    let trainer = continued(&file("full.pth"));
    let features = trainer.model.features(&images).unwrap();
    let precision = trainer.model.precision();
    let method = &trainer.model.method;
    close(&method.embed(&features, precision).unwrap(), "bottleneck");
    let scores = method.after_embedding("prototypes", &features, precision);
    close(&scores.unwrap().unwrap(), "scores");

    // The other names of weight normalisation, and the teacher in the student's place.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.safetensors");
    write_swapped(&trainer, &path);
    let trainer = continued(&path);
    let features = trainer.model.features(&images).unwrap();
    let scores = trainer
        .model
        .method
        .after_embedding("prototypes", &features, precision);
    close(&scores.unwrap().unwrap(), "targets");
}

/// A full checkpoint with student and teacher in each other's place, and the names that PyTorch's
/// parametrizations give.
fn write_swapped(trainer: &Trainer, path: &Path) {
    let named = trainer.model.tensors().into_iter().map(|(name, tensor)| {
        let (role, rest) = match name.strip_prefix("teacher.") {
            Some(rest) => ("student.module.", rest.to_owned()),
            None => ("teacher.", name),
        };
        let rest = rest
            .replace("projector.", "head.mlp.")
            .replace(
                "prototypes.weight_g",
                "head.last_layer.parametrizations.weight.original0",
            )
            .replace(
                "prototypes.weight_v",
                "head.last_layer.parametrizations.weight.original1",
            );
        let name = match rest.as_str() {
            "center" => "dino_loss.center".to_owned(),
            _ => format!("{role}{rest}"),
        };
        (name, tensor)
    });
    let named: Vec<(String, Tensor)> = named.collect();
    Tensor::write_safetensors(&named, path).unwrap();
}

#[test]
fn the_teacher_alone_is_taken_where_nobody_asks_for_all() {
    let options = ReadOptions {
        heads: Some(2),
        ..ReadOptions::default()
    };
    let checkpoint = Checkpoint::read_with(&file("full.pth"), options).unwrap();
    assert!(checkpoint.is_headless());
    let foreign = checkpoint.foreign.as_ref().unwrap();
    assert_eq!(foreign.whole, Some(Layout::Dino));
    assert_eq!(foreign.epoch, Some(7));
    let model = checkpoint.to_model(Device::Cpu).unwrap();
    let teacher = &continued(&file("full.pth")).model.tensors();
    for (name, tensor) in model.tensors() {
        assert_eq!(tensor, teacher[&format!("teacher.{name}")], "{name}");
    }
}

#[test]
fn what_is_no_full_checkpoint_is_refused_in_one_sentence() {
    let trainer = continued(&file("full.pth"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.safetensors");
    write_swapped(&trainer, &path);
    let whole: BTreeMap<String, Tensor> = Tensor::read_safetensors(&path)
        .unwrap()
        .into_iter()
        .collect();
    let refused = |change: &dyn Fn(&mut BTreeMap<String, Tensor>), network: Option<&str>| {
        let mut tensors: BTreeMap<String, Tensor> = whole
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect();
        change(&mut tensors);
        let tensors: Vec<(String, Tensor)> = tensors.into_iter().collect();
        Tensor::write_safetensors(&tensors, &path).unwrap();
        let options = ReadOptions {
            layout: Some(Layout::Dino),
            heads: Some(2),
            network: network.map(str::to_owned),
            ..ReadOptions::default()
        };
        Checkpoint::read_with(&path, options)
            .unwrap_err()
            .to_string()
    };
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let without = |start: &'static str| {
        move |tensors: &mut BTreeMap<String, Tensor>| {
            tensors.retain(|name, _| !name.starts_with(start));
        }
    };
    let with = |name: &'static str, tensor: Tensor| {
        move |tensors: &mut BTreeMap<String, Tensor>| {
            tensors.insert(name.to_owned(), tensor.shallow_clone());
        }
    };
    let teachers = "teacher.head.last_layer.parametrizations.weight.";
    type Change<'a> = &'a dyn Fn(&mut BTreeMap<String, Tensor>);
    let cases: [(Change<'_>, &str); 8] = [
        (
            &without("teacher."),
            "expected a teacher beside the student",
        ),
        (
            &without("dino_loss."),
            "expected the centre of the teacher's scores",
        ),
        (
            &without("student.module.head."),
            "expected the student's head (`student.head.mlp.`), found none",
        ),
        (
            &without("teacher.head.last_layer."),
            "expected a last layer with weight normalisation",
        ),
        (
            &with("student.module.head.mlp.0.weight", zeros(&[12, 20])),
            "`student.module.head.mlp.0.weight` with 16 inputs",
        ),
        (
            &with("teacher.head.mlp.1.running_mean", zeros(&[12])),
            "expected heads of linear layers with GELU between them",
        ),
        (
            &with("dino_loss.center", zeros(&[1, 9])),
            "expected `dino_loss.center` of shape [1, 10], found the shape [1, 9]",
        ),
        (
            &|tensors| {
                tensors.insert(format!("{teachers}original0"), zeros(&[11, 1]));
                tensors.insert(format!("{teachers}original1"), zeros(&[11, 6]));
            },
            "expected a teacher's head like the student's, of widths [12, 12, 6] and 10 scores, \
             found of widths [12, 12, 6] and 11 scores",
        ),
    ];
    for (change, expected) in cases {
        let error = refused(change, None);
        assert!(error.contains(expected), "{error}");
    }
    let error = refused(&|_| (), Some("student"));
    assert!(error.contains("expected no choice of a network"), "{error}");
    let deeper = |tensors: &mut BTreeMap<String, Tensor>| {
        let copies: Vec<(String, Tensor)> = tensors
            .iter()
            .filter(|(name, _)| name.starts_with("teacher.backbone.blocks.0."))
            .map(|(name, tensor)| {
                (
                    name.replace("blocks.0.", "blocks.1."),
                    tensor.shallow_clone(),
                )
            })
            .collect();
        tensors.extend(copies);
    };
    let error = refused(&deeper, None);
    assert!(
        error.contains("expected a teacher like the student, vit"),
        "{error}"
    );
}

fn steps_are_those_of_pytorch(mut trainer: Trainer) {
    let golden = golden("steps.safetensors");
    let start = start(&trainer);
    trainer.optimizer.set_epoch(1);
    for step in 0..3 {
        let (objective, _) = trainer.step(&batch(step), 1, None).unwrap();
        trainer.progress.epoch += 1;
        let close = |found: &Tensor, name: &str| {
            let expected = golden[&format!("{step}.{name}")].double_value(&[]);
            let found = found.double_value(&[]);
            let error = (found - expected).abs() / expected.abs();
            assert!(error < 1e-5, "step {step}, {name}: {found}, not {expected}");
        };
        close(&objective.terms[0].value, "cross_entropy");
        close(&objective.loss, "loss");
    }
    let found = trainer.model.tensors();
    assert_eq!(found.len() + 6, golden.len());
    for (name, found) in found {
        let expected = &golden[&name];
        // Compared with how far the steps have moved the tensor, not with its size.
        let moved = (expected - &start[&name]).norm().double_value(&[]);
        let difference = (found - expected).norm().double_value(&[]);
        assert!(
            difference <= 1e-3 * moved,
            "{name}: {difference} of {moved}"
        );
        assert_eq!(moved > 0.0, !name.ends_with("weight_g"), "{name}");
    }
}
