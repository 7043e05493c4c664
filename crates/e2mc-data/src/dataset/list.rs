//! Text files that list images: one a line, with a label or without.
//!
//! `path<TAB>label`, `path,label` or `path label`; paths are relative to the file's folder. Empty lines
//! and lines that start with `#` are passed over. Labels are whole numbers, or names of classes.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::files::is_candidate;
use super::index::{Index, Source};
use super::labels;
use crate::Error;

/// The images of a list.
///
/// # Errors
/// The file cannot be read or is no text, it lists nothing, or some lines have a label and some
/// have none.
pub(super) fn read_list(path: &Path) -> Result<Index, Error> {
    let source = Source::of(path)?;
    let bytes = fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let damaged = |line: usize, expected: &str, found: &str| Error::List {
        path: path.to_owned(),
        line,
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    let text = str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
        damaged(line, "a list of images in UTF-8", "other bytes")
    })?;
    let mut index = Index::default();
    let mut texts = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, label) = split(line);
        if name.is_empty() || label == Some("") {
            return Err(damaged(number + 1, "a path, or a path and a label", line));
        }
        if index.names.len() > 0 && label.is_some() == texts.is_empty() {
            let expected = if texts.is_empty() {
                "no label, as before"
            } else {
                "a label, as before"
            };
            return Err(damaged(number + 1, expected, line));
        }
        index.names.push(OsStr::new(name));
        texts.extend(label);
    }
    if index.names.len() == 0 {
        return Err(damaged(1, "a path", "an empty list"));
    }
    if !texts.is_empty() {
        (index.labels, index.classes) = labels::from_texts(&texts);
    }
    index.names.shrink();
    index.sources.push(source);
    Ok(index)
}

/// A line's path and label. A path may hold blanks: what ends like an image is no label.
fn split(line: &str) -> (&str, Option<&str>) {
    let parts = line
        .rsplit_once('\t')
        .or_else(|| line.rsplit_once(','))
        .or_else(|| {
            let parts = line.rsplit_once(char::is_whitespace);
            parts.filter(|(_, label)| !is_candidate(Path::new(label)))
        });
    match parts {
        Some((name, label)) => (name.trim(), Some(label.trim())),
        None => (line, None),
    }
}
