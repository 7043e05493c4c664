//! Why a run cannot be started or resumed.

use std::path::PathBuf;

use e2mc_base::counted;

use crate::difference::{Difference, sentence};

/// A run that cannot be started or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no checkpoint to resume from.
    #[error("nothing to resume: {} does not exist", path.display())]
    NothingToResume {
        /// The checkpoint that was looked for.
        path: PathBuf,
    },
    /// A resumed run meets another number of images.
    #[error(
        "{}: expected the {} of the run's start, found {found}",
        data.display(),
        counted(*expected, "image")
    )]
    OtherImages {
        /// The images.
        data: PathBuf,
        /// How many there were when the run began.
        expected: usize,
        /// How many there are now.
        found: usize,
    },
    /// A batch needs more images than there are.
    #[error(
        "{}: a batch of {batch} is larger than the data set of {}, {held_out} of them held out",
        data.display(),
        counted(*images, "image")
    )]
    LargeBatch {
        /// The images.
        data: PathBuf,
        /// Images a step.
        batch: usize,
        /// Images in all.
        images: usize,
        /// The number of them held out from training.
        held_out: usize,
    },
    /// A run goes on only with the settings that it began with.
    #[error("{}: the run there has other settings: {}", folder.display(), sentence(differences))]
    OtherSettings {
        /// The run's folder.
        folder: PathBuf,
        /// Every setting that differs.
        differences: Vec<Difference>,
    },
    /// A recipe is for another network than the checkpoint holds.
    #[error(
        "{}: expected {expected} as in the recipe `{recipe}`, found {found}",
        checkpoint.display()
    )]
    OtherNetwork {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The recipe's network.
        expected: String,
        /// The recipe's name.
        recipe: String,
        /// The checkpoint's network.
        found: String,
    },
}
