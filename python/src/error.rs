//! Typed errors of the libraries as Python exceptions.
//!
//! What a user can mend in the arguments is a `ValueError`; what is wrong with a file or a folder
//! is an `OSError` of the kind that Python has for it. The text is the library's sentence and, on a
//! line of its own, its hint.

use std::io;

use pyo3::PyErr;
use pyo3::exceptions::{PyFileExistsError, PyOSError, PyValueError};

/// An error with a way to become an exception.
pub(crate) trait Raise {
    /// The exception.
    fn raise(self) -> PyErr;
}

/// The exception of an error.
pub(crate) fn raise(error: impl Raise) -> PyErr {
    error.raise()
}

fn sentence(error: &dyn std::error::Error, hint: Option<String>) -> String {
    match hint {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

/// `FileNotFoundError`, `PermissionError` and so on, by what the system said.
fn of_system(text: String, cause: &io::Error) -> PyErr {
    let kind = io::Error::new(cause.kind(), text);
    PyErr::from(kind)
}

impl Raise for e2mc::Error {
    fn raise(self) -> PyErr {
        PyValueError::new_err(sentence(&self, self.hint()))
    }
}

impl Raise for e2mc_eval::Error {
    fn raise(self) -> PyErr {
        let text = sentence(&self, self.hint());
        match &self {
            Self::Io { cause, .. } => of_system(text, cause),
            Self::Busy { .. } => PyOSError::new_err(text),
            _ => PyValueError::new_err(text),
        }
    }
}

impl Raise for e2mc_record::Error {
    fn raise(self) -> PyErr {
        let text = sentence(&self, None);
        match &self {
            Self::Io { source, .. } => of_system(text, source),
            Self::NoRun { .. } => PyErr::from(io::Error::new(io::ErrorKind::NotFound, text)),
            Self::ResultThere { .. } | Self::RunThere { .. } => PyFileExistsError::new_err(text),
            _ => PyValueError::new_err(text),
        }
    }
}

impl Raise for e2mc_eval::protocol::Error {
    fn raise(self) -> PyErr {
        match self {
            Self::Evaluation(error) => error.raise(),
            Self::Matrix(error) => error.raise(),
            Self::Record(error) => error.raise(),
            other => PyValueError::new_err(sentence(&other, None)),
        }
    }
}

impl Raise for e2mc_report::Error {
    fn raise(self) -> PyErr {
        PyOSError::new_err(sentence(&self, None))
    }
}
