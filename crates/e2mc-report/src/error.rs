//! What can go wrong when pages and figures are made.

use std::io;
use std::path::PathBuf;

/// Why a page, a figure or a file of events was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file was not written; an older one of that name is untouched.
    #[error("cannot write {what} {path}: {source}", path = path.display())]
    Write {
        /// The kind of file: report, figure.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder was not made.
    #[error("cannot make the folder {path}: {source}", path = path.display())]
    MakeFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A drawing did not become pixels.
    #[error("cannot draw “{title}” as a PNG file: {reason}")]
    Paint {
        /// The panel's title.
        title: String,
        /// Why.
        reason: String,
    },
    /// The live page is not served.
    #[error("cannot listen on 127.0.0.1:{port}: {reason}")]
    Listen {
        /// The port asked for; 0 takes a free one.
        port: u16,
        /// Why.
        reason: String,
    },
    /// The run could not be read.
    #[error(transparent)]
    Record(#[from] e2mc_record::Error),
}
