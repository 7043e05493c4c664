//! Times one training step (forward, backward, SGD with momentum) of a small ResNet-18.
//!
//! `cargo bench -p e2mc-train --bench step -- [BATCH (256) [THREADS (2)]]` prints one JSON line
//! with `case` and `views_per_s`, the median of several steps. Network, head and loss are those of
//! `scripts/peers/step.py small`.

use std::error::Error;
use std::time::Instant;

use e2mc_train::backbone::{Architecture, Backbone, ResnetConfig, Stem};
use e2mc_train::layer::{BatchNorm, Linear, Mode, Precision, Statistics};
use e2mc_train::optim::{Optimizer, OptimizerConfig, SgdConfig};
use tch::{Device, Kind, Tensor, nn};

/// Steps that warm up, and steps that count.
const STEPS: (usize, usize) = (5, 25);

fn main() -> Result<(), Box<dyn Error>> {
    let numbers = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    let numbers = numbers
        .map(|n| n.parse())
        .collect::<Result<Vec<i32>, _>>()?;
    let batch = numbers.first().copied().unwrap_or(256);
    let threads = numbers.get(1).copied().unwrap_or(2);
    tch::set_num_threads(threads);

    let variables = nn::VarStore::new(Device::Cpu);
    let root = variables.root();
    let config = ResnetConfig {
        architecture: Architecture::Resnet18,
        width: 16,
        stem: Stem::SmallStride2,
        channels: 1,
    };
    let backbone = Backbone::new(&(&root / "backbone"), &config.into())?;
    let first = Linear::new(&(&root / "head" / 0), backbone.features(), 512, true)?;
    let norm = BatchNorm::new(&(&root / "head" / 1), 512, true)?;
    let second = Linear::new(&(&root / "head" / 3), 512, 512, true)?;
    let parameters = variables.variables().into_iter();
    let parameters = parameters
        .filter(|(_, tensor)| tensor.requires_grad())
        .collect();
    let sgd = SgdConfig {
        momentum: 0.9,
        ..SgdConfig::default()
    };
    let mut optimizer = Optimizer::new(&OptimizerConfig::Sgd(sgd), parameters)?;

    let images = Tensor::randn([batch.into(), 1, 28, 28], (Kind::Float, Device::Cpu));
    let mode = Mode::solo(Statistics::Batch, Precision::F32);
    let mut times = Vec::new();
    for step in 0..STEPS.0 + STEPS.1 {
        let start = Instant::now();
        let features = backbone.forward(&images, mode)?;
        let hidden = norm
            .forward(&first.forward(&features, Precision::F32)?, mode)?
            .relu_();
        let loss = second
            .forward(&hidden, Precision::F32)?
            .square()
            .mean(Kind::Float);
        optimizer.zero_grad();
        loss.f_backward()?;
        optimizer.step(1e-3)?;
        if step >= STEPS.0 {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let rate = f64::from(batch) / times[times.len() / 2];
    println!(
        r#"{{"peer": "e2mc", "case": "small", "batch": {batch}, "threads": {threads}, "views_per_s": {rate:.1}}}"#
    );
    Ok(())
}
