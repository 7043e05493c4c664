//! What is saved while a run goes on: within epochs, at an epoch whose end was not recorded, and
//! what a file may claim of itself.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::{Bars, options, recipe, swav, vicreg};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::layer::Precision;
use e2mc_train::{
    Collapse, Control, Ending, EpochSummary, Error, Model, Observer, Recipe, RunOptions, StepLog,
    Trainer,
};
use tch::Device;

/// The parts of a loss.
type Terms = Vec<(String, f64)>;

/// What was logged: no times, which differ.
#[derive(Clone, Debug, Default, PartialEq)]
struct Log {
    /// Step, loss and terms.
    steps: Vec<(u64, f64, Terms)>,
    /// Epoch, step, loss, terms and the last batch's signs of collapse.
    epochs: Vec<(u64, u64, f64, Terms, Collapse)>,
}

/// Writes down everything, and ends the run where it is told to.
#[derive(Default)]
struct Watch {
    log: Log,
    /// Fails at this step, as a kill does.
    dies_at: Option<u64>,
    /// Asks for a stop at the end of this epoch, before it is recorded.
    interrupts: Option<u64>,
}

fn terms(terms: &[(&'static str, f64)]) -> Terms {
    let terms = terms.iter();
    terms
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

impl Observer for Watch {
    fn step(&mut self, log: &StepLog) -> Result<(), Error> {
        if self.dies_at == Some(log.step) {
            return Err(Error::Observer("killed".into()));
        }
        self.log.steps.push((log.step, log.loss, terms(&log.terms)));
        Ok(())
    }

    fn epoch(&mut self, _: &Model, summary: &EpochSummary) -> Result<Control, Error> {
        if self.interrupts == Some(summary.epoch) {
            self.interrupts = None;
            return Ok(Control::Interrupt);
        }
        self.log.epochs.push((
            summary.epoch,
            summary.step,
            summary.loss,
            terms(&summary.terms),
            summary.collapse.clone(),
        ));
        Ok(Control::Continue)
    }
}

fn run(trainer: &mut Trainer, options: &RunOptions, watch: &mut Watch) -> Result<Ending, Error> {
    trainer.run(Arc::new(Bars(40)), options, &AtomicBool::new(false), watch)
}

fn bytes(trainer: &Trainer, folder: &Path) -> Vec<u8> {
    let path = folder.join("compare.safetensors");
    trainer.save(&path).unwrap();
    fs::read(path).unwrap()
}

/// The whole run's log and last state, with a report every three steps.
fn undisturbed(recipe: &Recipe, folder: &Path) -> (Log, Vec<u8>) {
    let mut trainer = Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap();
    let mut watch = Watch::default();
    let options = RunOptions {
        log_every: 3,
        ..options(None, 2)
    };
    run(&mut trainer, &options, &mut watch).unwrap();
    (watch.log, bytes(&trainer, folder))
}

#[test]
fn a_run_killed_within_an_epoch_goes_on_from_its_last_save_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    for method in [vicreg(), swav()] {
        let recipe = recipe(method, "larc");
        let (expected, state) = undisturbed(&recipe, folder.path());
        // Five steps an epoch: a save at 4 and at 8, of which the report at 9 needs the last two.
        for (dies_at, saved) in [(6, 4), (9, 8)] {
            let options = RunOptions {
                log_every: 3,
                save_every: Some(4),
                ..options(Some(&path), 2)
            };
            let mut trainer = Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap();
            let mut watch = Watch {
                dies_at: Some(dies_at),
                ..Watch::default()
            };
            let killed = run(&mut trainer, &options, &mut watch);
            assert!(matches!(killed, Err(Error::Observer(_))));
            let checkpoint = Checkpoint::read(&path).unwrap();
            let progress = checkpoint.progress.unwrap();
            let reached = if dies_at == 6 { 5 } else { saved };
            assert_eq!(progress.step, reached, "the epoch's end is saved, too");

            let mut trainer = Trainer::resume(&checkpoint, Device::Cpu, None).unwrap();
            let mut rest = Watch::default();
            run(&mut trainer, &options, &mut rest).unwrap();
            let after = |log: &Log| Log {
                steps: log
                    .steps
                    .iter()
                    .filter(|s| s.0 > reached)
                    .cloned()
                    .collect(),
                epochs: log
                    .epochs
                    .iter()
                    .filter(|e| e.1 > reached)
                    .cloned()
                    .collect(),
            };
            assert_eq!(rest.log, after(&expected), "reports cover the same steps");
            assert!(bytes(&trainer, folder.path()) == state, "{dies_at}");
        }
    }
}

#[test]
fn an_epoch_that_was_stopped_before_its_end_was_recorded_is_ended_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let recipe = recipe(vicreg(), "adamw");
    let (expected, state) = undisturbed(&recipe, folder.path());
    let options = RunOptions {
        log_every: 3,
        ..options(Some(&path), 2)
    };
    // The first epoch, and the last.
    for epoch in [1, 2] {
        let mut trainer = Trainer::new(recipe.clone(), Device::Cpu, 3).unwrap();
        let mut watch = Watch {
            interrupts: Some(epoch),
            ..Watch::default()
        };
        let outcome = run(&mut trainer, &options, &mut watch).unwrap();
        assert_eq!(outcome, Ending::Interrupted);
        let checkpoint = Checkpoint::read(&path).unwrap();
        let progress = checkpoint.progress.unwrap();
        assert_eq!((progress.epoch, progress.batch), (epoch - 1, 5));

        let mut trainer = Trainer::resume(&checkpoint, Device::Cpu, None).unwrap();
        let mut rest = Watch::default();
        assert_eq!(
            run(&mut trainer, &options, &mut rest).unwrap(),
            Ending::Finished
        );
        let mut whole = watch.log;
        whole.steps.extend(rest.log.steps);
        whole.epochs.extend(rest.log.epochs);
        assert_eq!(whole, expected);
        assert!(bytes(&trainer, folder.path()) == state);
    }
}

#[test]
fn a_stop_at_an_epochs_last_step_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe(vicreg(), "sgd");
    let (_, state) = undisturbed(&recipe, folder.path());
    let path = folder.path().join("checkpoint.safetensors");
    let mut trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
    let stop = AtomicBool::new(false);
    stop.store(true, Ordering::Relaxed);
    let saving = options(Some(&path), 2);
    // A flag that is up from the start: one step at a time.
    for step in 1..=9 {
        let images = Arc::new(Bars(40));
        let outcome = trainer.run(images, &saving, &stop, &mut Watch::default());
        assert_eq!(outcome.unwrap(), Ending::Interrupted);
        let checkpoint = Checkpoint::read(&path).unwrap();
        assert_eq!(checkpoint.progress.unwrap().step, step);
        trainer = Trainer::resume(&checkpoint, Device::Cpu, None).unwrap();
    }
    run(&mut trainer, &saving, &mut Watch::default()).unwrap();
    assert!(bytes(&trainer, folder.path()) == state);
}

#[test]
fn the_precision_is_chosen_for_the_device_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let recipe = recipe(vicreg(), "sgd");
    assert_eq!(recipe.training.precision, Precision::Auto);
    let trainer = Trainer::new(recipe, Device::Cpu, 3).unwrap();
    assert_eq!(trainer.recipe.training.precision, Precision::F32);
    assert_eq!(trainer.model.precision(), Precision::F32);
    trainer.save(&path).unwrap();
    let saved = Checkpoint::read(&path).unwrap().recipe.training.precision;
    assert_eq!(saved, Precision::F32);
    assert_eq!(Precision::Bf16.on(Device::Cpu), Precision::Bf16);
}

/// A file of our own of a few numbers, whose header claims a network of another size.
fn claims(path: &Path, key: &str, claimed: &str) {
    let trainer = Trainer::new(recipe(vicreg(), "sgd"), Device::Cpu, 1).unwrap();
    trainer.save(path).unwrap();
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let own = header["__metadata__"]["e2mc"].as_str().unwrap();
    let own = own.replacen(key, claimed, 1);
    assert!(own.contains(claimed), "{own}");
    // No tensors at all: a file of a kilobyte.
    let small = serde_json::json!({ "__metadata__": { "e2mc": own } }).to_string();
    let mut file = (small.len() as u64).to_le_bytes().to_vec();
    file.extend(small.as_bytes());
    fs::write(path, file).unwrap();
    assert!(fs::metadata(path).unwrap().len() < 4096);
}

#[test]
fn a_small_file_that_claims_a_huge_network_is_refused_before_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claims.safetensors");
    for (key, claimed) in [
        ("\"width\":4", "\"width\":1024"),
        ("\"projector\":[16,16]", "\"projector\":[60000,60000]"),
    ] {
        claims(&path, key, claimed);
        let checkpoint = Checkpoint::read(&path).unwrap();
        let started = Instant::now();
        for error in [
            checkpoint.to_model(Device::Cpu).unwrap_err(),
            Trainer::resume(&checkpoint, Device::Cpu, None).unwrap_err(),
            Trainer::from_weights(checkpoint.recipe.clone(), &checkpoint, Device::Cpu, 1)
                .unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(
                error.contains("the network that its header describes"),
                "{error}"
            );
            assert!(error.contains("claims.safetensors"), "{error}");
        }
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{claimed} was made"
        );
    }
}
