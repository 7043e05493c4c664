//! NumPy's `.npz` format: a zip archive of `.npy` files, stored or deflated.
//!
//! Deflate shrinks at most about 1,032-fold, so an entry that claims more is a forgery; that is
//! found out before anything is allocated for it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use e2mc::Matrix;
use zip::ZipArchive;
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::npy::Array;
use super::values::TRUNCATED;
use super::{source, write};
use crate::Error;

/// More than deflate can shrink.
const MOST_SHRUNK: u64 = 1100;

/// Reads the float matrix of that name; without a name, the only array of two dimensions.
pub(super) fn read_matrix(path: &Path, array: Option<&str>) -> Result<Matrix, Error> {
    with_array(path, array, 2, |array| array.into_matrix())
}

/// Reads the float tensor of that name and `rank`, and its shape.
pub(super) fn read_tensor(
    path: &Path,
    array: Option<&str>,
    rank: usize,
) -> Result<(Matrix, Vec<usize>), Error> {
    with_array(path, array, rank, |array| array.into_tensor(rank))
}

/// Reads one `T` for each integer of the array of that name, which has `rank` dimensions; without a
/// name, of the only array of one dimension.
pub(super) fn read_integers<T>(
    path: &Path,
    array: Option<&str>,
    rank: usize,
    convert: impl FnMut(usize, i128) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    with_array(path, array, 1, |array| array.into_integers(rank, convert))
}

/// The shape of the array of that name, and whether it holds floats; without a name, of the only
/// array of one dimension.
pub(super) fn shape(path: &Path, array: Option<&str>) -> Result<(Vec<usize>, bool), Error> {
    with_array(path, array, 1, |array| Ok(array.into_shape()))
}

/// The names of the arrays in the file, sorted.
///
/// # Errors
/// A file that cannot be read or is no zip archive.
pub fn npz_names(path: impl AsRef<Path>) -> Result<Vec<String>, Error> {
    Ok(names(&open(path.as_ref())?))
}

fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>, Error> {
    let (file, _) = source::open(path, "an .npz file")?;
    ZipArchive::new(BufReader::new(file)).map_err(|e| wrong(path, &e))
}

fn names(archive: &ZipArchive<BufReader<File>>) -> Vec<String> {
    let mut names: Vec<String> = archive
        .file_names()
        .filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_owned()))
        .collect();
    names.sort_unstable();
    names
}

fn with_array<T>(
    path: &Path,
    name: Option<&str>,
    rank: usize,
    read: impl FnOnce(Array<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut archive = open(path)?;
    let names = names(&archive);
    let name = match name {
        Some(name) if names.iter().any(|n| n == name) => name.to_owned(),
        Some(name) => {
            return Err(Error::NoTensor {
                path: path.into(),
                name: name.into(),
                available: list(&names),
            });
        }
        None => {
            let mut fitting = Vec::new();
            for name in names {
                // Labels may be a column.
                let fits = |array: Array<'_>| {
                    let column = rank == 1 && matches!(array.shape[..], [_, 1]);
                    Ok(array.shape.len() == rank || column)
                };
                if entry(&mut archive, path, &name, fits)? {
                    fitting.push(name);
                }
            }
            if fitting.len() != 1 {
                let s = if rank == 1 { "" } else { "s" };
                return Err(Error::Format {
                    path: path.into(),
                    expected: format!("one array of {rank} dimension{s}"),
                    found: list(&fitting),
                    hint: "name the array as FILE:array",
                });
            }
            fitting.remove(0)
        }
    };
    entry(&mut archive, path, &name, read)
}

fn entry<T>(
    archive: &mut ZipArchive<BufReader<File>>,
    path: &Path,
    name: &str,
    read: impl FnOnce(Array<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let entry = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|e| wrong(path, &e))?;
    let (length, stored) = (entry.size(), entry.compressed_size());
    if length / MOST_SHRUNK > stored {
        return Err(Error::Format {
            path: path.into(),
            expected: "arrays as deflate can shrink them".into(),
            found: format!("array {name:?} of {length} bytes in {stored}"),
            hint: TRUNCATED,
        });
    }
    read(Array::from_reader(path, Box::new(entry), (length, stored))?)
}

fn wrong(path: &Path, error: &ZipError) -> Error {
    Error::Format {
        path: path.into(),
        expected: "an .npz file".into(),
        found: format!("no readable zip archive ({error})"),
        hint: TRUNCATED,
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

/// An array to be written.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// Class numbers, one a row, as int64.
    Classes(&'a [usize]),
    /// Integers `(n, d)` as int64.
    Integers(&'a [i64], usize),
    /// Floats `(n, d)` as float32.
    Floats(&'a [f32], usize),
}

/// Writes named arrays to an `.npz` file, deflated; the file appears whole or not at all and is the
/// same for the same arrays.
///
/// # Errors
/// [`Error::Io`] if the folder does not exist or cannot be written to, or the disk is full.
pub fn write_npz(path: impl AsRef<Path>, columns: &[(&str, Column<'_>)]) -> Result<(), Error> {
    let path = path.as_ref();
    write::write_file(path, |out| {
        let mut archive = ZipWriter::new(&mut *out);
        for (name, column) in columns {
            let options = SimpleFileOptions::default().large_file(true);
            archive.start_file(format!("{name}.npy"), options)?;
            let mut out = BufWriter::with_capacity(1 << 18, &mut archive);
            match *column {
                Column::Classes(labels) => write::write_classes(&mut out, labels)?,
                Column::Integers(values, width) => {
                    let shape = [values.len() / width.max(1), width];
                    write::write_integers(&mut out, &shape, values)?;
                }
                Column::Floats(values, width) => {
                    let shape = [values.len() / width.max(1), width];
                    write::write_floats(&mut out, &shape, values)?;
                }
            }
            out.flush()?;
        }
        archive.finish()?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;
    use crate::{read_embeddings, read_labels};

    #[test]
    fn reads_what_numpy_wrote() {
        let file = golden("embeddings.npz");
        let alone = read_embeddings(golden("embeddings.npy")).unwrap();
        assert_eq!(read_embeddings(&file).unwrap(), alone);
        let named = format!("{}:embeddings", file.display());
        assert_eq!(read_embeddings(&named).unwrap(), alone);
        let labels = read_labels(golden("label.npy")).unwrap();
        assert_eq!(read_labels(&file).unwrap(), labels);
        assert_eq!(npz_names(&file).unwrap(), ["embeddings", "label"]);
        let deflated = golden("deflated.npz");
        let named = format!("{}:label", deflated.display());
        assert_eq!(read_labels(&named).unwrap(), labels);
    }

    #[test]
    fn reads_back_what_it_writes_and_writes_the_same_bytes_twice() {
        let folder = tempfile::tempdir().unwrap();
        let floats: Vec<f32> = (0..600).map(|i| i as f32 * 0.5).collect();
        let classes: Vec<usize> = (0..200).map(|i| i % 7).collect();
        let write = |name: &str| {
            let path = folder.path().join(name);
            let columns = [
                ("label", Column::Classes(&classes)),
                ("scores", Column::Floats(&floats, 3)),
            ];
            write_npz(&path, &columns).unwrap();
            path
        };
        let (a, b) = (write("a.npz"), write("b.npz"));
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        assert_eq!(read_labels(&a).unwrap(), classes);
        let scores = read_embeddings(&a).unwrap();
        assert_eq!(
            (scores.rows(), scores.cols(), scores.data()),
            (200, 3, &floats[..])
        );
    }

    #[test]
    fn what_is_missing_ambiguous_or_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = |result: Result<Vec<usize>, Error>| result.unwrap_err().to_string();
        let paired = golden("paired.npz");
        let found = text(read_labels(&paired));
        assert!(
            found.contains("expected one array of 1 dimension, found base, label, new"),
            "{found}"
        );
        let found = text(read_labels(format!("{}:other", paired.display())));
        assert!(
            found.contains("has no tensor \"other\"; it has base, label, new"),
            "{found}"
        );
        let bytes = std::fs::read(&paired).unwrap();
        for cut in [1, 30, 500, 96_700] {
            let cut_file = folder.path().join("cut.npz");
            std::fs::write(&cut_file, &bytes[..cut]).unwrap();
            let found = text(read_labels(format!("{}:label", cut_file.display())));
            assert!(found.contains("expected an .npz file"), "{cut}: {found}");
        }
        // A flipped bit in the values is found by the archive's checksum.
        let mut flipped = bytes;
        flipped[400] ^= 1;
        let file = folder.path().join("flipped.npz");
        std::fs::write(&file, flipped).unwrap();
        let found = text(read_labels(format!("{}:label", file.display())));
        assert!(found.contains("cannot read"), "{found}");
        let mut bytes = std::fs::read(golden("embeddings.npz")).unwrap();
        bytes[400] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let found = read_embeddings(&file).unwrap_err().to_string();
        assert!(found.contains("cannot read"), "{found}");
    }
}
