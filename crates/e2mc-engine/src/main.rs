//! `e2mc-engine`: the part of the `e2mc` command that needs a network.
//!
//! It takes the same arguments as `e2mc`, which executes it, and answers in the same way: arguments
//! become what the lab takes, the lab does the work, results go to standard output, progress and
//! warnings to standard error.

mod command;
#[cfg(test)]
mod error_tests;
mod hint;
mod processes;
mod screen;
mod settings;

use std::process::ExitCode;

use anyhow::Result;
use e2mc_base::affinity;
use e2mc_cli::failure::{self, Failure, STOPPED_EARLY};
use e2mc_cli::options::{Arguments, Command};
use e2mc_cli::{output, signals};
use e2mc_lab::Error as LabError;

fn main() -> ExitCode {
    affinity::free_at_start();
    let go_on = match std::env::args().nth(1).as_deref() {
        Some("sweep") => Some("continue with --resume"),
        Some("demo") => Some("run it again"),
        _ => None,
    };
    let read = signals::watch(go_on).and_then(|_| Ok(Arguments::read()?));
    let done = read.and_then(|arguments| dispatch(&arguments.command));
    done.unwrap_or_else(|error| {
        let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
        if let Some(stopped) = causes.find(|cause| matches!(cause, LabError::Stopped { .. })) {
            output::note(&stopped.to_string());
            return ExitCode::from(STOPPED_EARLY);
        }
        let code = failure::report(&error, hint::of);
        match hint::is_usage(&error) {
            true => ExitCode::from(2),
            false => code,
        }
    })
}

fn dispatch(command: &Command) -> Result<ExitCode> {
    // Started now, rayon's threads are not bound to a core. These two choose how many there are.
    if !matches!(command, Command::Inspect(_) | Command::Adapt(_)) {
        rayon::current_num_threads();
    }
    match command {
        Command::Improve(options) => command::improve::run(options),
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
        Command::Adapt(options) if options.checkpoint.is_some() => command::adapt::run(options),
        _ => Err(Failure::usage(
            "e2mc-engine has no such command: it only runs commands that need a network",
            "run it with `e2mc`",
        )),
    }
}
