//! Options of `report`.

use std::path::PathBuf;

use clap::Args;

use super::heading;

/// Options of `report`.
#[derive(Args, Debug)]
pub struct ReportOptions {
    /// Folders of runs, finished or not; several are compared
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Page to write [default: report.html in the run's folder]
    ///
    /// Required with several runs.
    #[arg(help_heading = heading::PAGE, long, value_name = "OUT.html")]
    pub out: Option<PathBuf>,
    /// Folder to write each chart to, as SVG and PNG
    #[arg(help_heading = heading::PAGE, long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// Omit pictures from the page; keep names and classes
    #[arg(long, help_heading = heading::PAGE)]
    pub no_thumbnails: bool,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}
