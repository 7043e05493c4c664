//! Reading and writing JSON files that have a format number.

use std::fs;
use std::path::Path;

use e2mc_base::write_atomically;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A kind of file.
pub(crate) struct Kind {
    /// `a result`, ...
    pub(crate) what: &'static str,
    /// The latest format that is known.
    pub(crate) format: u32,
}

/// The only field that every format has. A file without it is of the first.
#[derive(Deserialize)]
struct Head {
    #[serde(default = "first")]
    format: u64,
}

fn first() -> u64 {
    1
}

/// Reads a file of that kind.
pub(crate) fn json<T: DeserializeOwned>(path: &Path, kind: &Kind) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let wrong = |error: serde_json::Error| Error::Format {
        path: path.to_owned(),
        expected: kind.what,
        found: error.to_string(),
    };
    let head: Head = serde_json::from_str(&text).map_err(wrong)?;
    if head.format > u64::from(kind.format) {
        return Err(Error::Newer {
            path: path.to_owned(),
            what: kind.what,
            found: head.format,
            known: kind.format,
        });
    }
    serde_json::from_str(&text).map_err(wrong)
}

/// Writes a file whole or not at all.
pub(crate) fn write_json<T: Serialize>(path: &Path, kind: &Kind, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Json {
        what: kind.what,
        found: error.to_string(),
    })?;
    write_atomically(path, text.as_bytes()).map_err(Error::io("write", path))
}
