//! The folder of a training run: its files, and what decides the run beside its recipe.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use e2mc_base::counted;
use e2mc_base::lock::FolderLock;
use serde::{Deserialize, Serialize};

use crate::read::{self, Kind};
use crate::{Error, FoundResults, RunLog, find_results};

/// The format of `run.json` that is written here. A field that decides a run raises it: a program
/// that does not know the field must not continue with the run as if it were not there.
pub const RUN_FORMAT: u32 = 1;

const SETTINGS: Kind = Kind {
    what: "settings of a run",
    format: RUN_FORMAT,
};
const KNN_START: Kind = Kind {
    what: "a list of predictions",
    format: 1,
};

/// The files of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// The run in that folder, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The whole state, rewritten after each epoch.
    pub fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint.safetensors")
    }

    /// The weights, written at the end.
    pub fn model(&self) -> PathBuf {
        self.root.join("model.safetensors")
    }

    /// The log: one [`Event`](crate::Event) a line.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// All settings of model and training, as the run resolved them.
    pub fn recipe(&self) -> PathBuf {
        self.root.join("recipe.toml")
    }

    /// What decides the run beside its recipe: [`RunSettings`].
    pub fn settings(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// The held-out k-NN's predictions at the start.
    pub fn knn_start(&self) -> PathBuf {
        self.root.join("knn-start.json")
    }

    /// What a checkpoint goes by, whatever command meets it: the folder of the run that it is the
    /// outcome of, otherwise the file's name. A run goes by its folder's name, too.
    #[must_use]
    pub fn name_of(checkpoint: &Path) -> String {
        let own = Self::new(checkpoint.parent().unwrap_or(Path::new("")));
        let of_run = [own.model(), own.checkpoint()].contains(&checkpoint.to_owned());
        let folder = own.root.file_name().filter(|_| of_run);
        let name = folder.or(checkpoint.file_stem());
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Whether a run is in the folder that must not be written over. A start that was killed before
    /// its first checkpoint leaves none.
    pub fn is_run(&self) -> bool {
        let trained = || {
            let log = RunLog::read(&self.root);
            log.is_ok_and(|log| log.epochs.iter().any(|epoch| epoch.epoch > 0))
        };
        self.checkpoint().exists() || self.model().exists() || trained()
    }

    /// Checks that a new run may be written to the folder.
    ///
    /// # Errors
    /// [`Error::RunThere`].
    pub fn check_free(&self) -> Result<(), Error> {
        match self.is_run() {
            true => Err(Error::RunThere {
                folder: self.root.clone(),
                checkpoint: self.checkpoint().exists(),
            }),
            false => Ok(()),
        }
    }

    /// Makes the folder where it is not there, and keeps other writers out of it.
    ///
    /// # Errors
    /// [`Error::Lock`] while another process writes to it, or where it cannot be made or written
    /// to.
    pub fn lock(&self) -> Result<FolderLock, Error> {
        Ok(FolderLock::acquire(&self.root)?)
    }

    /// Makes the folder and locks it for a new run.
    ///
    /// # Errors
    /// As [`RunFolder::lock`] and [`RunFolder::check_free`].
    pub fn create(&self) -> Result<FolderLock, Error> {
        let lock = self.lock()?;
        self.check_free()?;
        Ok(lock)
    }

    /// Reads the held-out k-NN's predictions at the start, one a held-out image.
    ///
    /// # Errors
    /// Where the file cannot be read or holds something else, such as another number than `images`.
    pub fn read_knn_start(&self, images: usize) -> Result<Vec<usize>, Error> {
        let path = self.knn_start();
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let wrong = |found: String| Error::Format {
            path: path.clone(),
            expected: KNN_START.what,
            found,
        };
        let start: Vec<usize> =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if start.len() != images {
            let found = format!("{} for {images} held-out images", start.len());
            return Err(wrong(found));
        }
        Ok(start)
    }

    /// Writes the held-out k-NN's predictions at the start.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_knn_start(&self, predictions: &[usize]) -> Result<(), Error> {
        read::write_json(&self.knn_start(), &KNN_START, &predictions)
    }
}

/// What decides a run beside its recipe: with both, its data and the program of that version, the
/// run can be repeated; to the bit where what computes is the same, too. The number of threads that
/// read images does not matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// See [`RUN_FORMAT`].
    #[serde(default = "first")]
    pub format: u32,
    /// The version of the program that began the run.
    #[serde(rename = "e2mc", default)]
    pub version: String,
    /// Seed of weights, order, views and held-out images.
    #[serde(default)]
    pub seed: u64,
    /// The weights that the run began with; none of a run from random weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseCheckpoint>,
    /// Which images the run sees.
    pub data: DataSettings,
    /// What happens where the features get worse.
    pub guard: GuardAction,
    /// Steps between two entries of the log.
    pub log_every: u64,
    /// Steps between two saves within an epoch; none for one at its end alone. It changes no
    /// result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_every: Option<u64>,
    /// Whether the model file is in half precision.
    pub half: bool,
    /// What the run was trained on, such as `cpu`: another device rounds otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What computed the run, and what went on with it where that was another: sums in another order
    /// round otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed_by: Vec<Computation>,
    /// The command that was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The commands by which the run went on, where another was typed than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed_by: Vec<String>,
}

fn first() -> u32 {
    1
}

/// What computes a run, beside its device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computation {
    /// The version of libtorch.
    pub libtorch: String,
    /// Processes that train together.
    pub processes: usize,
    /// Threads that compute in each of them.
    pub threads: usize,
}

impl fmt::Display for Computation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            libtorch,
            processes,
            threads,
        } = self;
        let (processes, threads) = (counted(*processes, "process"), counted(*threads, "thread"));
        write!(f, "{processes} of {threads} with libtorch {libtorch}")
    }
}

/// The weights that a run began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseCheckpoint {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Which images a run sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// The data set's folder or files.
    pub data: PathBuf,
    /// Images at most, drawn by the seed; none for all.
    pub max_images: Option<usize>,
    /// Images for the k-NN check, kept out of training.
    pub held_out: usize,
    /// Epochs between two checks; 0 keeps no images out.
    pub knn_every: u64,
    /// How the data set is taken.
    pub data_options: DataOptions,
    /// How many images these were when the run began, before any were held out.
    #[serde(default)]
    pub images: Option<usize>,
    /// The [fingerprint](crate::data_fingerprint) of those images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// How a data set is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataOptions {
    /// Fraction of the images that may be unreadable; none for the program's own limit.
    pub max_bad_images: Option<f64>,
    /// Fraction of the images set apart as a test split, of data without one.
    pub val_fraction: Option<f64>,
    /// Seed of that choice.
    pub val_seed: u64,
}

/// What happens where the held-out k-NN gets worse beyond the noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardAction {
    /// A warning; training goes on.
    #[default]
    Warn,
    /// A warning; the state is saved and training stops.
    Stop,
}

impl RunSettings {
    /// Steps between two entries of the log, unless told otherwise.
    pub const LOG_EVERY: u64 = 10;

    /// The settings of a new run of this program: a warning where features get worse, an entry of
    /// the log every ten steps, a model file in full precision.
    pub fn new(data: DataSettings, seed: u64) -> Self {
        Self {
            format: RUN_FORMAT,
            version: crate::VERSION.to_owned(),
            seed,
            base: None,
            data,
            guard: GuardAction::Warn,
            log_every: Self::LOG_EVERY,
            save_every: None,
            half: false,
            device: None,
            command: None,
            computed_by: Vec::new(),
            resumed_by: Vec::new(),
        }
    }

    /// Reads `run.json` of a run.
    ///
    /// # Errors
    /// Where the file cannot be read, holds something else, or is of a later version.
    pub fn read(folder: &RunFolder) -> Result<Self, Error> {
        read::json(&folder.settings(), &SETTINGS)
    }

    /// Writes `run.json`, whole or not at all.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, folder: &RunFolder) -> Result<(), Error> {
        read::write_json(&folder.settings(), &SETTINGS, self)
    }
}

/// Everything that a run's folder says, for pages, tables and other languages.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its files.
    pub folder: RunFolder,
    /// What decides the run beside its recipe; none if the file is not there.
    pub settings: Option<RunSettings>,
    /// The text of `recipe.toml`; none if the file is not there. [`RunLog::recipe`] has the same
    /// as JSON.
    pub recipe: Option<String>,
    /// The log.
    pub log: RunLog,
    /// The evaluations below the folder.
    pub results: FoundResults,
}

impl Run {
    /// Reads everything in the folder of a run.
    ///
    /// # Errors
    /// Without a log, or where a file of the run cannot be read. Files below the folder that are no
    /// results are [named](FoundResults::unread), and no error.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let log = RunLog::read(folder)?;
        let files = RunFolder::new(folder);
        let settings = match files.settings().exists() {
            true => Some(RunSettings::read(&files)?),
            false => None,
        };
        let path = files.recipe();
        let recipe = match path.exists() {
            true => Some(fs::read_to_string(&path).map_err(Error::io("read", &path))?),
            false => None,
        };
        Ok(Self {
            results: find_results(folder)?,
            folder: files,
            settings,
            recipe,
            log,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, EventWriter, Start};

    fn settings() -> RunSettings {
        let data = DataSettings {
            data: "sample".into(),
            max_images: Some(150),
            held_out: 15,
            knn_every: 1,
            data_options: DataOptions {
                max_bad_images: Some(0.25),
                ..DataOptions::default()
            },
            images: Some(150),
            fingerprint: Some("ab".into()),
        };
        RunSettings {
            guard: GuardAction::Stop,
            base: Some(BaseCheckpoint {
                path: "base.safetensors".into(),
                sha256: "cd".into(),
            }),
            device: Some("cpu".into()),
            command: Some("e2mc continue".into()),
            ..RunSettings::new(data, 7)
        }
    }

    fn run() -> (tempfile::TempDir, RunFolder) {
        let outside = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(outside.path().join("run"));
        fs::create_dir(folder.root()).unwrap();
        (outside, folder)
    }

    #[test]
    fn settings_come_back_as_they_were_written() {
        let (_outside, folder) = run();
        settings().write(&folder).unwrap();
        assert_eq!(RunSettings::read(&folder).unwrap(), settings());
        let text = fs::read_to_string(folder.settings()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (pointer, expected) in [
            ("/format", serde_json::json!(RUN_FORMAT)),
            ("/e2mc", serde_json::json!(crate::VERSION)),
            ("/seed", serde_json::json!(7)),
            ("/guard", serde_json::json!("stop")),
            ("/log_every", serde_json::json!(10)),
            ("/half", serde_json::json!(false)),
            ("/data/data", serde_json::json!("sample")),
            ("/data/max_images", serde_json::json!(150)),
            ("/data/data_options/max_bad_images", serde_json::json!(0.25)),
        ] {
            assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}: {text}");
        }
    }

    #[test]
    fn settings_that_are_not_known_are_named() {
        let (_outside, folder) = run();
        let error = |text: &str| {
            fs::write(folder.settings(), text).unwrap();
            let error = RunSettings::read(&folder).unwrap_err().to_string();
            error.split_once("run.json: ").unwrap().1.to_owned()
        };
        assert_eq!(
            error(r#"{"format":2,"world":4}"#),
            "expected settings of a run of format 1 or lower, found format 2"
        );
        settings().write(&folder).unwrap();
        let text = fs::read_to_string(folder.settings()).unwrap();
        // What decides a run must not be skipped.
        let unknown = text.replacen("\"seed\"", "\"world\": 2, \"seed\"", 1);
        let found = error(&unknown);
        assert!(found.contains("unknown field `world`"), "{found}");
        assert!(error("[]").starts_with("expected settings of a run, found "));
    }

    #[test]
    fn a_folder_with_a_run_is_refused() {
        let (_outside, folder) = run();
        let lock = folder.create().unwrap();
        assert!(matches!(folder.create(), Err(Error::Lock(_))), "one writer");
        drop(lock);
        // As a kill leaves it before the first checkpoint: there is nothing to continue with.
        let mut log = EventWriter::create(&folder.metrics()).unwrap();
        log.write(&Event::Start(Start::new(serde_json::Value::Null)))
            .unwrap();
        folder.create().unwrap();
        let checkpoint = |error: Error| match error {
            Error::RunThere { checkpoint, .. } => checkpoint,
            other => panic!("{other}"),
        };
        let epoch = crate::Epoch {
            epoch: 1,
            ..crate::Epoch::default()
        };
        log.write(&Event::Epoch(epoch)).unwrap();
        assert!(!checkpoint(folder.create().unwrap_err()));
        fs::write(folder.checkpoint(), "").unwrap();
        assert!(checkpoint(folder.create().unwrap_err()));
    }

    #[test]
    fn predictions_at_the_start_are_of_the_same_images() {
        let (_outside, folder) = run();
        folder.write_knn_start(&[3, 1, 2]).unwrap();
        assert_eq!(folder.read_knn_start(3).unwrap(), [3, 1, 2]);
        let error = folder.read_knn_start(4).unwrap_err().to_string();
        let expected = "expected a list of predictions, found 3 for 4 held-out images";
        assert!(error.ends_with(expected), "{error}");
        fs::write(folder.knn_start(), "{}").unwrap();
        assert!(folder.read_knn_start(3).is_err());
    }

    #[test]
    fn a_run_is_read_with_everything_in_its_folder() {
        let (_outside, folder) = run();
        let error = Run::read(folder.root()).unwrap_err();
        assert!(matches!(error, Error::NoRun { .. }), "{error}");
        let mut log = EventWriter::create(&folder.metrics()).unwrap();
        log.write(&Event::Start(Start::new(
            serde_json::json!({ "name": "x" }),
        )))
        .unwrap();
        let read = Run::read(folder.root()).unwrap();
        assert_eq!((read.settings, read.recipe), (None, None));
        settings().write(&folder).unwrap();
        fs::write(folder.recipe(), "name = \"x\"\n").unwrap();
        fs::create_dir(folder.root().join("probe")).unwrap();
        fs::write(folder.root().join("probe/result.json"), "?").unwrap();
        let read = Run::read(folder.root()).unwrap();
        assert_eq!(read.settings, Some(settings()));
        assert_eq!(read.recipe.as_deref(), Some("name = \"x\"\n"));
        assert_eq!(
            (read.log.name.as_str(), &read.log.recipe["name"]),
            ("run", &"x".into())
        );
        assert_eq!(
            (read.results.results.len(), read.results.unread.len()),
            (0, 1)
        );
    }
}
