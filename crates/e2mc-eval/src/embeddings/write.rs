//! Writing float32 `.npy` files that appear whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use e2mc::MatrixView;

use crate::Error;

/// Writes `matrix` `(n, d)` as float32 in C order, format version 1. The values go to a temporary file beside `path`,
/// which then takes its place: a reader never sees half a file, and a failure leaves an earlier file as it was.
///
/// # Errors
/// [`Error::Io`] if the folder does not exist or cannot be written to, or the disk is full.
pub fn write_npy(path: impl AsRef<Path>, matrix: MatrixView<'_>) -> Result<(), Error> {
    let path = path.as_ref();
    write_file(path, |out| {
        out.write_all(&header("<f4", &[matrix.rows(), matrix.cols()]))?;
        for value in matrix.data() {
            out.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    })
}

/// [`write_whole`] with an error that names the file.
pub(crate) fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> io::Result<()>,
) -> Result<(), Error> {
    write_whole(path, fill).map_err(|cause| Error::Io {
        action: "write",
        path: path.into(),
        cause,
    })
}

/// The header of an array of that type (`<f4`) and shape, of one or two dimensions.
pub(crate) fn header(description: &str, shape: &[usize]) -> Vec<u8> {
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
    // Two numbers of at most 20 digits cannot fill a u16.
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

/// Fills a temporary file beside `path`, which then takes its place.
pub(crate) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".tmp");
    #[cfg(unix)]
    {
        // As for any new file: what the user's mask leaves, not private to the user.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    let mut out = BufWriter::with_capacity(1 << 18, file.as_file_mut());
    fill(&mut out)?;
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
