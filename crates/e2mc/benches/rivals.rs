//! Times one value-and-gradient evaluation of each rival criterion; `scripts/peers/rivals.py` times
//! the same in PyTorch.
//!
//! `cargo bench -p e2mc --bench rivals -- [THREADS (2) [REPEATS (5)]]` prints one JSON object a
//! line: `case`, `threads`, `median_ms`. MMCR sees two views; SIGReg's time includes drawing its
//! 1024 directions.

use e2mc::rival::{Mmcr, Sigreg, Space, Uniformity, Vcreg};
use e2mc::{Error, MatrixView};
use std::time::Instant;

/// Standard normal values by sums of twelve uniforms from a linear congruential generator.
fn normal(len: usize) -> Vec<f32> {
    let mut state = 0_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    (0..len)
        .map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0)
        .collect()
}

/// Evaluates the criterion of that name on two stacked views.
fn evaluate(name: &str, z: &[f32], n: usize, d: usize, gradient: &mut [f32]) -> Result<f64, Error> {
    let size = n * d;
    let first = MatrixView::new(&z[..size], n, d)?;
    match name {
        "mmcr" => {
            let second = MatrixView::new(&z[size..], n, d)?;
            let (a, b) = gradient.split_at_mut(size);
            Mmcr.value_and_gradients(&[first, second], &mut [a, b])
        }
        "uniformity" => Uniformity::default().value_and_gradient(first, &mut gradient[..size]),
        "sigreg" => {
            let sigreg = Sigreg::default();
            let directions = sigreg.directions(d, 0, 0)?;
            sigreg.value_and_gradient(first, &directions, &mut gradient[..size])
        }
        _ => {
            let vcreg = Vcreg {
                space: match name {
                    "vcreg projector" => Space::Projector,
                    _ => Space::Hypersphere,
                },
                ..Vcreg::default()
            };
            let value = vcreg.value_and_gradient(first, &mut gradient[..size])?;
            Ok(value.loss)
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    let threads: usize = numbers.next().map_or(Ok(2), |n| n.parse())?;
    let repeats: usize = numbers.next().map_or(Ok(5), |n| n.parse())?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    for (n, d) in [(512, 128), (512, 2048)] {
        let z = normal(2 * n * d);
        let mut gradient = vec![0.0; 2 * n * d];
        for name in [
            "vcreg hypersphere",
            "vcreg projector",
            "uniformity",
            "mmcr",
            "sigreg",
        ] {
            let mut times = Vec::with_capacity(repeats + 1);
            for _ in 0..=repeats {
                let start = Instant::now();
                pool.install(|| evaluate(name, &z, n, d, &mut gradient))?;
                times.push(1e3 * start.elapsed().as_secs_f64());
            }
            // The first evaluation touches fresh memory.
            times.remove(0);
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            println!(
                r#"{{"peer": "e2mc", "case": "{n}x{d} {name}", "threads": {threads}, "median_ms": {median:.3}}}"#
            );
        }
    }
    Ok(())
}
