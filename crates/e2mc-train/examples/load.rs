//! What loading a checkpoint costs: seconds, and memory at its peak over the process before.
//!
//! `cargo run --release -p e2mc-train --example load -- FILE`

use std::path::Path;
use std::time::Instant;

use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{Error, Model};
use tch::{Device, Kind, Tensor};

fn main() -> Result<(), Error> {
    let file = std::env::args().nth(1).expect("give a FILE");
    let path = Path::new(&file);
    // libtorch sets itself up at the first operation.
    let _ = Tensor::f_randn([64, 64], (Kind::Float, Device::Cpu))?.f_sum(Kind::Float)?;
    let before = memory();
    let started = Instant::now();
    let checkpoint = Checkpoint::read(path)?;
    let opened = started.elapsed();
    let model = Model::new(&checkpoint.recipe, Device::Cpu, 0)?;
    let made = started.elapsed();
    checkpoint.apply_to(&model)?;
    let loaded = started.elapsed();
    let numbers: usize = model.tensors().values().map(Tensor::numel).sum();
    println!(
        "{file}: {} of {numbers} numbers",
        checkpoint.recipe.backbone
    );
    println!("opened after {opened:.3?}, network made after {made:.3?}, loaded after {loaded:.3?}");
    if let (Some(before), Some(peak), Ok(file)) = (before, memory(), path.metadata()) {
        let (over, size) = (
            peak.saturating_sub(before) as f64,
            file.len() as f64 / 1024.0,
        );
        println!(
            "peak memory {:.1} MB over {:.1} MB before: {:.2} times the file's {:.1} MB",
            over / 1024.0,
            before as f64 / 1024.0,
            over / size,
            size / 1024.0
        );
    }
    Ok(())
}

/// The largest resident memory so far in KiB, where the system tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
