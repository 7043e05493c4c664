//! The folder of a run before it is trained: locked, and seen for what an earlier process left in
//! it.

use e2mc_base::lock::FolderLock;
use e2mc_record::{End, Event, EventWriter, RunFolder, RunLog, RunOutcome, RunSettings};
use e2mc_train::checkpoint::{self, Checkpoint};
use e2mc_train::{Device, Recipe, World};

use super::FinishedRun;
use super::settings::storage;
use crate::difference::{Difference, of_run};
use crate::error::{Error, RunError};

/// A run's folder that this process alone writes to; or, of several processes that train together,
/// the first one alone.
#[derive(Debug)]
pub struct Place {
    folder: RunFolder,
    /// None of a process that only reads.
    _lock: Option<FolderLock>,
}

impl Place {
    /// Makes the folder where it is not there, and locks it.
    ///
    /// # Errors
    /// While another process writes to it, or where it cannot be made or written to.
    pub fn lock(folder: RunFolder) -> Result<Self, Error> {
        let lock = folder.lock()?;
        Ok(Self {
            folder,
            _lock: Some(lock),
        })
    }

    /// As [`Place::lock`] for the first of the processes of `world`, which alone writes; the others
    /// read.
    ///
    /// # Errors
    /// As [`Place::lock`].
    pub fn within(world: &World, folder: RunFolder) -> Result<Self, Error> {
        match world.is_first() {
            true => Self::lock(folder),
            false => Ok(Self {
                folder,
                _lock: None,
            }),
        }
    }

    /// A folder for a new run.
    ///
    /// # Errors
    /// As [`Place::lock`], and where a run is in it.
    pub fn free(folder: RunFolder) -> Result<Self, Error> {
        let place = Self::lock(folder)?;
        place.folder.check_free()?;
        Ok(place)
    }

    /// The folder.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// The run that can go on in the folder; `None` where there is no checkpoint.
    ///
    /// # Errors
    /// Where its files cannot be read.
    pub fn left(&self) -> Result<Option<Left>, Error> {
        let path = self.folder.checkpoint();
        if !path.exists() {
            return Ok(None);
        }
        let log = match self.folder.metrics().exists() {
            true => RunLog::read(self.folder.root())?,
            false => RunLog::default(),
        };
        Ok(Some(Left {
            checkpoint: Checkpoint::read(&path)?,
            log,
            has_model: self.folder.model().exists(),
        }))
    }

    /// As [`Place::left`], where there has to be a run.
    ///
    /// # Errors
    /// As [`Place::left`], and where there is none.
    pub fn interrupted(&self) -> Result<Left, Error> {
        let path = self.folder.checkpoint();
        let left = self.left()?;
        Ok(left.ok_or(RunError::NothingToResume { path })?)
    }
}

/// A run as an earlier process left it.
#[derive(Debug)]
pub struct Left {
    /// Its state.
    pub checkpoint: Checkpoint,
    log: RunLog,
    has_model: bool,
}

impl Left {
    /// How the run ended, if nothing is left to train: all of its epochs, or of `epochs`, are done,
    /// or the guard stopped it.
    pub fn ended(&self, epochs: Option<u64>) -> Option<RunOutcome> {
        let progress = self.checkpoint.progress?;
        let guard = self.log.guard.as_ref();
        if progress.batch == 0 && guard.is_some_and(|guard| guard.epoch == progress.epoch) {
            return Some(RunOutcome::StoppedByGuard);
        }
        let epochs = epochs.unwrap_or(self.checkpoint.recipe.training.epochs);
        (progress.epoch >= epochs).then_some(RunOutcome::Finished)
    }

    /// Whether everything that comes after the training is there, too.
    pub fn is_complete(&self) -> bool {
        let interrupted = |end: &End| end.outcome == RunOutcome::Interrupted;
        self.has_model && self.log.end.as_ref().is_some_and(|end| !interrupted(end))
    }

    /// Writes what a kill after the training kept from being written, and says what came of the
    /// run.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub fn complete(self, place: &Place, outcome: RunOutcome) -> Result<FinishedRun, Error> {
        let folder = &place.folder;
        let progress = self.checkpoint.progress.unwrap_or_default();
        if !self.is_complete() {
            let (mut log, before) =
                EventWriter::resume(&folder.metrics(), progress.step, progress.epoch)?;
            log.write(&Event::End(End {
                outcome: outcome.clone(),
                seconds: before.seconds,
            }))?;
        }
        if !self.is_complete() || !self.has_model {
            let storage = storage(&RunSettings::read(folder)?);
            let model = self.checkpoint.to_model(Device::Cpu)?;
            checkpoint::save_model(&folder.model(), &self.checkpoint.recipe, &model, storage)?;
        }
        let checks = self.log.epochs.iter();
        let knn = checks.filter_map(|epoch| Some((epoch.epoch, epoch.knn?)));
        let last = self.log.epochs.iter().rev().find(|e| e.knn.is_some());
        Ok(FinishedRun {
            outcome,
            knn: knn.collect(),
            knn_change: last.and_then(|epoch| epoch.knn_change.zip(epoch.knn_change_error)),
            epochs: progress.epoch,
            last: None,
        })
    }

    /// Checks that the run is the one that would be started now, but for what may change where it
    /// goes on.
    ///
    /// # Errors
    /// Names every setting that differs.
    pub fn check_same(
        &self,
        place: &Place,
        recipe: &Recipe,
        settings: &RunSettings,
    ) -> Result<(), Error> {
        let folder = &place.folder;
        let own = (&self.checkpoint.recipe, &RunSettings::read(folder)?);
        let differences: Vec<Difference> = of_run(own, (recipe, settings));
        if differences.is_empty() {
            return Ok(());
        }
        Err(RunError::OtherSettings {
            folder: folder.root().to_owned(),
            differences,
        }
        .into())
    }
}
