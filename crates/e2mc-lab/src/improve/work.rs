//! What is asked for.

use std::path::PathBuf;
use std::time::Duration;

use e2mc_eval::adapt::Use;
use e2mc_recipe::Change;
use e2mc_record::DataOptions;
use e2mc_train::World;

use crate::checkpoint::Reading;
use crate::machine::Machine;

/// Which candidates are trained, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breadth {
    /// All that the time allows, by successive halving.
    #[default]
    Halving,
    /// The most promising coefficients and the control without the criterion, both to the end: the
    /// paper's second step, whose gain can be read from their rows.
    Pair,
}

/// What is to be improved, on what, for what, and within which time.
#[derive(Clone, Debug)]
pub struct Improve {
    /// The checkpoint or model file.
    pub checkpoint: PathBuf,
    /// How it is read.
    pub reading: Reading,
    /// The images: class folders, with images without a label in `unlabelled/`.
    pub data: PathBuf,
    /// How they are taken.
    pub taken: DataOptions,
    /// The folder for the outcome and everything on the way to it.
    pub out: PathBuf,
    /// What the features are for: it decides.
    pub usage: Use,
    /// The time that may be taken.
    pub budget: Duration,
    /// A recipe in place of the checkpoint's own: a built-in one or a TOML file.
    pub recipe: Option<String>,
    /// Changes on top of it, in order.
    pub changes: Vec<Change>,
    /// Which candidates are trained.
    pub breadth: Breadth,
    /// Where looks at held-out images B are counted; the same file for all improvements counts
    /// all looks.
    pub looks: PathBuf,
    /// Where it is computed.
    pub machine: Machine,
    /// The processes that share training and embedding; this is the first, which decides.
    pub world: World,
    /// The command that was typed.
    pub command: String,
}

impl Improve {
    /// Whether a single change sets that key.
    pub(super) fn sets(&self, key: &str) -> bool {
        self.changes.iter().any(|(changed, _)| changed == key)
    }
}
