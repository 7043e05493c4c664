//! Whole steps against PyTorch's arithmetic (`golden/dino`), whose weights and views follow from a
//! formula.

use std::collections::BTreeMap;
use std::path::Path;

use e2mc_data::{Augmentation, Batch, Preprocessing, View, ViewRecipe};
use serde_json::json;
use tch::{Device, Kind, Tensor};

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

#[test]
fn three_steps_are_those_of_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dino/steps.safetensors");
    let golden: BTreeMap<String, Tensor> = Tensor::read_safetensors(path)
        .unwrap()
        .into_iter()
        .collect();
    let mut trainer = Trainer::new(recipe(), Device::Cpu, 0).unwrap();
    let start = start(&trainer);
    tch::no_grad(|| {
        for (name, mut tensor) in trainer.model.tensors() {
            tensor.copy_(&start[&name]);
        }
    });
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
