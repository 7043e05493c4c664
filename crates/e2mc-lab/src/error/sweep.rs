//! Why a sweep cannot be planned or resumed.

use std::path::PathBuf;

use super::{Error, RecipeError};

/// A sweep that cannot be planned or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The text of a setting and its values cannot be read.
    #[error("{problem}, found `{found}`")]
    Axis {
        /// What was expected.
        problem: String,
        /// The text.
        found: String,
    },
    /// A setting has two lists of values.
    #[error("`{key}` is given twice")]
    SettingTwice {
        /// Its dotted name.
        key: String,
    },
    /// The settings of one combination cannot be used.
    #[error("{settings}: {source}")]
    Settings {
        /// The combination.
        settings: String,
        /// What is wrong with it.
        source: Box<RecipeError>,
    },
    /// A combination's run failed.
    #[error("{settings}: {source}")]
    Run {
        /// The combination.
        settings: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// A folder in which a sweep is already.
    #[error("{} already holds a sweep", folder.display())]
    SweepThere {
        /// The folder.
        folder: PathBuf,
    },
    /// Something is not what the sweep began with.
    #[error("{} differs from the {what} at the start of the sweep", path.display())]
    Other {
        /// The file or folder.
        path: PathBuf,
        /// Which.
        what: &'static str,
    },
    /// There is no plan to continue with.
    #[error("nothing to resume: {} does not exist", plan.display())]
    NothingToResume {
        /// The plan that was looked for.
        plan: PathBuf,
    },
}
