//! What an improvement is to do, decided before the search and kept in its folder, so that the same
//! command continues with it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use e2mc_base::write_atomically;
use e2mc_eval::adapt::Use;
use e2mc_record::{BaseCheckpoint, ImprovementPlan, RunFolder, Shortage};
use e2mc_train::Recipe;
use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use super::halving::Schedule;
use super::measured::Measured;
use crate::error::{Error, ImproveError};
use crate::machine::Machine;
use crate::recipe;

/// The folder of an improvement.
#[derive(Clone, Debug)]
pub struct ImproveFolder {
    root: PathBuf,
}

impl ImproveFolder {
    /// The improvement in that folder, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The outcome: [`Improvement`](e2mc_record::Improvement).
    pub fn outcome(&self) -> PathBuf {
        self.root.join("improve.json")
    }

    /// The model that is given back.
    pub fn model(&self) -> PathBuf {
        self.root.join("model.safetensors")
    }

    /// The map that belongs to it, if there is one.
    pub fn map(&self) -> PathBuf {
        self.root.join("map.safetensors")
    }

    /// The page.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// Where looks at B are counted if no file counts those of all improvements.
    pub fn looks(&self) -> PathBuf {
        self.root.join("looks.json")
    }

    /// The folders of the candidates that were trained, in the order of the plan.
    ///
    /// # Errors
    /// Where the folder of the search cannot be read.
    pub fn runs(&self) -> Result<Vec<RunFolder>, Error> {
        let search = self.search();
        let entries = match fs::read_dir(&search) {
            Err(source) if source.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| Error::read(&search, source))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| Error::read(&search, source))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // New heads are trained in a folder without a number.
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                found.push(RunFolder::new(&path));
            }
        }
        found.retain(|folder| folder.checkpoint().exists());
        found.sort_by(|a, b| a.root().cmp(b.root()));
        Ok(found)
    }

    /// What decides the search: written before it.
    pub(super) fn plan(&self) -> PathBuf {
        self.search().join("plan.json")
    }

    /// What is known so far: rewritten after each candidate.
    pub(super) fn state(&self) -> PathBuf {
        self.search().join("state.json")
    }

    /// The best model so far.
    pub(super) fn leader(&self) -> PathBuf {
        self.search().join("leader.safetensors")
    }

    /// The base with new heads, which have been trained alone.
    pub(super) fn heads(&self) -> PathBuf {
        self.search().join("heads.safetensors")
    }

    /// The runs of the candidates.
    pub(super) fn search(&self) -> PathBuf {
        self.root.join("search")
    }
}

/// Everything that decides what comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// The model as it was.
    pub(super) base: BaseCheckpoint,
    /// The fingerprint of the images.
    pub(super) images: String,
    #[serde(rename = "use")]
    pub(super) usage: Use,
    pub(super) seed: u64,
    /// Seconds.
    pub(super) budget: f64,
    /// What the machine did when the plan was made.
    pub(super) measured: Measured,
    /// How long what is trained.
    pub(super) timing: Timing,
    /// What the candidates change.
    pub(super) recipe: Recipe,
    /// What was set of the criterion, by key.
    #[serde(default)]
    pub(super) criterion: BTreeMap<String, toml::Value>,
    /// The names of the candidates that are trained.
    pub(super) candidates: Vec<String>,
}

/// How long what is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timing {
    /// None if nothing is trained.
    pub(super) schedule: Option<Schedule>,
    /// Steps in which new heads train alone; 0 where there are heads.
    pub(super) head_steps: u64,
    /// Why nothing is trained.
    pub(super) shortage: Option<Shortage>,
}

impl Plan {
    /// The plan in a folder, if there is one.
    pub(super) fn load(folder: &ImproveFolder) -> Result<Option<Self>, Error> {
        load(&folder.plan(), "is not the plan of an improvement")
    }

    pub(super) fn save(&self, folder: &ImproveFolder) -> Result<(), Error> {
        save(&folder.plan(), self)
    }

    /// The plan that was made must be the one that would be made now, but for what was measured.
    pub(super) fn check_same(&self, folder: &ImproveFolder, now: &Self) -> Result<(), Error> {
        let differs = [
            (self.base.sha256 != now.base.sha256, "checkpoint"),
            (self.images != now.images, "images"),
            (self.usage != now.usage, "use"),
            (self.seed != now.seed, "seed"),
            (self.budget != now.budget, "budget"),
            (bare(&self.recipe) != bare(&now.recipe), "recipe"),
        ];
        let first = differs.into_iter().find(|&(differs, _)| differs);
        let mut keys = self.criterion.keys().chain(now.criterion.keys());
        let criterion = keys.find(|&key| self.criterion.get(key) != now.criterion.get(key));
        match first
            .map(|(_, what)| what)
            .or(criterion.map(String::as_str))
        {
            None => Ok(()),
            Some(what) => Err(ImproveError::Other {
                folder: folder.root().to_owned(),
                what: what.to_owned(),
            }
            .into()),
        }
    }

    /// What the record says of it.
    pub(super) fn record(&self, machine: &Machine) -> Result<ImprovementPlan, Error> {
        let training = &self.recipe.training;
        let schedule = self.timing.schedule.as_ref();
        Ok(ImprovementPlan {
            budget_s: self.budget,
            device: machine.device.clone(),
            seed: self.seed,
            batch: training.batch,
            accumulate: training.accumulate,
            dims: self.measured.dims,
            epoch_images: schedule.map_or(0, |schedule| schedule.epoch_images),
            rungs: schedule.map_or_else(Vec::new, |schedule| schedule.rungs.clone()),
            epochs: schedule.map_or(0, |schedule| schedule.last),
            candidates: self.candidates.clone(),
            shortage: self.timing.shortage,
            images_per_s: self.measured.trained,
            embedded_per_s: self.measured.embedded,
            bytes: self.measured.bytes,
            recipe: recipe::to_toml(&self.recipe)?,
        })
    }

    /// The first of `all` that are trained.
    pub(super) fn take(&self, mut all: Vec<Candidate>) -> Vec<Candidate> {
        let schedule = self.timing.schedule.as_ref();
        let count = schedule.map_or(0, |schedule| schedule.candidates);
        all.truncate(count);
        all
    }
}

/// A recipe without what follows from the machine.
fn bare(recipe: &Recipe) -> Recipe {
    let mut recipe = recipe.clone();
    (recipe.training.batch, recipe.training.accumulate) = (2, 1);
    recipe
}

/// Reads a JSON file of the search, if it is there.
pub(super) fn load<T: serde::de::DeserializeOwned>(
    path: &Path,
    problem: &'static str,
) -> Result<Option<T>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map_err(|source| Error::read(path, source))?;
    let value = serde_json::from_str(&text).map_err(|source| Error::json(path, problem, source))?;
    Ok(Some(value))
}

/// Writes a JSON file of the search, whole or not at all.
pub(super) fn save(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|source| Error::json(path, "cannot be written as JSON", source))?;
    write_atomically(path, text.as_bytes()).map_err(|source| Error::write(path, source))
}
