//! What `torch.save` writes: the ZIP archive of PyTorch 1.6 and later, and the legacy stream of
//! 0.1.10 to 1.5 that most `.pth.tar` files are. Nothing in a pickle is ever executed.
//!
//! The pickle is read by [`pickle`](super::pickle), the tensors that it names are found by
//! [`walk`](super::walk), and their numbers are read by [`storage`](super::storage) when they are
//! wanted. What else could make a small file large in memory is refused here:
//! - compressed entries, which can claim a thousand times their size: `torch.save` writes none;
//! - the TAR container of PyTorch before 0.1.10 (2017), whose entries may be sparse.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::sync::{Arc, Mutex};

use zip::{CompressionMethod, ZipArchive};

use super::contents::{Archive, FOLDED_KEY, MAX_TENSORS, METADATA_KEY, shape};
use super::pickle::{self, Budget};
use super::pickle_value::{Heap, Node, Value};
use super::problem::{Problem, brief};
use super::storage::{Storages, View, checked};
use super::unread::Unread;
use super::walk::walk;
use crate::advice::Advice;

/// Bytes from a file's start that tell what it is.
pub(super) const SIGNATURE: usize = 512;
/// Where a TAR archive says that it is one.
const TAR: std::ops::Range<usize> = 257..262;
/// The number that opens a legacy file, in binary and (protocols 0 and 1) in decimal digits.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const MAGIC_DIGITS: &[u8] = b"119547037146038801333356";
/// Bytes of a text entry beside the pickle.
const MAX_TEXT_ENTRY: u64 = 1000;

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
            found: "a TAR archive (an older format, or a packed folder)".into(),
            advice: Advice::words("unpack it; or load it in PyTorch and save it again"),
        });
    }
    let (value, heap, storages, folded) = if is_zip(&start) {
        open_zip(file, length)?
    } else if is_legacy(&start) {
        open_legacy(file, length)?
    } else {
        return Err(Problem {
            expected: "a file that torch.save wrote".into(),
            found: "another format (a plain pickle, which holds no tensors)".into(),
            advice: Advice::words("save the state_dict with torch.save"),
        });
    };
    let found = walk(&value, &heap)?;
    let passed_over = found.passed_over();
    let storages = Arc::new(storages);
    let mut tensors = BTreeMap::new();
    for (name, tensor) in found.tensors {
        let shape = shape(&name, &tensor.shape)?;
        let what = match tensor.what {
            Ok(element) => element.kind.ok_or(element.name),
            Err(what) => Err(what),
        };
        let unread = match (what, View::of(&tensor)) {
            (Ok(kind), Some(view)) => {
                let storages = storages.clone();
                Unread::new(path, &name, kind, shape, move || storages.read(&view))
            }
            (Ok(_), None) => Unread::unusable(path, &name, "another machine's", shape),
            (Err(what), _) => Unread::unusable(path, &name, what, shape),
        };
        tensors.insert(name, unread);
    }
    Ok(Archive {
        header: text(&value, &heap, METADATA_KEY),
        folded,
        epoch: epoch(&value, &heap),
        tensors,
        passed_over,
    })
}

/// A file's object, what it refers to, its storages, and the note on a folded map.
type Opened = (Value, Heap, Storages, Option<String>);

/// Reads a ZIP archive's table of contents and its pickle.
fn open_zip(file: File, length: u64) -> Result<Opened, Problem> {
    let again = Mutex::new(file.try_clone().map_err(broken)?);
    let unusable = |error: zip::result::ZipError| broken(io::Error::other(error));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(unusable)?;
    // A few entries beside the tensors: the pickle, versions, the byte order.
    if archive.len() > MAX_TENSORS + 100 {
        return Err(Problem::again(
            format!("at most {MAX_TENSORS} tensors"),
            format!("{} entries", archive.len()),
        ));
    }
    let mut names = BTreeMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(unusable)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.size() > length {
            return Err(Problem::again(
                format!("entries that fit into the file's {length} bytes"),
                format!("`{}` of {} bytes", brief(&name), entry.size()),
            ));
        }
        if name.contains("/code/__torch__") {
            return Err(Problem {
                expected: "the tensors of a network, as torch.save writes a state_dict".into(),
                found: "a TorchScript program".into(),
                advice: Advice::words(
                    "load it with torch.jit.load and save its state_dict with torch.save",
                ),
            });
        }
        if entry.compression() != CompressionMethod::Stored {
            return Err(Problem {
                expected: "entries that are stored as they are, as torch.save writes them".into(),
                found: format!("`{}`, compressed", brief(&name)),
                advice: Advice::words("load the file in PyTorch and save it again"),
            });
        }
        names.insert(name, index);
    }
    let pickles = names.iter().filter_map(|(name, &index)| {
        let folder = name.strip_suffix("data.pkl")?;
        (folder.is_empty() || folder.ends_with('/')).then_some((folder.to_owned(), index))
    });
    let (folder, index) = pickles
        .min_by_key(|(folder, _)| folder.len())
        .ok_or_else(|| Problem {
            expected: "a ZIP archive that torch.save wrote".into(),
            found: "none with a `data.pkl`".into(),
            advice: Advice::words("give a file that torch.save, safetensors or e2mc wrote"),
        })?;
    let mut text = |name: &str| -> Result<Option<String>, Problem> {
        let Some(&index) = names.get(&format!("{folder}{name}")) else {
            return Ok(None);
        };
        let mut text = String::new();
        let entry = checked(&mut archive, index).map_err(unusable)?;
        let read = entry.take(MAX_TEXT_ENTRY).read_to_string(&mut text);
        let _ = read.map_err(broken)?;
        Ok(Some(text))
    };
    if let Some(order) = text("byteorder")? {
        check_order(order.trim() == "little")?;
    }
    let folded = text(FOLDED_KEY)?;
    let (value, heap) = {
        let entry = checked(&mut archive, index).map_err(unusable)?;
        let mut reader = BufReader::new(entry);
        let read = pickle::read(&mut reader, &mut Budget::default());
        // A damaged pickle may say anything: its checksum comes first.
        io::copy(&mut reader, &mut io::sink()).map_err(broken)?;
        read?
    };
    let storages = format!("{folder}data/");
    let entries = names
        .into_iter()
        .filter_map(|(name, index)| Some((name.strip_prefix(&storages)?.to_owned(), index)))
        .collect();
    let archive = Mutex::new(archive);
    Ok((
        value,
        heap,
        Storages::Zip {
            archive,
            file: again,
            entries,
        },
        folded,
    ))
}

/// Reads a legacy file's pickles (magic, version, system, the object, its storages' keys), and
/// checks that the storages follow.
fn open_legacy(file: File, length: u64) -> Result<Opened, Problem> {
    let mut reader = BufReader::new(file);
    let mut budget = Budget::default();
    let _ = pickle::read(&mut reader, &mut budget)?;
    let version = pickle::read(&mut reader, &mut budget)?.0;
    if !matches!(version, Value::Int(1001)) {
        return Err(Problem::again(
            "the legacy format's version 1001",
            brief(&format!("{version:?}")),
        ));
    }
    let (system, of_system) = pickle::read(&mut reader, &mut budget)?;
    let little = entry(&system, &of_system, "little_endian");
    check_order(!matches!(little, Some(Value::Bool(false))))?;
    let (value, heap) = pickle::read(&mut reader, &mut budget)?;
    let (keys, of_keys) = pickle::read(&mut reader, &mut budget)?;
    let declared: BTreeMap<&str, (u64, u64)> = heap
        .iter()
        .filter_map(|node| match node {
            Node::Storage(storage) => {
                let bytes = storage.count.checked_mul(storage.element.size)?;
                Some((&*storage.key, (storage.count, bytes)))
            }
            _ => None,
        })
        .collect();
    let mut places = BTreeMap::new();
    let keys = match keys {
        Value::Node(place) => match &of_keys[place] {
            Node::Container(keys) => keys.values.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    for key in keys {
        let sizes = match key {
            Value::Text(key) => declared.get(&**key).map(|&sizes| (key, sizes)),
            _ => None,
        };
        let (key, (numbers, bytes)) = sizes.ok_or_else(|| {
            Problem::again(
                "storages that the file describes",
                brief(&format!("{key:?}")),
            )
        })?;
        // The format has no checksum: this number is what tells that storages lie where they
        // should.
        let mut held = [0; 8];
        reader.read_exact(&mut held).map_err(broken)?;
        let held = u64::from_le_bytes(held);
        if held != numbers {
            return Err(Problem::again(
                format!("{numbers} numbers in the storage `{}`", brief(key)),
                held.to_string(),
            ));
        }
        let place = reader.stream_position().map_err(broken)?;
        let end = place.checked_add(bytes).filter(|&end| end <= length);
        if end.is_none() {
            return Err(Problem::again(
                "a whole PyTorch file",
                format!(
                    "{length} bytes, which end within the storage `{}`",
                    brief(key)
                ),
            ));
        }
        let skip = i64::try_from(bytes).unwrap_or(i64::MAX);
        reader.seek_relative(skip).map_err(broken)?;
        places.insert(key.to_string(), (place, bytes));
    }
    let file = Mutex::new(reader.into_inner());
    Ok((value, heap, Storages::Legacy { file, places }, None))
}

fn check_order(is_little: bool) -> Result<(), Problem> {
    if is_little && cfg!(target_endian = "little") {
        return Ok(());
    }
    Err(Problem {
        expected: "numbers of a little-endian machine".into(),
        found: "those of a big-endian one".into(),
        advice: Advice::words("load the file in PyTorch and save it again on another machine"),
    })
}

/// What a dictionary has under a key.
fn entry<'a>(value: &Value, heap: &'a Heap, key: &str) -> Option<&'a Value> {
    let Value::Node(place) = *value else {
        return None;
    };
    let Node::Container(container) = &heap[place] else {
        return None;
    };
    let found = container.entries.iter().rev();
    found
        .filter(|entry| matches!(&entry.0, Value::Text(text) if &**text == key))
        .map(|entry| &entry.1)
        .next()
}

fn text(value: &Value, heap: &Heap, key: &str) -> Option<String> {
    match entry(value, heap, key)? {
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    }
}

fn epoch(value: &Value, heap: &Heap) -> Option<u64> {
    match entry(value, heap, "epoch")? {
        Value::Int(epoch) => u64::try_from(*epoch).ok(),
        _ => None,
    }
}

fn broken(error: io::Error) -> Problem {
    Problem::again("a whole PyTorch file", brief(&error.to_string()))
}
