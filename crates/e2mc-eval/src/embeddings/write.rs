//! Writing arrays in NumPy's `.npy` format, version 1: the one writer, for whole files, archives
//! and rows that come one by one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use e2mc::MatrixView;

use crate::Error;

/// Writes `matrix` `(n, d)` as float32 in C order. The file appears whole or not at all: a reader
/// never sees half of it, and a failure leaves an earlier file as it was.
///
/// # Errors
/// [`Error::Io`] if the folder does not exist or cannot be written to, or the disk is full.
pub fn write_npy(path: impl AsRef<Path>, matrix: MatrixView<'_>) -> Result<(), Error> {
    write_npy_tensor(path, &[matrix.rows(), matrix.cols()], matrix.data())
}

/// Writes values of any shape as float32 in C order, as [`write_npy`].
///
/// # Errors
/// As [`write_npy`]; [`Error::Length`] if the values do not fill the shape.
pub fn write_npy_tensor(
    path: impl AsRef<Path>,
    shape: &[usize],
    values: &[f32],
) -> Result<(), Error> {
    let expected = shape.iter().product();
    if values.len() != expected {
        return Err(Error::Length {
            what: "list of values to write",
            found: values.len(),
            expected,
        });
    }
    write_file(path.as_ref(), |out| write_floats(out, shape, values))
}

/// Writes class numbers, one a row, as int64, as [`write_npy`].
///
/// # Errors
/// As [`write_npy`].
pub fn write_labels(path: impl AsRef<Path>, labels: &[usize]) -> Result<(), Error> {
    write_file(path.as_ref(), |out| write_classes(out, labels))
}

/// A float32 array of that shape.
pub(super) fn write_floats(
    out: &mut impl Write,
    shape: &[usize],
    values: &[f32],
) -> io::Result<()> {
    let values = values.iter().map(|value| value.to_le_bytes());
    write_array(out, "<f4", shape, values)
}

/// Class numbers as an int64 array of one dimension.
pub(super) fn write_classes(out: &mut impl Write, labels: &[usize]) -> io::Result<()> {
    let values = labels.iter().map(|&label| (label as i64).to_le_bytes());
    write_array(out, "<i8", &[labels.len()], values)
}

/// An int64 array of that shape.
pub(super) fn write_integers(
    out: &mut impl Write,
    shape: &[usize],
    values: &[i64],
) -> io::Result<()> {
    let values = values.iter().map(|value| value.to_le_bytes());
    write_array(out, "<i8", shape, values)
}

fn write_array<const BYTES: usize>(
    out: &mut impl Write,
    description: &str,
    shape: &[usize],
    mut values: impl Iterator<Item = [u8; BYTES]>,
) -> io::Result<()> {
    out.write_all(&header(description, shape))?;
    values.try_for_each(|value| out.write_all(&value))
}

/// The header of an array of that type (`<f4`) and shape.
pub(super) fn header(description: &str, shape: &[usize]) -> Vec<u8> {
    let shape = match shape {
        [rows] => format!("({rows},)"),
        lengths => {
            let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
            format!("({})", lengths.join(", "))
        }
    };
    let mut text =
        format!("{{'descr': '{description}', 'fortran_order': False, 'shape': {shape}, }}");
    // The values begin at a multiple of 64 bytes.
    let unpadded = 10 + text.len() + 1;
    text.extend(std::iter::repeat_n(
        ' ',
        unpadded.next_multiple_of(64) - unpadded,
    ));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    // NumPy's 64 dimensions of at most 20 digits each cannot fill a u16.
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

/// Writes a file whole or not at all, through a buffer.
pub(super) fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), Error> {
    let write = |file: &mut File| {
        let mut out = BufWriter::with_capacity(1 << 18, file);
        fill(&mut out)?;
        out.flush()
    };
    e2mc_base::write_atomically_with(path, write).map_err(|cause| Error::Io {
        action: "write",
        path: path.into(),
        cause,
    })
}
