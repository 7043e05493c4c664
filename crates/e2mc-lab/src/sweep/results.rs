//! What came out of a sweep, as a table and for other programs.

use std::path::Path;

use e2mc_base::write_atomically;
use e2mc_record::{EvaluationResult, RESULT, RunFolder, percent};
use serde_json::{Map, Value, json};

use super::grid::Point;
use super::plan::{SweepFolder, SweepPlan};
use crate::error::Error;

/// One number that a run is evaluated by.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// For instance `1 % labels, logistic`.
    pub name: String,
    /// Top-1 accuracy in percent.
    pub accuracy: f64,
    /// Standard error of the mean, in percentage points.
    pub standard_error: Option<f64>,
    /// In percent, one a label subset.
    pub accuracies: Vec<f64>,
}

/// What a model is worth: a result, by the names of its metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The result.
    pub result: EvaluationResult,
    /// How training ended; `untouched` of the checkpoint itself.
    pub outcome: String,
    /// Epochs that were trained.
    pub epochs: u64,
    /// In the order of the tables.
    pub metrics: Vec<Metric>,
}

impl Measured {
    /// The result in a folder, if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(RESULT);
        match path.exists() {
            true => Ok(Some(Self::of(EvaluationResult::read(&path)?))),
            false => Ok(None),
        }
    }

    /// The metrics of a result.
    pub fn of(result: EvaluationResult) -> Self {
        let neighbours = result.k.zip(result.knn).map(|(k, knn)| Metric {
            name: format!("{k}-NN"),
            accuracy: knn,
            standard_error: None,
            accuracies: vec![knn],
        });
        let probes = result.probes.iter().map(|row| Metric {
            name: format!("{} % labels, {}", percent(row.fraction), row.probe),
            accuracy: row.accuracy,
            standard_error: row.noise(),
            accuracies: row.accuracies.clone(),
        });
        let metrics = neighbours.into_iter().chain(probes).collect();
        let training = result.training.as_ref();
        Self {
            outcome: training.map_or_else(String::new, |training| training.outcome.clone()),
            epochs: training.map_or(0, |training| training.epochs),
            metrics,
            result,
        }
    }

    /// The metric of that name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

/// One run of the grid.
#[derive(Clone, Debug)]
pub struct SweepRun {
    /// Its settings.
    pub point: Point,
    /// Its files.
    pub folder: RunFolder,
    /// `None` until it is trained and measured.
    pub measured: Option<Measured>,
}

/// All that is known of a sweep so far.
#[derive(Clone, Debug)]
pub struct SweepResults {
    /// What it is to do.
    pub plan: SweepPlan,
    /// The checkpoint as it was.
    pub base: Measured,
    /// Every combination, in the order of the grid.
    pub runs: Vec<SweepRun>,
}

impl SweepResults {
    /// The metrics' names, as the untouched checkpoint has them.
    pub fn metrics(&self) -> Vec<&str> {
        let metrics = self.base.metrics.iter();
        metrics.map(|metric| metric.name.as_str()).collect()
    }

    /// Whether every run is trained and measured.
    pub fn is_complete(&self) -> bool {
        self.runs.iter().all(|run| run.measured.is_some())
    }

    /// Writes `results.csv` and `results.json`.
    pub(super) fn save(&self, folder: &SweepFolder) -> Result<(), Error> {
        let csv = folder.csv();
        write_atomically(&csv, self.csv().as_bytes())
            .map_err(|source| Error::write(&csv, source))?;
        let path = folder.json();
        let text = serde_json::to_string_pretty(&self.json())
            .map_err(|source| Error::json(&path, "cannot be written as JSON", source))?;
        write_atomically(&path, text.as_bytes()).map_err(|source| Error::write(&path, source))
    }

    /// One object: the untouched checkpoint, then every run with its settings.
    pub fn json(&self) -> Value {
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
            json!({
                "settings": settings(&run.point),
                "run": run.folder.root(),
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
        let axes = &self.plan.grid.axes;
        let mut header: Vec<String> = axes.iter().map(|axis| axis.key.clone()).collect();
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
        let base = vec![String::new(); axes.len()];
        lines.push(row(base, "base".into(), Some(&self.base)));
        for run in &self.runs {
            let folder = run.folder.root().display().to_string();
            lines.push(row(run.point.words(), folder, run.measured.as_ref()));
        }
        written(&lines)
    }
}

/// The settings of one run, for programs.
pub fn settings(point: &Point) -> Map<String, Value> {
    let settings = point.changes.iter();
    settings
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect()
}

/// Lines of equal length as a CSV file (RFC 4180).
fn written(lines: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        let written = writer.write_record(line);
        written.expect("lines of equal length are written to memory");
    }
    let bytes = writer.into_inner().expect("memory takes everything");
    String::from_utf8(bytes).expect("made of strings")
}

#[cfg(test)]
mod tests {
    use e2mc_record::{ProbeRow, Protocol, Training};

    use super::*;

    #[test]
    fn a_result_is_seen_by_the_names_of_its_metrics() {
        let mut result = EvaluationResult::new("sweep", "a", Protocol::Linear);
        (result.k, result.knn) = (Some(20), Some(50.0));
        result.training = Some(Training {
            outcome: "finished".into(),
            epochs: 3,
        });
        result.probes = vec![ProbeRow {
            probe: "logistic".into(),
            fraction: 0.01,
            images: 4,
            accuracy: 62.5,
            standard_error: Some(2.5),
            spans: None,
            accuracies: vec![60.0, 65.0],
            top5: None,
            runs: Vec::new(),
        }];
        let measured = Measured::of(result);
        assert_eq!(
            (measured.outcome.as_str(), measured.epochs),
            ("finished", 3)
        );
        assert_eq!(measured.metric("20-NN").unwrap().accuracy, 50.0);
        let row = measured.metric("1 % labels, logistic").unwrap();
        assert_eq!(row.accuracies, [60.0, 65.0]);
        assert!(measured.metric("10 % labels, logistic").is_none());
    }

    #[test]
    fn cells_with_commas_are_quoted() {
        let cells = ["20-NN, standard error", "[8, 8]", "one\"two", "plain"];
        let line = cells.map(str::to_owned).to_vec();
        let expected = "\"20-NN, standard error\",\"[8, 8]\",\"one\"\"two\",plain\n";
        assert_eq!(written(&[line]), expected);
    }
}
