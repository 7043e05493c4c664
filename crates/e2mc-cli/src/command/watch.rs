//! `e2mc watch`: a run while it trains, as curves in the terminal or as a page on this machine.

mod plot;
mod serve;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::runlog::RunLog;

/// Options of `watch`.
#[derive(Args, Debug)]
pub(crate) struct WatchOptions {
    /// Folder of the run
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Serve the report, always as of now, on http://127.0.0.1:PORT; only this machine can see it, 0 takes a free port
    #[arg(long, value_name = "PORT")]
    serve: Option<u16>,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    every: f64,
    /// Look once and stop; so it is wherever standard output is not a terminal
    #[arg(long)]
    once: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.1..=3600.0).contains(&value) {
        Ok(value)
    } else {
        Err("expected 0.1 to 3600 seconds".to_owned())
    }
}

pub(crate) fn run(options: &WatchOptions) -> Result<ExitCode> {
    // Read once before anything starts: a wrong folder is an error, not an empty screen.
    let mut log = RunLog::read(&options.run)?;
    if let Some(port) = options.serve {
        return serve::run(&options.run, port, options.every);
    }
    let mut out = std::io::stdout();
    let live = out.is_terminal() && !options.once;
    loop {
        let width = if live { columns() } else { 80 };
        let screen = plot::screen(&log, width);
        // Home and clear to the end, so that nothing flickers.
        let (before, after) = if live {
            ("\x1b[H\x1b[2J", "")
        } else {
            ("", "")
        };
        write!(out, "{before}{screen}{after}")
            .and_then(|()| out.flush())
            .context("cannot write to standard output")?;
        if !live || log.end.is_some() {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(Duration::from_secs_f64(options.every));
        log = RunLog::read(&options.run)?;
    }
}

/// The width of the terminal.
fn columns() -> usize {
    let (_, width) = console::Term::stdout().size();
    width.into()
}
