//! Writing checkpoints and model files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use safetensors::{Dtype, View};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{
    FORMAT_VERSION, Header, METADATA_KEY, METHOD_PREFIX, Mark, OPTIMIZER_PREFIX, Progress,
};
use crate::Error;
use crate::meter::EpochSoFar;
use crate::model::Model;
use crate::recipe::Recipe;

/// How a model file stores its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// As they were trained.
    #[default]
    F32,
    /// Half the size; reading gives float32 again. A tensor with a number beyond half precision's
    /// range (65,504) stays as it is.
    F16,
}

/// Writes a whole checkpoint: weights, optimiser, method state, recipe and progress.
///
/// # Errors
/// Where the file cannot be written; an older file of that name is then untouched.
pub(crate) fn save(
    path: &Path,
    recipe: &Recipe,
    model: &Model,
    optimizer: Vec<(String, Tensor)>,
    reached: (Progress, &EpochSoFar),
) -> Result<(), Error> {
    let mut tensors: Vec<(String, Tensor)> = model.tensors().into_iter().collect();
    tensors.extend(prefixed(OPTIMIZER_PREFIX, optimizer));
    tensors.extend(prefixed(METHOD_PREFIX, model.method.state()));
    let header = header(path, recipe, Some(reached), None)?;
    let tensors = stored(tensors, Storage::F32)?;
    write(path, Some((METADATA_KEY, header)), tensors)
}

/// Writes a model file: weights and recipe only.
///
/// # Errors
/// Where the file cannot be written; an older file of that name is then untouched.
pub fn save_model(
    path: &Path,
    recipe: &Recipe,
    model: &Model,
    storage: Storage,
) -> Result<(), Error> {
    let header = header(path, recipe, None, None)?;
    let tensors = stored(model.tensors().into_iter().collect(), storage)?;
    write(path, Some((METADATA_KEY, header)), tensors)
}

/// Writes a file whole or not at all: into a temporary file beside it, then renamed.
///
/// # Errors
/// Where the folder or the disk does not take it; an older file of that name is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomically`], for what is written piece by piece.
pub(super) fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Error> {
    e2mc_base::write_atomically_with(path, write).map_err(|source| Error::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

fn prefixed(prefix: &str, tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    tensors
        .into_iter()
        .map(|(name, tensor)| (format!("{prefix}{name}"), tensor))
        .collect()
}

/// The JSON that tells our files from others.
pub(super) fn header(
    path: &Path,
    recipe: &Recipe,
    reached: Option<(Progress, &EpochSoFar)>,
    map: Option<Mark>,
) -> Result<String, Error> {
    let header = Header {
        version: FORMAT_VERSION,
        recipe: recipe.clone(),
        progress: reached.map(|(progress, _)| progress),
        so_far: reached.map_or_else(EpochSoFar::default, |(_, so_far)| so_far.clone()),
        map,
    };
    json(path, &header)
}

/// A note for the file at `path`.
pub(super) fn json(path: &Path, note: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(note).map_err(|error| Error::Io {
        action: "write",
        path: path.to_owned(),
        source: error.into(),
    })
}

/// Makes tensors ready for a file.
pub(super) fn stored(
    tensors: Vec<(String, Tensor)>,
    storage: Storage,
) -> Result<Vec<(String, Stored)>, Error> {
    let tensors = tensors.into_iter();
    tensors
        .map(|(name, tensor)| Ok((name, Stored::new(&tensor, storage)?)))
        .collect()
}

/// Writes a safetensors file with one note, a key and its text, or none. One, for the library keeps
/// them in a hash map, whose order would make the bytes of equal checkpoints differ.
pub(super) fn write(
    path: &Path,
    note: Option<(&str, String)>,
    tensors: Vec<(String, Stored)>,
) -> Result<(), Error> {
    let metadata = note.map(|(key, text)| HashMap::from([(key.to_owned(), text)]));
    let bytes = safetensors::serialize(tensors, metadata).map_err(|error| Error::Io {
        action: "write",
        path: path.to_owned(),
        source: io::Error::other(error),
    })?;
    write_atomically(path, &bytes)
}

/// A tensor as files want it: contiguous bytes on the CPU, copied only when asked for.
pub(super) struct Stored {
    tensor: Tensor,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl Stored {
    pub(super) fn new(tensor: &Tensor, storage: Storage) -> Result<Self, Error> {
        let tensor = tensor.detach();
        let (tensor, dtype) = match (tensor.kind(), storage) {
            (Kind::Float, Storage::F16) => match half(&tensor)? {
                Some(half) => (half, Dtype::F16),
                None => (tensor, Dtype::F32),
            },
            (Kind::Float, Storage::F32) => (tensor, Dtype::F32),
            (Kind::Double, _) => (tensor, Dtype::F64),
            (Kind::Int64, _) => (tensor, Dtype::I64),
            (kind, _) => {
                return Err(tch::TchError::Kind(format!("{kind:?} is not stored")).into());
            }
        };
        let shape = tensor.size().iter().map(|&size| size as usize).collect();
        Ok(Self {
            tensor,
            dtype,
            shape,
        })
    }
}

/// The tensor in half precision, unless that makes an infinity of a number.
fn half(tensor: &Tensor) -> Result<Option<Tensor>, Error> {
    let half = tensor.f_to_kind(Kind::Half)?;
    let new = half.f_isinf()?.f_logical_and(&tensor.f_isfinite()?)?;
    Ok((new.f_any()?.int64_value(&[]) == 0).then_some(half))
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let tensor = self.tensor.to_device(Device::Cpu).contiguous();
        let mut bytes = vec![0; self.data_len()];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.tensor.kind().elt_size_in_bytes()
    }
}
