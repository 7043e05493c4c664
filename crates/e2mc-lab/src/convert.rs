//! A network for PyTorch and its libraries, or from them.

use std::path::{Path, PathBuf};

use e2mc_base::refuse_to_replace;
use e2mc_eval::protocol::MapFile;
use e2mc_train::Output;
use e2mc_train::checkpoint::{Checkpoint, Export, FoldedMap, MapNote, export};
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
    /// The map that is folded into the network, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<ConvertedMap>,
}

/// A map that was written as the network's last layer.
#[derive(Clone, Debug, Serialize)]
pub struct ConvertedMap {
    /// The layer's name in the file: `map`, `fc`.
    pub layer: &'static str,
    /// The dimensions that it takes.
    pub input_dims: usize,
    /// The dimensions that it gives.
    pub output_dims: usize,
    /// What the file says of it.
    #[serde(flatten)]
    pub note: MapNote,
}

/// Writes the network of `input` to `output`, whose name says in which format, with `map` as its
/// last layer if there is one. A map that is folded into the input stays before it. What lies at
/// `output` is replaced only with `overwrite`: it may be the only copy of somebody's model.
///
/// # Errors
/// Where something lies at `output`, the input is no network that is known, the map takes another
/// width than it gives, the format is not known, or a file cannot be read or written.
pub fn convert(
    input: &Path,
    reading: &Reading,
    output: &Path,
    overwrite: bool,
    settings: Export,
    map: Option<&MapFile>,
    notices: &dyn Notices,
) -> Result<Converted, Error> {
    refuse_to_replace(output, overwrite)?;
    let mut checkpoint = reading.read(input, notices)?;
    if let Some(map) = map {
        fold(&mut checkpoint, map)?;
    }
    let heads = !(settings.backbone_only || checkpoint.is_headless());
    let (format, tensors) = export(&checkpoint, output, settings)?;
    // A library's folder has no place for heads.
    let heads = heads && format != "folder";
    let recipe = &checkpoint.recipe;
    let map = checkpoint.folded.as_ref().map(|map| {
        Ok::<_, Error>(ConvertedMap {
            layer: settings.names.map_layer(&recipe.backbone)?,
            input_dims: map.input_dims(),
            output_dims: map.output_dims(),
            note: map.note().clone(),
        })
    });
    Ok(Converted {
        input: input.to_owned(),
        output: output.to_owned(),
        format,
        tensors,
        backbone: recipe.backbone.to_string(),
        heads: heads.then(|| recipe.method.name()),
        map: map.transpose()?,
    })
}

/// Folds a map of a checkpoint's features into it. Unit length is no linear layer: it is left out,
/// and the note says so.
///
/// # Errors
/// Where the map takes another width than the checkpoint gives.
pub fn fold(checkpoint: &mut Checkpoint, map: &MapFile) -> Result<(), Error> {
    let MapFile { map, origin } = map;
    if map.input_dims() != checkpoint.output_dims() {
        return Err(Error::MapWidth {
            map: origin.path.clone(),
            takes: map.input_dims(),
            checkpoint: checkpoint.path.clone(),
            output: Output::Backbone,
            gives: checkpoint.output_dims(),
        });
    }
    let note = MapNote {
        method: map.method().to_string(),
        unit_length_left_out: map.unit_length(),
        sha256: origin.sha256.clone(),
    };
    let layer = FoldedMap::new(&map.weight(), &map.bias(), note)?;
    Ok(checkpoint.fold(layer)?)
}
