//! Integers of any size from files: class numbers, and who has which of several labels.

use std::path::PathBuf;

use super::values::{Endian, ordered};
use crate::Error;

/// Integers as a file holds them.
#[derive(Debug)]
pub(super) struct Integers {
    pub(super) path: PathBuf,
    /// In C order.
    pub(super) values: Vec<i128>,
    pub(super) shape: Vec<usize>,
}

impl Integers {
    /// The integers as class numbers, one for each row.
    pub(super) fn into_labels(self) -> Result<Vec<usize>, Error> {
        if self.shape.len() != 1 {
            return Err(Error::Format {
                path: self.path,
                expected: "labels of shape (rows,)".into(),
                found: format!("shape {:?}", self.shape),
                hint: "flatten them with .ravel()",
            });
        }
        let numbers = self.values.into_iter().enumerate();
        numbers
            .map(|(row, value)| {
                usize::try_from(value).map_err(|_| Error::BadLabel {
                    path: self.path.clone(),
                    row,
                    value,
                })
            })
            .collect()
    }
}

/// Integers of `size` bytes each, at most 8.
pub(super) fn decode(bytes: &[u8], size: usize, signed: bool, endian: Endian) -> Vec<i128> {
    let decode = |bytes: &[u8]| {
        let first = match endian {
            Endian::Little => size - 1,
            Endian::Big => 0,
        };
        let negative = signed && bytes[first] >> 7 == 1;
        // Sign-extended to 16 bytes.
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        match endian {
            Endian::Little => wide[..size].copy_from_slice(bytes),
            Endian::Big => wide[16 - size..].copy_from_slice(bytes),
        }
        ordered(wide, endian, i128::from_le_bytes)
    };
    bytes.chunks_exact(size).map(decode).collect()
}
