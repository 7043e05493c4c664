//! What is to be removed where the work, or the whole process, ends before it is done.
//!
//! Where an error unwinds, values are dropped and remove what they made. Where a signal ends the
//! process nothing is dropped: whoever ends it calls [`remove_all`] first. After a kill nobody can;
//! what is left then is found by its name, or is as good as not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Everything that is unfinished now, in the order in which it began.
static LIST: Mutex<BTreeMap<u64, Item>> = Mutex::new(BTreeMap::new());
/// Held while something is made and entered, so that the end of the process does not come between.
static GATE: Mutex<()> = Mutex::new(());
static NEXT: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Debug)]
struct Item {
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    File,
    /// Removed only where it is empty.
    Folder,
    Tree,
}

/// A file or folder that is removed where this is dropped, or the process ended, before
/// [`Unfinished::keep`].
#[derive(Debug)]
pub struct Unfinished(u64);

impl Unfinished {
    /// A file.
    pub fn file(path: &Path) -> Self {
        Self::new(path, Kind::File)
    }

    /// A folder, which goes only where it is empty.
    pub fn folder(path: &Path) -> Self {
        Self::new(path, Kind::Folder)
    }

    /// A folder with everything in it.
    pub fn tree(path: &Path) -> Self {
        Self::new(path, Kind::Tree)
    }

    fn new(path: &Path, kind: Kind) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = path.to_owned();
        list().insert(number, Item { path, kind });
        Self(number)
    }

    /// Leaves it: it is whole now, or somebody else removes it.
    pub fn keep(self) {
        list().remove(&self.0);
        std::mem::forget(self);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(item) = list().remove(&self.0) {
            item.remove();
        }
    }
}

impl Item {
    /// What cannot be removed stays: nobody is there to be told.
    fn remove(&self) {
        let _ = match self.kind {
            Kind::File => fs::remove_file(&self.path),
            Kind::Folder => fs::remove_dir(&self.path),
            Kind::Tree => {
                // Under another name first: threads that still write there must not fill it anew.
                let gone = self.path.with_extension("gone");
                match fs::rename(&self.path, &gone) {
                    Ok(()) => fs::remove_dir_all(&gone),
                    Err(_) => fs::remove_dir_all(&self.path),
                }
            }
        };
    }
}

/// Keeps other threads from beginning anything that would have to be removed.
#[must_use]
pub struct AllRemoved(
    #[allow(dead_code)] MutexGuard<'static, BTreeMap<u64, Item>>,
    #[allow(dead_code)] MutexGuard<'static, ()>,
);

/// Makes something and enters it as [`Unfinished`] in one step: a process that is being ended has
/// either both or neither. Not to be called within itself.
pub fn in_one_step<T>(work: impl FnOnce() -> T) -> T {
    let _gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Removes all that is unfinished, the latest first. While the returned value lives other threads
/// wait where they begin or end such a thing: end the process before it is dropped.
pub fn remove_all() -> AllRemoved {
    let gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut list = list();
    while let Some((_, item)) = list.pop_last() {
        item.remove();
    }
    AllRemoved(list, gate)
}

fn list() -> MutexGuard<'static, BTreeMap<u64, Item>> {
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_goes() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            (Unfinished::file(&path), path)
        };
        let ((kept, whole), (lost, half)) = (file("whole"), file("half"));
        kept.keep();
        drop(lost);
        assert!(whole.exists() && !half.exists());
        let full = Unfinished::folder(folder.path());
        drop(full);
        assert!(whole.exists(), "a folder that holds something stays");
        drop(Unfinished::tree(folder.path()));
        assert!(!folder.path().exists());
    }
}
