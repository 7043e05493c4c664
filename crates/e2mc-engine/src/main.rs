//! `e2mc-engine`: the part of the `e2mc` command that needs a network.
//!
//! It takes the same arguments as `e2mc`, which executes it, and answers in the same way: arguments
//! become what the lab takes, the lab does the work, results go to standard output, progress and
//! warnings to standard error.

mod command;
mod hint;
mod processes;
mod screen;
mod settings;
mod signals;

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::failure::{self, Failure};
use e2mc_cli::options::{Arguments, Command};

fn main() -> ExitCode {
    let done = Arguments::read().and_then(|arguments| dispatch(&arguments.command));
    done.unwrap_or_else(|error| {
        let code = failure::report(&error, hint::of);
        match hint::is_usage(&error) {
            true => ExitCode::from(2),
            false => code,
        }
    })
}

fn dispatch(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Pretrain(options) => command::train::pretrain(options),
        Command::Continue(options) => command::train::continue_(options),
        Command::Sweep(options) => command::sweep::run(options),
        Command::Probe(options) => command::probe::run(options),
        Command::Finetune(options) => command::finetune::run(options),
        Command::Knn(options) => command::knn::run(options),
        Command::Svm(options) => command::svm::run(options),
        Command::Embed(options) => command::embed::run(options),
        Command::Inspect(options) => command::inspect::run(options),
        Command::Convert(options) => command::convert::run(options),
        Command::Demo(options) => command::demo::run(options),
        _ => Err(Failure::usage(
            "this command needs no network, which is all that the engine has",
            "run it with `e2mc`",
        )),
    }
}
