//! What `torch.save` writes: the ZIP archive of PyTorch 1.6 and later, and the legacy stream of
//! 0.1.10 to 1.5 that most `.pth.tar` files are. Nothing in a pickle is ever executed.
//!
//! The parsing is the crate `pytorch-reader`'s, used in this file alone. It reads calls of
//! functions that it does not know as opaque values, bounds nesting and copies, and checks lengths
//! against the file. What it leaves open is bounded here before it sees the file:
//! - memory for the pickle's values, some hundred bytes for each operation: [`pickle_bounds`];
//! - compressed entries, which can claim a thousand times their size: refused, for `torch.save`
//!   writes none;
//! - the TAR container of PyTorch before 0.1.10 (2017), whose entries may be sparse: refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};
use tch::Kind;
use zip::{CompressionMethod, ZipArchive};

use super::contents::{Archive, MAX_TENSORS, METADATA_KEY, shape};
use super::pickle_bounds::{Budget, MAX_BYTES};
use super::problem::{Problem, brief};
use super::unread::Unread;
use crate::advice::Advice;

/// Bytes from a file's start that tell what it is.
pub(super) const SIGNATURE: usize = 512;
/// Where a TAR archive says that it is one.
const TAR: std::ops::Range<usize> = 257..262;
/// The number that opens a legacy file, in binary and (protocols 0 and 1) in decimal digits.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const MAGIC_DIGITS: &[u8] = b"119547037146038801333356";
/// Pickles before a legacy file's numbers: magic, protocol, system, the object, storage names.
const LEGACY_PICKLES: usize = 5;
/// Modules of which no checkpoint needs anything, and with which pickles do harm.
const DANGEROUS: [&str; 9] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "socket",
    "runpy",
    "importlib",
];
/// The same of Python's own functions, which also name harmless types.
const DANGEROUS_BUILTINS: [&str; 6] = ["eval", "exec", "compile", "getattr", "open", "__import__"];

/// Whether a file that starts so is a PyTorch file, readable or not.
pub(super) fn recognises(start: &[u8]) -> bool {
    // The length at the start of a safetensors file may end in the byte that starts a pickle.
    let is_pickle = start.first() == Some(&0x80) && start.get(8) != Some(&b'{');
    is_zip(start) || is_tar(start) || is_legacy(start) || is_pickle
}

fn is_zip(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")
}

fn is_tar(start: &[u8]) -> bool {
    start.get(TAR) == Some(b"ustar")
}

fn is_legacy(start: &[u8]) -> bool {
    let window = &start[..start.len().min(64)];
    let holds = |magic: &[u8]| window.windows(magic.len()).any(|bytes| bytes == magic);
    holds(&MAGIC) || holds(MAGIC_DIGITS)
}

/// Opens a file that [`recognises`] knows.
pub(super) fn open(path: &Arc<Path>, length: u64) -> Result<Archive, Problem> {
    let mut start = vec![0; SIGNATURE.min(length as usize)];
    let mut file = File::open(path).map_err(broken)?;
    io::Read::read_exact(&mut file, &mut start).map_err(broken)?;
    io::Seek::rewind(&mut file).map_err(broken)?;
    if is_tar(&start) {
        return Err(Problem {
            expected: "a checkpoint of PyTorch 0.1.10 (2017) or later".into(),
            found: "a TAR archive, as earlier ones wrote or a packed folder".into(),
            advice: Advice::words("unpack it; or load it in PyTorch and save it again"),
        });
    }
    if is_zip(&start) {
        check_zip(file, length)?;
    } else if is_legacy(&start) {
        check_legacy(file)?;
    } else {
        return Err(Problem {
            expected: "a file that torch.save wrote".into(),
            found: "another format (a plain pickle, which holds no tensors)".into(),
            advice: Advice::words("save the state_dict with torch.save"),
        });
    }

    let values = PytorchReader::read_pickle_data(path, None).map_err(refused)?;
    if let Some(call) = dangerous_call(&values) {
        return Err(Problem {
            expected: "a checkpoint that holds data only".into(),
            found: format!("a call of `{call}`, which was not executed"),
            advice: Advice::words(
                "do not load this file in Python either; take it from another source",
            ),
        });
    }
    let reader = PytorchReader::new(path).map_err(refused)?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in reader.into_tensors() {
        let kind = kind(&name, tensor.dtype())?;
        let shape = shape(&name, tensor.shape())?;
        let unread = Unread::new(path, &name, kind, shape, move || tensor.read());
        tensors.insert(name, unread);
    }
    Ok(Archive {
        header: text(&values, METADATA_KEY),
        epoch: epoch(&values),
        tensors,
    })
}

/// Holds a ZIP archive's table of contents and its pickle against the limits.
fn check_zip(file: File, length: u64) -> Result<(), Problem> {
    let unusable = |error: zip::result::ZipError| broken(io::Error::other(error));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(unusable)?;
    // A few entries beside the tensors: the pickle, versions, the byte order.
    if archive.len() > MAX_TENSORS + 100 {
        return Err(Problem::again(
            format!("at most {MAX_TENSORS} tensors"),
            format!("{} entries", archive.len()),
        ));
    }
    let mut pickles = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(unusable)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.size() > length {
            return Err(Problem::again(
                format!("entries that fit into the file's {length} bytes"),
                format!("`{}` of {} bytes", brief(&name), entry.size()),
            ));
        }
        if entry.compression() != CompressionMethod::Stored {
            return Err(Problem {
                expected: "entries that are stored as they are, as torch.save writes them".into(),
                found: format!("`{}`, compressed", brief(&name)),
                advice: Advice::words("load the file in PyTorch and save it again"),
            });
        }
        if name.ends_with("data.pkl") {
            if entry.size() > MAX_BYTES {
                return Err(Problem::again(
                    format!("at most {MAX_BYTES} bytes that describe the tensors"),
                    format!("{}", entry.size()),
                ));
            }
            pickles.push(index);
        }
    }
    for index in pickles {
        let entry = archive.by_index(index).map_err(unusable)?;
        Budget::default().pickle(&mut BufReader::new(entry))?;
    }
    Ok(())
}

/// Holds the pickles of a legacy file against the limits.
fn check_legacy(file: File) -> Result<(), Problem> {
    let mut reader = BufReader::new(file);
    let mut budget = Budget::default();
    (0..LEGACY_PICKLES).try_for_each(|_| budget.pickle(&mut reader))
}

/// The first function from a module with which pickles do harm that the file would have called.
fn dangerous_call(value: &PickleValue) -> Option<String> {
    match value {
        PickleValue::Unsupported(name) => {
            let (module, function) = name.split_once('.')?;
            let dangerous = match module {
                "builtins" | "__builtin__" => DANGEROUS_BUILTINS.contains(&function),
                _ => DANGEROUS.contains(&module),
            };
            dangerous.then(|| brief(name))
        }
        PickleValue::List(values) => values.iter().find_map(dangerous_call),
        PickleValue::Dict(values) => values.values().find_map(dangerous_call),
        _ => None,
    }
}

fn entry<'a>(values: &'a PickleValue, key: &str) -> Option<&'a PickleValue> {
    match values {
        PickleValue::Dict(values) => values.get(key),
        _ => None,
    }
}

fn text(values: &PickleValue, key: &str) -> Option<String> {
    match entry(values, key)? {
        PickleValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn epoch(values: &PickleValue) -> Option<u64> {
    match entry(values, "epoch")? {
        PickleValue::Int(epoch) => u64::try_from(*epoch).ok(),
        _ => None,
    }
}

fn broken(error: io::Error) -> Problem {
    Problem::again("a whole PyTorch file", brief(&error.to_string()))
}

fn refused(error: PytorchError) -> Problem {
    let found = brief(&error.to_string());
    match error {
        PytorchError::Pickle(pytorch_reader::PickleError::UnsupportedType(_)) => Problem {
            expected: "plain tensors".into(),
            found,
            advice: Advice::words("load the file in PyTorch and save the model's state_dict"),
        },
        _ => Problem::again("a whole PyTorch file", found),
    }
}

fn kind(name: &str, dtype: DType) -> Result<Kind, Problem> {
    Ok(match dtype {
        DType::F64 => Kind::Double,
        DType::F32 => Kind::Float,
        DType::F16 => Kind::Half,
        DType::BF16 => Kind::BFloat16,
        DType::I64 => Kind::Int64,
        DType::I32 => Kind::Int,
        DType::I16 => Kind::Int16,
        DType::I8 => Kind::Int8,
        DType::U8 => Kind::Uint8,
        DType::Bool => Kind::Bool,
        DType::U16 | DType::U32 | DType::U64 => return Err(Problem::kind(name, dtype)),
    })
}
