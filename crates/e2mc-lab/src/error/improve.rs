//! Why an improvement cannot be begun or go on.

use std::path::PathBuf;

/// An improvement that cannot be begun or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImproveError {
    /// The folder holds an improvement that began with something else.
    #[error("{} holds an improvement with another {what}", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        what: String,
    },
    /// The folder holds something else.
    #[error("{} holds files that are not of an improvement, such as \
             {}", folder.display(), file.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// The first such file.
        file: PathBuf,
    },
    /// The checkpoint would be written over.
    #[error("{} is the input checkpoint and would be overwritten", path.display())]
    OverInput {
        /// The file.
        path: PathBuf,
    },
    /// Images with several labels each, where one is needed.
    #[error("{}: VOC images have several labels each, expected one or none", data.display())]
    SeveralLabels {
        /// The images.
        data: PathBuf,
    },
}
