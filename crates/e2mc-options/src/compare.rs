//! Options of `compare`.

use std::path::PathBuf;

use clap::Args;
use e2mc_eval::{CompareConfig, holm};

use super::value::level;

/// Options of `compare`.
#[derive(Args, Debug)]
pub struct CompareOptions {
    /// Result of the first model: the folder of `probe`, `knn`, `svm` or `finetune`, or a bare
    /// predictions.npz
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The same of the models that are compared with it
    #[arg(value_name = "B", required = true)]
    pub others: Vec<PathBuf>,
    /// How many comparisons this is one of, in all, for the warning and the corrected p-value
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub comparisons: Option<u32>,
    /// Compare what all have, and leave out fits without a partner; without this they are an error
    #[arg(long)]
    pub common: bool,
    /// Write a page with a forest plot of the differences
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Leave pictures of images out of the page; names and classes stay
    #[arg(long)]
    pub no_thumbnails: bool,
    /// Significance level, of all lines together
    #[arg(long, default_value_t = 0.05, value_parser = level)]
    pub level: f64,
    /// Random exchanges of the permutation test of two bare predictions.npz
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

impl CompareOptions {
    /// Of how many comparisons these `shown` are.
    pub fn count(&self, shown: usize) -> usize {
        let told = self.comparisons.map_or(0, |count| count as usize);
        shown.max(told).max(1)
    }

    /// How differences are judged; the confidence is not decided here.
    pub fn config(&self) -> CompareConfig {
        CompareConfig {
            permutations: self.permutations as usize,
            bootstraps: self.bootstraps as usize,
            seed: self.seed,
            ..CompareConfig::default()
        }
    }

    /// The p-values, one a comparison shown, after correction: Holm's method, or Bonferroni's where there
    /// are more comparisons than shown, as nothing is known of the others' p-values.
    pub fn corrected(&self, p_values: &[f64]) -> Vec<f64> {
        let count = self.count(p_values.len());
        if count == p_values.len() {
            return holm(p_values);
        }
        let bonferroni = |p: &f64| (p * count as f64).min(1.0);
        p_values.iter().map(bonferroni).collect()
    }
}
