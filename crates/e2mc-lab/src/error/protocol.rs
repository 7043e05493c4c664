//! Why a checkpoint's features cannot be judged.

use std::path::PathBuf;

/// Features that cannot be judged as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Images with several labels each, where one is needed.
    #[error("{}: VOC images have several labels each", data.display())]
    SeveralLabels {
        /// The images.
        data: PathBuf,
    },
    /// The preset shares batch norm among places of a feature map, and none was asked for.
    #[error(
        "the preset inat18 shares batch norm among the four places of each channel: it needs the \
         feature map, found the output {found}"
    )]
    NeedsMap {
        /// The output that was asked for.
        found: String,
    },
}
