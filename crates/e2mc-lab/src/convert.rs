//! A network for PyTorch and its libraries, or from them.

use std::path::{Path, PathBuf};

use e2mc_train::checkpoint::{Export, export};
use serde::Serialize;

use crate::checkpoint::Reading;
use crate::error::Error;
use crate::notice::Notices;

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Converted {
    /// The checkpoint that was read.
    pub input: PathBuf,
    /// The file that was written.
    pub output: PathBuf,
    /// `safetensors` or `PyTorch`.
    pub format: String,
    /// How many tensors it holds.
    pub tensors: usize,
    /// The network, in a few words.
    pub backbone: String,
    /// The method whose heads are in the file, if any are.
    pub heads: Option<&'static str>,
}

/// Writes the network of `input` to `output`, whose name says in which format.
///
/// # Errors
/// Where the input is no network that is known, the format is not known, or a file cannot be read or
/// written.
pub fn convert(
    input: &Path,
    reading: &Reading,
    output: &Path,
    settings: Export,
    notices: &dyn Notices,
) -> Result<Converted, Error> {
    let checkpoint = reading.read(input, notices)?;
    let heads = !(settings.backbone_only || checkpoint.is_headless());
    let (format, tensors) = export(&checkpoint, output, settings)?;
    let recipe = &checkpoint.recipe;
    Ok(Converted {
        input: input.to_owned(),
        output: output.to_owned(),
        format,
        tensors,
        backbone: recipe.backbone.to_string(),
        heads: heads.then(|| recipe.method.name()),
    })
}
