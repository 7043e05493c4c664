//! What a sweep is to do, decided before the first run and kept in its folder, so that it can go on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use e2mc_train::Recipe;
use e2mc_train::checkpoint::write_atomically;
use serde::{Deserialize, Serialize};

use super::grid::{Grid, Point};
use crate::checkpoint::CheckpointOptions;
use crate::evaluation::Protocol;
use crate::evaluation::parts::Parts;
use crate::failure::Failure;
use crate::recipe;
use crate::run::RunSettings;
use e2mc_cli::options::{ProbeName, SweepOptions};

/// Everything that decides what comes out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// What every run starts from.
    pub(super) checkpoint: PathBuf,
    pub(super) grid: Grid,
    /// The settings that the grid changes.
    pub(super) recipe: Recipe,
    /// How its layout was to be read.
    pub(super) reading: CheckpointOptions,
    pub(super) settings: RunSettings,
    pub(super) probe: ProbePlan,
    pub(super) seed: u64,
    /// The command that was typed.
    pub(super) command: String,
}

/// How runs are measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbePlan {
    fractions: Vec<f64>,
    seeds: u64,
    probe: String,
    k: usize,
    sgd_epochs: Option<usize>,
    sgd_rate: Option<f64>,
}

impl Plan {
    /// The plan of a new sweep.
    pub(super) fn new(options: &SweepOptions, checkpoint: &Path, recipe: Recipe) -> Result<Self> {
        let train = &options.from.train;
        // Each of them becomes a column.
        Parts::of_fractions(&options.fractions)?;
        let name = options.probe.to_possible_value();
        let plan = Self {
            checkpoint: checkpoint.to_owned(),
            grid: Grid::parse(&options.grid)?,
            recipe,
            reading: options.from.reading.clone(),
            settings: RunSettings::new(train),
            probe: ProbePlan {
                fractions: options.fractions.clone(),
                seeds: options.seeds,
                probe: name.map_or_else(String::new, |name| name.get_name().to_owned()),
                k: options.k.into(),
                sgd_epochs: options.sgd_epochs.map(|epochs| epochs as usize),
                sgd_rate: options.sgd_rate,
            },
            seed: train.machine.seed,
            command: std::env::args().collect::<Vec<_>>().join(" "),
        };
        // Every run's settings are checked before the first starts.
        for point in plan.grid.points() {
            plan.recipe_of(&point)?;
        }
        Ok(plan)
    }

    /// Leaves the plan in the sweep's folder, unless there is one.
    pub(super) fn save(&self, folder: &Folder) -> Result<()> {
        let path = folder.plan();
        if path.exists() {
            return Err(Failure::new(
                format!("{} already holds a sweep", folder.0.display()),
                "choose another --out, or add --resume to go on with that sweep",
            ));
        }
        fs::create_dir_all(&folder.0)
            .with_context(|| format!("cannot make the folder {}", folder.0.display()))?;
        let text = serde_json::to_string_pretty(self).context("the plan as JSON")?;
        Ok(write_atomically(&path, text.as_bytes())?)
    }

    /// The plan of the sweep in `folder`.
    pub(super) fn load(folder: &Folder) -> Result<Self> {
        let path = folder.plan();
        if !path.exists() {
            return Err(Failure::new(
                format!("nothing to resume: {} is not there", path.display()),
                "start the sweep without --resume",
            ));
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not the plan of a sweep", path.display()))
    }

    /// The settings of one run.
    pub(super) fn recipe_of(&self, point: &Point) -> Result<Recipe> {
        let described = self.grid.describe(point);
        recipe::resolve(Some(&self.recipe), None, &point.changes).context(described)
    }

    /// How runs are measured.
    pub(super) fn protocol(&self) -> Result<Protocol> {
        let ProbePlan {
            fractions,
            seeds,
            probe,
            k,
            sgd_epochs,
            sgd_rate,
        } = self.probe.clone();
        let name = ProbeName::from_str(&probe, false);
        Ok(Protocol {
            fractions,
            seeds,
            probe: name.map_err(|_| anyhow::anyhow!("no probe is called `{probe}`"))?,
            k,
            sgd_epochs,
            sgd_rate,
        })
    }

    /// Label subsets that each mean is over.
    pub(super) fn seeds(&self) -> u64 {
        self.probe.seeds
    }
}

/// The folder of a sweep.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    fn plan(&self) -> PathBuf {
        self.0.join("sweep.json")
    }

    /// What the checkpoint itself is worth.
    pub(super) fn base(&self) -> PathBuf {
        self.0.join("base.json")
    }

    /// The folder of one run, named after its settings.
    pub(super) fn run(&self, index: usize, grid: &Grid, point: &Point) -> PathBuf {
        let parts = grid.names().into_iter().zip(&point.changes);
        let parts = parts.map(|(name, (_, value))| format!("{name}={}", super::grid::text(value)));
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || ".-=_".contains(c) {
                c
            } else {
                '_'
            }
        };
        let name: String = parts
            .collect::<Vec<_>>()
            .join("_")
            .chars()
            .map(plain)
            .collect();
        let width = grid.len().to_string().len();
        let name: String = name.chars().take(100).collect();
        self.0
            .join("runs")
            .join(format!("{:0width$}_{name}", index + 1))
    }

    pub(super) fn csv(&self) -> PathBuf {
        self.0.join("results.csv")
    }

    pub(super) fn json(&self) -> PathBuf {
        self.0.join("results.json")
    }

    pub(super) fn report(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// The heat map as a file; one for each combination of the third and further settings.
    pub(super) fn heat_map(&self, index: usize) -> PathBuf {
        self.0.join(match index {
            0 => "heatmap.svg".to_owned(),
            _ => format!("heatmap-{}.svg", index + 1),
        })
    }
}
