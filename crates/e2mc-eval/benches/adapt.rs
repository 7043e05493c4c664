//! The twin of `scripts/peers/adapt.py`: whitening fitted to and applied to the rows that it wrote, timed as it times
//! scikit-learn's `PCA(whiten=True)`.
//!
//! `cargo bench -p e2mc-eval --bench adapt -- DIR CASE...`, see `scripts/bench-adapt.sh`. Cases: `memory` (rows in memory),
//! `stream` (read from the file block by block; reading counts). Prints one JSON object a case: milliseconds of fit and of
//! apply, and how far the mapped rows' covariance is from the identity. Without a folder it makes rows of its own, few
//! unless `--bench` is given, and runs `memory`.

use std::path::Path;
use std::time::Instant;

use e2mc::{Matrix, MatrixView};
use e2mc_eval::adapt::{Method, Shrinkage, Statistics, Whiten, fit};
use e2mc_eval::{EmbeddingFile, Error, Rows, read_embeddings};

fn main() -> Result<(), Error> {
    let full = std::env::args().any(|argument| argument == "--bench");
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let Some((folder, cases)) = arguments.split_first() else {
        let (rows, dims) = if full { (20_000, 512) } else { (300, 20) };
        let rows = made(rows, dims);
        return run("memory", &rows.view(), rows.view());
    };
    let path = Path::new(folder).join("adapt.npy");
    for case in cases {
        match case.as_str() {
            "stream" => {
                let file = EmbeddingFile::open(&path)?;
                // Reading counts, also for what is applied to.
                let start = Instant::now();
                let map = fit(&file, &whiten(), false, 0)?;
                let fit_ms = start.elapsed().as_secs_f64() * 1e3;
                let start = Instant::now();
                let mut rows = 0;
                map.stream(&file, |_, block| {
                    rows += std::hint::black_box(block).rows();
                    Ok(())
                })?;
                let apply_ms = start.elapsed().as_secs_f64() * 1e3;
                let (n, d) = (file.rows(), file.cols());
                println!(
                    "{{\"case\":\"stream\",\"rows\":{n},\"dims\":{d},\"time_ms\":{fit_ms:.1},\"apply_ms\":{apply_ms:.1}}}"
                );
            }
            _ => {
                let rows = read_embeddings(&path)?;
                run(case, &rows.view(), rows.view())?;
            }
        }
    }
    Ok(())
}

/// As scikit-learn: strength 1, nothing shrunk.
fn whiten() -> Method {
    Method::Whiten(Whiten {
        strength: 1.0,
        shrinkage: Shrinkage::Floor(0.0),
    })
}

fn run(case: &str, rows: &dyn Rows, view: MatrixView<'_>) -> Result<(), Error> {
    let start = Instant::now();
    let map = fit(rows, &whiten(), false, 0)?;
    let fit_ms = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let mapped = map.apply(view)?;
    let apply_ms = start.elapsed().as_secs_f64() * 1e3;
    let (n, d) = (mapped.rows(), mapped.cols());
    // On some of the rows and dimensions; the check must not take longer than the work.
    let some = n.min(4000);
    let part = MatrixView::new(&mapped.data()[..some * d], some, d).expect("whole rows");
    let variance = Statistics::measure(&part)?.mean_variance();
    println!(
        "{{\"case\":\"{case}\",\"rows\":{n},\"dims\":{d},\"time_ms\":{fit_ms:.1},\"apply_ms\":{apply_ms:.1},\
         \"mean_variance\":{variance:.4}}}"
    );
    Ok(())
}

/// Rows of a spectrum that falls, from a multiplicative hash: the same on every machine.
fn made(rows: usize, dims: usize) -> Matrix {
    let unit = |i: u64| {
        let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)) >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let data = (0..rows * dims)
        .map(|i| unit(i as u64 + 1) * (1.0 + (i % dims) as f32).powf(-0.5))
        .collect();
    Matrix::new(data, rows, dims).expect("rows * dims values")
}
