//! Embeddings that stay in their file and are read a block of rows at a time, as often as asked.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use e2mc::{Matrix, MatrixView};

use super::source::Source;
use super::values::{self, Decoder, Layout};
use super::{npy, safetensors};
use crate::Error;
use crate::diagnostics::{RowSource, block_rows};

/// A file of embeddings `(n, d)` that is opened and checked, but not loaded: a million rows need no more memory than one
/// block. Only a matrix that lies column after column (Fortran order) is loaded whole.
#[derive(Debug)]
pub struct EmbeddingFile {
    path: PathBuf,
    rows: usize,
    cols: usize,
    stored: Stored,
}

#[derive(Debug)]
enum Stored {
    Blocks {
        file: File,
        /// Where the first value is.
        start: u64,
        layout: Layout,
    },
    Whole(Matrix),
}

impl EmbeddingFile {
    /// Opens what [`read_embeddings`](crate::read_embeddings) would read.
    ///
    /// # Errors
    /// As [`read_embeddings`](crate::read_embeddings), apart from values beyond float32, which are found when they are read.
    pub fn open(source: impl AsRef<Path>) -> Result<Self, Error> {
        let (path, (mut file, layout)) = match Source::parse(source.as_ref())? {
            Source::Npy { path } => (path, npy::open_matrix(path)?),
            Source::Safetensors { path, tensor } => (path, safetensors::open_matrix(path, tensor)?),
        };
        let stored = if layout.by_columns {
            Stored::Whole(values::read_matrix(&mut file, path, layout)?)
        } else {
            let start = file.stream_position().map_err(|cause| io(path, cause))?;
            Stored::Blocks {
                file,
                start,
                layout,
            }
        };
        Ok(Self {
            path: path.into(),
            rows: layout.rows,
            cols: layout.cols,
            stored,
        })
    }
}

impl RowSource for EmbeddingFile {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn visit(
        &mut self,
        visit: &mut dyn FnMut(usize, MatrixView<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (rows, cols) = (self.rows, self.cols);
        let (file, start, layout) = match &mut self.stored {
            Stored::Whole(matrix) => return matrix.view().visit(visit),
            Stored::Blocks {
                file,
                start,
                layout,
            } => (file, *start, *layout),
        };
        file.seek(SeekFrom::Start(start))
            .map_err(|cause| io(&self.path, cause))?;
        let block = block_rows(cols).min(rows);
        let mut values = values::zeros(block * cols, &self.path)?;
        let mut decoder = Decoder::new(&*file, &self.path, layout);
        for first in (0..rows).step_by(block) {
            let here = block.min(rows - first);
            let values = &mut values[..here * cols];
            decoder.fill(values)?;
            let view = MatrixView::new(values, here, cols).expect("a block of whole rows");
            visit(first, view)?;
        }
        Ok(())
    }
}

fn io(path: &Path, cause: std::io::Error) -> Error {
    Error::Io {
        action: "read",
        path: path.into(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_embeddings;
    use crate::testing::golden;

    #[test]
    fn every_kind_of_file_streams_what_it_loads_as_often_as_asked() {
        for name in [
            "embeddings.npy",
            "c_float16.npy",
            "big_endian_float32.npy",
            "fortran_float64.npy",
            "one_matrix.safetensors",
        ] {
            let whole = read_embeddings(golden(name)).unwrap();
            let mut file = EmbeddingFile::open(golden(name)).unwrap();
            assert_eq!((file.rows(), file.cols()), (whole.rows(), whole.cols()));
            for _ in 0..2 {
                let mut read = Vec::new();
                file.visit(&mut |first, block| {
                    assert_eq!(first * block.cols(), read.len());
                    read.extend_from_slice(block.data());
                    Ok(())
                })
                .unwrap();
                assert_eq!(read, whole.data(), "{name}");
            }
        }
    }

    #[test]
    fn a_long_file_comes_in_several_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.npy");
        // Wide rows, so that a block holds few of them.
        let (rows, cols) = (70, 60_000);
        let values = (0..rows * cols).map(|i| (i % 8191) as f32).collect();
        let matrix = Matrix::new(values, rows, cols).unwrap();
        crate::write_npy(&path, matrix.view()).unwrap();
        let (mut blocks, mut read) = (0, 0);
        EmbeddingFile::open(&path)
            .unwrap()
            .visit(&mut |first, block| {
                blocks += 1;
                read += block.rows();
                assert_eq!(block.row(0), matrix.view().row(first));
                Ok(())
            })
            .unwrap();
        assert!(blocks > 1 && read == rows, "{blocks} blocks, {read} rows");
    }

    #[test]
    fn a_visitor_can_stop() {
        let mut file = EmbeddingFile::open(golden("embeddings.npy")).unwrap();
        let stopped = file.visit(&mut |_, _| Err(Error::Nothing { what: "more" }));
        assert!(matches!(stopped, Err(Error::Nothing { what: "more" })));
    }
}
