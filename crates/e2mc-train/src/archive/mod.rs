//! Files of tensors, opened: what is in one, before any number is read.
//!
//! Two kinds of file are known by their first bytes, whatever they are called: safetensors
//! ([`safetensors_file`]), and what `torch.save` writes ([`pytorch`]). Everything that a file says
//! about itself is checked against its length and against the limits in [`contents`] before
//! anything is allocated for it. Nothing here knows a network.

mod contents;
mod element;
mod folder;
mod pickle;
mod pickle_call;
mod pickle_value;
mod problem;
mod pytorch;
mod safetensors_file;
mod storage;
mod unread;
mod walk;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

pub(crate) use contents::{Archive, FOLDED_KEY, METADATA_KEY};
pub use folder::weights;
pub(crate) use folder::{is_weights_name, place_among_files};
pub use problem::Problem;
pub(crate) use problem::brief;
pub use unread::Unread;
pub(crate) use unread::read_all;

use crate::Error;
use crate::advice::Advice;

impl Archive {
    /// Opens a file, or the files of a folder, and reads the table of contents.
    ///
    /// # Errors
    /// Where a file is missing, empty, damaged, of another kind or beyond a limit.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        match weights(path)?.as_slice() {
            [file] => Self::open_file(file),
            [_index, files @ ..] => {
                let parts = files.iter().map(|file| Self::open_file(file));
                folder::joined(path, parts.collect::<Result<_, _>>()?)
            }
            [] => unreachable!("there is a file, or an error"),
        }
    }

    fn open_file(path: &Path) -> Result<Self, Error> {
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
        } else if safetensors_file::recognises(&start) {
            safetensors_file::open(&shared, file, length)
        } else {
            Err(stranger(&start))
        };
        let archive = archive.and_then(|archive| {
            archive.check(length)?;
            Ok(archive)
        });
        archive.map_err(|problem| problem.of(path))
    }
}

/// A file that holds no network, by its first bytes: what comes instead of one is said by name.
fn stranger(start: &[u8]) -> Problem {
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    let is = |beginnings: &[&str]| {
        beginnings
            .iter()
            .any(|&beginning| text.starts_with(beginning))
    };
    let (found, advice) = if is(&["version https://git-lfs"]) {
        (
            "the note that Git LFS keeps in its place",
            "fetch the file itself with `git lfs pull`",
        )
    } else if is(&["<!doctype", "<html", "<?xml"]) {
        (
            "a web page",
            "download the file itself: this is a web page, such as a login page",
        )
    } else if start.starts_with(&[0x1f, 0x8b]) {
        ("a file packed by gzip", "unpack it with `gunzip`")
    } else {
        (
            "another format",
            "give a file that torch.save, safetensors or e2mc wrote",
        )
    };
    Problem {
        expected: "a PyTorch checkpoint (.pth, .pth.tar, .pt) or a safetensors file".into(),
        found: found.into(),
        advice: Advice::words(advice),
    }
}
