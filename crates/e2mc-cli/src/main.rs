//! `e2mc`: effective entropy maximisation for pre-trained self-supervised models.
//!
//! This crate is glue and printing: arguments become a plan, libraries carry it out, and results go
//! to standard output (as one JSON object with `--json`), progress and warnings to standard error.

mod checkpoint;
mod command;
mod contact_sheet;
mod data;
mod evaluation;
mod guard;
mod progress;
mod recipe;
mod report;
mod run;
mod runlog;
mod tensorboard;

use std::process::ExitCode;

use anyhow::Result;

use e2mc_cli::options::{Arguments, Command};
use e2mc_cli::{failure, hint, output};

fn main() -> ExitCode {
    match Arguments::read().and_then(|arguments| dispatch(&arguments.command)) {
        Ok(code) => code,
        Err(error) => failure::report(&error, hints),
    }
}

/// What a user can do about an error.
fn hints(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    match error.downcast_ref::<e2mc_train::Error>() {
        Some(error) => error.hint(),
        None => hint::of(error),
    }
}

fn dispatch(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Pretrain(options) => command::pretrain::run(options),
        Command::Continue(options) => command::continue_::run(options),
        Command::Sweep(options) => command::sweep::run(options),
        Command::Probe(options) => command::probe::run(options),
        Command::Recipes(options) => command::recipes::run(options),
        Command::Finetune(options) => command::finetune::run(options),
        Command::Knn(options) => command::knn::run(options),
        Command::Svm(options) => command::svm::run(options),
        Command::Embed(options) => command::embed::run(options),
        Command::Compare(options) => command::compare::run(options),
        Command::Results(options) => command::results::run(options),
        Command::Score(options) => command::score::run(options),
        Command::Inspect(options) => command::inspect::run(options),
        Command::Report(options) => command::report::run(options),
        Command::Watch(options) => command::watch::run(options),
        Command::Convert(options) => command::convert::run(options),
        Command::Throughput(options) => command::throughput::run(options),
        Command::Augment(options) => command::augment::run(options),
        Command::Demo(options) => command::demo::run(options),
    }
}
