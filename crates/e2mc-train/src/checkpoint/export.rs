//! Giving networks back: to PyTorch and its libraries, under the names they use.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use tch::{Device, Tensor};

use super::save::{self, Storage, write_atomically_with};
use super::{BACKBONE_PREFIX, Checkpoint, FoldedMap, METADATA_KEY, folded, pickle_write};
use crate::Error;
use crate::advice::Advice;
use crate::archive::FOLDED_KEY;
use crate::backbone::{BackboneConfig, Naming};
use crate::method::MethodConfig;

/// Naming scheme of the written tensors.
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
    /// Naming scheme of the written tensors.
    pub names: Names,
    /// Whether to leave the heads out.
    pub backbone_only: bool,
    /// How to store the numbers.
    pub storage: Storage,
}

/// What can be written, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Safetensors,
    PyTorch,
    /// A folder that a library loads.
    Folder,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::PyTorch => "PyTorch",
            Self::Folder => "folder",
        })
    }
}

impl Format {
    fn of(path: &Path, names: Names) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".safetensors") {
            return Ok(Self::Safetensors);
        }
        let pytorch = [".pth", ".pt", ".pth.tar"];
        if pytorch.iter().any(|end| name.ends_with(end)) {
            return Ok(Self::PyTorch);
        }
        if matches!(names, Names::Public(_)) && path.extension().is_none() {
            return Ok(Self::Folder);
        }
        Err(Error::Checkpoint {
            path: path.to_owned(),
            expected: "a name that ends in .safetensors, .pth, .pt or .pth.tar".into(),
            found: "another".into(),
            advice: Advice::words(
                "the file extension chooses the format; a name without one is a library's folder",
            ),
        })
    }
}

/// Writes a checkpoint's network to `path`, in the format that the name's end says, and tells which
/// format that was and how many tensors it holds.
///
/// A file with our names also says how the network was made, where the checkpoint did: a
/// safetensors file in its header, a PyTorch file beside the dictionary `state_dict`. With other
/// names a PyTorch file is the `state_dict` itself, and a name without an end is that of a folder
/// as the library loads it: the backbone's weights and what says how the network is made. What
/// serves a method's training alone, a teacher, is in files with our names only. A map that is
/// folded into the checkpoint becomes the layer that [`Names::map_layer`] says.
///
/// # Errors
/// Where the name's end is another, the checkpoint's tensors do not make up its network, or a file
/// cannot be read or written.
pub fn export(
    checkpoint: &Checkpoint,
    path: &Path,
    options: Export,
) -> Result<(String, usize), Error> {
    let format = Format::of(path, options.names)?;
    let config = &checkpoint.recipe.backbone;
    let given = options.names.of(config)?;
    let companions = match (format, given) {
        (Format::Folder, Some((library, _))) => Some(
            config
                .companions(library, &checkpoint.recipe.evaluation)
                .ok_or_else(|| no_folder(path, library, config))?,
        ),
        _ => None,
    };
    let mut recipe = checkpoint.recipe.clone();
    let model = checkpoint.to_model(Device::Cpu)?;
    let backbone_only =
        options.backbone_only || checkpoint.is_headless() || format == Format::Folder;
    if backbone_only {
        recipe.method = MethodConfig::None;
    }
    let (backbone, heads): (BTreeMap<_, _>, BTreeMap<_, _>) = model
        .tensors()
        .into_iter()
        // What was allowed to be missing has arbitrary values.
        .filter(|(name, _)| checkpoint.model.contains_key(name))
        .filter(|(name, _)| given.is_none() || !recipe.method.serves_training(name))
        .partition(|(name, _)| name.starts_with(BACKBONE_PREFIX));
    let mut tensors = match given {
        Some((library, naming)) => named(backbone, config, library, naming)?,
        None => backbone.into_iter().collect(),
    };
    if !backbone_only {
        tensors.extend(heads);
    }
    let mut tensors = save::stored(tensors, options.storage)?;
    let mut mark = None;
    if let Some(map) = &checkpoint.folded {
        if format == Format::Folder {
            return Err(no_place(path));
        }
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
    let metadata = match (&header, &mark, options.names) {
        (Some(json), ..) => Some((METADATA_KEY, json.clone())),
        (None, Some(json), _) => Some((FOLDED_KEY, json.clone())),
        (None, None, Names::E2mc) => None,
        // Without it transformers takes no file.
        (None, None, Names::Public(_)) => Some(("format", "pt".to_owned())),
    };
    match format {
        Format::Safetensors => save::write(path, metadata, tensors)?,
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
        Format::Folder => {
            let io = |source| Error::Io {
                action: "write",
                path: path.to_owned(),
                source,
            };
            fs::create_dir_all(path).map_err(io)?;
            for (name, value) in companions.unwrap_or_default() {
                let text = format!("{value:#}\n");
                save::write_atomically(&path.join(name), text.as_bytes())?;
            }
            let weights = path.join("model.safetensors");
            save::write(&weights, metadata, tensors)?;
        }
    }
    Ok((format.to_string(), count))
}

fn no_folder(path: &Path, library: &str, config: &BackboneConfig) -> Error {
    Error::Checkpoint {
        path: path.to_owned(),
        expected: format!("a file to write: {library} loads no folder of {config}"),
        found: "a name without an end".into(),
        advice: Advice::words("give a name that ends in .safetensors, .pth, .pt or .pth.tar"),
    }
}

fn no_place(path: &Path) -> Error {
    Error::Checkpoint {
        path: path.to_owned(),
        expected: "a file to write: a library's folder has no layer for a folded map".into(),
        found: "a name without an end".into(),
        advice: Advice::words("give a name that ends in .safetensors, .pth, .pt or .pth.tar"),
    }
}

/// The backbone's tensors as a library names and cuts them.
fn named(
    backbone: BTreeMap<String, Tensor>,
    config: &BackboneConfig,
    library: &str,
    naming: &Naming,
) -> Result<Vec<(String, Tensor)>, Error> {
    let mut own: BTreeMap<String, Tensor> = backbone
        .into_iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix(BACKBONE_PREFIX)?.to_owned();
            Some((name, tensor.detach()))
        })
        .collect();
    config.refit(library, &mut own)?;
    let mut tensors = Vec::with_capacity(own.len());
    for (name, tensor) in own {
        let (_, last) = name.rsplit_once('.').unwrap_or_default();
        let split = naming.pieces_of(&name);
        match split.filter(|(split, _)| split.written.contains(&last)) {
            Some((split, parts)) => {
                let pieces = tensor.f_chunk(parts.len() as i64, 0)?;
                for (place, (part, piece)) in parts.into_iter().zip(pieces).enumerate() {
                    let may_lack = split.unbiased == Some(place) && last == "bias";
                    if !may_lack || piece.f_any()?.int64_value(&[]) != 0 {
                        tensors.push(((naming.theirs)(&part), piece));
                    }
                }
            }
            None => {
                let shape = (naming.shape)(&name, &tensor.size());
                tensors.push(((naming.theirs)(&name), tensor.f_reshape(shape)?));
            }
        }
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(tensors)
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
        let found = self.of(backbone)?;
        Ok(found.map_or(folded::LAYER, |(_, naming)| naming.classifier))
    }

    /// The library and its names; `None` for our own.
    fn of(
        self,
        backbone: &BackboneConfig,
    ) -> Result<Option<(&'static str, &'static Naming)>, Error> {
        let Self::Public(wanted) = self else {
            return Ok(None);
        };
        let found = backbone.naming(wanted).map(|naming| Some((wanted, naming)));
        found.ok_or_else(|| {
            let namings = backbone.family().namings().iter();
            let mut names: Vec<&str> = Vec::new();
            for &name in namings.flat_map(|naming| naming.names) {
                if backbone.naming(name).is_some() && !names.contains(&name) {
                    names.push(name);
                }
            }
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
