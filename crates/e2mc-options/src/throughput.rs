//! Options of `throughput`.

use std::path::PathBuf;

use clap::Args;

use super::heading;
use super::{ImageOptions, machine};

/// Options of `throughput`.
#[derive(Args, Debug)]
pub struct ThroughputOptions {
    /// Images: a folder, a list, tar shards or IDX files; the train split is used
    #[arg(value_name = "DIR")]
    pub data: PathBuf,
    /// Recipe that defines the views
    ///
    /// vicreg, swav, simsiam, probe, small-grey, evaluation, or any training recipe.
    #[arg(long, value_name = "NAME|FILE", default_value = "vicreg")]
    pub recipe: String,
    /// Threads that prepare images [default: the number of cores]
    #[arg(
        help_heading = heading::MACHINE,
        value_name = "N",
        long,
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub threads: Option<u16>,
    /// Seconds to measure for
    #[arg(value_name = "SECONDS", long, default_value_t = 5.0)]
    pub seconds: f64,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

impl ThroughputOptions {
    /// The number of threads: what was typed, or one for each core that the process may use.
    pub fn threads(&self) -> usize {
        machine::threads(self.threads)
    }
}
