//! What may be typed beside `--resume`. A run continues with its own settings: an option that would
//! do nothing is refused, not skipped.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::WrongUse;

/// Options allowed for a resumed run: its place, its machine, and settings that may change.
const OF_A_RUN: [&str; 13] = [
    "out",
    "data",
    "max_bad_images",
    "epochs",
    "guard",
    "half",
    "log_every",
    "save_every",
    "device",
    "threads",
    "nproc",
    "timeout",
    "json",
];
/// Options allowed for a resumed sweep, whose runs must be alike.
const OF_A_SWEEP: [&str; 7] = [
    "out", "data", "device", "threads", "nproc", "timeout", "json",
];

/// Checks what was typed.
///
/// # Errors
/// Where an option does not go with the `--resume` beside it.
pub(super) fn check(command: &Command, matches: &ArgMatches) -> Result<(), WrongUse> {
    let Some((name, typed)) = matches.subcommand() else {
        return Ok(());
    };
    if !matches!(typed.try_get_one("resume"), Ok(Some(true))) {
        return Ok(());
    }
    let (what, allowed): (_, &[&str]) = match name {
        "sweep" => ("sweep", &OF_A_SWEEP),
        _ => ("run", &OF_A_RUN),
    };
    let known = command.find_subcommand(name).into_iter();
    let (mut refused, mut possible) = (Vec::new(), Vec::new());
    for option in known.flat_map(Command::get_arguments) {
        let (id, Some(long)) = (option.get_id().as_str(), option.get_long()) else {
            continue;
        };
        if allowed.contains(&id) {
            possible.push(format!("--{long}"));
        } else if id != "resume" && typed.value_source(id) == Some(ValueSource::CommandLine) {
            refused.push(format!("--{long}"));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(WrongUse {
        message: format!(
            "--resume uses the settings of the {what}: {} cannot be given",
            refused.join(" and ")
        ),
        hint: format!(
            "start a new {what} for other settings; with --resume these may be given: {}",
            possible.join(", ")
        ),
    })
}
