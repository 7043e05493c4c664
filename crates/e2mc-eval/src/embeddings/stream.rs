//! Writing embeddings row by row, in constant memory, so that an interrupted writer can go on.
//!
//! Rows go to `FILE.part`; `FILE.part.json` says how many of them are safely on disk and what they
//! are of. A writer that finds both, for the same work, continues after those rows; the finished
//! file then has the same bytes as one that was never interrupted. Only a finished file has the
//! name asked for. The part is locked while a writer is at work, so that a second one is refused
//! instead of writing into it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2mc_base::lock::open_locked;
use e2mc_base::unfinished::Unfinished;
use half::f16;
use serde_json::{Value, json};

use super::Source;
use super::write::header;
use crate::Error;

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// 4 bytes each.
    F32,
    /// 2 bytes each, rounded to nearest; beyond 65,504 is an error.
    F16,
}

impl Stored {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// Time between two moments at which what was written is made safe.
const SAFE_EVERY: Duration = Duration::from_secs(2);
/// The tensor's name in a `.safetensors` file.
const TENSOR: &str = "embeddings";

/// Writes a matrix `(n, d)` row by row to a `.npy` or `.safetensors` file (tensor `embeddings`).
#[derive(Debug)]
pub struct RowWriter {
    path: PathBuf,
    safetensors: bool,
    stored: Stored,
    rows: usize,
    work: String,
    done: usize,
    /// A part of nothing is of no use to anyone; it goes while it is locked.
    empty: Option<Unfinished>,
    /// `FILE.part`, locked until the writer is dropped.
    file: BufWriter<File>,
    /// Known from the first rows on.
    cols: Option<usize>,
    safe_at: Option<Instant>,
}

impl RowWriter {
    /// A writer of `rows` rows to `path`. `work` says what the rows are of (the model, the images,
    /// every setting that they depend on): only rows of the same work are gone on with.
    ///
    /// # Errors
    /// A name that ends in neither `.npy` nor `.safetensors`; a folder that cannot be written to;
    /// [`Error::Busy`] while another writer is at work on the same file.
    pub fn open(
        path: impl AsRef<Path>,
        rows: usize,
        stored: Stored,
        work: &str,
    ) -> Result<Self, Error> {
        let mut writer = Self::create(path, rows, stored, work)?;
        if let Some((done, cols)) = writer.found() {
            let length = writer.header(cols).len() + done * cols * stored.bytes();
            writer.cut(length).map_err(|e| writer.io("write", e))?;
            (writer.done, writer.cols) = (done, Some(cols));
        }
        Ok(writer)
    }

    /// A writer that starts from the first row, whatever an interrupted one left.
    ///
    /// # Errors
    /// As [`RowWriter::open`].
    pub fn create(
        path: impl AsRef<Path>,
        rows: usize,
        stored: Stored,
        work: &str,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let safetensors = match Source::parse(path) {
            Ok(Source::Npy { .. }) => false,
            Ok(Source::Safetensors { tensor: None, .. }) => true,
            // What can be read may be of more formats than what is written.
            _ => {
                return Err(Error::Format {
                    path: path.into(),
                    expected: "a name that ends in .npy or .safetensors".into(),
                    found: "another format".into(),
                    hint: "choose one of the two",
                });
            }
        };
        let file = locked(path)?;
        let empty = file.metadata().is_ok_and(|found| found.len() == 0);
        Ok(Self {
            path: path.into(),
            safetensors,
            stored,
            rows,
            work: work.into(),
            done: 0,
            file: BufWriter::with_capacity(1 << 18, file),
            cols: None,
            safe_at: None,
            empty: empty.then(|| Unfinished::file(&part(path))),
        })
    }

    /// Whether an interrupted writer left rows for that file.
    pub fn is_begun(path: impl AsRef<Path>) -> bool {
        part(path.as_ref()).exists()
    }

    /// Rows that are written: at first those that an interrupted writer left.
    pub fn done(&self) -> usize {
        self.done
    }

    /// The columns `d`, once rows are written.
    pub fn cols(&self) -> Option<usize> {
        self.cols
    }

    /// Adds whole rows of `cols` values.
    ///
    /// # Errors
    /// Rows of another width than before, or more than were announced; a value beyond float16; a
    /// full disk.
    pub fn append(&mut self, rows: &[f32], cols: usize) -> Result<(), Error> {
        let known = self.cols.unwrap_or(cols);
        if known != cols || cols == 0 || !rows.len().is_multiple_of(cols) {
            return Err(Error::DimensionMismatch {
                train: known,
                test: cols,
            });
        }
        if self.cols.is_none() {
            let header = self.header(cols);
            self.cut(0)
                .and_then(|()| self.file.write_all(&header))
                .map_err(|e| self.io("write", e))?;
            self.cols = Some(cols);
            if let Some(empty) = self.empty.take() {
                empty.keep();
            }
        }
        let count = rows.len() / cols;
        if self.done + count > self.rows {
            return Err(Error::Length {
                what: "list of rows to write",
                found: self.done + count,
                expected: self.rows,
            });
        }
        let mut write = || -> io::Result<Option<usize>> {
            for (at, &value) in rows.iter().enumerate() {
                match self.stored {
                    Stored::F32 => self.file.write_all(&value.to_le_bytes())?,
                    Stored::F16 => {
                        let half = f16::from_f32(value);
                        if half.is_infinite() && value.is_finite() {
                            return Ok(Some(at));
                        }
                        self.file.write_all(&half.to_le_bytes())?;
                    }
                }
            }
            Ok(None)
        };
        match write() {
            Ok(None) => {}
            Ok(Some(at)) => {
                return Err(Error::TooLargeForHalf {
                    path: self.path.clone(),
                    row: self.done + at / cols,
                    column: at % cols,
                    value: rows[at],
                });
            }
            Err(cause) => return Err(self.io("write", cause)),
        }
        self.done += count;
        if self.safe_at.is_none_or(|at| at.elapsed() > SAFE_EVERY) {
            self.make_safe()?;
        }
        Ok(())
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If fewer rows were written than announced, or the disk fails.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.done != self.rows || self.cols.is_none() {
            return Err(Error::Length {
                what: "list of rows to write",
                found: self.done,
                expected: self.rows,
            });
        }
        self.make_safe()?;
        fs::rename(self.part(), &self.path).map_err(|e| self.io("write", e))?;
        let _ = fs::remove_file(self.state());
        Ok(())
    }

    /// The rows and columns that an interrupted writer of the same work left.
    fn found(&self) -> Option<(usize, usize)> {
        let state: Value = serde_json::from_slice(&fs::read(self.state()).ok()?).ok()?;
        let number = |key: &str| usize::try_from(state[key].as_u64()?).ok();
        let (done, cols) = (number("done")?, number("cols")?);
        // What no writer writes, or has no size, is another run's rest.
        if done > self.rows || cols == 0 {
            return None;
        }
        let row = cols.checked_mul(self.stored.bytes())?;
        row.checked_mul(self.rows)?;
        let same = state["work"] == *self.work && number("rows")? == self.rows;
        let length = fs::metadata(self.part()).ok()?.len();
        let needed = self.header(cols).len().checked_add(done * row)?;
        (same && state == self.description(done, cols) && length >= needed as u64)
            .then_some((done, cols))
    }

    /// Leaves that many bytes and continues after them.
    fn cut(&mut self, length: usize) -> io::Result<()> {
        self.file.get_ref().set_len(length as u64)?;
        self.file.seek(SeekFrom::Start(length as u64))?;
        Ok(())
    }

    fn description(&self, done: usize, cols: usize) -> Value {
        json!({
            "work": self.work, "rows": self.rows, "cols": cols, "bytes": self.stored.bytes(),
            "safetensors": self.safetensors, "done": done,
        })
    }

    /// Puts the rows that are written safely on disk: a later writer continues after them, whatever
    /// becomes of this one.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn make_safe(&mut self) -> Result<(), Error> {
        if self.cols.is_none() {
            return Ok(());
        }
        let synced = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data());
        let description = self.description(self.done, self.cols().unwrap_or(0));
        synced
            .and_then(|()| {
                e2mc_base::write_atomically(&self.state(), description.to_string().as_bytes())
            })
            .map_err(|cause| self.io("write", cause))?;
        self.safe_at = Some(Instant::now());
        Ok(())
    }

    fn header(&self, cols: usize) -> Vec<u8> {
        if !self.safetensors {
            let description = match self.stored {
                Stored::F32 => "<f4",
                Stored::F16 => "<f2",
            };
            return header(description, &[self.rows, cols]);
        }
        let dtype = match self.stored {
            Stored::F32 => "F32",
            Stored::F16 => "F16",
        };
        let end = self.rows * cols * self.stored.bytes();
        let entry = json!({ "dtype": dtype, "shape": [self.rows, cols], "data_offsets": [0, end] });
        let mut text = json!({ TENSOR: entry }).to_string().into_bytes();
        // The values begin at a multiple of 8 bytes.
        text.resize(text.len().next_multiple_of(8), b' ');
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text);
        bytes
    }

    fn part(&self) -> PathBuf {
        part(&self.path)
    }

    fn state(&self) -> PathBuf {
        beside(&self.path, ".part.json")
    }

    fn io(&self, action: &'static str, cause: io::Error) -> Error {
        Error::Io {
            action,
            path: self.path.clone(),
            cause,
        }
    }
}

fn part(path: &Path) -> PathBuf {
    beside(path, ".part")
}

/// Opens the part of `path` and locks it; what it holds stays.
fn locked(path: &Path) -> Result<File, Error> {
    let io = |cause| Error::Io {
        action: "write",
        path: path.into(),
        cause,
    };
    if path.is_dir() {
        return Err(Error::Format {
            path: path.into(),
            expected: "a file to write".into(),
            found: "a folder".into(),
            hint: "name a file in it",
        });
    }
    let file = open_locked(&part(path)).map_err(io)?;
    file.ok_or_else(|| Error::Busy { path: path.into() })
}

fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(more);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_embeddings, read_labels, write_labels};

    fn rows(count: usize) -> Vec<f32> {
        (0..count * 3).map(|i| (i as f32 * 0.37).sin()).collect()
    }

    #[test]
    fn an_interrupted_writer_leaves_the_same_bytes_as_one_that_was_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["e.npy", "e.safetensors"] {
            for stored in [Stored::F32, Stored::F16] {
                let values = rows(10);
                let whole = folder.path().join(format!("whole-{name}"));
                let mut writer = RowWriter::open(&whole, 10, stored, "work").unwrap();
                writer.append(&values, 3).unwrap();
                writer.finish().unwrap();

                let path = folder.path().join(name);
                let mut writer = RowWriter::open(&path, 10, stored, "work").unwrap();
                writer.append(&values[..12], 3).unwrap();
                writer.append(&values[12..18], 3).unwrap();
                drop(writer); // what is not known to be safe is written again
                let mut writer = RowWriter::open(&path, 10, stored, "work").unwrap();
                assert_eq!((writer.done(), writer.cols()), (4, Some(3)));
                assert!(!path.exists());
                writer.append(&values[12..], 3).unwrap();
                writer.finish().unwrap();
                assert_eq!(fs::read(&path).unwrap(), fs::read(&whole).unwrap());
                let left = fs::read_dir(folder.path()).unwrap().count();
                assert_eq!(left, 2, "no part is left behind");

                let read = read_embeddings(&path).unwrap();
                let tolerance = if stored == Stored::F16 { 5e-4 } else { 0.0 };
                for (a, b) in read.data().iter().zip(&values) {
                    assert!((a - b).abs() <= tolerance);
                }
                fs::remove_file(&path).unwrap();
                fs::remove_file(&whole).unwrap();
            }
        }
    }

    #[test]
    fn rows_of_other_work_are_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.npy");
        let start = |rows, stored, work: &str| RowWriter::open(&path, rows, stored, work).unwrap();
        start(10, Stored::F32, "a").append(&rows(4), 3).unwrap();
        assert_eq!(start(10, Stored::F32, "a").done(), 4);
        assert_eq!(start(10, Stored::F32, "b").done(), 0);
        assert_eq!(start(11, Stored::F32, "a").done(), 0);
        assert_eq!(start(10, Stored::F16, "a").done(), 0);
        // The part lost bytes that were said to be safe.
        let part = folder.path().join("e.npy.part");
        let bytes = fs::read(&part).unwrap();
        fs::write(&part, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(start(10, Stored::F32, "a").done(), 0);
    }

    #[test]
    fn a_state_that_cannot_be_is_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["e.npy", "e.safetensors"] {
            let path = folder.path().join(name);
            let open = || RowWriter::open(&path, 10, Stored::F32, "a").unwrap();
            for (done, cols) in [(11, 3), (4, 0), (1, usize::MAX / 2), (0, usize::MAX / 8)] {
                let state = open().description(done, cols).to_string();
                fs::write(part(&path), vec![0; 1000]).unwrap();
                fs::write(beside(&path, ".part.json"), state).unwrap();
                let writer = open();
                assert_eq!((writer.done(), writer.cols()), (0, None), "{done} {cols}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.npy");
        let mut writer = RowWriter::open(&path, 2, Stored::F16, "").unwrap();
        let error = writer.append(&[1.0, 7e4, 0.0], 3).unwrap_err().to_string();
        assert!(
            error.contains("70000 at row 0, column 1, beyond the range of float16"),
            "{error}"
        );
        drop(writer);
        let mut writer = RowWriter::open(&path, 2, Stored::F32, "").unwrap();
        writer.append(&rows(1), 3).unwrap();
        assert!(writer.append(&rows(2), 3).is_err());
        assert!(writer.append(&[0.0; 2], 2).is_err());
        assert!(writer.finish().is_err());
        assert!(RowWriter::open("e.npz", 2, Stored::F32, "").is_err());
    }

    #[test]
    fn a_second_writer_of_the_same_file_is_refused_until_the_first_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.npy");
        let open = || RowWriter::open(&path, 4, Stored::F32, "a");
        let refused = || {
            let error = open().unwrap_err();
            let text = error.to_string();
            assert!(text.ends_with("e.npy: another run is writing this file"));
            assert!(error.hint().unwrap().contains("another file"));
        };
        let mut writer = open().unwrap();
        refused();
        writer.append(&rows(2), 3).unwrap();
        refused();
        writer.append(&rows(2), 3).unwrap();
        writer.finish().unwrap();
        let values = [rows(2), rows(2)].concat();
        assert_eq!(read_embeddings(&path).unwrap().data(), values);
        // One that wrote nothing leaves nothing, and another may begin.
        drop(open().unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(open().unwrap().done(), 0);
    }

    #[test]
    fn labels_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.npy");
        write_labels(&path, &[3, 0, 7]).unwrap();
        assert_eq!(read_labels(&path).unwrap(), [3, 0, 7]);
    }
}
