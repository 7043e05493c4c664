//! What came out, for the terminal and for other programs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2mc_train::checkpoint::write_atomically;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::grid::{Point, text};
use super::plan::{Folder, Plan};
use crate::evaluation::{Scores, percent, plus_minus};
use crate::output;

/// One number that a run is judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metric {
    /// For instance `1 % labels, logistic`.
    pub(super) name: String,
    /// Top-1 accuracy in percent.
    pub(super) accuracy: f64,
    /// Of that mean, in percentage points.
    pub(super) standard_error: Option<f64>,
    /// In percent, one a label subset.
    pub(super) accuracies: Vec<f64>,
}

/// What a model is worth; kept in its run's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measured {
    /// How training ended: `finished` or `stopped by the guard`.
    pub(super) outcome: String,
    pub(super) epochs: u64,
    pub(super) metrics: Vec<Metric>,
}

impl Measured {
    pub(super) fn new(outcome: &str, epochs: u64, scores: &Scores) -> Self {
        let knn = Metric {
            name: format!("{}-NN", scores.k),
            accuracy: scores.knn,
            standard_error: None,
            accuracies: vec![scores.knn],
        };
        let probes = scores.probes.iter().map(|row| Metric {
            name: format!("{} % labels, {}", percent(row.fraction), row.probe),
            accuracy: row.accuracy,
            standard_error: row.standard_error,
            accuracies: row.accuracies.clone(),
        });
        Self {
            outcome: outcome.to_owned(),
            epochs,
            metrics: std::iter::once(knn).chain(probes).collect(),
        }
    }

    pub(super) fn load(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let found = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let measured = serde_json::from_str(&found)
            .with_context(|| format!("{} does not hold a run's scores", path.display()))?;
        Ok(Some(measured))
    }

    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self).context("the scores as JSON")?;
        Ok(write_atomically(path, text.as_bytes())?)
    }

    /// The metric of that name.
    pub(super) fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

/// One run of the grid.
pub(super) struct Run {
    pub(super) point: Point,
    pub(super) folder: PathBuf,
    /// `None` until it is trained and measured.
    pub(super) measured: Option<Measured>,
}

/// All that is known so far.
pub(super) struct Results {
    pub(super) plan: Plan,
    pub(super) base: Measured,
    pub(super) runs: Vec<Run>,
}

impl Results {
    /// The metrics' names, as the untouched checkpoint has them.
    pub(super) fn metrics(&self) -> Vec<&str> {
        self.base
            .metrics
            .iter()
            .map(|metric| metric.name.as_str())
            .collect()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.runs.iter().all(|run| run.measured.is_some())
    }

    /// Writes `results.csv` and `results.json`.
    pub(super) fn save(&self, folder: &Folder) -> Result<()> {
        write_atomically(&folder.csv(), self.csv().as_bytes())?;
        let text = serde_json::to_string_pretty(&self.json()).context("the results as JSON")?;
        Ok(write_atomically(&folder.json(), text.as_bytes())?)
    }

    /// One object: the untouched checkpoint, then every run with its settings.
    pub(super) fn json(&self) -> Value {
        let metrics = |measured: &Measured| -> Map<String, Value> {
            let metrics = measured.metrics.iter();
            let metric = |metric: &Metric| {
                json!({
                    "accuracy": metric.accuracy, "standard_error": metric.standard_error,
                    "accuracies": metric.accuracies,
                })
            };
            metrics.map(|m| (m.name.clone(), metric(m))).collect()
        };
        let runs = self.runs.iter().map(|run| {
            let settings: Map<String, Value> = run
                .point
                .changes
                .iter()
                .map(|(key, value)| (key.clone(), json!(value)))
                .collect();
            json!({
                "settings": settings,
                "run": run.folder,
                "outcome": run.measured.as_ref().map(|measured| &measured.outcome),
                "epochs": run.measured.as_ref().map(|measured| measured.epochs),
                "metrics": run.measured.as_ref().map(metrics),
            })
        });
        json!({
            "checkpoint": self.plan.checkpoint,
            "complete": self.is_complete(),
            "base": metrics(&self.base),
            "runs": runs.collect::<Vec<_>>(),
        })
    }

    fn csv(&self) -> String {
        let names = self.metrics();
        let mut header: Vec<String> = self.plan.grid.axes.iter().map(|a| a.key.clone()).collect();
        header.extend(["run", "outcome", "epochs"].map(str::to_owned));
        for name in &names {
            header.extend([(*name).to_owned(), format!("{name}, standard error")]);
        }
        let mut lines = vec![header];
        let row = |settings: Vec<String>, run: String, measured: Option<&Measured>| {
            let mut cells = settings;
            cells.push(run);
            cells.push(measured.map_or_else(String::new, |m| m.outcome.clone()));
            cells.push(measured.map_or_else(String::new, |m| m.epochs.to_string()));
            for name in &names {
                let metric = measured.and_then(|measured| measured.metric(name));
                cells.push(metric.map_or_else(String::new, |m| m.accuracy.to_string()));
                let error = metric.and_then(|metric| metric.standard_error);
                cells.push(error.map_or_else(String::new, |error| error.to_string()));
            }
            cells
        };
        lines.push(row(
            vec![String::new(); self.plan.grid.axes.len()],
            "base".into(),
            Some(&self.base),
        ));
        for run in &self.runs {
            let settings = run
                .point
                .changes
                .iter()
                .map(|(_, value)| text(value))
                .collect();
            let folder = run.folder.display().to_string();
            lines.push(row(settings, folder, run.measured.as_ref()));
        }
        let mut out = String::new();
        for cells in lines {
            let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
            writeln!(out, "{}", cells.join(",")).expect("writing to a string does not fail");
        }
        out
    }

    /// The table for people, and where everything is.
    pub(super) fn text(&self, folder: &Folder) -> String {
        let names = self.metrics();
        let settings = self.plan.grid.names().into_iter().map(str::to_owned);
        let mut header: Vec<String> = settings.collect();
        header.extend(names.iter().map(|name| (*name).to_owned()));
        let cells = |measured: &Measured| -> Vec<String> {
            let cell = |name: &&str| match measured.metric(name) {
                Some(metric) => plus_minus(metric.accuracy, metric.standard_error),
                None => "–".into(),
            };
            names.iter().map(cell).collect()
        };
        let mut base = vec!["base".to_owned()];
        base.resize(self.plan.grid.axes.len(), String::new());
        base.extend(cells(&self.base));
        let mut rows = vec![header, base];
        let mut notes = Vec::new();
        for run in &self.runs {
            let mut row: Vec<_> = run
                .point
                .changes
                .iter()
                .map(|(_, value)| text(value))
                .collect();
            match &run.measured {
                Some(measured) => {
                    row.extend(cells(measured));
                    if measured.outcome != FINISHED {
                        let described = self.plan.grid.describe(&run.point);
                        notes.push(format!("{described}: {}\n", measured.outcome));
                    }
                }
                None => row.extend(names.iter().map(|_| "–".to_owned())),
            }
            rows.push(row);
        }
        format!(
            "{}{}top-1 accuracy in %, mean ± standard error over {} label subsets; base is the untouched checkpoint\n\
             report: {}\ntable: {}",
            output::table(&rows),
            notes.concat(),
            self.plan.seeds(),
            folder.report().display(),
            folder.csv().display(),
        )
    }
}

/// The outcome of a run that trained to its end.
pub(super) const FINISHED: &str = "finished";

/// A cell of a CSV file (RFC 4180).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}
