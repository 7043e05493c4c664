//! The loop: determinism, resuming, checkpoints and what happens when numbers explode.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2mc_data::{Dataset, Error as DataError, Evaluation, Image, stream};
use e2mc_train::backbone::{BackboneConfig, Stem};
use e2mc_train::checkpoint::{self, Checkpoint};
use e2mc_train::criterion::{CriterionConfig, TransformName};
use e2mc_train::layer::Precision;
use e2mc_train::method::{MethodConfig, VicregConfig};
use e2mc_train::optim::{OptimizerConfig, ScheduleConfig};
use e2mc_train::{
    Control, EpochSummary, Error, Model, Observer, Outcome, Output, Recipe, RunOptions, StepLog,
    Trainer, TrainingConfig, embed,
};
use tch::Device;

/// Noise with a bright bar whose place is the class.
struct Bars(usize);

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

fn recipe(optimizer: &str) -> Recipe {
    Recipe {
        name: "test".into(),
        description: String::new(),
        backbone: BackboneConfig {
            architecture: "resnet18".parse::<BackboneConfig>().unwrap().architecture,
            width: 4,
            stem: Stem::SmallStride2,
            channels: 1,
        },
        method: MethodConfig::Vicreg(VicregConfig {
            projector: vec![16, 16],
            ..VicregConfig::default()
        }),
        criterion: CriterionConfig::E2mc {
            transform: TransformName::Sigmoid,
            beta: 10.0,
            gamma: 10.0,
            epsilon: 1e-7,
        },
        training: TrainingConfig {
            epochs: 2,
            batch: 8,
            learning_rate: 0.01,
            precision: Precision::F32,
            load_optimizer: false,
        },
        optimizer: serde_json::from_value::<OptimizerConfig>(
            serde_json::json!({"name": optimizer}),
        )
        .unwrap(),
        schedule: ScheduleConfig::Cosine {
            warmup: 0.5,
            end: 0.1,
        },
        augmentation: e2mc_data::Augmentation::small_grey(),
        evaluation: Evaluation::small_grey(),
    }
}

/// Raises the stop flag after some steps, as a signal would.
struct StopAfter<'a> {
    step: u64,
    flag: &'a AtomicBool,
    losses: Vec<f64>,
    entropies: Vec<f64>,
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

fn options(checkpoint: Option<&Path>, threads: usize) -> RunOptions {
    RunOptions {
        threads,
        log_every: 1,
        checkpoint: checkpoint.map(Path::to_owned),
    }
}

/// Trains `trainer` until `step` at most; returns how it ended and the losses seen.
fn train(
    trainer: &mut Trainer,
    step: u64,
    checkpoint: Option<&Path>,
    threads: usize,
) -> (Outcome, Vec<f64>, Vec<f64>) {
    let flag = AtomicBool::new(false);
    let mut observer = StopAfter {
        step,
        flag: &flag,
        losses: Vec::new(),
        entropies: Vec::new(),
    };
    let outcome = trainer
        .run(
            Arc::new(Bars(40)),
            &options(checkpoint, threads),
            &flag,
            &mut observer,
        )
        .unwrap();
    (outcome, observer.losses, observer.entropies)
}

fn saved(trainer: &Trainer, folder: &Path) -> Vec<u8> {
    let path = folder.join("compare.safetensors");
    trainer.save(&path).unwrap();
    fs::read(path).unwrap()
}

/// Interrupts after `step` of 10 steps, resumes from the file, and compares every byte with a run
/// that was never interrupted.
fn resumes_exactly(optimizer: &str, step: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut whole = Trainer::new(recipe(optimizer), Device::Cpu, 3).unwrap();
    let (outcome, losses, _) = train(&mut whole, u64::MAX, None, 2);
    assert_eq!((outcome, losses.len()), (Outcome::Finished, 10));

    let mut first = Trainer::new(recipe(optimizer), Device::Cpu, 3).unwrap();
    let (outcome, mut pieces, _) = train(&mut first, step, Some(&path), 2);
    assert_eq!((outcome, pieces.len() as u64), (Outcome::Interrupted, step));
    let checkpoint = Checkpoint::read(&path).unwrap();
    let mut second = Trainer::resume(&checkpoint, Device::Cpu, None).unwrap();
    let (outcome, rest, _) = train(&mut second, u64::MAX, None, 1);
    assert_eq!(outcome, Outcome::Finished);
    pieces.extend(rest);
    assert_eq!(pieces, losses);
    assert!(
        saved(&whole, folder.path()) == saved(&second, folder.path()),
        "weights or state differ"
    );
}

#[test]
fn stopping_within_an_epoch_and_resuming_equals_never_stopping() {
    for optimizer in ["adamw", "lars", "larc", "sgd"] {
        resumes_exactly(optimizer, 3);
    }
}

#[test]
fn stopping_at_the_end_of_an_epoch_and_resuming_equals_never_stopping() {
    resumes_exactly("adamw", 5);
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_number_of_loader_threads() {
    let folder = tempfile::tempdir().unwrap();
    let run = |threads, seed| {
        let mut trainer = Trainer::new(recipe("adamw"), Device::Cpu, seed).unwrap();
        train(&mut trainer, u64::MAX, None, threads);
        saved(&trainer, folder.path())
    };
    let one = run(1, 5);
    assert!(one == run(4, 5));
    assert!(one != run(1, 6));
}

#[test]
fn training_lowers_the_loss_and_raises_the_entropy() {
    let mut long = recipe("adamw");
    long.training.epochs = 12;
    let mut trainer = Trainer::new(long, Device::Cpu, 1).unwrap();
    let (_, losses, entropies) = train(&mut trainer, u64::MAX, None, 2);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[55..]) < mean(&losses[..5]), "{losses:?}");
    assert!(entropies.last() > entropies.first(), "{entropies:?}");
}

#[test]
fn bfloat16_trains_close_to_float32() {
    let losses = [Precision::F32, Precision::Bf16].map(|precision| {
        let mut recipe = recipe("adamw");
        recipe.training.precision = precision;
        let mut trainer = Trainer::new(recipe, Device::Cpu, 1).unwrap();
        train(&mut trainer, u64::MAX, None, 2).1
    });
    // Two runs drift apart step by step; at first they differ by bfloat16's rounding alone.
    let [full, half] = &losses;
    assert!(
        (full[0] - half[0]).abs() < 0.02 * full[0],
        "{} {}",
        full[0],
        half[0]
    );
    assert!(full[0] != half[0], "bfloat16 was not used");
    assert!(
        half.iter()
            .zip(full)
            .all(|(half, full)| (half - full).abs() < 0.2 * full),
        "{losses:?}"
    );
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_names_the_last_good_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut wild = recipe("sgd");
    wild.schedule = ScheduleConfig::Step {
        warmup: 0.0,
        milestones: vec![1],
        factor: 1e30,
    };
    wild.training.learning_rate = 1e-4;
    let mut trainer = Trainer::new(wild, Device::Cpu, 1).unwrap();
    let flag = AtomicBool::new(false);
    let mut observer = StopAfter {
        step: u64::MAX,
        flag: &flag,
        losses: Vec::new(),
        entropies: Vec::new(),
    };
    let error = trainer
        .run(
            Arc::new(Bars(40)),
            &options(Some(&path), 1),
            &flag,
            &mut observer,
        )
        .unwrap_err();
    let Error::NonFinite {
        step,
        epoch: 2,
        last_good,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert!(
        *step >= 6 && last_good.contains("checkpoint.safetensors"),
        "{error}"
    );
    // The file is the state after the first epoch, which was fine.
    let checkpoint = Checkpoint::read(&path).unwrap();
    assert_eq!(checkpoint.progress.unwrap().step, 5);
}

#[test]
fn a_model_file_in_half_precision_gives_nearly_the_same_features() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let recipe = recipe("adamw");
    let model = Model::new(&recipe, Device::Cpu, 1).unwrap();
    checkpoint::save_model(&path, &recipe, &model, checkpoint::Precision::F16).unwrap();
    let read = Checkpoint::read(&path).unwrap();
    let copy = Model::new(&read.recipe, Device::Cpu, 2).unwrap();
    read.apply_to(&copy).unwrap();
    let features = [&model, &copy].map(|model| {
        let images: Arc<dyn Dataset> = Arc::new(Bars(6));
        embed(model, images, &recipe.evaluation, Output::Backbone, 4, 1).unwrap()
    });
    assert_eq!((features[0].rows(), features[0].cols()), (6, 32));
    let largest = features[0]
        .data()
        .iter()
        .fold(0f32, |max, x| max.max(x.abs()));
    for (a, b) in features[0].data().iter().zip(features[1].data()) {
        assert!((a - b).abs() <= 0.01 * largest, "{a} {b}");
    }
    let resumed = Trainer::resume(&read, Device::Cpu, None).unwrap_err();
    assert!(resumed.to_string().contains("a model file"), "{resumed}");
}

#[test]
fn a_checkpoint_of_another_architecture_lists_its_tensors_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let small = recipe("adamw");
    let mut wide = small.clone();
    wide.backbone.width = 8;
    let model = Model::new(&wide, Device::Cpu, 1).unwrap();
    checkpoint::save_model(&path, &wide, &model, checkpoint::Precision::F32).unwrap();
    let target = Model::new(&small, Device::Cpu, 1).unwrap();
    let before = target.tensors()["backbone.conv1.weight"].copy();
    let error = Checkpoint::read(&path)
        .unwrap()
        .apply_to(&target)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("mis-shaped  backbone.bn1.bias: model [4], file [8]"),
        "{error}"
    );
    assert!(error.contains("and "), "{error}");
    assert_eq!(before, target.tensors()["backbone.conv1.weight"]);
}

#[test]
fn damaged_files_are_refused_with_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let trainer = Trainer::new(recipe("adamw"), Device::Cpu, 1).unwrap();
    trainer.save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let error_of = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Checkpoint::read(&path).unwrap_err().to_string()
    };
    assert!(error_of(&[]).ends_with("expected a checkpoint, found an empty file"));
    let cut = error_of(&whole[..whole.len() - 10]);
    let expected = format!(
        "expected {} bytes, as its header says, found {} bytes",
        whole.len(),
        whole.len() - 10
    );
    assert!(cut.ends_with(&expected), "{cut}");
    assert!(error_of(&whole[..40]).contains("another format"));
    assert!(error_of(b"\x80\x02}q\x00.").contains("another format"));
    // A header of 2^60 bytes must not be believed.
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    assert!(error_of(&huge).contains("another format"));
    let version = br#"\"version\":1"#;
    let at = whole
        .windows(version.len())
        .position(|bytes| bytes == version)
        .unwrap();
    let mut newer = whole.clone();
    newer[at + version.len() - 1] = b'9';
    assert!(error_of(&newer).ends_with("expected format version 1, found version 9"));
}

#[test]
fn a_run_that_is_complete_is_not_resumed_silently() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut trainer = Trainer::new(recipe("sgd"), Device::Cpu, 1).unwrap();
    train(&mut trainer, u64::MAX, Some(&path), 1);
    let checkpoint = Checkpoint::read(&path).unwrap();
    for epochs in [None, Some(2), Some(1)] {
        let error = Trainer::resume(&checkpoint, Device::Cpu, epochs)
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected more than the 2 epochs"), "{error}");
    }
    assert!(Trainer::resume(&checkpoint, Device::Cpu, Some(3)).is_ok());
}

#[test]
fn a_failed_write_leaves_the_older_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    checkpoint::write_atomically(&path, b"old").unwrap();
    fs::create_dir(folder.path().join("target")).unwrap();
    // A folder cannot be replaced by a file: the rename fails after everything was written.
    let error = checkpoint::write_atomically(&folder.path().join("target"), b"new").unwrap_err();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "no temporary file stays"
    );
}
