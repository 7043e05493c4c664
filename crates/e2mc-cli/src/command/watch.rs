//! `e2mc watch`: a run while it trains, as curves in the terminal or as a page on this machine.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use e2mc_cli::options::WatchOptions;
use e2mc_cli::output;
use e2mc_record::{Run, RunLog};
use e2mc_report::{pages, plot, serve};

/// The width of a screen that nobody looks at.
const PLAIN: usize = 80;

pub(crate) fn run(options: &WatchOptions) -> Result<ExitCode> {
    // Read once before anything starts: a wrong folder is an error, not an empty screen.
    let mut log = RunLog::read(&options.run)?;
    if let Some(port) = options.serve {
        serve_page(options, port)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stdout();
    let live = out.is_terminal() && !options.once;
    loop {
        let width = if live { columns() } else { PLAIN };
        let screen = plot::screen(&log, width);
        // Home and clear to the end, so that nothing flickers.
        let before = if live { "\x1b[H\x1b[2J" } else { "" };
        match write!(out, "{before}{screen}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            written => written.context("cannot write to standard output")?,
        }
        if !live || log.end.is_some() {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(Duration::from_secs_f64(options.every));
        log = RunLog::read(&options.run)?;
    }
}

/// Serves the run's page, as of now, until the program is ended.
fn serve_page(options: &WatchOptions, port: u16) -> Result<(), e2mc_report::Error> {
    let page = || -> Result<_, e2mc_record::Error> {
        let run = Run::read(&options.run)?;
        Ok(pages::run::report(&[run], &output::command_line()))
    };
    let every = Duration::from_secs_f64(options.every.ceil());
    serve::serve(port, every, page, |address| {
        output::note(&format!(
            "watching {}: http://{address}  (Ctrl-C ends it)",
            options.run.display()
        ));
    })
}

/// The width of the terminal.
fn columns() -> usize {
    let (_, width) = console::Term::stdout().size();
    width.into()
}
