//! Where an evaluation writes: `result.json`, the predictions of each fit, and the surroundings of test rows.
//!
//! The first fit's predictions are in the folder itself, those of the others in folders of their own.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::EvaluationResult;
use crate::Error;

/// The name of the result's file.
pub const RESULT: &str = "result.json";
/// The name of a predictions' file: the arrays `label`, `prediction`, and `scores` or, of
/// neighbours, `ranked`.
pub const PREDICTIONS: &str = "predictions.npz";
/// The name of the file that says where test rows lie and what is nearest to them.
pub const SURROUNDINGS: &str = "surroundings.npz";

/// The folder that an evaluation writes to, or none.
#[derive(Debug)]
pub struct ResultFolder {
    out: Option<PathBuf>,
    /// Whether scores are kept beside predictions.
    scores: bool,
    /// The fit that goes to the folder itself.
    first: Option<String>,
    /// An older result, until the first file of the new one is written.
    stale: Mutex<Option<Box<EvaluationResult>>>,
}

impl ResultFolder {
    /// Makes the folder and tries whether it can be written to: to be called before the work, not
    /// after hours of it. With `overwrite` an older result is replaced: its files stay until the
    /// first of the new ones is written, then all that it lists go; other files are left alone.
    ///
    /// # Errors
    /// [`Error::ResultThere`] where a result is in the folder and is not to be replaced; where the
    /// folder cannot be made or written to; where the older result cannot be read, so that nobody
    /// knows which files are its own.
    pub fn create(folder: &Path, overwrite: bool) -> Result<Self, Error> {
        let path = folder.join(RESULT);
        let stale = match (path.exists(), overwrite) {
            (false, _) => None,
            (true, false) => {
                return Err(Error::ResultThere {
                    folder: folder.to_owned(),
                });
            }
            (true, true) => Some(Box::new(EvaluationResult::read(&path)?)),
        };
        fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        tempfile::tempfile_in(folder).map_err(Error::io("write to", folder))?;
        Ok(Self {
            out: Some(folder.to_owned()),
            scores: true,
            first: None,
            stale: Mutex::new(stale),
        })
    }

    /// Writes nothing.
    pub fn nowhere() -> Self {
        Self {
            out: None,
            scores: false,
            first: None,
            stale: Mutex::new(None),
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

    /// Where the predictions of a fit are to be written: the file, and its place relative to the
    /// folder. Makes the fit's folder. None where nothing is to be written.
    ///
    /// # Errors
    /// Where the fit's folder cannot be made, or an older result not be removed.
    pub fn predictions(&self, fit: &str) -> Result<Option<(PathBuf, PathBuf)>, Error> {
        let Some(out) = &self.out else {
            return Ok(None);
        };
        self.clear(out)?;
        let place = match self.first.as_deref() == Some(fit) {
            true => PathBuf::from(PREDICTIONS),
            false => Path::new(fit).join(PREDICTIONS),
        };
        let path = out.join(&place);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        }
        Ok(Some((path, place)))
    }

    /// Where the surroundings of test rows are to be written: the file, and its place relative to the folder. None where
    /// nothing is to be written.
    ///
    /// # Errors
    /// Where an older result cannot be removed.
    pub fn surroundings(&self) -> Result<Option<(PathBuf, PathBuf)>, Error> {
        let Some(out) = &self.out else {
            return Ok(None);
        };
        self.clear(out)?;
        Ok(Some((out.join(SURROUNDINGS), PathBuf::from(SURROUNDINGS))))
    }

    /// Writes `result.json`: the last thing to do.
    ///
    /// # Errors
    /// Where it cannot be written, or an older result not be removed.
    pub fn write(&self, result: &EvaluationResult) -> Result<(), Error> {
        let Some(out) = &self.out else {
            return Ok(());
        };
        self.clear(out)?;
        result.write(&out.join(RESULT))
    }

    /// Removes an older result, once.
    fn clear(&self, out: &Path) -> Result<(), Error> {
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = &*stale {
            for place in result.files() {
                remove(out, place)?;
            }
            // The list goes last: what it lists can then still be removed after a kill.
            let path = out.join(RESULT);
            fs::remove_file(&path).map_err(Error::io("remove", path))?;
        }
        *stale = None;
        Ok(())
    }
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
