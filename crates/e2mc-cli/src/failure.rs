//! How a failure reaches the user: one `error:` line, one `hint:` line, an exit code.

use std::process::ExitCode;

use crate::hint::{Hints, is_usage};
use crate::output;

/// The exit code of work that ended early, by a signal or by the guard, with its state saved: a
/// script must not go on as if it were done.
pub const STOPPED_EARLY: u8 = 3;

/// A failure that the command itself found, with what the user can do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    hint: String,
    usage: bool,
}

impl Failure {
    /// Something that went wrong (exit code 1).
    // What a command returns, so that call sites need no conversion.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self {
            message: message.into(),
            hint: hint.into(),
            usage: false,
        }
        .into()
    }

    /// Arguments that do not fit together (exit code 2).
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self {
            message: message.into(),
            hint: hint.into(),
            usage: true,
        }
        .into()
    }

    /// Whether arguments are wrong rather than the work.
    pub fn is_usage(&self) -> bool {
        self.usage
    }

    /// What the user can do.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// Prints the error, and the hint that `hints` has for the first cause it knows, to standard error;
/// gives the exit code.
pub fn report(error: &anyhow::Error, hints: Hints) -> ExitCode {
    output::note(&format!("error: {}", text(error)));
    if let Some(hint) = error.chain().find_map(hints) {
        output::note(&format!("hint: {hint}"));
    }
    ExitCode::from(if error.chain().any(is_usage) { 2 } else { 1 })
}

/// The error and what led to it, on one line. Many messages hold that of their cause already.
fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::text;

    #[test]
    fn a_cause_is_named_once() {
        let failed = || Err::<(), _>(std::io::Error::other("no disk"));
        let error = failed().context("cannot read a.npy").unwrap_err();
        assert_eq!(text(&error), "cannot read a.npy: no disk");
        let error = failed().context("cannot read a.npy: no disk").unwrap_err();
        assert_eq!(text(&error), "cannot read a.npy: no disk");
    }
}
