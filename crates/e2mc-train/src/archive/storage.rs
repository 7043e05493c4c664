//! Where a PyTorch file keeps the numbers of its tensors, and how they are read.
//!
//! Tensors are views of storages: an offset, and a stride for each dimension. They are read
//! row-major, whatever order the file has them in. A checksum is checked where a tensor takes the
//! whole of its entry, as all do that were not cut out of others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use tch::Kind;
use zip::ZipArchive;
use zip::read::{ZipFile, ZipReadOptions};
use zip::result::ZipError;

use super::pickle_value::Stored;

/// A file's storages.
pub(super) enum Storages {
    /// Entries of a ZIP archive by key.
    Zip {
        archive: Mutex<ZipArchive<BufReader<File>>>,
        /// The same file, for parts of entries.
        file: Mutex<File>,
        entries: BTreeMap<String, usize>,
    },
    /// Places in a legacy file by key: first byte and length.
    Legacy {
        file: Mutex<File>,
        places: BTreeMap<String, (u64, u64)>,
    },
}

/// What of a storage a tensor has.
pub(super) struct View {
    key: String,
    /// Bytes of one number.
    size: usize,
    /// In bytes, from the start of what the file has under the key.
    start: u64,
    /// Bytes from the first to behind the last.
    length: usize,
    /// Bytes of the whole storage.
    whole: u64,
    shape: Vec<usize>,
    /// In numbers.
    strides: Vec<usize>,
    is_truth: bool,
}

impl View {
    /// The slice of a tensor that was checked to lie within its storage.
    pub(super) fn of(tensor: &Stored) -> Option<Self> {
        let element = tensor.what.ok()?;
        let storage = tensor.storage.as_ref()?;
        let strides: Vec<usize> = tensor
            .strides
            .iter()
            .map(|&stride| usize::try_from(stride).ok())
            .collect::<Option<_>>()?;
        let numbers = if tensor.shape.contains(&0) {
            0
        } else {
            let steps = tensor.shape.iter().zip(&strides);
            1 + steps
                .map(|(&size, &stride)| (size - 1) * stride)
                .sum::<usize>()
        };
        let before = storage.view.0.checked_mul(storage.element.size)?;
        Some(Self {
            key: storage.key.to_string(),
            size: element.size as usize,
            start: before.checked_add(tensor.offset.checked_mul(element.size)?)?,
            length: numbers.checked_mul(element.size as usize)?,
            whole: storage.count.checked_mul(storage.element.size)?,
            shape: tensor.shape.clone(),
            strides,
            is_truth: element.kind == Some(Kind::Bool),
        })
    }

    /// Whether the numbers lie as they are wanted.
    fn is_row_major(&self) -> bool {
        let mut wanted = 1;
        self.shape
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&size, &stride)| {
                let fits = size == 1 || stride == wanted;
                wanted *= size;
                fits
            })
    }

    /// Row-major numbers from those between the first and the last.
    fn gather(&self, held: Vec<u8>) -> Vec<u8> {
        if self.length == 0 || self.is_row_major() {
            return held;
        }
        let count = self.shape.iter().product::<usize>();
        let mut gathered = Vec::with_capacity(count * self.size);
        let mut index = vec![0; self.shape.len()];
        for _ in 0..count {
            let steps = index.iter().zip(&self.strides);
            let place = self.size
                * steps
                    .map(|(&i, &stride): (&usize, _)| i * stride)
                    .sum::<usize>();
            gathered.extend_from_slice(&held[place..place + self.size]);
            for (i, &size) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < size {
                    break;
                }
                *i = 0;
            }
        }
        gathered
    }
}

/// An entry that is checked by its checksum, where it has one: torch.save writes 0 where it is told
/// to compute none.
pub(super) fn checked(
    archive: &mut ZipArchive<BufReader<File>>,
    index: usize,
) -> Result<ZipFile<'_, BufReader<File>>, ZipError> {
    let has_none = archive.by_index_raw(index)?.crc32() == 0;
    archive.by_index_with_options(index, ZipReadOptions::new().ignore_crc32(has_none))
}

impl Storages {
    /// Reads a tensor's numbers, row-major and in this machine's order of bytes.
    pub(super) fn read(&self, view: &View) -> io::Result<Vec<u8>> {
        if view.length == 0 {
            return Ok(Vec::new());
        }
        let held = match self {
            Self::Zip {
                archive,
                file,
                entries,
            } => {
                let missing = || invalid(format!("no entry for the storage `{}`", view.key));
                let index = *entries.get(&view.key).ok_or_else(missing)?;
                let mut archive = archive.lock().unwrap_or_else(PoisonError::into_inner);
                let size = archive.by_index_raw(index)?.size();
                if size < view.whole {
                    let found = format!("{size} of the {} bytes of a storage", view.whole);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, found));
                }
                let mut held = vec![0; view.length];
                if view.length as u64 == size {
                    let mut entry = checked(&mut archive, index)?;
                    entry.read_exact(&mut held)?;
                    // The checksum is looked at behind the last byte.
                    let _ = entry.read(&mut [0])?;
                } else {
                    let place = archive.by_index_raw(index)?.data_start();
                    let place = place.ok_or_else(|| invalid("an entry without a place".into()))?;
                    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                    file.seek(SeekFrom::Start(place + view.start))?;
                    file.read_exact(&mut held)?;
                }
                held
            }
            Self::Legacy { file, places } => {
                let missing = || invalid(format!("no storage `{}`", view.key));
                let &(place, bytes) = places.get(&view.key).ok_or_else(missing)?;
                if bytes < view.whole {
                    let found = format!("{bytes} of the {} bytes of a storage", view.whole);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, found));
                }
                let mut held = vec![0; view.length];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(place + view.start))?;
                file.read_exact(&mut held)?;
                held
            }
        };
        let mut numbers = view.gather(held);
        if view.is_truth {
            // Any other byte in a bool is undefined in C++.
            numbers
                .iter_mut()
                .for_each(|byte| *byte = u8::from(*byte != 0));
        }
        Ok(numbers)
    }
}

pub(super) fn invalid(found: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_gathered_row_major() {
        let view = |shape: &[usize], strides: &[usize]| View {
            key: String::new(),
            size: 1,
            start: 0,
            length: 6,
            whole: 6,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            is_truth: false,
        };
        let held: Vec<u8> = (0..6).collect();
        for (shape, strides, expected) in [
            (&[2, 3][..], &[3, 1][..], &[0, 1, 2, 3, 4, 5][..]),
            (&[3, 2], &[1, 3], &[0, 3, 1, 4, 2, 5]),
            (&[2, 2], &[0, 5], &[0, 5, 0, 5]),
            (&[1, 6], &[99, 1], &[0, 1, 2, 3, 4, 5]),
            (&[3], &[2], &[0, 2, 4]),
        ] {
            assert_eq!(
                view(shape, strides).gather(held.clone()),
                expected,
                "{strides:?}"
            );
        }
    }
}
