//! A file of tensors, opened: what is in it, before any number is read.
//!
//! Two kinds of file are known by their first bytes, whatever they are called: safetensors, and
//! what `torch.save` writes ([`super::pytorch`]). Everything that a file says about itself is
//! checked against its length and against the limits here before anything is allocated for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use tch::Kind;

use super::problem::brief;
use super::pytorch;
use super::unread::Unread;
use super::{METADATA_KEY, Problem};
use crate::Error;

/// Tensors in a file. The largest networks here have a thousand, with their optimiser three.
pub(super) const MAX_TENSORS: usize = 100_000;
/// Dimensions of a tensor.
const MAX_RANK: usize = 8;
/// Bytes of a tensor's name, the path through the dictionaries included.
const MAX_NAME: usize = 1000;
/// Bytes of a safetensors header: some hundred for each tensor.
const MAX_HEADER: u64 = 32 << 20;
/// A file's tensors together, over its length. Tensors may share their storage, but a file of
/// views that unfold a small storage many times over is none that anybody needs.
const MAX_UNFOLDING: u64 = 4;

/// A file of tensors.
#[derive(Debug)]
pub(super) struct Archive {
    /// The JSON that this project puts into its own files.
    pub(super) header: Option<String>,
    /// The epoch that a PyTorch file says it was saved after.
    pub(super) epoch: Option<u64>,
    /// The tensors by their names in the file: the path through its dictionaries, with dots.
    pub(super) tensors: BTreeMap<String, Unread>,
}

impl Archive {
    /// Opens a file and reads its table of contents.
    ///
    /// # Errors
    /// Where the file is missing, empty, damaged, of another kind or beyond a limit.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let read = |source: io::Error| Error::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let mut start = Vec::new();
        file.by_ref()
            .take(pytorch::SIGNATURE as u64)
            .read_to_end(&mut start)
            .map_err(read)?;
        let shared: Arc<Path> = path.into();
        let archive = if start.is_empty() {
            Err(Problem::again("a checkpoint", "an empty file"))
        } else if pytorch::recognises(&start) {
            pytorch::open(&shared, length)
        } else if start.get(8) == Some(&b'{') {
            open_safetensors(&shared, file, length)
        } else {
            Err(Problem {
                expected: "a PyTorch checkpoint (.pth, .pth.tar, .pt) or a safetensors file".into(),
                found: "another format".into(),
                hint: "give a file that torch.save, safetensors or e2mc wrote".into(),
            })
        };
        let archive = archive.and_then(|archive| {
            archive.check(length)?;
            Ok(archive)
        });
        archive.map_err(|problem| problem.of(path))
    }

    /// Holds every tensor against the limits.
    fn check(&self, length: u64) -> Result<(), Problem> {
        let beyond = |expected: String, found: String| Problem {
            expected,
            found,
            hint: "this is no checkpoint of a network that e2mc knows".into(),
        };
        if self.tensors.len() > MAX_TENSORS {
            let found = format!("{} tensors", self.tensors.len());
            return Err(beyond(format!("at most {MAX_TENSORS} tensors"), found));
        }
        let mut total = 0u64;
        for (name, tensor) in &self.tensors {
            if name.len() > MAX_NAME {
                let found = format!("a name of {} bytes", name.len());
                return Err(beyond(format!("names of at most {MAX_NAME} bytes"), found));
            }
            let shape = tensor.size();
            if shape.len() > MAX_RANK {
                return Err(beyond(
                    format!("tensors of at most {MAX_RANK} dimensions"),
                    format!("`{}` of {}", brief(name), shape.len()),
                ));
            }
            // libtorch multiplies sizes without looking, zeros or not.
            let numbers = shape.iter().try_fold(1u64, |product, &size| {
                product.checked_mul(size.max(1) as u64)
            });
            let bytes = numbers
                .and_then(|numbers| numbers.checked_mul(tensor.kind().elt_size_in_bytes() as u64));
            let fits = bytes.is_some_and(|bytes| bytes <= length);
            total = total.saturating_add(bytes.unwrap_or(u64::MAX));
            if !fits || total > length.saturating_mul(MAX_UNFOLDING) {
                return Err(beyond(
                    format!("tensors that fit into the file's {length} bytes"),
                    format!("`{}` of shape {shape:?}", brief(name)),
                ));
            }
        }
        Ok(())
    }
}

/// A shape as libtorch wants it.
pub(super) fn shape(name: &str, sizes: &[usize]) -> Result<Vec<i64>, Problem> {
    sizes
        .iter()
        .map(|&size| i64::try_from(size))
        .collect::<Result<_, _>>()
        .map_err(|_| {
            Problem::again(
                "dimensions of less than 2^63",
                brief(&format!("`{name}` of shape {sizes:?}")),
            )
        })
}

fn open_safetensors(path: &Arc<Path>, mut file: File, length: u64) -> Result<Archive, Problem> {
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
        let tensor = Unread::new(
            path,
            &name,
            kind(&name, info.dtype)?,
            shape(&name, &info.shape)?,
            source,
        );
        tensors.insert(name, tensor);
    }
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|map| map.get(METADATA_KEY))
        .cloned();
    Ok(Archive {
        header,
        epoch: None,
        tensors,
    })
}

fn kind(name: &str, dtype: Dtype) -> Result<Kind, Problem> {
    Ok(match dtype {
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
        other => return Err(Problem::kind(name, other)),
    })
}
