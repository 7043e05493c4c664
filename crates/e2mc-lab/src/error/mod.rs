//! What can go wrong in the lab, each with what was expected and what was found.

mod improve;
mod process;
mod protocol;
mod recipe;
mod run;
mod sweep;

use std::path::{Path, PathBuf};

use e2mc_train::Output;

pub use improve::ImproveError;
pub use process::ProcessError;
pub use protocol::ProtocolError;
pub use recipe::RecipeError;
pub use run::RunError;
pub use sweep::SweepError;

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A run cannot be started or resumed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Features cannot be evaluated.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Processes on this machine failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A sweep cannot be planned or resumed.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// An improvement cannot be begun or go on.
    #[error(transparent)]
    Improve(#[from] ImproveError),

    /// A list of training images names a test image.
    #[error("{}: {name:?} is a test image", list.display())]
    TestImageListed {
        /// The list.
        list: PathBuf,
        /// The first such name.
        name: String,
    },
    /// A list of training images names none.
    #[error("{}: no training image is called {name:?}", list.display())]
    NotListed {
        /// The list.
        list: PathBuf,
        /// The first such name.
        name: String,
    },
    /// A list of training images has a name of several.
    #[error("{}: {name:?} names several training images", list.display())]
    AmbiguousName {
        /// The list.
        list: PathBuf,
        /// The first such name.
        name: String,
    },
    /// An output of the heads is wanted of a checkpoint without any.
    #[error("{} has no {output}: it holds only a backbone", checkpoint.display())]
    NoHeads {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The output that was asked for.
        output: Output,
    },
    /// A network or embeddings are to be written where something lies already.
    #[error(transparent)]
    FileThere(#[from] e2mc_base::FileThere),
    /// A network is to be trained, and a map is folded into it.
    #[error("{} contains a folded map, expected a network without one", checkpoint.display())]
    Folded {
        /// The network.
        checkpoint: PathBuf,
    },
    /// A map is for features of another width than the network gives.
    #[error(
        "{} takes {takes} dimensions, found {gives} from {output} of {}",
        map.display(), checkpoint.display()
    )]
    MapWidth {
        /// The map.
        map: PathBuf,
        /// The dimensions that it takes.
        takes: usize,
        /// The network.
        checkpoint: PathBuf,
        /// What is taken from it.
        output: Output,
        /// The dimensions that this has.
        gives: usize,
    },
    /// Embeddings that are compared have other shapes.
    #[error(
        "{before} has {} rows of {} dimensions, {after} has {} of {}: expected the same of before \
         and after",
        before_shape.0, before_shape.1, after_shape.0, after_shape.1
    )]
    Shapes {
        /// The first embedding.
        before: String,
        /// Its rows and dimensions.
        before_shape: (usize, usize),
        /// The second embedding.
        after: String,
        /// Its rows and dimensions.
        after_shape: (usize, usize),
    },
    /// An embedding that cannot be measured, by the name of where it is from.
    #[error("{place}: {source}")]
    Measure {
        /// The file or checkpoint.
        place: String,
        /// What is wrong with it.
        source: e2mc_eval::Error,
    },
    /// More checkpoints than can be compared.
    #[error("{found} checkpoints were given, expected one or two")]
    Checkpoints {
        /// How many were given.
        found: usize,
    },
    /// A single view has no other to be compared with.
    #[error("1 view of each image, expected 0 or at least 2")]
    OneView,
    /// The sample's base model is not there.
    #[error("{} holds no sample", folder.display())]
    NoSample {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A folder holds what no demo made.
    #[error("{} was not made by a demo", path.display())]
    NoDemo {
        /// What was found.
        path: PathBuf,
    },
    /// The work was asked to end early, and did.
    #[error("stopped by a signal; {state}")]
    Stopped {
        /// What is saved, or that nothing is changed.
        state: String,
    },

    /// A file or folder could not be read, written, made or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `make`, `remove`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the lab does not hold what it should.
    #[error("{} {problem}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it is not.
        problem: &'static str,
        /// What the parser said.
        source: serde_json::Error,
    },

    /// A network, a checkpoint or its training failed.
    #[error(transparent)]
    Train(#[from] e2mc_train::Error),
    /// A data set or an image failed.
    #[error(transparent)]
    Data(#[from] e2mc_data::Error),
    /// An evaluation or a file of embeddings failed.
    #[error(transparent)]
    Eval(#[from] e2mc_eval::Error),
    /// An evaluation of features failed.
    #[error(transparent)]
    Evaluation(#[from] e2mc_eval::protocol::Error),
    /// The criterion refused its input.
    #[error(transparent)]
    Criterion(#[from] e2mc::Error),
    /// The record of a run or a result failed.
    #[error(transparent)]
    Record(#[from] e2mc_record::Error),
    /// A page or a file of events could not be written.
    #[error(transparent)]
    Report(#[from] e2mc_report::Error),
}

impl Error {
    /// Work that was asked to end early.
    pub(crate) fn stopped(state: impl Into<String>) -> Self {
        Self::Stopped {
            state: state.into(),
        }
    }

    /// Work that was asked to end before it had changed anything.
    pub(crate) fn untouched() -> Self {
        Self::stopped("nothing was changed")
    }

    /// A file that cannot be read.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::io("read", path, source)
    }

    /// A file that cannot be written.
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::io("write", path, source)
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// A file that is not what it should be.
    pub(crate) fn json(path: &Path, problem: &'static str, source: serde_json::Error) -> Self {
        Self::Json {
            path: path.to_owned(),
            problem,
            source,
        }
    }
}
