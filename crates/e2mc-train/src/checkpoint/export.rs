//! Giving networks back: to PyTorch and its libraries, under the names they use.

use std::fmt;
use std::path::Path;

use tch::{Device, Tensor};

use super::save::{self, Storage, write_atomically_with};
use super::{BACKBONE_PREFIX, Checkpoint, FoldedMap, METADATA_KEY, folded, pickle_write};
use crate::Error;
use crate::advice::Advice;
use crate::archive::FOLDED_KEY;
use crate::backbone::{BackboneConfig, Naming};
use crate::method::MethodConfig;
use crate::model::Model;

/// Whose names the tensors get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Ours: `backbone.conv1.weight`, `projector.0.weight`.
    #[default]
    E2mc,
    /// Those of a public source, as the backbone's family knows them: torchvision's `conv1.weight`.
    /// Heads keep our names.
    Public(&'static str),
}

/// What to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Export {
    /// Whose names the tensors get.
    pub names: Names,
    /// Whether to leave the heads out.
    pub backbone_only: bool,
    /// How to store the numbers.
    pub storage: Storage,
}

/// Files that can be written, by the end of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Safetensors,
    PyTorch,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::PyTorch => "PyTorch",
        })
    }
}

impl Format {
    fn of(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".safetensors") {
            return Ok(Self::Safetensors);
        }
        let pytorch = [".pth", ".pt", ".pth.tar"];
        if pytorch.iter().any(|end| name.ends_with(end)) {
            return Ok(Self::PyTorch);
        }
        Err(Error::Checkpoint {
            path: path.to_owned(),
            expected: "a name that ends in .safetensors, .pth, .pt or .pth.tar".into(),
            found: "another".into(),
            advice: Advice::words("the end of the name says which format to write"),
        })
    }
}

/// Writes a checkpoint's network to `path`, in the format that the name's end says, and tells which
/// format that was and how many tensors it holds.
///
/// A file with our names also says how the network was made, where the checkpoint did: a
/// safetensors file in its header, a PyTorch file beside the dictionary `state_dict`. With other
/// names a PyTorch file is the `state_dict` itself. A map that is folded into the checkpoint becomes
/// the layer that [`Names::map_layer`] says.
///
/// # Errors
/// Where the name's end is another, the checkpoint's tensors do not make up its network, or a file
/// cannot be read or written.
pub fn export(
    checkpoint: &Checkpoint,
    path: &Path,
    options: Export,
) -> Result<(String, usize), Error> {
    let format = Format::of(path)?;
    let naming = options.names.of(&checkpoint.recipe.backbone)?;
    let mut recipe = checkpoint.recipe.clone();
    let model = Model::new(&recipe, Device::Cpu, 0)?;
    checkpoint.apply_to(&model)?;
    let backbone_only = options.backbone_only || checkpoint.is_headless();
    if backbone_only {
        recipe.method = MethodConfig::None;
    }
    let tensors: Vec<(String, Tensor)> = model
        .tensors()
        .into_iter()
        // What was allowed to be missing has arbitrary values.
        .filter(|(name, _)| checkpoint.model.contains_key(name))
        .filter(|(name, _)| !backbone_only || name.starts_with(BACKBONE_PREFIX))
        .map(|(name, tensor)| (renamed(naming, name), tensor))
        .collect();
    let mut tensors = save::stored(tensors, options.storage)?;
    let mut mark = None;
    if let Some(map) = &checkpoint.folded {
        let layer = options.names.map_layer(&recipe.backbone)?;
        tensors.extend(save::stored(map.tensors(layer).into(), Storage::F32)?);
        mark = Some(map.mark(layer));
    }
    let count = tensors.len();
    let (header, mark) = match (&checkpoint.foreign, options.names) {
        (None, Names::E2mc) => (Some(save::header(path, &recipe, None, mark)?), None),
        _ => (None, mark),
    };
    let mark = mark.map(|mark| save::json(path, &mark)).transpose()?;
    match format {
        Format::Safetensors => {
            let mark = mark.map(|json| (FOLDED_KEY, json));
            let note = header.map(|json| (METADATA_KEY, json)).or(mark);
            save::write(path, note, tensors)?;
        }
        Format::PyTorch => {
            let texts: Vec<_> = header
                .iter()
                .map(|json| (METADATA_KEY, json.as_str()))
                .collect();
            let texts = (options.names == Names::E2mc).then_some(texts.as_slice());
            let entry = mark.as_deref().map(|json| (FOLDED_KEY, json));
            write_atomically_with(path, |file| {
                pickle_write::write(file, &tensors, texts, entry)
            })?;
        }
    }
    Ok((format.to_string(), count))
}

impl Names {
    /// torchvision's.
    pub const TORCHVISION: Self = Self::Public("torchvision");

    /// What a map that is folded into the network is called: `map`, or the name that the public
    /// source gives its classifier, so that the source's own network loads the file.
    ///
    /// # Errors
    /// Where the backbone's family knows no such names.
    pub fn map_layer(self, backbone: &BackboneConfig) -> Result<&'static str, Error> {
        Ok(self
            .of(backbone)?
            .map_or(folded::LAYER, |naming| naming.classifier))
    }

    /// The table of these names; `None` for our own.
    fn of(self, backbone: &BackboneConfig) -> Result<Option<&'static Naming>, Error> {
        let Self::Public(wanted) = self else {
            return Ok(None);
        };
        let namings = backbone.family().namings();
        let found = namings.iter().find(|naming| naming.names.contains(&wanted));
        found.map(Some).ok_or_else(|| {
            let names = namings.iter().flat_map(|naming| naming.names);
            let names: Vec<&str> = names.copied().collect();
            let expected = format!("one of {} for {backbone}", names.join(", "));
            Error::argument("names", expected, format!("`{wanted}`"))
        })
    }
}

impl Checkpoint {
    /// Folds a map into the network, after one that is folded into it already.
    ///
    /// # Errors
    /// Where it takes another width than the network's features, or those after that map, have.
    pub fn fold(&mut self, map: FoldedMap) -> Result<(), Error> {
        let width = self.output_dims();
        if map.input_dims() != width {
            let expected = format!("a map of {width} dimensions");
            return Err(Error::argument("map", expected, map.input_dims()));
        }
        self.folded = Some(match &self.folded {
            Some(first) => first.then(&map)?,
            None => map,
        });
        Ok(())
    }

    /// Numbers per image of [`Output::Backbone`](crate::Output::Backbone): the backbone's features,
    /// or what the map that is folded into the network makes of them.
    pub fn output_dims(&self) -> usize {
        let features = self.recipe.backbone.features();
        self.folded
            .as_ref()
            .map_or(features, FoldedMap::output_dims)
    }
}

/// A tensor's name in a file.
fn renamed(naming: Option<&Naming>, name: String) -> String {
    match (naming, name.strip_prefix(BACKBONE_PREFIX)) {
        (Some(naming), Some(own)) => (naming.theirs)(own),
        _ => name,
    }
}
