//! From bytes to float32 matrices, in bounded pieces.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use e2mc::Matrix;
use half::{bf16, f16};

use crate::Error;

/// A type of floating-point number in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// The order of a number's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

/// How a matrix lies in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) float: Float,
    pub(super) endian: Endian,
    /// Column after column (Fortran order) instead of row after row.
    pub(super) by_columns: bool,
}

/// Where a matrix lies in a file.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) path: PathBuf,
    /// Bytes before the first value.
    pub(super) offset: u64,
    pub(super) layout: Layout,
}

/// The shape that a message asks for.
pub(super) fn expected(rank: usize) -> &'static str {
    match rank {
        2 => "a matrix of shape (rows, dims)",
        4 => "images of shape (n, channels, height, width)",
        _ => "a tensor of another rank",
    }
}

/// The number of values in a row; the caller has compared it with the file's size.
pub(super) fn product(lengths: &[usize]) -> usize {
    lengths
        .iter()
        .fold(1, |product, &l| product.saturating_mul(l))
}

/// Values decoded at a time.
pub(super) const PIECE: usize = 1 << 16;
/// Memory that is taken whatever the file's size is.
const ALWAYS_TAKEN: u64 = 1 << 30;
/// More than that is taken for a file of this fraction of it at least: features and labels do not
/// shrink further, and a small file that claims to have been shrunk from a huge one must not fill
/// the memory.
const LEAST_STORED: u64 = 100;
pub(super) const TRUNCATED: &str = "the file is truncated or damaged; copy it or write it again";
/// Columns of a Fortran-ordered file that are read together: their values fill one cache line of
/// each output row.
const PANEL: usize = 16;

/// Reads the matrix that starts at the reader's place. The caller has checked that the file is long
/// enough for it.
pub(super) fn read_matrix(reader: impl Read, path: &Path, layout: Layout) -> Result<Matrix, Error> {
    let Layout { rows, cols, .. } = layout;
    let mut values = zeros(rows * cols, path)?;
    let mut source = Decoder {
        reader,
        path,
        layout,
        done: 0,
        bytes: Vec::new(),
    };
    if layout.by_columns {
        let mut panel = zeros(rows * PANEL.min(cols), path)?;
        for first in (0..cols).step_by(PANEL) {
            let width = PANEL.min(cols - first);
            let panel = &mut panel[..rows * width];
            source.fill(panel)?;
            for (r, row) in values.chunks_mut(cols).enumerate() {
                for (c, value) in row[first..first + width].iter_mut().enumerate() {
                    *value = panel[c * rows + r];
                }
            }
        }
    } else {
        source.fill(&mut values)?;
    }
    Ok(Matrix::new(values, rows, cols).expect("rows * cols values were allocated"))
}

/// An empty list with room for `count` values.
pub(super) fn reserve<T>(count: usize, path: &Path) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|cause| Error::Io {
        action: "load",
        path: path.into(),
        cause: cause.into(),
    })?;
    Ok(values)
}

/// `count` values in memory are not too many for the `stored` bytes that they take in the file.
pub(super) fn check_unpacked<T>(count: usize, stored: u64, path: &Path) -> Result<(), Error> {
    let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
    if bytes <= ALWAYS_TAKEN || bytes / LEAST_STORED <= stored {
        return Ok(());
    }
    Err(Error::Format {
        path: path.into(),
        expected: format!("values compressed at most {LEAST_STORED}-fold"),
        found: format!("{count} values, {bytes} bytes in memory, in {stored} bytes"),
        hint: "if this is intended, save them without compression (numpy.savez)",
    })
}

/// Fills `bytes`; that the file ends too soon is told as what it is.
pub(super) fn fill(
    reader: &mut (impl Read + ?Sized),
    bytes: &mut [u8],
    path: &Path,
) -> Result<(), Error> {
    reader
        .read_exact(bytes)
        .map_err(|cause| match cause.kind() {
            ErrorKind::UnexpectedEof => Error::Format {
                path: path.into(),
                expected: "as many values as its header says".into(),
                found: "fewer".into(),
                hint: TRUNCATED,
            },
            _ => Error::Io {
                action: "read",
                path: path.into(),
                cause,
            },
        })
}

fn zeros(len: usize, path: &Path) -> Result<Vec<f32>, Error> {
    let mut values = reserve(len, path)?;
    values.resize(len, 0.0);
    Ok(values)
}

struct Decoder<'a, R> {
    reader: R,
    path: &'a Path,
    layout: Layout,
    /// Values decoded so far, in the file's order.
    done: usize,
    bytes: Vec<u8>,
}

impl<R: Read> Decoder<'_, R> {
    fn fill(&mut self, out: &mut [f32]) -> Result<(), Error> {
        for piece in out.chunks_mut(PIECE) {
            self.bytes
                .resize(piece.len() * self.layout.float.bytes(), 0);
            fill(&mut self.reader, &mut self.bytes, self.path)?;
            self.decode(piece)?;
            self.done += piece.len();
        }
        Ok(())
    }

    fn decode(&self, out: &mut [f32]) -> Result<(), Error> {
        let Layout { float, endian, .. } = self.layout;
        let bytes = &self.bytes[..];
        match float {
            Float::F16 => each(out, bytes, |b| {
                f16::from_bits(ordered(b, endian, u16::from_le_bytes)).to_f32()
            }),
            Float::Bf16 => each(out, bytes, |b| {
                bf16::from_bits(ordered(b, endian, u16::from_le_bytes)).to_f32()
            }),
            Float::F32 => each(out, bytes, |b| ordered(b, endian, f32::from_le_bytes)),
            Float::F64 => {
                let wide = |b| ordered(b, endian, f64::from_le_bytes);
                each(out, bytes, |b| wide(b) as f32);
                // Infinite in float32: was it so in the file?
                if let Some(i) = out.iter().position(|v| v.is_infinite()) {
                    let infinite = out
                        .iter()
                        .enumerate()
                        .skip(i)
                        .filter(|(_, v)| v.is_infinite());
                    for (i, _) in infinite {
                        let value = wide(bytes[8 * i..][..8].try_into().expect("8 bytes"));
                        if value.is_finite() {
                            return Err(self.overflow(i, value));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn overflow(&self, index: usize, value: f64) -> Error {
        let Layout {
            rows,
            cols,
            by_columns,
            ..
        } = self.layout;
        let at = self.done + index;
        let (row, column) = if by_columns {
            (at % rows, at / rows)
        } else {
            (at / cols, at % cols)
        };
        Error::Overflow {
            path: self.path.into(),
            row,
            column,
            value,
        }
    }
}

fn each<const N: usize>(out: &mut [f32], bytes: &[u8], decode: impl Fn([u8; N]) -> f32) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = decode(*bytes);
    }
}

/// A number from its bytes in the given order.
pub(super) fn ordered<const N: usize, T>(
    mut bytes: [u8; N],
    endian: Endian,
    from_le_bytes: impl Fn([u8; N]) -> T,
) -> T {
    if endian == Endian::Big {
        bytes.reverse();
    }
    from_le_bytes(bytes)
}
