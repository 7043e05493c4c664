//! Options of `compare`.

use std::path::PathBuf;

use clap::Args;
use e2mc_eval::{CompareConfig, holm};

use super::heading;
use super::value::level;

/// Options of `compare`.
#[derive(Args, Debug)]
pub struct CompareOptions {
    /// Result of the first model
    ///
    /// A folder that `probe --out`, `knn --out`, `svm --out` or `finetune --out` wrote, or a bare
    /// predictions.npz.
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// Results of the models to compare with it
    #[arg(value_name = "B", required = true)]
    pub others: Vec<PathBuf>,
    /// Number of comparisons made in all, for the correction [default: those shown]
    ///
    /// Set it if this comparison is one of several: the p-values are corrected for all of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub comparisons: Option<u32>,
    /// Compare only the fits that all results have, instead of refusing
    #[arg(long)]
    pub common: bool,
    /// Page to write, with a forest plot of the differences
    #[arg(help_heading = heading::PAGE, long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Omit pictures from the page; keep names and classes
    #[arg(long, help_heading = heading::PAGE)]
    pub no_thumbnails: bool,
    /// Significance level of all comparisons together
    #[arg(value_name = "P", long, default_value_t = 0.05, value_parser = level)]
    pub level: f64,
    /// Seed of the permutations and bootstrap samples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

impl CompareOptions {
    /// The total number of comparisons, of which `shown` are shown.
    pub fn count(&self, shown: usize) -> usize {
        let told = self.comparisons.map_or(0, |count| count as usize);
        shown.max(told).max(1)
    }

    /// How differences are evaluated; the confidence is not decided here.
    pub fn config(&self) -> CompareConfig {
        CompareConfig {
            seed: self.seed,
            ..CompareConfig::default()
        }
    }

    /// The p-values, one a comparison shown, after correction: Holm's method, or Bonferroni's where
    /// there are more comparisons than shown, as nothing is known of the others' p-values.
    pub fn corrected(&self, p_values: &[f64]) -> Vec<f64> {
        let count = self.count(p_values.len());
        if count == p_values.len() {
            return holm(p_values);
        }
        let bonferroni = |p: &f64| (p * count as f64).min(1.0);
        p_values.iter().map(bonferroni).collect()
    }
}
