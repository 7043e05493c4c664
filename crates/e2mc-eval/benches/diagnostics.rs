//! Times `diagnose` at real sizes and prints one JSON line with seconds and peak memory.
//!
//! `cargo bench -p e2mc-eval --bench diagnostics -- FILE.npy` reads the file as `e2mc inspect`
//! does; `-- make ROWS COLS FILE.npy` writes one to read. Without a file, as `cargo test --benches`
//! runs it, the data are tiny.

use std::time::Instant;

use e2mc::Transform;
use e2mc_eval::diagnostics::{Config, diagnose};
use e2mc_eval::{EmbeddingFile, Error, RowWriter, Rows, Stored};

/// Roughly normal numbers, a mixture of a hundred directions and noise, from a multiplicative hash.
fn make(rows: usize, cols: usize, path: &str) -> Result<(), Error> {
    const HIDDEN: usize = 100;
    let unit = |i: u64| {
        let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)) >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut out = RowWriter::open(path, rows, Stored::F32, "rows of a benchmark")?;
    let mut line = vec![0.0; cols];
    for row in 0..rows as u64 {
        let hidden: Vec<f32> = (0..4).map(|k| unit(row * 4 + k)).collect();
        for (col, value) in (0_u64..).zip(&mut line) {
            let direction = (col % HIDDEN as u64) as usize;
            *value = 4.0 * hidden[direction % 4] + 6.0 * unit((row << 24) + col);
        }
        out.append(&line, cols)?;
    }
    out.finish()
}

/// The most memory that the process has had, in MiB; 0 where the system does not say.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let tiny = std::env::temp_dir().join(format!("e2mc-diagnostics-{}.npy", std::process::id()));
    let path = match words[..] {
        ["make", rows, cols, path] => {
            let number = |text: &str| text.parse().expect("a number of rows or columns");
            make(number(rows), number(cols), path).expect("the file can be written");
            return;
        }
        [path] if path.ends_with(".npy") => path.to_owned(),
        _ => {
            let path = tiny.to_string_lossy().into_owned();
            make(300, 40, &path).expect("the temporary folder can be written to");
            path
        }
    };
    let start = Instant::now();
    let file = EmbeddingFile::open(&path).expect("a file of embeddings");
    let config = Config::new(Transform::Gaussian, file.cols());
    let found = diagnose(&file, &config).expect("valid embeddings");
    let seconds = start.elapsed().as_secs_f64();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{{\"bench\":\"diagnostics\",\"cores\":{cores},\"rows\":{},\"dims\":{},\"seconds\":{seconds:.2},\"peak_mib\":{},\
         \"queries\":{},\"marginal_rows\":{},\"rankme\":{:.3}}}",
        found.rows,
        found.dims,
        peak_mib(),
        found.neighbours.queries,
        found.marginal_rows,
        found.spectrum.rankme
    );
    // The user's own file stays.
    let _ = std::fs::remove_file(tiny);
}
