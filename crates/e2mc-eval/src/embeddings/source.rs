//! Which file, which tensor, and is there a file at all.

use std::fs::{self, File};
use std::path::Path;

use crate::Error;

/// What the user named.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    Npy {
        path: &'a Path,
    },
    Npz {
        path: &'a Path,
        array: Option<&'a str>,
    },
    Safetensors {
        path: &'a Path,
        tensor: Option<&'a str>,
    },
}

impl<'a> Source<'a> {
    /// The file.
    pub(super) fn path(&self) -> &'a Path {
        match *self {
            Self::Npy { path } | Self::Npz { path, .. } | Self::Safetensors { path, .. } => path,
        }
    }

    /// Splits `FILE.safetensors:TENSOR` and `FILE.npz:ARRAY`; anything else is a path whose
    /// extension tells the format.
    pub(super) fn parse(source: &'a Path) -> Result<Self, Error> {
        // A path that is not Unicode cannot carry a tensor's name, which is.
        let named = |mark: &str| {
            let text = source.to_str()?;
            let at = text.find(mark)? + mark.len();
            Some((Path::new(&text[..at - 1]), Some(&text[at..])))
        };
        if let Some((path, tensor)) = named(".safetensors:") {
            return Ok(Self::Safetensors { path, tensor });
        }
        if let Some((path, array)) = named(".npz:") {
            return Ok(Self::Npz { path, array });
        }
        match source.extension().and_then(|e| e.to_str()) {
            Some("npy") => Ok(Self::Npy { path: source }),
            Some("npz") => Ok(Self::Npz {
                path: source,
                array: None,
            }),
            Some("safetensors") => Ok(Self::Safetensors {
                path: source,
                tensor: None,
            }),
            other => Err(Error::Format {
                path: source.into(),
                expected: "a name that ends in .npy, .npz or .safetensors".into(),
                found: other.map_or("no extension".into(), |e| format!(".{e}")),
                hint: "save the embeddings with numpy.save or safetensors",
            }),
        }
    }
}

/// Opens a regular file that is not empty, and tells its length in bytes.
pub(super) fn open(path: &Path, expected: &str) -> Result<(File, u64), Error> {
    let io = |cause| Error::Io {
        action: "open",
        path: path.into(),
        cause,
    };
    let wrong = |found: &str, hint| Error::Format {
        path: path.into(),
        expected: expected.into(),
        found: found.into(),
        hint,
    };
    // Asked before opening: to open a pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.is_dir() {
        return Err(wrong("a folder", "name a file in it"));
    }
    if !metadata.is_file() {
        return Err(wrong(
            "a pipe or device",
            "write the values to a file first",
        ));
    }
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length == 0 {
        return Err(wrong(
            "an empty file",
            "the program that wrote it failed; write it again",
        ));
    }
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_file_tensor_and_format() {
        let parse = |text| Source::parse(Path::new(text)).unwrap();
        let npy = |path| Source::Npy {
            path: Path::new(path),
        };
        let tensors = |path, tensor| Source::Safetensors {
            path: Path::new(path),
            tensor,
        };
        assert_eq!(parse("a/b.npy"), npy("a/b.npy"));
        assert_eq!(parse("a:b.npy"), npy("a:b.npy"));
        assert_eq!(parse("x.safetensors"), tensors("x.safetensors", None));
        assert_eq!(
            parse("x.safetensors:z"),
            tensors("x.safetensors", Some("z"))
        );
        assert_eq!(
            parse("d/x.safetensors:a:b.c"),
            tensors("d/x.safetensors", Some("a:b.c"))
        );
        let arrays = |path, array| Source::Npz {
            path: Path::new(path),
            array,
        };
        assert_eq!(parse("x.npz"), arrays("x.npz", None));
        assert_eq!(parse("d/x.npz:label"), arrays("d/x.npz", Some("label")));
        assert_eq!(
            parse("x.safetensors:t.npy"),
            tensors("x.safetensors", Some("t.npy"))
        );
    }

    #[test]
    fn an_unknown_extension_is_named() {
        let text = |t| Source::parse(Path::new(t)).unwrap_err().to_string();
        let expected = "expected a name that ends in .npy, .npz or .safetensors, found";
        assert_eq!(text("z.pt"), format!("z.pt: {expected} .pt"));
        assert_eq!(text("dir/z"), format!("dir/z: {expected} no extension"));
    }
}
