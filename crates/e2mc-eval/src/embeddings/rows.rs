//! Rows of embeddings on demand: from memory, or from a file piece by piece.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use e2mc::{Matrix, MatrixView};

use super::values::{self, Layout, Located};
use super::{Source, npy, npz, safetensors};
use crate::Error;

/// A matrix `(n, d)` whose rows can be had a range at a time.
pub trait Rows: Sync {
    /// Number of rows `n`.
    fn rows(&self) -> usize;

    /// Number of columns `d`.
    fn cols(&self) -> usize;

    /// The values of these rows, row-major.
    ///
    /// # Errors
    /// Where a file cannot be read.
    fn read(&self, rows: Range<usize>) -> Result<Cow<'_, [f32]>, Error>;

    /// Whether [`Rows::read`] takes memory for what it returns.
    fn copies(&self) -> bool;
}

impl Rows for MatrixView<'_> {
    fn rows(&self) -> usize {
        MatrixView::rows(self)
    }

    fn cols(&self) -> usize {
        MatrixView::cols(self)
    }

    fn read(&self, rows: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        let cols = MatrixView::cols(self);
        Ok(Cow::Borrowed(
            &self.data()[rows.start * cols..rows.end * cols],
        ))
    }

    fn copies(&self) -> bool {
        false
    }
}

impl<R: Rows + ?Sized> Rows for &R {
    fn rows(&self) -> usize {
        (**self).rows()
    }

    fn cols(&self) -> usize {
        (**self).cols()
    }

    fn read(&self, rows: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        (**self).read(rows)
    }

    fn copies(&self) -> bool {
        (**self).copies()
    }
}

/// Embeddings `(n, d)` in a file, of which only the rows asked for are in memory; those that cannot
/// be had that way (`.npz`, Fortran order) are read whole.
#[derive(Debug)]
pub struct EmbeddingFile(Kept);

#[derive(Debug)]
enum Kept {
    File(Located),
    Memory(Matrix),
}

impl EmbeddingFile {
    /// Opens the embeddings that `source` names, as [`read_embeddings`](crate::read_embeddings)
    /// does.
    ///
    /// # Errors
    /// As [`read_embeddings`](crate::read_embeddings).
    pub fn open(source: impl AsRef<Path>) -> Result<Self, Error> {
        let located = match Source::parse(source.as_ref())? {
            Source::Npy { path } => npy::locate(path)?,
            Source::Safetensors { path, tensor } => safetensors::locate(path, tensor)?,
            Source::Npz { path, array } => {
                return Ok(Self(Kept::Memory(npz::read_matrix(path, array)?)));
            }
        };
        if located.layout.by_columns {
            let matrix = npy::read_matrix(&located.path)?;
            return Ok(Self(Kept::Memory(matrix)));
        }
        Ok(Self(Kept::File(located)))
    }
}

impl Rows for EmbeddingFile {
    fn rows(&self) -> usize {
        match &self.0 {
            Kept::File(located) => located.layout.rows,
            Kept::Memory(matrix) => matrix.rows(),
        }
    }

    fn cols(&self) -> usize {
        match &self.0 {
            Kept::File(located) => located.layout.cols,
            Kept::Memory(matrix) => matrix.cols(),
        }
    }

    fn read(&self, rows: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        let located = match &self.0 {
            Kept::Memory(matrix) => {
                let cols = matrix.cols();
                return Ok(Cow::Borrowed(
                    &matrix.data()[rows.start * cols..rows.end * cols],
                ));
            }
            Kept::File(located) => located,
        };
        let Located {
            path,
            offset,
            layout,
        } = located;
        let before = (rows.start * layout.cols * layout.float.bytes()) as u64;
        let io = |cause| Error::Io {
            action: "read",
            path: path.clone(),
            cause,
        };
        let mut file = File::open(path).map_err(io)?;
        file.seek(SeekFrom::Start(offset + before)).map_err(io)?;
        let piece = Layout {
            rows: rows.len(),
            ..*layout
        };
        match values::read_matrix(file, path, piece) {
            Ok(matrix) => Ok(Cow::Owned(matrix.into_data())),
            Err(Error::Overflow {
                path,
                row,
                column,
                value,
            }) => Err(Error::Overflow {
                path,
                row: row + rows.start,
                column,
                value,
            }),
            Err(error) => Err(error),
        }
    }

    fn copies(&self) -> bool {
        matches!(self.0, Kept::File(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    #[test]
    fn pieces_of_every_format_make_up_the_whole() {
        for name in [
            "embeddings.npy",
            "embeddings.npz",
            "big_endian_float32.npy",
            "c_float16.npy",
            "fortran_float64.npy",
            "one_matrix.safetensors",
        ] {
            let whole = crate::read_embeddings(golden(name)).unwrap();
            let file = EmbeddingFile::open(golden(name)).unwrap();
            assert_eq!((file.rows(), file.cols()), (whole.rows(), whole.cols()));
            let mut pieces = Vec::new();
            for start in (0..file.rows()).step_by(2) {
                let end = (start + 2).min(file.rows());
                pieces.extend_from_slice(&file.read(start..end).unwrap());
            }
            assert_eq!(pieces, whole.data(), "{name}");
        }
    }
}
