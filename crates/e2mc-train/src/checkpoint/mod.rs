//! Checkpoints: everything a run needs to go on as if it had never stopped, and the networks that
//! others have trained.
//!
//! Our own file is one safetensors file. It holds the network's tensors under PyTorch-like names
//! (`backbone.conv1.weight`, `projector.0.weight`), the optimiser's buffers under `optimizer/`, the
//! method's own state under `method/`, and in the header, under the single metadata key `e2mc`, a
//! JSON object with the format version, the resolved recipe and the progress. Random draws depend
//! only on (seed, epoch, index, view), so the seed is all the randomness there is to save.
//!
//! A *model file* is the same without optimiser and progress: half the size or less, also in half
//! precision. Files appear whole or not at all (temporary file, then rename).
//!
//! [`Checkpoint::read`] also takes what others wrote: PyTorch's `.pth` in both its formats, without
//! ever executing a pickle, and plain safetensors. Whose it is, is recognised by the tensors' names
//! and shapes ([`Layout`]). [`export()`] gives networks back to PyTorch, with a map of their
//! features as one more layer where one was folded into them ([`FoldedMap`]).

mod apply;
mod companions;
mod dino;
mod export;
mod folded;
mod heads;
mod layout;
mod momentum;
mod pickle_write;
mod read;
mod recipe;
mod recognise;
mod save;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use export::{Export, Names, export};
pub use folded::{FoldedMap, MapNote};
pub use layout::Layout;
pub use read::ReadOptions;
pub(crate) use save::save;
pub use save::{Storage, save_model, write_atomically};

use folded::Mark;

use crate::archive::METADATA_KEY;
pub use crate::archive::{Problem, Unread, weights};
use crate::meter::EpochSoFar;
use crate::model::BACKBONE_PREFIX;
pub use crate::progress::Progress;
use crate::recipe::Recipe;

const FORMAT_VERSION: u32 = 1;
const OPTIMIZER_PREFIX: &str = "optimizer/";
const METHOD_PREFIX: &str = "method/";

/// What a file says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    recipe: Recipe,
    /// Absent in a model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    /// Only where the run was stopped in the middle of an epoch.
    #[serde(default, skip_serializing_if = "is_default")]
    so_far: EpochSoFar,
    /// The map that is folded into the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    map: Option<Mark>,
}

fn is_default(so_far: &EpochSoFar) -> bool {
    *so_far == EpochSoFar::default()
}

/// A checkpoint, opened: its numbers are read when they are used.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where it is.
    pub path: PathBuf,
    /// How the model was made and trained. Of a file that this project did not write: the network
    /// as inferred from the tensors, and conventional values for the rest, which a recipe replaces.
    pub recipe: Recipe,
    /// How far training had come; `None` in a model file.
    pub progress: Option<Progress>,
    /// What was measured of the epoch that the run was stopped in.
    pub(crate) so_far: EpochSoFar,
    /// The network's tensors.
    pub model: BTreeMap<String, Unread>,
    /// The optimiser's buffers; empty in a model file.
    pub optimizer: Vec<(String, Unread)>,
    /// The method's state beside parameters.
    pub method: Vec<(String, Unread)>,
    /// What was found in a file that this project did not write.
    pub foreign: Option<Foreign>,
    /// The map that is folded into the network, after its pooled features. Training knows none.
    pub folded: Option<FoldedMap>,
    /// Which differences to the model are allowed.
    allowed: ReadOptions,
}

/// What was found in a file that this project did not write.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Naming scheme of its tensors.
    pub layout: Layout,
    /// The epoch that it says it was saved after.
    pub epoch: Option<u64>,
    /// What else is in the file and is not used.
    pub ignored: Vec<String>,
    /// What was assumed of the network, since no tensor's shape tells it.
    pub assumed: Option<String>,
    /// Which of several networks was taken, in words.
    pub chosen: Option<String>,
    /// The layout in which everything that a method continues with is taken, where the file has it
    /// beside the network that was taken.
    pub whole: Option<Layout>,
    /// How many tensors of the backbone there are, those included that it has no place for.
    pub of_backbone: usize,
    /// Source of the preprocessing: a file beside the weights, or the usual values.
    pub prepared_as: String,
    /// The file's names of tensors beside the network's that belong to nothing known, whole and
    /// without what wraps the network.
    unexpected: Vec<(String, String)>,
}
