//! Options of `demo`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::MachineOptions;
use super::heading;
use super::value::duration;

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct DemoOptions {
    /// Folder with the sample's images and base model (needs the source folder)
    #[arg(long, value_name = "DIR", default_value = "sample")]
    pub sample: PathBuf,
    /// Folder for the new model, its map and the report
    #[arg(long, value_name = "DIR", default_value = "demo-run")]
    pub out: PathBuf,
    /// Label subsets drawn for each fraction, at least 2
    #[arg(
        value_name = "N",
        long,
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(2..=1000)
    )]
    pub seeds: u64,
    /// Time for the improvement, such as 90s or 20m
    ///
    /// Evaluating all models on the test images takes extra time.
    #[arg(long, value_name = "TIME", default_value = "130s", value_parser = duration)]
    pub budget: Duration,
    /// Largest number of epochs of a candidate [default: as time allows]
    #[arg(long)]
    pub epochs: Option<u64>,
    /// Omit pictures from the page; keep names and classes
    #[arg(long)]
    pub no_thumbnails: bool,
    /// Device, threads and seed.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}
