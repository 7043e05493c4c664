//! Writing files whole or not at all, and not over what lies there.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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
    let (mut file, unfinished) = in_one_step(|| -> io::Result<_> {
        // Opened here and not by the builder: so the file follows the user's umask, and an error
        // does not name a temporary file, which nobody has typed.
        let folder = folder.unwrap_or(Path::new("."));
        let file = builder.make_in(folder, |path| {
            File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)
        })?;
        let unfinished = Unfinished::file(file.path());
        Ok((file, unfinished))
    })?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    unfinished.keep();
    Ok(())
}

/// Something lies where a file is to be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} exists already", path.display())]
pub struct FileThere {
    /// The file or folder.
    pub path: PathBuf,
}

/// Refuses to write where something lies, which may be the only copy of somebody's work; unless it
/// is to be replaced. An empty folder is nothing to lose. It is looked at once, before the work: what
/// comes during it is replaced.
///
/// # Errors
/// [`FileThere`], without `overwrite`.
pub fn refuse_to_replace(path: &Path, overwrite: bool) -> Result<(), FileThere> {
    // A broken link is something, too.
    if overwrite || path.symlink_metadata().is_err() || is_empty_folder(path) {
        return Ok(());
    }
    Err(FileThere {
        path: path.to_owned(),
    })
}

fn is_empty_folder(path: &Path) -> bool {
    path.read_dir()
        .is_ok_and(|mut entries| entries.next().is_none())
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

    #[test]
    fn an_error_does_not_name_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(&folder.path().join("none/file"), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(TEMPORARY), "{error}");
    }

    #[test]
    fn what_lies_there_is_replaced_only_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        assert_eq!(refuse_to_replace(&path, false), Ok(()));
        std::fs::create_dir(&path).unwrap();
        assert_eq!(refuse_to_replace(&path, false), Ok(()), "an empty folder");
        std::fs::write(path.join("weights"), "weights").unwrap();
        for there in [path.join("weights"), path] {
            let error = refuse_to_replace(&there, false).unwrap_err();
            assert_eq!(error.path, there);
            assert_eq!(refuse_to_replace(&there, true), Ok(()));
        }
    }
}
