//! What is going on: one line that the next one replaces.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::note;

/// The time between two plain lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A line on standard error that the next one replaces; where there is no terminal, a plain line
/// every ten seconds.
#[derive(Debug)]
pub struct Status {
    spinner: Option<ProgressBar>,
    last: Mutex<Instant>,
}

impl Default for Status {
    fn default() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            spinner: terminal.then(ProgressBar::new_spinner),
            last: Mutex::new(Instant::now()),
        }
    }
}

impl Status {
    /// Shows a line in the place of the one before.
    pub fn show(&self, text: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.tick();
            spinner.set_message(text.to_owned());
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            note(text);
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
