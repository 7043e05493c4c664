//! The loop: determinism, resuming, checkpoints and what happens when numbers explode.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::common::{self, Bars, StopAfter, options, simsiam, swav, train, vicreg};
use e2mc_data::Dataset;
use e2mc_train::checkpoint::{self, Checkpoint, Layout, ReadOptions};
use e2mc_train::layer::Precision;
use e2mc_train::method::MethodConfig;
use e2mc_train::optim::ScheduleConfig;
use e2mc_train::{Ending, Error, Model, Output, Recipe, Trainer, embed};
use tch::Device;

fn recipe(optimizer: &str) -> Recipe {
    common::recipe(vicreg(), optimizer)
}

fn saved(trainer: &Trainer, folder: &Path) -> Vec<u8> {
    let path = folder.join("compare.safetensors");
    trainer.save(&path).unwrap();
    fs::read(path).unwrap()
}

/// Interrupts after `step` of 10 steps, resumes from the file, and compares every byte with a run
/// that was never interrupted.
fn resumes_exactly(recipe: &Recipe, step: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut whole = Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap();
    let (outcome, losses, entropies) = train(&mut whole, u64::MAX, None, 2);
    assert_eq!((outcome, losses.len()), (Ending::Finished, 10));

    let mut first = Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap();
    let (outcome, mut pieces, mut means) = train(&mut first, step, Some(&path), 2);
    assert_eq!((outcome, pieces.len() as u64), (Ending::Interrupted, step));
    let checkpoint = Checkpoint::read(&path).unwrap();
    let mut second = Trainer::resume(&checkpoint, Device::Cpu, None).unwrap();
    let (outcome, rest, rest_means) = train(&mut second, u64::MAX, None, 1);
    assert_eq!(outcome, Ending::Finished);
    pieces.extend(rest);
    assert_eq!(pieces, losses);
    means.extend(rest_means);
    assert_eq!(means, entropies, "each epoch's mean is of the whole epoch");
    assert!(
        saved(&whole, folder.path()) == saved(&second, folder.path()),
        "weights or state differ"
    );
}

#[test]
fn stopping_within_an_epoch_and_resuming_equals_never_stopping() {
    for optimizer in ["adamw", "lars", "larc", "sgd"] {
        resumes_exactly(&recipe(optimizer), 3);
    }
}

#[test]
fn every_method_resumes_exactly_with_its_queue_empty_half_full_and_in_use() {
    for step in [3, 6, 8] {
        resumes_exactly(&common::recipe(swav(), "larc"), step);
    }
    resumes_exactly(&common::recipe(simsiam(), "sgd"), 3);
}

#[test]
fn a_run_in_parts_resumes_exactly() {
    for method in [vicreg(), swav(), simsiam()] {
        let mut recipe = common::recipe(method, "adamw");
        recipe.training.accumulate = 4;
        resumes_exactly(&recipe, 8);
    }
}

#[test]
fn stopping_at_the_end_of_an_epoch_and_resuming_equals_never_stopping() {
    resumes_exactly(&recipe("adamw"), 5);
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
fn training_lowers_the_loss_and_raises_the_entropy_with_every_method() {
    for method in [vicreg(), swav(), simsiam()] {
        let mut long = common::recipe(method, "adamw");
        long.training.epochs = 12;
        let mut trainer = Trainer::new(long, Device::Cpu, 1).unwrap();
        let (_, losses, entropies) = train(&mut trainer, u64::MAX, None, 2);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        assert!(mean(&losses[55..]) < mean(&losses[..5]), "{losses:?}");
        assert!(entropies.last() > entropies.first(), "{entropies:?}");
    }
}

#[test]
fn settings_that_do_not_fit_together_are_refused_by_name() {
    let refused = |method: MethodConfig, change: fn(&mut Recipe)| {
        let mut recipe = common::recipe(method, "adamw");
        change(&mut recipe);
        Trainer::new(recipe, Device::Cpu, 1)
            .unwrap_err()
            .to_string()
    };
    let swav_with = |change: fn(&mut e2mc_train::method::SwavConfig)| {
        let MethodConfig::Swav(mut config) = swav() else {
            unreachable!()
        };
        change(&mut config);
        refused(MethodConfig::Swav(config), |_| ())
    };
    let parts = "setting `training.accumulate`: expected a number that divides training.batch, 8, \
        into parts of at least 2 images, found ";
    for (parts_found, change) in [
        (
            "3",
            (|recipe| recipe.training.accumulate = 3) as fn(&mut Recipe),
        ),
        ("0", |recipe| recipe.training.accumulate = 0),
        ("8", |recipe| recipe.training.accumulate = 8),
    ] {
        assert_eq!(refused(vicreg(), change), format!("{parts}{parts_found}"));
    }
    assert_eq!(
        swav_with(|config| config.queue = 20),
        "setting `method.queue`: expected a multiple of training.batch, 8, or 0, found 20"
    );
    for views in [vec![], vec![0, 0], vec![0, 4]] {
        let MethodConfig::Swav(mut config) = swav() else {
            unreachable!()
        };
        config.codes_from = views.clone();
        assert_eq!(
            refused(MethodConfig::Swav(config), |_| ()),
            format!(
                "setting `method.codes_from`: expected different views from 0 to 3, found {views:?}"
            )
        );
    }
    assert_eq!(
        swav_with(|config| config.temperature = 0.0),
        "setting `method.temperature`: expected a number above 0, found 0"
    );
    assert_eq!(
        swav_with(|config| config.prototypes = 1),
        "setting `method.prototypes`: expected at least 2, found 1"
    );
    assert_eq!(
        refused(simsiam(), |recipe| recipe.augmentation.views[0].count = 2),
        "setting `augmentation.views`: expected 2 views for SimSiam, found 3"
    );
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
            .take(4)
            .all(|(half, full)| (half - full).abs() < 0.05 * full),
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
    checkpoint::save_model(&path, &recipe, &model, checkpoint::Storage::F16).unwrap();
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
fn numbers_beyond_half_precision_do_not_become_infinite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let recipe = recipe("adamw");
    let model = Model::new(&recipe, Device::Cpu, 1).unwrap();
    let name = "backbone.bn1.running_var";
    let _ = model.tensors()[name].get(1).fill_(70_000.3);
    checkpoint::save_model(&path, &recipe, &model, checkpoint::Storage::F16).unwrap();
    let read = Checkpoint::read(&path).unwrap();
    let copy = Model::new(&read.recipe, Device::Cpu, 2).unwrap();
    read.apply_to(&copy).unwrap();
    let [before, after] = [&model, &copy].map(|model| model.tensors()[name].copy());
    assert_eq!(before, after);
    let small = fs::metadata(&path).unwrap().len();
    checkpoint::save_model(&path, &recipe, &model, checkpoint::Storage::F32).unwrap();
    let whole = fs::metadata(&path).unwrap().len();
    assert!(
        3 * small < 2 * whole,
        "{small} {whole}: the others are halved"
    );
}

#[test]
fn a_checkpoint_of_another_architecture_lists_its_tensors_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let small = recipe("adamw");
    let mut wide = small.clone();
    wide.backbone.resnet_mut().unwrap().width = 8;
    let model = Model::new(&wide, Device::Cpu, 1).unwrap();
    checkpoint::save_model(&path, &wide, &model, checkpoint::Storage::F32).unwrap();
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
    assert!(error_of(b"\x80\x02}q\x00.").contains("another format (a plain pickle"));
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

#[test]
fn new_heads_train_alone_until_they_are_warm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut recipe = recipe("sgd");
    let model = Model::new(&recipe, Device::Cpu, 1).unwrap();
    checkpoint::save_model(&path, &recipe, &model, checkpoint::Storage::F32).unwrap();
    let layout = Some(Layout::Backbone);
    let options = ReadOptions {
        layout,
        ..ReadOptions::default()
    };
    let backbone = Checkpoint::read_with(&path, options).unwrap();

    // Without a method there is nothing to train.
    let error =
        Trainer::from_weights(backbone.recipe.clone(), &backbone, Device::Cpu, 2).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`none`: the checkpoint has no heads"),
        "{error}"
    );

    recipe.training.head_warmup_steps = Some(3);
    let (mut trainer, _) =
        Trainer::from_weights(recipe.clone(), &backbone, Device::Cpu, 2).unwrap();
    let snapshot = |model: &Model, head: bool| -> Vec<_> {
        let tensors = model.tensors().into_iter();
        let chosen = tensors.filter(|(name, _)| name.starts_with("backbone.") != head);
        chosen.map(|(name, tensor)| (name, tensor.copy())).collect()
    };
    let (start, heads) = (snapshot(&model, false), snapshot(&trainer.model, true));
    assert_eq!(snapshot(&trainer.model, false), start);
    let (outcome, ..) = train(&mut trainer, 3, Some(&path), 1);
    assert_eq!(outcome, Ending::Interrupted);
    assert_eq!(
        snapshot(&trainer.model, false),
        start,
        "statistics included"
    );
    for (before, after) in heads.iter().zip(snapshot(&trainer.model, true)) {
        assert_ne!(*before, after, "every head tensor has moved");
    }
    train(&mut trainer, 4, None, 1);
    for (before, after) in start.iter().zip(snapshot(&trainer.model, false)) {
        assert_ne!(*before, after, "then the backbone moves too");
    }
    // Stopped within the warm-up, it goes on as if it had not been.
    let resumed =
        &mut Trainer::resume(&Checkpoint::read(&path).unwrap(), Device::Cpu, None).unwrap();
    train(resumed, 4, None, 1);
    assert!(saved(&trainer, folder.path()) == saved(resumed, folder.path()));

    recipe.training.head_warmup_steps = Some(10);
    let (mut trainer, _) = Trainer::from_weights(recipe, &backbone, Device::Cpu, 2).unwrap();
    let stop = AtomicBool::new(false);
    let mut observer = StopAfter {
        step: 0,
        flag: &stop,
        losses: Vec::new(),
        entropies: Vec::new(),
    };
    let run = trainer.run(
        Arc::new(Bars(40)),
        &self::options(None, 1),
        &stop,
        &mut observer,
    );
    let error = run.unwrap_err().to_string();
    assert!(
        error.contains("expected fewer than the 10 steps of the run, found 10"),
        "{error}"
    );
}
