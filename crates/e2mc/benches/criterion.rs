//! Times one value-and-gradient evaluation on five shapes, memory kept between evaluations as in
//! training.
//!
//! `cargo bench -p e2mc --bench criterion -- [THREADS (2) [REPEATS (5)]]` prints one JSON object a
//! line: `case`, `threads`, `median_ms`.

use e2mc::{Criterion, MatrixView, Transform, Workspace};
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    let threads: usize = numbers.next().map_or(Ok(2), |n| n.parse())?;
    let repeats: usize = numbers.next().map_or(Ok(5), |n| n.parse())?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let gaussian = Criterion::swav();
    let sigmoid = Criterion {
        transform: Transform::Sigmoid,
        ..gaussian
    };
    for (n, d, name, criterion) in [
        (512, 128, "gaussian", gaussian),
        (512, 2048, "gaussian", gaussian),
        (512, 8192, "sigmoid", sigmoid),
        (4096, 2048, "gaussian", gaussian),
        (16384, 512, "gaussian", gaussian),
    ] {
        let z = normal(n * d);
        let z = MatrixView::new(&z, n, d)?;
        let mut gradient = vec![0.0; n * d];
        let mut workspace = Workspace::new();
        let mut times = Vec::with_capacity(repeats + 1);
        for _ in 0..=repeats {
            let start = Instant::now();
            pool.install(|| {
                criterion
                    .value_and_gradient_in(z, &mut gradient, &mut workspace)
                    .map(|_| ())
            })?;
            times.push(1e3 * start.elapsed().as_secs_f64());
        }
        // The first evaluation sizes the workspace.
        times.remove(0);
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        println!(
            r#"{{"peer": "e2mc", "case": "{n}x{d} {name}", "threads": {threads}, "median_ms": {median:.3}}}"#
        );
    }
    Ok(())
}
