//! What a sweep is to do, decided before the first run and kept in its folder, so that it can go
//! on.

use std::fs;
use std::path::{Path, PathBuf};

use e2mc_base::lock::FolderLock;
use e2mc_base::write_atomically;
use e2mc_record::{RunFolder, RunSettings};
use e2mc_train::Recipe;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::grid::{Grid, Point, text};
use crate::checkpoint::Reading;
use crate::error::{Error, SweepError};
use crate::protocol::LinearSettings;
use crate::recipe;

/// Everything that decides what comes out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPlan {
    /// What every run starts from.
    pub checkpoint: PathBuf,
    /// The settings that are tried.
    pub grid: Grid,
    /// The settings that the grid changes.
    pub recipe: Recipe,
    /// How the checkpoint is read.
    pub reading: Reading,
    /// What decides every run beside its recipe.
    pub settings: RunSettings,
    /// How runs are measured.
    pub probe: LinearSettings,
    /// The seed of every run.
    pub seed: u64,
    /// The command that was typed.
    pub command: String,
}

impl SweepPlan {
    /// Checks the settings of every run, before the first starts.
    ///
    /// # Errors
    /// Names the first combination that cannot be used.
    pub fn check(&self) -> Result<(), Error> {
        // Each fraction becomes a column.
        self.probe.check()?;
        let mut points = self.grid.points().into_iter();
        points.try_for_each(|point| self.recipe_of(&point).map(drop))
    }

    /// What comes out depends on this, and what a sweep that goes on may not have otherwise. The
    /// images may have moved.
    pub(super) fn decisive(&self) -> Value {
        let mut value = json!(self);
        let mut without = |table: &str, keys: &[&str]| {
            let table = value.pointer_mut(table).and_then(Value::as_object_mut);
            if let Some(table) = table {
                table.retain(|key, _| !keys.contains(&&**key));
            }
        };
        // The checkpoint is known by its hash.
        without("", &["command", "checkpoint"]);
        without("/settings", &["command", "device", "format", "e2mc"]);
        without("/settings/base", &["path"]);
        without("/settings/data", &["data"]);
        value
    }

    /// Leaves the plan in the sweep's folder.
    ///
    /// # Errors
    /// Where the folder cannot be written to.
    pub(super) fn save(&self, folder: &SweepFolder) -> Result<(), Error> {
        let path = folder.plan();
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| Error::json(&path, "cannot be written as JSON", source))?;
        write_atomically(&path, text.as_bytes()).map_err(|source| Error::write(&path, source))
    }

    /// The plan of the sweep in `folder`.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub fn load(folder: &SweepFolder) -> Result<Self, Error> {
        folder.check_plan()?;
        let path = folder.plan();
        let text = fs::read_to_string(&path).map_err(|source| Error::read(&path, source))?;
        serde_json::from_str(&text)
            .map_err(|source| Error::json(&path, "is not the plan of a sweep", source))
    }

    /// The settings of one run.
    pub(super) fn recipe_of(&self, point: &Point) -> Result<Recipe, Error> {
        let resolved = recipe::resolve(Some(&self.recipe), None, &point.changes);
        Ok(resolved.map_err(|source| SweepError::Settings {
            settings: self.grid.describe(point),
            source: Box::new(source),
        })?)
    }
}

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub struct SweepFolder {
    root: PathBuf,
}

impl SweepFolder {
    /// The sweep in that folder, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The [`SweepPlan`].
    pub fn plan(&self) -> PathBuf {
        self.root.join("sweep.json")
    }

    /// Makes the folder where it is not there, and keeps other writers out of it.
    ///
    /// # Errors
    /// While another process writes to it, or where it cannot be made or written to.
    pub fn lock(&self) -> Result<FolderLock, Error> {
        Ok(FolderLock::acquire(&self.root).map_err(e2mc_record::Error::from)?)
    }

    /// Whether a sweep is in the folder.
    pub fn holds_sweep(&self) -> bool {
        self.plan().exists()
    }

    /// Checks that no sweep is in the folder.
    ///
    /// # Errors
    /// Where one is.
    pub fn check_free(&self) -> Result<(), Error> {
        match self.holds_sweep() {
            true => Err(SweepError::SweepThere {
                folder: self.root.clone(),
            }
            .into()),
            false => Ok(()),
        }
    }

    /// Checks that there is a sweep to continue with.
    pub(super) fn check_plan(&self) -> Result<(), Error> {
        match self.holds_sweep() {
            true => Ok(()),
            false => Err(SweepError::NothingToResume { plan: self.plan() }.into()),
        }
    }

    /// Removes what the sweep of that plan has made. Its plan goes last: after a kill the rest can
    /// still be removed.
    pub(super) fn clear(&self, plan: &SweepPlan) -> Result<(), Error> {
        let points = plan.grid.points();
        let runs = points.iter().enumerate();
        let runs = runs.map(|(index, point)| self.run(index, &plan.grid, point).root().to_owned());
        let maps = (0..).map(|index| self.heat_map(index));
        let maps = maps.take_while(|path| path.exists());
        let files = [self.csv(), self.json(), self.report()].into_iter();
        let made = runs.chain([self.base()]).chain(files).chain(maps);
        for path in made.collect::<Vec<_>>().into_iter().chain([self.plan()]) {
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            match removed {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| Error::io("remove", &path, source))?,
            }
        }
        Ok(())
    }

    /// The folder of the result of the checkpoint itself.
    pub fn base(&self) -> PathBuf {
        self.root.join("base")
    }

    /// The run of one combination; its folder is named after the settings.
    pub fn run(&self, index: usize, grid: &Grid, point: &Point) -> RunFolder {
        let settings = grid.names().into_iter().zip(&point.changes);
        let settings = settings.map(|(name, (_, value))| format!("{name}={}", text(value)));
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || ".-=_".contains(c) {
                c
            } else {
                '_'
            }
        };
        let name = settings.collect::<Vec<_>>().join("_");
        let name: String = name.chars().map(plain).take(100).collect();
        let width = grid.len().to_string().len();
        let folder = format!("{:0width$}_{name}", index + 1);
        RunFolder::new(self.root.join("runs").join(folder))
    }

    /// The table of all runs.
    pub fn csv(&self) -> PathBuf {
        self.root.join("results.csv")
    }

    /// The same for programs.
    pub fn json(&self) -> PathBuf {
        self.root.join("results.json")
    }

    /// The page.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// The heat map as a file; one for each combination of the third and further settings.
    pub fn heat_map(&self, index: usize) -> PathBuf {
        self.root.join(match index {
            0 => "heatmap.svg".to_owned(),
            _ => format!("heatmap-{}.svg", index + 1),
        })
    }
}
