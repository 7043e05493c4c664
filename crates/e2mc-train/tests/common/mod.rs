//! A data set, tiny recipes and a way to train that the tests share.

// Each test program uses a part of it.
#![allow(dead_code)]

pub(crate) mod place;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2mc_data::{Dataset, Error as DataError, Image, Preprocessing, ViewRecipe, stream};
use e2mc_train::backbone::{Architecture, ResnetConfig, Stem};
use e2mc_train::criterion::{CriterionConfig, TransformName};
use e2mc_train::method::{MethodConfig, SimsiamConfig, SwavConfig, VicregConfig};
use e2mc_train::optim::{OptimizerConfig, ScheduleConfig};
use e2mc_train::{
    Control, Ending, EpochSummary, Error, Model, Observer, Recipe, RunOptions, StepLog, Trainer,
    TrainingConfig,
};
use tch::{Device, Kind, Tensor};

/// Noise with a bright bar whose place is the class.
pub(crate) struct Bars(pub(crate) usize);

impl Dataset for Bars {
    fn len(&self) -> usize {
        self.0
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        let mut noise = stream(7, 0, index as u64, 0);
        image.width = 28;
        image.height = 28;
        image.channels = 1;
        image.pixels.clear();
        for pixel in 0..28 * 28 {
            let bright = pixel % 28 / 7 == index % 4;
            image
                .pixels
                .push((noise.uniform() * 80.0) as u8 + if bright { 150 } else { 0 });
        }
        Ok(())
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(index % 4)
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        format!("bars[{index}]")
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        Some((28, 28))
    }
}

/// A copy of every tensor, by name.
pub(crate) fn copies(model: &Model) -> BTreeMap<String, Tensor> {
    let copy = |(name, tensor): (String, Tensor)| (name, tensor.detach().copy());
    model.tensors().into_iter().map(copy).collect()
}

pub(crate) fn vicreg() -> MethodConfig {
    MethodConfig::Vicreg(VicregConfig {
        projector: vec![16, 16],
        ..VicregConfig::default()
    })
}

/// A small head, and a teacher that moves fast.
pub(crate) fn dino() -> MethodConfig {
    let settings = serde_json::json!({"name": "dino", "projector": [24, 16], "prototypes": 12, "momentum": 0.9,
        "teacher_temperature_epochs": 2});
    serde_json::from_value(settings).unwrap()
}

/// Prototypes that move from the fourth step on, and a queue of two batches that starts in the
/// second epoch: with batches of 8 of 40 images it is used from the eighth step on.
pub(crate) fn swav() -> MethodConfig {
    MethodConfig::Swav(SwavConfig {
        projector: vec![24, 12],
        prototypes: 10,
        queue: 16,
        queue_epoch: 1,
        freeze_prototypes: 3,
        ..SwavConfig::default()
    })
}

pub(crate) fn simsiam() -> MethodConfig {
    MethodConfig::Simsiam(SimsiamConfig {
        projector: vec![24, 24, 16],
        predictor: 6,
        predictor_learning_rate: Some(0.05),
    })
}

/// A recipe for a network of a few thousand weights: two epochs of batches of 8.
pub(crate) fn recipe(method: MethodConfig, optimizer: &str) -> Recipe {
    let mut augmentation = e2mc_data::Augmentation::small_grey();
    if matches!(method, MethodConfig::Swav(_)) {
        augmentation.views.push(ViewRecipe {
            count: 2,
            scale: [0.1, 0.4],
            ..ViewRecipe::crop(16)
        });
    }
    Recipe {
        name: "test".into(),
        description: String::new(),
        backbone: ResnetConfig {
            architecture: Architecture::Resnet18,
            width: 4,
            stem: Stem::SmallStride2,
            channels: 1,
        }
        .into(),
        criterion: CriterionConfig::E2mc {
            transform: match method {
                MethodConfig::Vicreg(_) => TransformName::Sigmoid,
                _ => TransformName::Gaussian,
            },
            beta: 10.0,
            gamma: 10.0,
            epsilon: 1e-7,
        },
        method,
        training: TrainingConfig {
            epochs: 2,
            batch: 8,
            learning_rate: 0.01,
            ..TrainingConfig::default()
        },
        optimizer: serde_json::from_value::<OptimizerConfig>(
            serde_json::json!({"name": optimizer}),
        )
        .unwrap(),
        schedule: ScheduleConfig::Cosine {
            warmup: 0.5,
            end: 0.1,
        },
        augmentation,
        evaluation: Preprocessing::small_grey(),
    }
}

/// Raises the stop flag after some steps, as a signal would.
pub(crate) struct StopAfter<'a> {
    pub(crate) step: u64,
    pub(crate) flag: &'a AtomicBool,
    pub(crate) losses: Vec<f64>,
    pub(crate) entropies: Vec<f64>,
}

impl Observer for StopAfter<'_> {
    fn step(&mut self, log: &StepLog) -> Result<(), Error> {
        self.losses.push(log.loss);
        if log.step >= self.step {
            self.flag.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn epoch(&mut self, _: &Model, summary: &EpochSummary) -> Result<Control, Error> {
        let entropy = summary
            .terms
            .iter()
            .find(|term| term.0 == "entropy")
            .map(|term| term.1);
        self.entropies.extend(entropy);
        Ok(Control::Continue)
    }
}

pub(crate) fn options(checkpoint: Option<&Path>, threads: usize) -> RunOptions {
    RunOptions {
        threads,
        log_every: 1,
        checkpoint: checkpoint.map(Path::to_owned),
        save_every: None,
    }
}

/// As [`run`], which must go well.
pub(crate) fn train(
    trainer: &mut Trainer,
    step: u64,
    checkpoint: Option<&Path>,
    threads: usize,
) -> (Ending, Vec<f64>, Vec<f64>) {
    run(trainer, step, checkpoint, threads).unwrap()
}

/// Trains `trainer` until `step` at most; returns how it ended and the losses seen.
pub(crate) fn run(
    trainer: &mut Trainer,
    step: u64,
    checkpoint: Option<&Path>,
    threads: usize,
) -> Result<(Ending, Vec<f64>, Vec<f64>), Error> {
    let flag = AtomicBool::new(false);
    let mut observer = StopAfter {
        step,
        flag: &flag,
        losses: Vec::new(),
        entropies: Vec::new(),
    };
    let outcome = trainer.run(
        Arc::new(Bars(40)),
        &options(checkpoint, threads),
        &flag,
        &mut observer,
    )?;
    Ok((outcome, observer.losses, observer.entropies))
}

/// Two images `(2, 3, 64, 64)` of a wave.
pub(crate) fn waves() -> Tensor {
    let grid = Tensor::arange(2 * 3 * 64 * 64, (Kind::Double, Device::Cpu));
    let values = (grid * 0.37).sin().to_kind(Kind::Float);
    values.reshape([2, 3, 64, 64])
}

/// A Python that has PyTorch and torchvision: `E2MC_PYTHON`, or `python3`.
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("E2MC_PYTHON").unwrap_or_else(|_| "python3".into());
    let imports = ["-c", "import torch, torchvision"];
    let found = std::process::Command::new(&python).args(imports).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("SKIPPED: {python} has no torch and torchvision; set E2MC_PYTHON to one that has");
    None
}

pub(crate) fn in_python(python: &str, script: &str, arguments: &[&str]) -> serde_json::Value {
    let output = std::process::Command::new(python)
        .args([&["-c", script], arguments].concat())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}
