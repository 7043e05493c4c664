//! How a failure reaches the user: one `error:` line, one `hint:` line, an exit code.

use std::process::ExitCode;

/// A failure that the command itself found, with what the user can do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    usage: bool,
}

impl Failure {
    /// Something that went wrong (exit code 1).
    // What a command returns, so that call sites need no conversion.
    #[allow(clippy::new_ret_no_self)]
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
            usage: false,
        }
        .into()
    }

    /// Arguments that do not fit together (exit code 2).
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
            usage: true,
        }
        .into()
    }
}

/// Prints the error and its hint to standard error and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    if let Some(hint) = hint(error) {
        eprintln!("hint: {hint}");
    }
    let usage = error
        .downcast_ref::<Failure>()
        .is_some_and(|failure| failure.usage);
    ExitCode::from(if usage { 2 } else { 1 })
}

/// The hint of the first error in the chain that has one.
fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.hint.clone();
        }
        if let Some(error) = cause.downcast_ref::<e2mc_train::Error>() {
            return error.hint();
        }
        if let Some(error) = cause.downcast_ref::<e2mc_data::Error>() {
            return error.hint();
        }
        if let Some(error) = cause.downcast_ref::<e2mc_eval::Error>() {
            return error.hint();
        }
        cause
            .downcast_ref::<e2mc::Error>()
            .and_then(e2mc::Error::hint)
    })
}
