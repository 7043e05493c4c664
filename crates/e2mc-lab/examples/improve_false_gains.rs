//! How often `improve` claims a gain where there is none: images of noise, random labels, an
//! untrained network of some thousand weights.
//!
//! `cargo run --release --workspace --example improve_false_gains -- 200 1` makes 200 repetitions,
//! in which the last candidate is trained for 1 epoch, and prints the share of claims beside the
//! level and two standard errors.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use e2mc_base::stop::Stop;
use e2mc_eval::adapt::Use;
use e2mc_lab::checkpoint::Reading;
use e2mc_lab::improve::{self, Breadth, Improve};
use e2mc_lab::machine::Machine;
use e2mc_lab::notice::{Notices, Silent};
use e2mc_lab::recipe::resolve;
use e2mc_lab::run::{RunObserver, Unobserved};
use e2mc_recipe::parse_change;
use e2mc_record::{DataOptions, ImprovementVerdict};
use e2mc_train::checkpoint::{Storage, save_model};
use e2mc_train::{Device, Model, World};

/// Images of a repetition.
const IMAGES: usize = 600;
/// The level that the documentation states: a claim by chance in at most half of 5 %.
const LEVEL: f64 = 0.025;

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let number = |place: usize, usual: u64| -> Result<u64, AnyError> {
        Ok(match env::args().nth(place) {
            Some(text) => text.parse()?,
            None => usual,
        })
    };
    let (repetitions, epochs) = (number(1, 200)?, number(2, 1)?);
    let folder = env::temp_dir().join(format!("improve-false-gains-{}", std::process::id()));
    let mut claims = 0;
    for repetition in 0..repetitions {
        let place = folder.join(repetition.to_string());
        claims += u64::from(claims_a_gain(&place, repetition, epochs)?);
        fs::remove_dir_all(&place)?;
        eprintln!("{} of {} so far", claims, repetition + 1);
    }
    fs::remove_dir_all(&folder)?;
    let share = claims as f64 / repetitions as f64;
    let error = (LEVEL * (1.0 - LEVEL) / repetitions as f64).sqrt();
    println!(
        "{claims} claims in {repetitions} repetitions: {:.1} %; at most {:.1} % are expected",
        100.0 * share,
        100.0 * (LEVEL + 2.0 * error)
    );
    Ok(())
}

fn claims_a_gain(folder: &Path, seed: u64, epochs: u64) -> Result<bool, AnyError> {
    fs::create_dir_all(folder.join("data"))?;
    write_images(&folder.join("data"), seed)?;
    let changes = [
        "backbone.width=4",
        "method.projector=[16,16]",
        "training.batch=16",
    ];
    let changes = changes
        .map(parse_change)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let recipe = resolve(None, Some("vicreg-small-pretrain"), &changes)?;
    let model = Model::new(&recipe, Device::Cpu, seed)?;
    let checkpoint = folder.join("base.safetensors");
    save_model(&checkpoint, &recipe, &model, Storage::F32)?;
    let work = Improve {
        checkpoint,
        reading: Reading::default(),
        data: folder.join("data"),
        taken: DataOptions::default(),
        out: folder.join("out"),
        usage: Use::Neighbours,
        // No machine needs that: what is done depends on the epochs alone.
        budget: Duration::from_secs(3600),
        recipe: None,
        changes: vec![
            parse_change("training.batch=16")?,
            parse_change(&format!("training.epochs={epochs}"))?,
        ],
        breadth: Breadth::default(),
        looks: folder.join("looks.json"),
        machine: Machine {
            seed,
            ..Machine::default()
        },
        world: World::solo(),
        command: String::new(),
    };
    let notices: Arc<dyn Notices> = Arc::new(Silent);
    let mut observer = || Box::new(Unobserved) as Box<dyn RunObserver>;
    let improved = improve::run(&work, &Stop::new(), &mut observer, &notices)?;
    Ok(improved.outcome.verdict == ImprovementVerdict::Better)
}

/// IDX files of noise with labels that say nothing.
fn write_images(folder: &Path, seed: u64) -> Result<(), AnyError> {
    let mut random = e2mc_data::stream(seed, 0, 0, 0);
    let mut images = vec![0, 0, 8, 3];
    for size in [IMAGES as u32, 28, 28] {
        images.extend(size.to_be_bytes());
    }
    let mut labels = vec![0, 0, 8, 1];
    labels.extend((IMAGES as u32).to_be_bytes());
    for _ in 0..IMAGES {
        labels.push((4.0 * random.uniform()) as u8);
        images.extend((0..28 * 28).map(|_| (256.0 * random.uniform()) as u8));
    }
    fs::write(folder.join("train-images-idx3-ubyte"), images)?;
    fs::write(folder.join("train-labels-idx1-ubyte"), labels)?;
    Ok(())
}
