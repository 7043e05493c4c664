//! Reading checkpoints, distrusting every byte.

use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use super::{Checkpoint, FORMAT_VERSION, Header, METADATA_KEY, METHOD_PREFIX, OPTIMIZER_PREFIX};
use crate::Error;

impl Checkpoint {
    /// Reads a checkpoint or a model file.
    ///
    /// # Errors
    /// Where the file is missing, empty, truncated, not a safetensors file, not written by this
    /// project, or holds numbers that are not floating point.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fail = |expected: &str, found: String, hint: &str| Error::Checkpoint {
            path: path.to_owned(),
            expected: expected.into(),
            found,
            hint: hint.into(),
        };
        let bytes = fs::read(path).map_err(|source| Error::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let again = "take an earlier checkpoint, or copy the file again";
        if bytes.is_empty() {
            return Err(fail("a checkpoint", "an empty file".into(), again));
        }
        if let Some(wanted) = declared_size(&bytes).filter(|&wanted| wanted != bytes.len() as u64) {
            return Err(fail(
                &format!("{wanted} bytes, as its header says"),
                format!("{} bytes", bytes.len()),
                again,
            ));
        }
        let format = "a safetensors checkpoint made by `e2mc pretrain` or `e2mc continue`";
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| {
            fail(
                format,
                format!("another format ({error})"),
                "give a .safetensors file of e2mc",
            )
        })?;
        let json = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get(METADATA_KEY));
        let Some(json) = json else {
            return Err(fail(
                format,
                "a safetensors file without an `e2mc` entry in its header".into(),
                "only checkpoints of e2mc can be read",
            ));
        };
        let version = serde_json::from_str::<serde_json::Value>(json)
            .ok()
            .and_then(|header| header.get("version")?.as_u64());
        if version != Some(FORMAT_VERSION.into()) {
            return Err(fail(
                &format!("format version {FORMAT_VERSION}"),
                version.map_or("none".into(), |version| format!("version {version}")),
                "use the release of e2mc that wrote the file",
            ));
        }
        let header: Header = serde_json::from_str(json)
            .map_err(|error| fail("a valid header", error.to_string(), again))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| fail("a whole file", error.to_string(), again))?;

        let mut checkpoint = Self {
            path: path.to_owned(),
            recipe: header.recipe,
            progress: header.progress,
            model: Default::default(),
            optimizer: Vec::new(),
            method: Vec::new(),
        };
        for (name, view) in file.iter() {
            let tensor = to_tensor(view.dtype(), view.shape(), view.data())?.ok_or_else(|| {
                fail(
                    "floating-point tensors",
                    format!("`{name}` of type {:?}", view.dtype()),
                    "only checkpoints of e2mc can be read",
                )
            })?;
            if let Some(name) = name.strip_prefix(OPTIMIZER_PREFIX) {
                checkpoint.optimizer.push((name.to_owned(), tensor));
            } else if let Some(name) = name.strip_prefix(METHOD_PREFIX) {
                checkpoint.method.push((name.to_owned(), tensor));
            } else {
                checkpoint.model.insert(name.to_owned(), tensor);
            }
        }
        Ok(checkpoint)
    }
}

/// The size that a safetensors header promises, where the header itself is whole.
fn declared_size(bytes: &[u8]) -> Option<u64> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let end = usize::try_from(length.checked_add(8)?).ok()?;
    let json: serde_json::Value = serde_json::from_slice(bytes.get(8..end)?).ok()?;
    let ends = json
        .as_object()?
        .values()
        .filter_map(|info| info["data_offsets"][1].as_u64());
    (end as u64).checked_add(ends.max()?)
}

fn to_tensor(dtype: Dtype, shape: &[usize], data: &[u8]) -> Result<Option<Tensor>, Error> {
    let kind = match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F64 => Kind::Double,
        Dtype::I64 => Kind::Int64,
        _ => return Ok(None),
    };
    let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    let tensor = Tensor::f_from_data_size(data, &shape, kind)?;
    // Stored in half precision, used in single.
    let half = matches!(kind, Kind::Half | Kind::BFloat16);
    Ok(Some(if half {
        tensor.f_to_kind(Kind::Float)?
    } else {
        tensor
    }))
}
