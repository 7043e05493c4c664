//! Options of `compare`.

use std::path::PathBuf;

use clap::Args;

use super::value::level;

/// Options of `compare`.
#[derive(Args, Debug)]
pub struct CompareOptions {
    /// Predictions of the first model: a predictions.npz, or the folder that holds it
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The same of the models that are compared with it
    #[arg(value_name = "B", required = true)]
    pub others: Vec<PathBuf>,
    /// How many comparisons this is one of, in all, for the warning and the corrected p-value
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub comparisons: Option<u32>,
    /// Significance level
    #[arg(long, default_value_t = 0.05, value_parser = level)]
    pub level: f64,
    /// Random exchanges of the permutation test
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub permutations: u32,
    /// Bootstrap samples of the interval
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub bootstraps: u32,
    /// Seed of both
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
