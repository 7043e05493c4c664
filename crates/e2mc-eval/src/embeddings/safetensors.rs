//! One tensor out of a `.safetensors` file: an 8-byte length, a JSON header, the tensors' values.
//!
//! Only the header and the tensor asked for are read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use e2mc::Matrix;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::integers::Integers;
use super::source;
use super::values::{self, Endian, Float, Layout, Located, TRUNCATED};
use crate::Error;

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;
/// Names listed in a message.
const LISTED: usize = 8;

/// Reads the tensor of that name; without a name, the only one of two dimensions.
pub(super) fn read_matrix(path: &Path, name: Option<&str>) -> Result<Matrix, Error> {
    Ok(read_tensor(path, name, 2)?.0)
}

/// Reads the float tensor of that name and `rank`, and its shape.
pub(super) fn read_tensor(
    path: &Path,
    name: Option<&str>,
    rank: usize,
) -> Result<(Matrix, Vec<usize>), Error> {
    let mut tensor = Stored::open(path, name, rank)?;
    let layout = tensor.layout(rank)?;
    let matrix = values::read_matrix(&mut tensor.file, path, layout)?;
    Ok((matrix, tensor.shape))
}

/// Reads one `T` for each integer of the tensor of that name, which has `rank` dimensions; without
/// a name, of the only tensor of one dimension.
pub(super) fn read_integers<T>(
    path: &Path,
    name: Option<&str>,
    rank: usize,
    convert: impl FnMut(usize, i128) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut tensor = Stored::open(path, name, 1)?;
    let (size, signed) = match tensor.dtype {
        Dtype::U8 | Dtype::BOOL => (1, false),
        Dtype::I8 => (1, true),
        Dtype::U16 => (2, false),
        Dtype::I16 => (2, true),
        Dtype::U32 => (4, false),
        Dtype::I32 => (4, true),
        Dtype::U64 => (8, false),
        Dtype::I64 => (8, true),
        other => {
            let found = format!("{other:?} in tensor {:?}", tensor.name);
            let hint = "convert the class numbers to int64";
            return Err(tensor.wrong("integer labels", found, hint));
        }
    };
    let integers = Integers {
        path,
        reader: &mut tensor.file,
        size,
        signed,
        endian: Endian::Little,
        shape: &tensor.shape,
        stored: tensor.bytes,
    };
    integers.decode(rank, convert)
}

/// Where the rows of a float matrix lie in the file, for reading some of them.
pub(super) fn locate(path: &Path, name: Option<&str>) -> Result<Located, Error> {
    let tensor = Stored::open(path, name, 2)?;
    Ok(Located {
        path: path.into(),
        offset: tensor.offset,
        layout: tensor.layout(2)?,
    })
}

/// The shape of that tensor and whether it holds floats, if it is a whole file with that tensor.
pub(super) fn shape(path: &Path, name: Option<&str>) -> Result<(Vec<usize>, bool), Error> {
    let tensor = Stored::open(path, name, 1)?;
    let float = matches!(
        tensor.dtype,
        Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64
    );
    Ok((tensor.shape, float))
}

/// A tensor in an opened file.
struct Stored<'a> {
    path: &'a Path,
    /// At the first value.
    file: File,
    /// The first value's place in the file.
    offset: u64,
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Bytes of its values; the file has them.
    bytes: u64,
}

impl<'a> Stored<'a> {
    /// Finds the tensor of that name; without a name, the only one of `rank` dimensions.
    fn open(path: &'a Path, name: Option<&str>, rank: usize) -> Result<Self, Error> {
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

        let (name, tensor) = choose(&metadata, path, name, rank)?;
        let offset = 8 + header_length + tensor.data_offsets.0 as u64;
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        Ok(Self {
            path,
            file,
            offset,
            name,
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            bytes: (tensor.data_offsets.1 - tensor.data_offsets.0) as u64,
        })
    }

    fn wrong(&self, expected: &str, found: String, hint: &'static str) -> Error {
        Error::Format {
            path: self.path.into(),
            expected: expected.into(),
            found,
            hint,
        }
    }

    /// How the values lie, if they are a float matrix of at least one row and column.
    fn layout(&self, rank: usize) -> Result<Layout, Error> {
        let name = &self.name;
        let float = match self.dtype {
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::Bf16,
            Dtype::F32 => Float::F32,
            Dtype::F64 => Float::F64,
            other => {
                let found = format!("{other:?} in tensor {name:?}");
                return Err(self.wrong(
                    "F16, BF16, F32 or F64 values",
                    found,
                    "convert it to float32",
                ));
            }
        };
        if self.shape.len() != rank {
            let found = format!("tensor {name:?} of shape {:?}", self.shape);
            return Err(self.wrong(values::expected(rank), found, "save one row per image"));
        }
        let rows = self.shape[0];
        let cols = values::product(&self.shape[1..]);
        if rows == 0 || cols == 0 {
            let found = format!("tensor {name:?} of shape {:?}", self.shape);
            return Err(self.wrong(
                "at least 1 row and 1 dimension",
                found,
                "embed at least one image",
            ));
        }
        Ok(Layout {
            rows,
            cols,
            float,
            endian: Endian::Little,
            by_columns: false,
        })
    }
}

fn choose<'a>(
    metadata: &'a Metadata,
    path: &Path,
    name: Option<&str>,
    rank: usize,
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
        .filter(|n| metadata.info(n).is_some_and(|t| t.shape.len() == rank))
        .collect();
    match matrices.first().and_then(|n| metadata.info(n)) {
        Some(tensor) if matrices.len() == 1 => Ok((matrices[0].clone(), tensor)),
        _ => Err(Error::Format {
            path: path.into(),
            expected: format!(
                "one tensor of {rank} dimension{}",
                if rank == 1 { "" } else { "s" }
            ),
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
