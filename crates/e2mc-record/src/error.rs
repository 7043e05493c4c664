//! What can be wrong with the files of runs and results, in one line each.

use std::io;
use std::path::PathBuf;

/// A record that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or a folder cannot be read, made, written or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, `make`, `remove`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A file is not what it should be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },

    /// A file of a later version of the program.
    #[error("{}: expected {what} of format {known} or lower, found format {found}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// `settings of a run`, `a result`, ...
        what: &'static str,
        /// The format found.
        found: u64,
        /// The latest format that is known here.
        known: u32,
    },

    /// A line of a log is no event.
    #[error(
        "{}: expected one JSON object a line, line {line} is not: {found}",
        path.display()
    )]
    Line {
        /// The log.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        found: String,
    },

    /// A folder without the files of a run.
    #[error("{} holds no run", folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },

    /// A folder in which a run is already.
    #[error("{} already holds a run", folder.display())]
    RunThere {
        /// The folder.
        folder: PathBuf,
        /// Whether the run has saved a checkpoint, from which it can go on.
        checkpoint: bool,
    },

    /// A folder in which a result is already.
    #[error("{} already holds a result", folder.display())]
    ResultThere {
        /// The folder.
        folder: PathBuf,
    },

    /// A folder that another process writes to, or that cannot be written to.
    #[error(transparent)]
    Lock(#[from] e2mc_base::lock::LockError),

    /// A value that JSON cannot hold.
    #[error("{what} cannot be written as JSON: {found}")]
    Json {
        /// What was to be written.
        what: &'static str,
        /// What is wrong with it.
        found: String,
    },
}

impl Error {
    /// What the system said of a file.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
