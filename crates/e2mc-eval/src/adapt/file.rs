//! Maps in files: `MAP.safetensors`, written whole or not at all.
//!
//! Tensors: `shift` F64 `(d_in)`, and `scale` F32 `(d_in)` or `weight` F32 `(d_out, d_in)` where
//! the linear part is not the identity. The metadata `e2mc_map` holds, as JSON, the format's
//! number, the method with its settings, whether unit length follows, and what the map was fitted
//! to.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::Method;
use super::map::{Fitted, Linear, Map};
use crate::Error;

/// The number of this format.
const FORMAT: u32 = 1;
/// The key of the description in the file's metadata.
const KEY: &str = "e2mc_map";
const SHIFT: &str = "shift";
const SCALE: &str = "scale";
const WEIGHT: &str = "weight";
const HINT: &str = "give the file of a fitted map, or fit the map again";

/// What the metadata says.
#[derive(Serialize, Deserialize)]
struct Description {
    format: u32,
    method: Method,
    unit_length: bool,
    fitted: Fitted,
}

impl Map {
    /// Writes the map to `path`; a reader never sees half a file.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder does not exist or cannot be written to, or the disk is full.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let description = Description {
            format: FORMAT,
            method: self.method.clone(),
            unit_length: self.unit_length,
            fitted: self.fitted.clone(),
        };
        let text = serde_json::to_string(&description).expect("plain data");
        let dims = self.input_dims();
        let shift: Vec<u8> = self.shift.iter().flat_map(|m| m.to_le_bytes()).collect();
        let bytes =
            |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|w| w.to_le_bytes()).collect() };
        let linear = match &self.linear {
            Linear::Identity => None,
            Linear::Diagonal(scale) => Some((SCALE, vec![dims], bytes(scale))),
            Linear::Dense(weight) => Some((WEIGHT, vec![self.output_dims(), dims], bytes(weight))),
        };
        let view = |dtype, shape, bytes| {
            TensorView::new(dtype, shape, bytes).expect("as many bytes as the shape needs")
        };
        let mut tensors = vec![(SHIFT, view(Dtype::F64, vec![dims], &shift[..]))];
        if let Some((name, shape, bytes)) = &linear {
            tensors.push((name, view(Dtype::F32, shape.clone(), bytes)));
        }
        let metadata = HashMap::from([(KEY.to_owned(), text)]);
        let file = safetensors::serialize(tensors, Some(metadata)).expect("valid tensors");
        e2mc_base::write_atomically(path, &file).map_err(|cause| Error::Io {
            action: "write",
            path: path.into(),
            cause,
        })
    }

    /// Reads a map that [`Map::save`] wrote.
    ///
    /// # Errors
    /// A file that cannot be read, is no map, is of a format that this version does not know, or
    /// whose tensors do not fit together or hold what is not finite. Each names the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let wrong = |expected: &str, found: String| Error::Format {
            path: path.into(),
            expected: expected.into(),
            found,
            hint: HINT,
        };
        let bytes = fs::read(path).map_err(|cause| Error::Io {
            action: "read",
            path: path.into(),
            cause,
        })?;
        let damaged = |e| {
            wrong(
                "a map in a .safetensors file",
                format!("another file ({e})"),
            )
        };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let text = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let text =
            text.ok_or_else(|| wrong("a map", format!("no {KEY} in the file's metadata")))?;
        // The number alone first: another format need not have the rest.
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|e| wrong("a map's description", e.to_string()))?;
        if json["format"] != FORMAT {
            let expected = format!("a map of format {FORMAT}");
            return Err(wrong(&expected, format!("format {}", json["format"])));
        }
        let description: Description = serde_json::from_value(json)
            .map_err(|e| wrong("a map's description", e.to_string()))?;

        let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let tensor = |name: &str, dtype| match file.tensor(name) {
            Ok(tensor) if tensor.dtype() == dtype => Ok(tensor),
            Ok(tensor) => Err(wrong(
                &format!("{name} as {dtype:?}"),
                format!("{:?}", tensor.dtype()),
            )),
            Err(_) => Err(wrong(&format!("a tensor {name}"), "none".into())),
        };
        let shift = tensor(SHIFT, Dtype::F64)?;
        let &[dims] = shift.shape() else {
            return Err(wrong(
                "one shift a dimension",
                format!("{:?}", shift.shape()),
            ));
        };
        let shift = shift.data().as_chunks().0.iter();
        let shift: Vec<f64> = shift.map(|b| f64::from_le_bytes(*b)).collect();
        let floats = |tensor: &TensorView| -> Vec<f32> {
            let values = tensor.data().as_chunks().0.iter();
            values.map(|b| f32::from_le_bytes(*b)).collect()
        };
        let linear = if file.tensor(WEIGHT).is_ok() {
            let weight = tensor(WEIGHT, Dtype::F32)?;
            match weight.shape() {
                &[out, width] if width == dims && out > 0 => Linear::Dense(floats(&weight)),
                shape => {
                    let expected = format!("a weight of {dims} columns");
                    return Err(wrong(&expected, format!("shape {shape:?}")));
                }
            }
        } else if file.tensor(SCALE).is_ok() {
            let scale = tensor(SCALE, Dtype::F32)?;
            if *scale.shape() != [dims] {
                let expected = format!("{dims} scales");
                return Err(wrong(&expected, format!("shape {:?}", scale.shape())));
            }
            Linear::Diagonal(floats(&scale))
        } else {
            Linear::Identity
        };
        let values = match &linear {
            Linear::Identity => &[][..],
            Linear::Diagonal(values) | Linear::Dense(values) => values,
        };
        let finite = shift.iter().all(|m| m.is_finite()) && values.iter().all(|w| w.is_finite());
        if dims == 0 || !finite {
            return Err(wrong(
                "finite values",
                "NaN, infinity or none at all".into(),
            ));
        }
        Ok(Self {
            shift,
            linear,
            unit_length: description.unit_length,
            method: description.method,
            fitted: description.fitted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::fit;
    use crate::testing::embeddings_and_labels;

    fn saved(name: &str, folder: &Path) -> (Map, std::path::PathBuf) {
        let (z, _) = embeddings_and_labels(50, 4, 3, 1);
        let method = Method::from_name(name).unwrap();
        let map = fit(&z.view(), &method, name == "center", 0).unwrap();
        let path = folder.join(format!("{name}.safetensors"));
        map.save(&path).unwrap();
        (map, path)
    }

    #[test]
    fn every_map_reads_back_as_it_was_and_the_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        for name in Method::NAMES {
            let (map, path) = saved(name, folder.path());
            assert_eq!(Map::load(&path).unwrap(), map, "{name}");
            let first = fs::read(&path).unwrap();
            map.save(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), first);
        }
    }

    #[test]
    fn what_is_no_map_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (_, path) = saved("whiten", folder.path());
        let whole = fs::read(&path).unwrap();
        let message = |bytes: &[u8]| {
            let path = folder.path().join("bad.safetensors");
            fs::write(&path, bytes).unwrap();
            let error = Map::load(&path).unwrap_err().to_string();
            error.replace(&format!("{}: ", path.display()), "")
        };
        // Cut anywhere, it is refused and nothing panics.
        for length in (0..whole.len()).step_by(7) {
            message(&whole[..length]);
        }
        let swap = |from: &str, to: &str| {
            assert_eq!(from.len(), to.len());
            let at = whole.windows(from.len()).position(|w| w == from.as_bytes());
            let mut bytes = whole.clone();
            bytes[at.unwrap()..][..to.len()].copy_from_slice(to.as_bytes());
            bytes
        };
        assert_eq!(
            message(&swap("\\\"format\\\":1", "\\\"format\\\":2")),
            "expected a map of format 1, found format 2"
        );
        assert_eq!(
            message(&swap("e2mc_map", "e2mc_mop")),
            "expected a map, found no e2mc_map in the file's metadata"
        );
        assert_eq!(
            message(&swap("[4,4]", "[8,2]")),
            "expected a weight of 4 columns, found shape [8, 2]"
        );
        let mut bytes = whole.clone();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(message(&bytes).starts_with("expected finite values"));
        assert!(matches!(
            Map::load(folder.path().join("none")),
            Err(Error::Io { .. })
        ));
    }

    #[test]
    fn a_failed_write_leaves_the_older_map() {
        let folder = tempfile::tempdir().unwrap();
        let (map, path) = saved("center", folder.path());
        assert!(map.save(folder.path().join("no/such/folder")).is_err());
        assert_eq!(Map::load(&path).unwrap(), map);
    }
}
