//! A training run as its folder records it: `metrics.jsonl`, one JSON object a line, read while it grows or afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::failure::Failure;
use crate::run::RunFolder;

/// What a log holds beside the terms of the loss.
const NOT_TERMS: [&str; 12] = [
    "event",
    "step",
    "epoch",
    "learning_rate",
    "loss",
    "images_per_s",
    "waiting",
    "seconds",
    "knn",
    "collapse",
    "outcome",
    "recipe",
];

/// A run's record.
pub(crate) struct RunLog {
    /// What tables and charts call it.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Settings, as the run resolved them; null in a log that has no start yet.
    pub(crate) recipe: Value,
    /// Events of steps, in order.
    pub(crate) steps: Vec<Value>,
    /// Events of epochs, in order; epoch 0 is the untouched model.
    pub(crate) epochs: Vec<Value>,
    /// How it ended, and after how many seconds; none while it runs or after a kill.
    pub(crate) end: Option<(String, f64)>,
}

impl RunLog {
    /// Reads the run in `folder`. A last line that is only half written is left out.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = RunFolder::new(folder).metrics();
        if !path.exists() {
            return Err(Failure::new(
                format!(
                    "{}: no run is there: it has no metrics.jsonl",
                    folder.display()
                ),
                "name the folder that was given to `pretrain --out` or `continue --out`",
            ));
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        let mut log = Self {
            name: name.to_string_lossy().into_owned(),
            folder: folder.to_owned(),
            recipe: Value::Null,
            steps: Vec::new(),
            epochs: Vec::new(),
            end: None,
        };
        let whole = text.ends_with('\n');
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let event: Value = match serde_json::from_str(line) {
                Ok(event) => event,
                Err(_) if index + 1 == lines.len() && !whole => break,
                Err(error) => {
                    return Err(Failure::new(
                        format!(
                            "{}: expected one JSON object a line, line {} is not: {error}",
                            path.display(),
                            index + 1
                        ),
                        "the file is damaged; remove that line, or take the run from its backup",
                    ));
                }
            };
            match event["event"].as_str() {
                // A resumed run may have another number of epochs.
                Some("start" | "resume") => log.recipe = event["recipe"].clone(),
                Some("step") => log.steps.push(event),
                Some("epoch") => log.epochs.push(event),
                Some("end") => {
                    let outcome = event["outcome"].as_str().unwrap_or("ended").to_owned();
                    log.end = Some((outcome, event["seconds"].as_f64().unwrap_or(f64::NAN)));
                }
                _ => {}
            }
        }
        // A resumed run goes on where an earlier one had ended.
        if let (Some(_), Some(last)) = (&log.end, lines.last())
            && !last.contains("\"end\"")
        {
            log.end = None;
        }
        Ok(log)
    }

    /// The names of the loss's terms, in the order of the log.
    pub(crate) fn terms(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let keys = self
            .steps
            .iter()
            .filter_map(Value::as_object)
            .flat_map(|step| step.keys());
        keys.filter(|key| !NOT_TERMS.contains(&key.as_str()) && seen.insert((*key).clone()))
            .cloned()
            .collect()
    }

    /// `(step, value)` of one quantity of the steps.
    pub(crate) fn by_step(&self, key: &str) -> Vec<(f64, f64)> {
        points(&self.steps, |step| step[key].as_f64())
    }

    /// `(step, value)` of one quantity of the epochs.
    pub(crate) fn by_epoch(&self, value: impl Fn(&Value) -> Option<f64>) -> Vec<(f64, f64)> {
        points(&self.epochs, value)
    }

    /// Optimiser steps done, as far as they are logged.
    pub(crate) fn step(&self) -> u64 {
        let last = |events: &[Value]| events.last().and_then(|event| event["step"].as_u64());
        last(&self.steps).max(last(&self.epochs)).unwrap_or(0)
    }

    /// Epochs that are to be trained, as the recipe says.
    pub(crate) fn planned_epochs(&self) -> Option<u64> {
        self.recipe["training"]["epochs"].as_u64()
    }

    /// Seconds until the planned epochs are done, at the speed of the first epoch; none once it has ended, or while
    /// too little is known.
    pub(crate) fn time_left(&self) -> Option<f64> {
        let last = self.steps.last().filter(|_| self.end.is_none())?;
        let (epochs, epoch_steps) = (self.planned_epochs()?, self.epoch_ends().first()?.1);
        let first = self.epochs.iter().find(|event| event["epoch"] == 1)?;
        let per_step = first["seconds"].as_f64()? / epoch_steps;
        Some(per_step * (epoch_steps * epochs as f64 - last["step"].as_f64()?).max(0.0))
    }

    /// The step at which each epoch ended.
    pub(crate) fn epoch_ends(&self) -> Vec<(u64, f64)> {
        let ends = self
            .epochs
            .iter()
            .filter_map(|event| Some((event["epoch"].as_u64()?, event["step"].as_f64()?)));
        ends.filter(|(epoch, _)| *epoch > 0).collect()
    }
}

fn points(events: &[Value], value: impl Fn(&Value) -> Option<f64>) -> Vec<(f64, f64)> {
    let point = |event: &Value| Some((event["step"].as_f64()?, value(event)?));
    events.iter().filter_map(point).collect()
}

/// Gives logs different names where their folders are called the same.
pub(crate) fn name_apart(logs: &mut [RunLog]) {
    let names: Vec<String> = logs.iter().map(|log| log.name.clone()).collect();
    for (index, log) in logs.iter_mut().enumerate() {
        if names.iter().filter(|name| **name == names[index]).count() > 1 {
            log.name = log.folder.display().to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RunLog> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("metrics.jsonl"), text).unwrap();
        RunLog::read(folder.path())
    }

    const LOG: &str = r#"{"event":"start","recipe":{"training":{"epochs":2}}}
{"event":"epoch","epoch":0,"step":0,"knn":0.5}
{"event":"step","step":5,"epoch":1,"loss":3.5,"invariance":1.0,"images_per_s":10.0,"waiting":0.1,"learning_rate":0.1}
{"event":"epoch","epoch":1,"step":5,"loss":3.5,"knn":0.75,"collapse":{"spread":0.9}}
"#;

    #[test]
    fn a_log_is_read_into_its_parts() {
        let log = read(LOG).unwrap();
        assert_eq!(log.terms(), ["invariance"]);
        assert_eq!(log.by_step("loss"), [(5.0, 3.5)]);
        assert_eq!(
            log.by_epoch(|e| e["knn"].as_f64()),
            [(0.0, 0.5), (5.0, 0.75)]
        );
        assert_eq!((log.step(), log.planned_epochs()), (5, Some(2)));
        assert_eq!(log.epoch_ends(), [(1, 5.0)]);
        assert!(log.end.is_none());
        let ended = read(&format!(
            "{LOG}{{\"event\":\"end\",\"outcome\":\"finished\",\"seconds\":2.5}}\n"
        ));
        assert_eq!(ended.unwrap().end, Some(("finished".into(), 2.5)));
    }

    #[test]
    fn a_resumed_run_has_the_epochs_that_it_was_resumed_with() {
        let log = read(&format!(
            "{LOG}{{\"event\":\"resume\",\"step\":5,\"recipe\":{{\"training\":{{\"epochs\":7}}}}}}\n"
        ));
        let log = log.unwrap();
        assert_eq!((log.step(), log.planned_epochs()), (5, Some(7)));
    }

    #[test]
    fn half_a_last_line_is_left_out_and_a_broken_one_is_an_error() {
        let log = read(&format!("{LOG}{{\"event\":\"step\",\"st")).unwrap();
        assert_eq!(log.steps.len(), 1);
        let error = read(&format!("nonsense\n{LOG}")).err().unwrap().to_string();
        assert!(error.contains("line 1 is not"), "{error}");
        let error = RunLog::read(Path::new("nowhere"))
            .err()
            .unwrap()
            .to_string();
        assert!(error.starts_with("nowhere: no run is there"), "{error}");
    }
}
