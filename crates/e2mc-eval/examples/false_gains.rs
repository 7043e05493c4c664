//! How often `adapt::auto` claims a gain where there is none: white features, random labels.
//!
//! `cargo run --release -p e2mc-eval --example false_gains -- [TRIALS [ROWS [DIMS]]]`, by default 200 trials of 600 rows of 16
//! dimensions and 4 classes. Prints one JSON line: the share of trials with a claim in any of the three uses, the level, and
//! what the level allows with two standard errors.

use e2mc::Matrix;
use e2mc_eval::adapt::{AutoConfig, Evidence, Learn, Method, Use, Verdict, auto};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const CLASSES: u64 = 4;

/// Normal numbers (Box-Muller) and labels that know nothing of them.
fn white(rows: usize, dims: usize, seed: u64) -> (Matrix, Vec<usize>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut unit = || (random.next_u64() >> 11) as f64 * 2.0_f64.powi(-53);
    let data = (0..rows * dims)
        .map(|_| {
            let radius = (-2.0 * (1.0 - unit()).ln()).sqrt();
            (radius * (std::f64::consts::TAU * unit()).cos()) as f32
        })
        .collect();
    let labels = (0..rows)
        .map(|_| (random.next_u64() % CLASSES) as usize)
        .collect();
    let matrix = Matrix::new(data, rows, dims).expect("rows * dims values");
    (matrix, labels)
}

fn main() -> Result<(), e2mc_eval::Error> {
    let number = |place: usize, default: usize| {
        let argument = std::env::args().nth(place);
        argument.and_then(|a| a.parse().ok()).unwrap_or(default)
    };
    let (trials, rows, dims) = (number(1, 200), number(2, 600), number(3, 16));
    let config = AutoConfig {
        uses: Use::ALL.to_vec(),
        ..AutoConfig::default()
    };
    let methods: Vec<Method> = (config.methods.iter().cloned())
        .map(|method| match method {
            // Fewer steps for rows that a few steps exhaust.
            Method::E2mc(learn) => Method::E2mc(Learn { steps: 50, ..learn }),
            other => other,
        })
        .collect();
    let (mut any, mut looked) = (0, 0);
    let mut by_use = [0; Use::ALL.len()];
    for trial in 0..trials as u64 {
        let (matrix, labels) = white(rows, dims, trial);
        let config = AutoConfig {
            seed: trial,
            methods: methods.clone(),
            ..config.clone()
        };
        let outcomes = auto(&matrix.view(), Evidence::Labels(&labels), &config)?;
        let gains = outcomes.iter().map(|o| o.verdict == Verdict::Gain);
        any += usize::from(gains.clone().any(|gain| gain));
        for (count, gain) in by_use.iter_mut().zip(gains) {
            *count += usize::from(gain);
        }
        looked += outcomes.iter().filter(|o| o.verified.is_some()).count();
    }
    let level = config.level;
    let allowed = level + 2.0 * (level * (1.0 - level) / trials as f64).sqrt();
    println!(
        "{{\"trials\":{trials},\"rows\":{rows},\"dims\":{dims},\"claimed\":{:.4},\"level\":{level},\"allowed\":{allowed:.4},\
         \"claims_by_use\":{by_use:?},\"looks\":{looked}}}",
        any as f64 / trials as f64
    );
    Ok(())
}
