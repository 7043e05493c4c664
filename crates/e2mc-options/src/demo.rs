//! Options of `demo`.

use std::path::PathBuf;

use clap::Args;

use super::MachineOptions;
use super::heading;

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct DemoOptions {
    /// Folder with the sample's images and base model
    #[arg(long, value_name = "DIR", default_value = "sample")]
    pub sample: PathBuf,
    /// Folder for the runs and the report
    #[arg(long, value_name = "DIR", default_value = "demo-run")]
    pub out: PathBuf,
    /// Label subsets drawn for each fraction, at least 2
    #[arg(value_name = "N", long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=1000))]
    pub seeds: u64,
    /// Epochs of each continuation [default: the recipe's]
    #[arg(long)]
    pub epochs: Option<u64>,
    /// Leave pictures out of the page; names and classes stay
    #[arg(long)]
    pub no_thumbnails: bool,
    /// Where and with what randomness to compute.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}
