//! Where an evaluation writes: `result.json`, the predictions of each fit, and the surroundings of
//! test rows.
//!
//! The first fit's predictions are in the folder itself, those of the others in folders of their
//! own. Until the result is whole they are aside, in a folder that goes where the work ends early:
//! then nothing was written, and an older result is untouched.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use e2mc_base::lock::FolderLock;
use e2mc_base::unfinished::{Unfinished, in_one_step};

use super::EvaluationResult;
use crate::Error;

/// The name of the result's file.
pub const RESULT: &str = "result.json";
/// The name of a predictions' file: the arrays `label`, `prediction`, and `scores` or, of
/// neighbours, `ranked`.
pub const PREDICTIONS: &str = "predictions.npz";
/// Where predictions wait for the result. Locking the folder removes what a kill left of it.
const ASIDE: &str = ".e2mc-unfinished";
/// The name of the file that says where test rows lie and what is nearest to them.
pub const SURROUNDINGS: &str = "surroundings.npz";

/// The folder that an evaluation writes to, or none.
#[derive(Debug)]
pub struct ResultFolder {
    out: Option<Out>,
    /// Whether scores are kept beside predictions.
    scores: bool,
    /// The fit that goes to the folder itself.
    first: Option<String>,
}

#[derive(Debug)]
struct Out {
    folder: PathBuf,
    /// The files that are to be given their places, in the order in which they were asked for.
    waiting: Mutex<Vec<PathBuf>>,
    /// An older result that is to be replaced.
    older: Mutex<Option<Box<EvaluationResult>>>,
    // The last fields: what is aside goes before the lock does.
    _aside: Unfinished,
    _lock: FolderLock,
}

impl ResultFolder {
    /// Makes the folder, locks it and tries whether it can be written to: to be called before the
    /// work, not after hours of it. With `overwrite` an older result is replaced once the new one
    /// is whole: then all files that it lists go; other files are left alone.
    ///
    /// # Errors
    /// [`Error::Lock`] while another process writes to the folder, or where it cannot be made or
    /// written to; [`Error::ResultThere`] where a result is in it and is not to be replaced; where
    /// the older result cannot be read, so that nobody knows which files are its own.
    pub fn create(folder: &Path, overwrite: bool) -> Result<Self, Error> {
        let lock = FolderLock::acquire(folder)?;
        let path = folder.join(RESULT);
        let older = match (path.exists(), overwrite) {
            (false, _) => None,
            (true, false) => {
                return Err(Error::ResultThere {
                    folder: folder.to_owned(),
                });
            }
            (true, true) => Some(Box::new(EvaluationResult::read(&path)?)),
        };
        tempfile::tempfile_in(folder).map_err(Error::io("write to", folder))?;
        let path = folder.join(ASIDE);
        let aside = in_one_step(|| {
            let made = fs::create_dir(&path).map_err(Error::io("make", &path));
            made.map(|()| Unfinished::tree(&path))
        })?;
        Ok(Self {
            out: Some(Out {
                waiting: Mutex::default(),
                older: Mutex::new(older),
                _aside: aside,
                _lock: lock,
                folder: folder.to_owned(),
            }),
            scores: true,
            first: None,
        })
    }

    /// Writes nothing.
    pub fn nowhere() -> Self {
        Self {
            out: None,
            scores: false,
            first: None,
        }
    }

    /// Leaves the scores out of the predictions.
    #[must_use]
    pub fn without_scores(mut self) -> Self {
        self.scores = false;
        self
    }

    /// Whether scores are to be kept.
    pub fn keeps_scores(&self) -> bool {
        self.scores
    }

    /// Names the fit whose predictions go to the folder itself.
    pub fn set_first(&mut self, fit: impl Into<String>) {
        self.first = Some(fit.into());
    }

    /// Where the predictions of a fit are to be written: the file, which gets its place with the
    /// result, and that place relative to the folder. Makes the fit's folder. None if nothing is
    /// to be written.
    ///
    /// # Errors
    /// Where the fit's folder cannot be made.
    pub fn predictions(&self, fit: &str) -> Result<Option<(PathBuf, PathBuf)>, Error> {
        let Some(out) = &self.out else {
            return Ok(None);
        };
        let place = match self.first.as_deref() == Some(fit) {
            true => PathBuf::from(PREDICTIONS),
            false => Path::new(fit).join(PREDICTIONS),
        };
        out.aside(place).map(Some)
    }

    /// Where the surroundings of test rows are to be written: the file, which gets its place with
    /// the result, and that place relative to the folder. None if nothing is to be written.
    ///
    /// # Errors
    /// Where no file can be made.
    pub fn surroundings(&self) -> Result<Option<(PathBuf, PathBuf)>, Error> {
        let out = self.out.as_ref();
        out.map(|out| out.aside(PathBuf::from(SURROUNDINGS)))
            .transpose()
    }

    /// Gives the files their places and writes `result.json`: the last thing to do.
    ///
    /// # Errors
    /// Where a file cannot be written, or an older result not be removed.
    pub fn write(&self, result: &EvaluationResult) -> Result<(), Error> {
        self.out.as_ref().map_or(Ok(()), |out| out.write(result))
    }
}

impl Out {
    /// Where the file of this place is until the result is whole, and the place.
    fn aside(&self, place: PathBuf) -> Result<(PathBuf, PathBuf), Error> {
        let path = self.folder.join(ASIDE).join(&place);
        // The fit's folder alone: where what is aside has been removed, nothing may come back.
        if let Some(fit) = place.parent().filter(|fit| !fit.as_os_str().is_empty()) {
            let fit = self.folder.join(ASIDE).join(fit);
            match fs::create_dir(&fit) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("make", &fit)(error));
                }
                _ => {}
            }
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(place.clone());
        Ok((path, place))
    }

    fn write(&self, result: &EvaluationResult) -> Result<(), Error> {
        let path = self.folder.join(RESULT);
        let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = older.take() {
            for place in older.files() {
                remove(&self.folder, place)?;
            }
            // The list goes last: what it lists can then still be removed after a kill.
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for place in waiting.drain(..) {
            let (from, to) = (
                self.folder.join(ASIDE).join(&place),
                self.folder.join(&place),
            );
            make_parent(&to)?;
            match fs::rename(&from, &to) {
                // A fit whose predictions were not written after all.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                renamed => renamed.map_err(Error::io("write", &to))?,
            }
        }
        result.write(&path)
    }
}

fn make_parent(path: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(Error::io("make", folder))
}

/// Removes a file of a result, and the folder that it leaves empty. A place that leads out of the
/// folder was not written here and is left alone.
fn remove(out: &Path, place: &Path) -> Result<(), Error> {
    let within = |part: Component<'_>| matches!(part, Component::Normal(_));
    let known = [PREDICTIONS, SURROUNDINGS].map(|name| Some(name.as_ref()));
    if !place.components().all(within) || !known.contains(&place.file_name()) {
        return Ok(());
    }
    let folder = place.parent().filter(|folder| *folder != Path::new(""));
    // Through a link the file could be anywhere.
    let linked = folder.is_some_and(|folder| {
        let mut parts = folder.ancestors().filter(|part| *part != Path::new(""));
        parts.any(|part| out.join(part).is_symlink())
    });
    let path = out.join(place);
    if linked || !path.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        return Ok(());
    }
    fs::remove_file(&path).map_err(Error::io("remove", path))?;
    if let Some(folder) = folder {
        // Files of others keep it.
        let _ = fs::remove_dir(out.join(folder));
    }
    Ok(())
}
