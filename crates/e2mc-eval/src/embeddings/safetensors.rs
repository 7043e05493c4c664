//! One matrix out of a `.safetensors` file: an 8-byte length, a JSON header, the tensors' values.
//!
//! Only the header and the tensor asked for are read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use e2mc::Matrix;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::source;
use super::values::{self, Endian, Float, Layout};
use crate::Error;

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;
const TRUNCATED: &str = "the file is truncated or damaged; copy it or write it again";
/// Names listed in a message.
const LISTED: usize = 8;

/// Reads the tensor of that name; without a name, the only one of two dimensions.
pub(super) fn read_matrix(path: &Path, name: Option<&str>) -> Result<Matrix, Error> {
    let (mut file, layout) = open_matrix(path, name)?;
    values::read_matrix(&mut file, path, layout)
}

/// Opens that tensor: the file at its first value, and how the values lie.
pub(super) fn open_matrix(path: &Path, name: Option<&str>) -> Result<(File, Layout), Error> {
    let (mut file, length) = source::open(path, "a .safetensors file")?;
    let io = |cause| Error::Io {
        action: "read",
        path: path.into(),
        cause,
    };
    let wrong = |expected: &str, found: String, hint| Error::Format {
        path: path.into(),
        expected: expected.into(),
        found,
        hint,
    };

    if length < 8 {
        return Err(wrong(
            "a .safetensors header",
            format!("{length} bytes"),
            TRUNCATED,
        ));
    }
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix).map_err(io)?;
    let header_length = u64::from_le_bytes(prefix);
    if header_length > LONGEST_HEADER.min(length - 8) {
        let found = format!("a header of {header_length} bytes in a file of {length}");
        return Err(wrong("a .safetensors file", found, TRUNCATED));
    }
    let mut header = vec![0; header_length as usize];
    file.read_exact(&mut header).map_err(io)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| {
        wrong(
            "a .safetensors header",
            format!("{e}"),
            "write it with safetensors' save_file",
        )
    })?;
    let stored = length - 8 - header_length;
    if metadata.data_len() as u64 != stored {
        let expected = format!("{} bytes of values as its header says", metadata.data_len());
        return Err(wrong(&expected, format!("{stored} bytes"), TRUNCATED));
    }

    let (name, tensor) = choose(&metadata, path, name)?;
    let float = match tensor.dtype {
        Dtype::F16 => Float::F16,
        Dtype::BF16 => Float::Bf16,
        Dtype::F32 => Float::F32,
        Dtype::F64 => Float::F64,
        other => {
            let found = format!("{other:?} in tensor {name:?}");
            return Err(wrong(
                "F16, BF16, F32 or F64 values",
                found,
                "convert it to float32",
            ));
        }
    };
    let &[rows, cols] = &tensor.shape[..] else {
        let found = format!("tensor {name:?} of shape {:?}", tensor.shape);
        return Err(wrong(
            "a matrix of shape [rows, dims]",
            found,
            "save one row per image",
        ));
    };
    if rows == 0 || cols == 0 {
        let found = format!("tensor {name:?} of shape {:?}", tensor.shape);
        return Err(wrong(
            "at least 1 row and 1 dimension",
            found,
            "embed at least one image",
        ));
    }
    let start = 8 + header_length + tensor.data_offsets.0 as u64;
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    let layout = Layout {
        rows,
        cols,
        float,
        endian: Endian::Little,
        by_columns: false,
    };
    Ok((file, layout))
}

fn choose<'a>(
    metadata: &'a Metadata,
    path: &Path,
    name: Option<&str>,
) -> Result<(String, &'a TensorInfo), Error> {
    let mut names = metadata.offset_keys();
    names.sort_unstable();
    if let Some(name) = name {
        return match metadata.info(name) {
            Some(tensor) => Ok((name.into(), tensor)),
            None => Err(Error::NoTensor {
                path: path.into(),
                name: name.into(),
                available: list(&names),
            }),
        };
    }
    let matrices: Vec<String> = names
        .into_iter()
        .filter(|n| metadata.info(n).is_some_and(|t| t.shape.len() == 2))
        .collect();
    match matrices.first().and_then(|n| metadata.info(n)) {
        Some(tensor) if matrices.len() == 1 => Ok((matrices[0].clone(), tensor)),
        _ => Err(Error::Format {
            path: path.into(),
            expected: "one tensor of 2 dimensions".into(),
            found: list(&matrices),
            hint: "name the tensor as FILE:tensor",
        }),
    }
}

fn list(names: &[String]) -> String {
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len() {
        0 => "none".into(),
        n if n > LISTED => format!("{shown} and {} more", n - LISTED),
        _ => shown,
    }
}
