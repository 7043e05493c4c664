//! Options of `report`.

use std::path::PathBuf;

use clap::Args;

/// Options of `report`.
#[derive(Args, Debug)]
pub struct ReportOptions {
    /// Folders of runs, finished or not; several are compared
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// The page [default: report.html in the run's folder; with several runs it has to be given]
    #[arg(long, value_name = "OUT.html")]
    pub out: Option<PathBuf>,
    /// Write each chart as SVG and PNG into this folder
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// Leave pictures of images out of the page; names and classes stay
    #[arg(long)]
    pub no_thumbnails: bool,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
