//! Writing files whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::unfinished::{Unfinished, in_one_step};

/// How the names of temporary files begin: what a kill leaves of one is known by it.
pub(crate) const TEMPORARY: &str = ".e2mc-";

/// Writes a file whole or not at all: into a temporary file beside it, synced, then renamed.
///
/// # Errors
/// Where the folder or the disk does not take it; an older file of that name is then untouched. The
/// error does not name the file: the caller knows it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomically`], for what is written piece by piece.
///
/// # Errors
/// As [`write_atomically`], and whatever `write` returns.
pub fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // The default is private to the user; a result file should follow the user's umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let (mut file, unfinished) = in_one_step(|| -> io::Result<_> {
        let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        let unfinished = Unfinished::file(file.path());
        Ok((file, unfinished))
    })?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    unfinished.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_stays_where_writing_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_atomically(&path, b"old").unwrap();
        let error = write_atomically_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(error.unwrap_err().to_string(), "the disk is full");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        // Nothing is left beside it.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
