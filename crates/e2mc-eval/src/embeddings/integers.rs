//! Integers of any size from files: class numbers, and who has which of several labels.
//!
//! They are decoded in bounded pieces, each at once into what it stands for, so that a file needs
//! no memory but for its result.

use std::io::Read;
use std::path::Path;

use super::values::{self, Endian, PIECE, ordered};
use crate::Error;

/// Integers in a file, the reader at the first of them.
pub(super) struct Integers<'a> {
    pub(super) path: &'a Path,
    pub(super) reader: &'a mut dyn Read,
    /// Bytes of each, at most 8.
    pub(super) size: usize,
    pub(super) signed: bool,
    pub(super) endian: Endian,
    pub(super) shape: &'a [usize],
    /// Bytes that they take in the file, which may be fewer than their own.
    pub(super) stored: u64,
}

impl Integers<'_> {
    /// One `T` for each integer and its place, in C order.
    pub(super) fn decode<T>(
        self,
        rank: usize,
        mut convert: impl FnMut(usize, i128) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        if self.shape.len() != rank {
            return Err(Error::Format {
                path: self.path.into(),
                expected: match rank {
                    1 => "labels of shape (rows,)",
                    _ => "labels of shape (rows, labels)",
                }
                .into(),
                found: format!("shape {:?}", self.shape),
                hint: "flatten them with .ravel()",
            });
        }
        let count = values::product(self.shape);
        values::check_unpacked::<T>(count, self.stored, self.path)?;
        let mut out = values::reserve(count, self.path)?;
        let mut bytes = vec![0; PIECE.min(count) * self.size];
        while out.len() < count {
            let piece = &mut bytes[..PIECE.min(count - out.len()) * self.size];
            values::fill(self.reader, piece, self.path)?;
            for number in piece.chunks_exact(self.size) {
                let value = integer(number, self.signed, self.endian);
                out.push(convert(out.len(), value)?);
            }
        }
        Ok(out)
    }
}

fn integer(bytes: &[u8], signed: bool, endian: Endian) -> i128 {
    let first = match endian {
        Endian::Little => bytes.len() - 1,
        Endian::Big => 0,
    };
    let negative = signed && bytes[first] >> 7 == 1;
    // Sign-extended to 16 bytes.
    let mut wide = [if negative { 0xff } else { 0 }; 16];
    match endian {
        Endian::Little => wide[..bytes.len()].copy_from_slice(bytes),
        Endian::Big => wide[16 - bytes.len()..].copy_from_slice(bytes),
    }
    ordered(wide, endian, i128::from_le_bytes)
}

/// An integer as a class number.
pub(super) fn label(path: &Path, row: usize, value: i128) -> Result<usize, Error> {
    usize::try_from(value).map_err(|_| Error::BadLabel {
        path: path.into(),
        row,
        value,
    })
}
