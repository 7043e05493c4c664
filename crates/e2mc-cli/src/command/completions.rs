//! `e2mc completions`: a script for the user's shell.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::CompletionsOptions;
use e2mc_cli::output;

pub(crate) fn run(options: &CompletionsOptions) -> Result<ExitCode> {
    output::text(&options.script());
    Ok(ExitCode::SUCCESS)
}
