//! Options of `results`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of `results`.
#[derive(Args, Debug)]
pub struct ResultsOptions {
    /// Folder below which evaluations have written result.json
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t = TableFormat::Terminal)]
    pub format: TableFormat,
    /// Print the result as one JSON object on standard output
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Columns that line up
    Terminal,
    /// Comma-separated values: mean and standard error in columns of their own
    Csv,
    /// A table of Markdown
    Markdown,
}
