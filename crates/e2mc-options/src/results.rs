//! Options of `results`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::heading;

/// Options of `results`.
#[derive(Args, Debug)]
pub struct ResultsOptions {
    /// Folders to search for result.json, with their subfolders
    #[arg(value_name = "DIR", required = true)]
    pub folders: Vec<PathBuf>,
    /// Format of the table
    #[arg(long, value_enum, default_value_t = TableFormat::Terminal)]
    pub format: TableFormat,
    /// Print the result as one JSON object on standard output
    #[arg(help_heading = heading::RESULT, long, conflicts_with = "format")]
    pub json: bool,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Aligned columns
    Terminal,
    /// Comma-separated values, with mean and standard error in separate columns
    Csv,
    /// Markdown table
    Markdown,
}
