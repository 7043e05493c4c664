//! How often a set has been looked at to verify a choice.
//!
//! Each look at held-out data lets another choice be right by luck; whoever reads a claim should
//! know how many there were. The counts lie in a small JSON file beside the map, by the fingerprint
//! of the data.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::Error;

/// Counts one more look at the data of that `fingerprint` in the file `path`, which is made where
/// there is none, and returns how many there were, this one included.
///
/// # Errors
/// A file that cannot be read or written, or holds something else.
pub fn count_look(path: impl AsRef<Path>, fingerprint: &str) -> Result<u64, Error> {
    let path = path.as_ref();
    let io = |action, cause| Error::Io {
        action,
        path: path.into(),
        cause,
    };
    let mut counts: BTreeMap<String, u64> = match fs::read(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => BTreeMap::new(),
        Err(cause) => return Err(io("read", cause)),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|cause| Error::Format {
            path: path.into(),
            expected: "counts of looks, by fingerprint".into(),
            found: cause.to_string(),
            hint: "choose another file; the count of looks starts anew there",
        })?,
    };
    let count = counts.entry(fingerprint.into()).or_default();
    *count = count.saturating_add(1);
    let looks = *count;
    let text = serde_json::to_string_pretty(&counts).expect("plain data");
    e2mc_base::write_atomically(path, format!("{text}\n").as_bytes())
        .map_err(|cause| io("write", cause))?;
    Ok(looks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_counted_for_each_set_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.looks.json");
        assert_eq!(count_look(&path, "a").unwrap(), 1);
        assert_eq!(count_look(&path, "a").unwrap(), 2);
        assert_eq!(count_look(&path, "b").unwrap(), 1);
        assert_eq!(count_look(&path, "a").unwrap(), 3);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\n  \"a\": 3,\n  \"b\": 1\n}\n");
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.json");
        fs::write(&path, "[1, 2]").unwrap();
        assert!(matches!(count_look(&path, "a"), Err(Error::Format { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[1, 2]");
        let nowhere = folder.path().join("no/such/folder");
        assert!(matches!(count_look(nowhere, "a"), Err(Error::Io { .. })));
    }
}
