//! Times k-NN and both probes at real sizes and prints one JSON line with the median milliseconds
//! of each.
//!
//! `cargo bench -p e2mc-eval --bench knn`; without `--bench` (as `cargo test --benches` runs it)
//! the sizes are tiny.

use std::time::Instant;

use e2mc::{Matrix, MatrixView};
use e2mc_eval::{KnnConfig, L2, LinearConfig, LogisticConfig, Probe, knn};

/// Classes of the toy data.
const CLASSES: usize = 10;

/// Rows around the centre of their class, from a multiplicative hash: the same on every machine.
fn embeddings(rows: usize, dims: usize, salt: u64) -> (Matrix, Vec<usize>) {
    let hash = |i: u64| {
        let mut z = i
            .wrapping_add(salt << 40)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)) >> 40
    };
    let unit = |i: u64| hash(i) as f32 / (1 << 24) as f32 - 0.5;
    let labels: Vec<usize> = (0..rows).map(|r| r % CLASSES).collect();
    let centre = |class: usize, d: usize| ((class * dims + d) as f32 * 0.7).sin();
    let data = (0..rows * dims)
        .map(|i| 0.15 * centre(labels[i / dims], i % dims) + unit(i as u64))
        .collect();
    (
        Matrix::new(data, rows, dims).expect("rows * dims values"),
        labels,
    )
}

/// The median of `runs` timed calls, in milliseconds.
fn median_ms(runs: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench");
    let scale = if full { 1 } else { 100 };
    let runs = if full { 5 } else { 1 };

    let (rows, tests, dims) = (60_000 / scale, 10_000 / scale, 512);
    let (train, labels) = embeddings(rows, dims, 1);
    let (test, _) = embeddings(tests, dims, 2);
    let config = KnnConfig {
        ks: vec![20, 200],
        ..KnnConfig::default()
    };
    let knn_ms = median_ms(runs.min(3), || {
        let results = knn(train.view(), &labels, test.view(), &config);
        std::hint::black_box(results.expect("valid input"));
    });
    let gflops = 2e-6 * (rows * tests * dims) as f64 / knn_ms;

    let (rows, dims) = (10_000 / scale, 128);
    let (train, labels) = embeddings(rows, dims, 3);
    let probe_ms = |probe: Probe, train: MatrixView<'_>| {
        median_ms(runs, || {
            let prediction = probe.fit_predict(train, &labels, train, CLASSES, 0);
            std::hint::black_box(prediction.expect("valid input"));
        })
    };
    let l2 = L2::Fixed(1.0 / rows as f64); // scikit-learn's C = 1
    let logistic = Probe::Logistic(LogisticConfig {
        l2,
        ..LogisticConfig::default()
    });
    let logistic_ms = probe_ms(logistic, train.view());
    let grid_ms = probe_ms(Probe::Logistic(LogisticConfig::default()), train.view());
    let sgd_ms = probe_ms(Probe::Sgd(LinearConfig::default()), train.view());

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{{\"bench\":\"eval\",\"cores\":{cores},\"full\":{full},\"knn_60000x512_by_10000_ms\":{knn_ms:.1},\
         \"knn_gflops\":{gflops:.1},\"logistic_10000x128_ms\":{logistic_ms:.1},\
         \"logistic_grid_10000x128_ms\":{grid_ms:.1},\"sgd_100_epochs_10000x128_ms\":{sgd_ms:.1}}}"
    );
}
