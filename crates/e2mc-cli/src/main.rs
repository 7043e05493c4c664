//! `e2mc`: effective entropy maximisation for pre-trained self-supervised models.
//!
//! This program works on files. What needs a network it leaves to `e2mc-engine`, which it executes
//! with the same arguments. Results go to standard output (as one JSON object with `--json`),
//! progress and warnings to standard error.

mod command;
mod images;
mod pictures;

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::{Arguments, Command};
use e2mc_cli::{failure, hint, launch, signals};

fn main() -> ExitCode {
    signals::block();
    let arguments = Arguments::read().map_err(anyhow::Error::from);
    let done = arguments.and_then(|arguments| match arguments.command {
        command if command.needs_network() => launch::engine(command.device()),
        command => {
            match command {
                Command::Watch(_) | Command::Report(_) => signals::unblock(),
                _ => _ = signals::watch(None)?,
            }
            dispatch(&command)
        }
    });
    done.unwrap_or_else(|error| failure::report(&error, hint::of))
}

fn dispatch(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Probe(options) => command::probe::run(options),
        Command::Knn(options) => command::knn::run(options),
        Command::Svm(options) => command::svm::run(options),
        Command::Adapt(options) => command::adapt::run(options),
        Command::Compare(options) => command::compare::run(options),
        Command::Results(options) => command::results::run(options),
        Command::Recipes(options) => command::recipes::run(options),
        Command::Score(options) => command::score::run(options),
        Command::Inspect(options) => command::inspect::run(options),
        Command::Report(options) => command::report::run(options),
        Command::Watch(options) => command::watch::run(options),
        Command::Throughput(options) => command::throughput::run(options),
        Command::Completions(options) => command::completions::run(options),
        Command::Augment(options) => command::augment::run(options),
        Command::Improve(_)
        | Command::Pretrain(_)
        | Command::Continue(_)
        | Command::Sweep(_)
        | Command::Finetune(_)
        | Command::Embed(_)
        | Command::Convert(_)
        | Command::Demo(_) => unreachable!("the engine does what needs a network"),
    }
}
