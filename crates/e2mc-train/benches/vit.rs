//! Times one training step (forward, backward, AdamW) of a ViT-B/16 on images of 224 pixels, and
//! says how much memory the process took at most.
//!
//! `cargo bench -p e2mc-train --bench vit -- [BATCH (8) [THREADS (2) [STEPS (4) [again]]]]` prints
//! one JSON line with `case`, `step_ms` (the median) and `peak_mib`. With `again` blocks are
//! computed a second time for the gradient. Network, head, loss and optimiser are those of
//! `scripts/peers/vit.py`.

use std::error::Error;
use std::fs;
use std::time::Instant;

use e2mc_train::backbone::{Backbone, BackboneConfig};
use e2mc_train::layer::{Linear, Mode, Precision, Statistics};
use e2mc_train::optim::{AdamwConfig, Optimizer, OptimizerConfig};
use tch::{Device, Kind, Tensor, nn};

/// The most memory that the process has held, in MiB; 0 where the system does not say.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let number = |place: usize, usual: i32| -> Result<i32, std::num::ParseIntError> {
        arguments.get(place).map_or(Ok(usual), |text| text.parse())
    };
    let (batch, threads, steps) = (number(0, 8)?, number(1, 2)?, number(2, 4)?);
    let again = arguments.get(3).is_some_and(|word| word == "again");
    tch::set_num_threads(threads);

    let variables = nn::VarStore::new(Device::Cpu);
    let root = variables.root();
    let config: BackboneConfig = serde_json::from_value(serde_json::json!({
        "family": "vit", "width": 768, "depth": 12, "heads": 12, "hidden": 3072,
    }))?;
    let backbone = Backbone::new(&(&root / "backbone"), &config)?;
    let head = Linear::new(&(&root / "head"), backbone.features(), 1000, true)?;
    let parameters = variables.variables().into_iter();
    let parameters = parameters
        .filter(|(_, tensor)| tensor.requires_grad())
        .collect();
    let adamw = OptimizerConfig::Adamw(AdamwConfig::default());
    let mut optimizer = Optimizer::new(&adamw, parameters)?;

    let images = Tensor::randn([batch.into(), 3, 224, 224], (Kind::Float, Device::Cpu));
    let mode = Mode::solo(Statistics::Batch, Precision::F32);
    let loss = |features: &Tensor| -> Result<Tensor, e2mc_train::Error> {
        let scores = head.forward(features, Precision::F32)?;
        Ok(scores.square().mean(Kind::Float))
    };
    let mut times = Vec::new();
    for step in 0..=steps {
        let start = Instant::now();
        if again {
            let (features, kept) = backbone
                .forward_kept(&images, mode)?
                .ok_or("a ViT's blocks can be computed again")?;
            let features = features.set_requires_grad(true);
            let loss = loss(&features)?;
            optimizer.zero_grad();
            loss.f_backward()?;
            backbone.backward_kept(kept, &features.grad(), mode)?;
        } else {
            let loss = loss(&backbone.forward(&images, mode)?)?;
            optimizer.zero_grad();
            loss.f_backward()?;
        }
        optimizer.step(1e-4)?;
        if step > 0 {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let step = 1e3 * times[times.len() / 2];
    println!(
        r#"{{"peer": "e2mc", "case": "vit-b/16", "batch": {batch}, "threads": {threads}, "again": {again}, "step_ms": {step:.1}, "peak_mib": {}}}"#,
        peak()
    );
    Ok(())
}
