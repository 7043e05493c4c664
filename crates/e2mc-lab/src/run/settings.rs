//! What decides a run beside its recipe: the defaults, and what may change where a run goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use e2mc_data::{Dataset, Selection, Split, stream};
use e2mc_record::{
    BaseCheckpoint, DataOptions, DataSettings, GuardAction, RUN_FORMAT, RunFolder, RunSettings,
};
use e2mc_train::checkpoint::Storage;

use crate::checkpoint::digest;
use crate::error::Error;
use crate::guard::{self, Guard};
use crate::images;
use crate::notice::Notices;

/// The settings of a new run on the images at `data`, all others at their defaults: a k-NN check
/// after every epoch on up to 1000 held-out images, a warning where the features get worse, an
/// entry of the log every 10 steps.
pub fn new_settings(data: impl Into<PathBuf>) -> RunSettings {
    RunSettings {
        format: RUN_FORMAT,
        version: e2mc_record::VERSION.to_owned(),
        seed: 0,
        base: None,
        data: DataSettings {
            data: data.into(),
            max_images: None,
            held_out: 1000,
            knn_every: 1,
            data_options: DataOptions::default(),
            images: None,
            fingerprint: None,
        },
        guard: GuardAction::default(),
        log_every: 10,
        save_every: None,
        half: false,
        device: None,
        computed_by: Vec::new(),
        command: None,
        resumed_by: Vec::new(),
    }
}

/// The weights that a run begins with, by their file.
///
/// # Errors
/// Where the file cannot be read.
pub fn base_checkpoint(path: &Path) -> Result<BaseCheckpoint, Error> {
    Ok(BaseCheckpoint {
        path: path.to_owned(),
        sha256: digest(path)?,
    })
}

/// What may be otherwise where a run goes on; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Where the same images are now.
    pub data: Option<PathBuf>,
    /// The fraction of the images that may be unreadable.
    pub max_bad_images: Option<f64>,
    /// What happens where the features get worse.
    pub guard: Option<GuardAction>,
    /// Steps between two entries of the log.
    pub log_every: Option<u64>,
    /// Steps between two saves within an epoch.
    pub save_every: Option<u64>,
    /// Whether the model file is to be in half precision from now on.
    pub half: bool,
    /// What the rest of the run is trained on.
    pub device: Option<String>,
    /// The command that was typed.
    pub command: Option<String>,
}

/// The settings of the run in `folder`, with the changes.
///
/// # Errors
/// Where there are none, or they cannot be read.
pub fn interrupted_settings(folder: &RunFolder, changes: Changes) -> Result<RunSettings, Error> {
    let mut settings = RunSettings::read(folder)?;
    let data = &mut settings.data;
    data.data = changes.data.unwrap_or(std::mem::take(&mut data.data));
    let taken = &mut data.data_options;
    taken.max_bad_images = changes.max_bad_images.or(taken.max_bad_images);
    settings.guard = changes.guard.unwrap_or(settings.guard);
    settings.log_every = changes.log_every.unwrap_or(settings.log_every);
    settings.save_every = changes.save_every.or(settings.save_every);
    settings.half |= changes.half;
    settings.device = changes.device.or(settings.device);
    // A scheduler repeats the same command: that is no news.
    let before = settings.resumed_by.last().or(settings.command.as_ref());
    let other = changes.command.filter(|now| Some(now) != before);
    settings.resumed_by.extend(other);
    Ok(settings)
}

/// How the model file stores its numbers.
pub(super) fn storage(settings: &RunSettings) -> Storage {
    match settings.half {
        true => Storage::F16,
        false => Storage::F32,
    }
}

/// The images that a run sees, before any are held out.
pub(super) fn open(
    data: &DataSettings,
    seed: u64,
    notices: &Arc<dyn Notices>,
) -> Result<Arc<dyn Dataset>, Error> {
    let dataset = images::open(&data.data, Split::Train, data.data_options, notices)?;
    let Some(wanted) = data.max_images.filter(|&wanted| wanted < dataset.len()) else {
        return Ok(dataset);
    };
    let mut indices = stream(seed, u64::MAX, 1, 0).permutation(dataset.len());
    indices.truncate(wanted);
    indices.sort_unstable();
    Ok(Arc::new(Selection::new(dataset, indices)?))
}

/// The images to train on, and the check on those that are held out.
pub(super) fn hold_out(
    data: &DataSettings,
    dataset: Arc<dyn Dataset>,
    seed: u64,
    threads: usize,
) -> Result<(Arc<dyn Dataset>, Option<Guard>), Error> {
    match data.knn_every {
        0 => Ok((dataset, None)),
        _ => guard::hold_out(dataset, data.held_out, seed, threads),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_keeps_what_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::new(folder.path());
        let mut settings = new_settings("images");
        settings.half = true;
        settings.guard = GuardAction::Stop;
        settings.data.data_options.val_seed = 7;
        settings.write(&run).unwrap();
        let kept = interrupted_settings(&run, Changes::default()).unwrap();
        assert_eq!(kept, settings);
        let changes = Changes {
            data: Some("moved".into()),
            max_bad_images: Some(0.25),
            log_every: Some(3),
            ..Changes::default()
        };
        let changed = interrupted_settings(&run, changes).unwrap();
        assert_eq!(changed.data.data, Path::new("moved"));
        assert_eq!(changed.data.data_options.max_bad_images, Some(0.25));
        assert_eq!((changed.log_every, changed.half), (3, true));
        assert_eq!(changed.guard, GuardAction::Stop);
        assert_eq!(changed.data.data_options.val_seed, 7);
    }

    #[test]
    fn a_resume_is_recorded_where_another_command_is_typed() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::new(folder.path());
        let mut settings = new_settings("images");
        settings.command = Some("e2mc continue --epochs 1".into());
        settings.write(&run).unwrap();
        let longer = "e2mc continue --resume --epochs 6";
        for command in ["e2mc continue --epochs 1", longer, longer] {
            let changes = Changes {
                command: Some(command.into()),
                ..Changes::default()
            };
            interrupted_settings(&run, changes)
                .unwrap()
                .write(&run)
                .unwrap();
        }
        let found = RunSettings::read(&run).unwrap();
        assert_eq!(found.command, settings.command);
        assert_eq!(found.resumed_by, [longer]);
    }
}
