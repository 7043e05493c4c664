//! The folder of a training run: its files, and what decides the run beside its recipe.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::read::{self, Kind};
use crate::{Error, FoundResults, RunLog, find_results};

/// The format of `run.json` that is written here. A field that decides a run raises it: a program
/// that does not know the field must not go on with the run as if it were not there.
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

    /// Whether a run is in the folder.
    pub fn is_run(&self) -> bool {
        self.metrics().exists() || self.checkpoint().exists()
    }

    /// Makes the folder, unless a run is in it.
    ///
    /// # Errors
    /// [`Error::RunThere`], or where the folder cannot be made.
    pub fn create(&self) -> Result<(), Error> {
        if self.is_run() {
            return Err(Error::RunThere {
                folder: self.root.clone(),
                checkpoint: self.checkpoint().exists(),
            });
        }
        fs::create_dir_all(&self.root).map_err(Error::io("make", &self.root))
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
/// run can be repeated. The number of threads does not matter.
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
    /// Whether the model file is in half precision.
    pub half: bool,
    /// What the run was trained on, such as `cpu`: another device rounds otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The command that was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

fn first() -> u32 {
    1
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
            half: false,
            device: None,
            command: None,
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
    /// What decides the run beside its recipe; none where the file is not there.
    pub settings: Option<RunSettings>,
    /// The text of `recipe.toml`; none where the file is not there. [`RunLog::recipe`] has the same
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
