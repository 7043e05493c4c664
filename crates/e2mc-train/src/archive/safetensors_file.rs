//! safetensors: a JSON header with names, kinds and places, then the numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use tch::Kind;

use super::contents::{Archive, FOLDED_KEY, MAX_HEADER, METADATA_KEY, shape};
use super::problem::{Problem, brief};
use super::unread::Unread;

/// Whether a file that starts so is a safetensors file.
pub(super) fn recognises(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{')
}

/// Opens a file that [`recognises`] knows.
pub(super) fn open(path: &Arc<Path>, mut file: File, length: u64) -> Result<Archive, Problem> {
    let whole = "a whole safetensors file";
    let mut prefix = [0; 8];
    let mut header = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| {
        file.read_exact(&mut prefix)?;
        file.by_ref()
            .take(u64::from_le_bytes(prefix).min(MAX_HEADER))
            .read_to_end(&mut header)
    });
    read.map_err(|error| Problem::again(whole, error.to_string()))?;
    let size = u64::from_le_bytes(prefix);
    if header.len() as u64 != size {
        return Err(Problem::again(
            whole,
            format!("another format (a header of {size} bytes in a file of {length})"),
        ));
    }
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| {
        let found = brief(&error.to_string());
        Problem::again(whole, format!("another format ({found})"))
    })?;
    // The header's length fits into the file, or it could not have been read.
    let start = 8 + size;
    let wanted = start.saturating_add(metadata.data_len() as u64);
    if wanted != length {
        return Err(Problem::again(
            format!("{wanted} bytes, as its header says"),
            format!("{length} bytes"),
        ));
    }
    let file = Arc::new(Mutex::new(file));
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let (offset, bytes) = (start + from as u64, to - from);
        let file = file.clone();
        let source = move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(offset))?;
            let mut data = vec![0; bytes];
            file.read_exact(&mut data)?;
            Ok(data)
        };
        let shape = shape(&name, &info.shape)?;
        let tensor = match kind(info.dtype) {
            Some(kind) => Unread::new(path, &name, kind, shape, source),
            None => Unread::unusable(path, &name, &format!("{:?}", info.dtype), shape),
        };
        tensors.insert(name, tensor);
    }
    let note = |key: &str| metadata.metadata().as_ref()?.get(key).cloned();
    Ok(Archive {
        header: note(METADATA_KEY),
        folded: note(FOLDED_KEY),
        epoch: None,
        tensors,
        passed_over: Vec::new(),
    })
}

/// What this crate reads numbers as; `None` where it computes with no such.
fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F64 => Kind::Double,
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::I16 => Kind::Int16,
        Dtype::I8 => Kind::Int8,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        _ => return None,
    })
}
