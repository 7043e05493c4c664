//! Locks of the operating system on files and folders. They vanish with the process that holds
//! them, however it ends: a lock is never stale, not after a kill and not after a reboot.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::unfinished::{self, Unfinished};

/// The file in a folder that its one writer holds.
const LOCK: &str = ".lock";
/// How often a lock is tried whose file another process has just removed.
const TRIES: usize = 20;

/// Opens a file for reading and writing, leaves what it holds, and locks it until it is closed;
/// `None` while another holds the lock. A file system without locks gives the file as it is.
///
/// # Errors
/// Where the file cannot be opened or made, or the system refuses the lock for another reason.
pub fn open_locked(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(cause)) if has_no_locks(&cause) => {}
            Err(TryLockError::Error(cause)) => return Err(cause),
        }
        // Between the two steps another process may have removed or renamed this very file.
        if is_at(&file, path)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Whether the open file is the one that has this name now.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let opened = file.metadata()?;
    let same = |now: fs::Metadata| (now.dev(), now.ino()) == (opened.dev(), opened.ino());
    Ok(fs::metadata(path).is_ok_and(same))
}

/// An open file keeps its name.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Whether a lock cannot be had from this file system, as from some of networks.
fn has_no_locks(error: &io::Error) -> bool {
    // ENOLCK, which has no kind of its own.
    const NO_LOCKS: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(NO_LOCKS)
}

/// A folder that this process alone writes to, until the lock is dropped.
#[derive(Debug)]
pub struct FolderLock {
    // In the order in which they go: the name, then the lock, then folders that stayed empty.
    name: Option<Unfinished>,
    file: Option<File>,
    made: Vec<Unfinished>,
}

/// Why a folder cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process writes to the folder.
    #[error(
        "another process{} writes to {}",
        owner.as_deref().map(|owner| format!(" ({owner})")).unwrap_or_default(),
        folder.display()
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// Which process, as it says itself.
        owner: Option<String>,
    },
    /// The folder cannot be made or written to.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `make`, `write to`.
        action: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FolderLock {
    /// Makes the folder where it is not there, and locks it. What writers before left unfinished in
    /// it goes. Where the lock is dropped, or the process ended by a signal, folders that were made
    /// here and are still empty go again.
    ///
    /// # Errors
    /// [`LockError::Busy`] while another process holds the lock; or where the folder cannot be
    /// made or written to.
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        let io = |action| {
            let path = folder.to_owned();
            move |source| LockError::Io {
                action,
                path,
                source,
            }
        };
        for _ in 0..TRIES {
            let path = folder.join(LOCK);
            let (made, opened) = unfinished::in_one_step(|| {
                let made = make(folder).map_err(io("make"))?;
                let opened = open_locked(&path);
                let opened = opened.map(|file| file.map(|file| (file, Unfinished::file(&path))));
                Ok((made, opened))
            })?;
            let (file, name) = match opened {
                Ok(Some(opened)) => opened,
                Ok(None) => {
                    return Err(LockError::Busy {
                        folder: folder.to_owned(),
                        owner: owner(&path),
                    });
                }
                // Its owner has just removed the folder, which was empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => {
                    continue;
                }
                Err(error) => return Err(io("write to")(error)),
            };
            remove_rests(folder);
            // The owner is written only for the message.
            let _ = file.set_len(0);
            let _ = (&file).write_all(whoami().as_bytes());
            return Ok(Self {
                name: Some(name),
                file: Some(file),
                made,
            });
        }
        Err(LockError::Busy {
            folder: folder.to_owned(),
            owner: None,
        })
    }

    /// Whether another process writes to the folder at this moment. Nothing is made.
    ///
    /// # Errors
    /// [`LockError::Busy`] where one does.
    pub fn check(folder: &Path) -> Result<(), LockError> {
        let path = folder.join(LOCK);
        let Ok(file) = File::open(&path) else {
            return Ok(());
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(LockError::Busy {
                folder: folder.to_owned(),
                owner: owner(&path),
            }),
            _ => Ok(()),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // The name goes while the lock is held: whoever opened it meanwhile sees that it is gone.
        drop(self.name.take());
        drop(self.file.take());
        while let Some(folder) = self.made.pop() {
            drop(folder);
        }
    }
}

/// Makes a folder with those above it; those that were not there, outermost first.
fn make(folder: &Path) -> io::Result<Vec<Unfinished>> {
    let above = folder.ancestors();
    let missing = above.take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    missing.reverse();
    fs::create_dir_all(folder)?;
    Ok(missing
        .iter()
        .map(|path| Unfinished::folder(path))
        .collect())
}

/// Folders in which unfinished files wait, and their name while they are removed.
const REST_FOLDERS: [&str; 2] = [".e2mc-unfinished", ".e2mc-unfinished.gone"];
/// Letters and digits after the prefix of a temporary file.
const RANDOM: usize = 6;

/// Whether a file is one that was being written: others' files may begin alike.
fn is_rest(name: &str) -> bool {
    let random = name.strip_prefix(crate::file::TEMPORARY);
    random.is_some_and(|random| {
        random.len() == RANDOM && random.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Removes what a kill left of files that were being written: nobody else writes here now.
fn remove_rests(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let _ = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true if REST_FOLDERS.contains(&&*name) => fs::remove_dir_all(entry.path()),
            false if is_rest(&name) => fs::remove_file(entry.path()),
            _ => continue,
        };
    }
}

fn whoami() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let process = std::process::id();
    match host.trim() {
        "" => format!("process {process}"),
        host => format!("process {process} on {host}"),
    }
}

/// What the holder of a lock wrote of itself.
fn owner(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(200)
        .read_to_string(&mut text)
        .ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused_and_told_of_the_first() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("a/b");
        let first = FolderLock::acquire(&folder).unwrap();
        let error = FolderLock::acquire(&folder).unwrap_err().to_string();
        let process = format!("process {}", std::process::id());
        assert!(error.contains(&process), "{error}");
        assert!(FolderLock::check(&folder).is_err());
        fs::write(folder.join("kept"), "").unwrap();
        drop(first);
        let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(left.len(), 1, "only the file is left");
        drop(FolderLock::acquire(&folder).unwrap());
        FolderLock::check(&folder).unwrap();
    }

    #[test]
    fn a_lock_that_a_kill_or_a_reboot_left_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK), "process 1 on elsewhere").unwrap();
        fs::write(folder.path().join(".e2mc-x1b2c3"), "half a checkpoint").unwrap();
        fs::create_dir(folder.path().join(".e2mc-unfinished")).unwrap();
        let lock = FolderLock::acquire(folder.path()).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(
            names.len(),
            1,
            "what the kill left is gone, the lock is there"
        );
        drop(lock);
    }

    #[test]
    fn folders_that_stay_empty_go_again_and_others_stay() {
        let outside = tempfile::tempdir().unwrap();
        drop(FolderLock::acquire(&outside.path().join("a/b")).unwrap());
        assert!(!outside.path().join("a").exists());
        fs::create_dir(outside.path().join("c")).unwrap();
        drop(FolderLock::acquire(&outside.path().join("c/d")).unwrap());
        assert!(outside.path().join("c").exists() && !outside.path().join("c/d").exists());
    }
}
