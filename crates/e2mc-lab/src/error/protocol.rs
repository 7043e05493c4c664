//! Why a checkpoint's features cannot be evaluated.

use std::path::PathBuf;

/// Bytes of a GiB.
const GIB: f64 = (1u64 << 30) as f64;

/// Features that cannot be evaluated as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Images with several labels each, where one is needed.
    #[error("{}: VOC images have several labels each", data.display())]
    SeveralLabels {
        /// The images.
        data: PathBuf,
    },
    /// Tokens that do not fit into memory.
    #[error(
        "the attentive probe needs {:.1} GiB for the tokens of all {images} images: expected at \
         most half of the free memory, found {:.1} GiB free",
        *needed as f64 / GIB,
        *free as f64 / GIB
    )]
    TokensTooLarge {
        /// Images of both splits.
        images: usize,
        /// Bytes that they take.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A map is for the features of an output, and tokens were to be learnt from.
    #[error("the attentive probe uses tokens, but a map applies to the features of an output")]
    TokensThroughMap,
    /// The preset shares batch norm among places of a feature map, and none was asked for.
    #[error(
        "the preset inat18 shares batch norm among four positions of each channel: expected the \
         output map6x6, found {found}"
    )]
    NeedsMap {
        /// The output that was asked for.
        found: String,
    },
}
