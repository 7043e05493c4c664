//! What a sweep is to do, decided before the first run and kept in its folder, so that it can go on.

use std::fs;
use std::path::{Path, PathBuf};

use e2mc_base::write_atomically;
use e2mc_record::{RunFolder, RunSettings};
use e2mc_train::Recipe;
use serde::{Deserialize, Serialize};

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

    /// Leaves the plan in the sweep's folder, unless there is one.
    ///
    /// # Errors
    /// Where a sweep is there, or the folder cannot be written to.
    pub fn save(&self, folder: &SweepFolder) -> Result<(), Error> {
        let path = folder.plan();
        if path.exists() {
            return Err(SweepError::SweepThere {
                folder: folder.root().to_owned(),
            }
            .into());
        }
        let root = folder.root();
        fs::create_dir_all(root).map_err(|source| Error::io("make", root, source))?;
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| Error::json(&path, "cannot be written as JSON", source))?;
        write_atomically(&path, text.as_bytes()).map_err(|source| Error::write(&path, source))
    }

    /// The plan of the sweep in `folder`.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub fn load(folder: &SweepFolder) -> Result<Self, Error> {
        let path = folder.plan();
        if !path.exists() {
            return Err(SweepError::NothingToResume { plan: path }.into());
        }
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
