//! A run's log, read while it grows or afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{End, Epoch, Error, Event, Guard, RunFolder, Step};

/// What a run's log says, in order. Lines of a later version's events are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunLog {
    /// What tables and charts call the run.
    pub name: String,
    /// The run's folder.
    pub folder: PathBuf,
    /// Settings, as the run resolved them; null in a log that has no start yet.
    pub recipe: Value,
    /// The steps that are logged.
    pub steps: Vec<Step>,
    /// The epochs; epoch 0 is the untouched model.
    pub epochs: Vec<Epoch>,
    /// Where the guard ended the run.
    pub guard: Option<Guard>,
    /// How the run ended; none while it goes on or after a kill.
    pub end: Option<End>,
}

impl RunLog {
    /// Reads the log of the run in `folder`. A last line that is only half written is left out.
    ///
    /// # Errors
    /// [`Error::NoRun`] without a log; [`Error::Line`] with a line that is no event.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = RunFolder::new(folder).metrics();
        if !path.exists() {
            return Err(Error::NoRun {
                folder: folder.to_owned(),
            });
        }
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            folder: folder.to_owned(),
            ..Self::parse(&text, &path)?
        })
    }

    /// Reads the lines of a log; `path` is what an error calls it.
    ///
    /// # Errors
    /// [`Error::Line`] with a line that is no event, other than a last one without its end.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut log = Self::default();
        let whole = text.ends_with('\n');
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            let event = match serde_json::from_str(line) {
                Ok(event) => event,
                Err(_) if lines.peek().is_none() && !whole => break,
                Err(error) => {
                    return Err(Error::Line {
                        path: path.to_owned(),
                        line: index + 1,
                        found: error.to_string(),
                    });
                }
            };
            // A resumed run goes on where an earlier one had ended.
            if event != Event::Unknown {
                log.end = None;
            }
            match event {
                Event::Start(start) => log.recipe = start.recipe,
                // It may have another number of epochs.
                Event::Resume(resume) => {
                    log.recipe = resume.recipe;
                    log.guard = None;
                }
                Event::Step(step) => log.steps.push(step),
                Event::Epoch(epoch) => log.epochs.push(epoch),
                Event::Guard(guard) => log.guard = Some(guard),
                Event::End(end) => log.end = Some(end),
                Event::Unknown => {}
            }
        }
        Ok(log)
    }

    /// The names of the loss's terms, in the order of the log.
    pub fn terms(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.steps.iter().flat_map(|step| step.terms.iter()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// `(step, value)` of one quantity of the steps, where it is finite.
    pub fn by_step(&self, value: impl Fn(&Step) -> Option<f64>) -> Vec<(f64, f64)> {
        points(self.steps.iter().map(|step| (step.step, value(step))))
    }

    /// `(step, value)` of one term of the loss.
    pub fn term_by_step(&self, name: &str) -> Vec<(f64, f64)> {
        self.by_step(|step| step.terms.get(name))
    }

    /// `(step, value)` of one quantity of the epochs, where it is finite.
    pub fn by_epoch(&self, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
        points(self.epochs.iter().map(|epoch| (epoch.step, value(epoch))))
    }

    /// Optimiser steps done, as far as they are logged.
    pub fn step(&self) -> u64 {
        let step = self.steps.last().map(|step| step.step);
        step.max(self.epochs.last().map(|epoch| epoch.step))
            .unwrap_or(0)
    }

    /// Epochs that are to be trained, as the recipe says.
    pub fn planned_epochs(&self) -> Option<u64> {
        self.recipe["training"]["epochs"].as_u64()
    }

    /// Seconds until the planned epochs are done, at the speed of the first; none once the run has
    /// ended, or while too little is known.
    pub fn time_left(&self) -> Option<f64> {
        let last = self.steps.last().filter(|_| self.end.is_none())?;
        let (epochs, epoch_steps) = (self.planned_epochs()?, self.epoch_ends().first()?.1);
        let first = self.epochs.iter().find(|epoch| epoch.epoch == 1)?;
        let per_step = first.seconds? / epoch_steps;
        Some(per_step * (epoch_steps * epochs as f64 - last.step as f64).max(0.0))
    }

    /// The step at which each epoch ended.
    pub fn epoch_ends(&self) -> Vec<(u64, f64)> {
        let ends = self.epochs.iter().filter(|epoch| epoch.epoch > 0);
        ends.map(|epoch| (epoch.epoch, epoch.step as f64)).collect()
    }
}

fn points(values: impl Iterator<Item = (u64, Option<f64>)>) -> Vec<(f64, f64)> {
    let finite = values.filter_map(|(step, value)| Some((step as f64, value?)));
    finite.filter(|(_, value)| value.is_finite()).collect()
}

/// Gives logs different names where their folders are called the same.
pub fn name_apart(logs: &mut [RunLog]) {
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
    use crate::RunOutcome;

    fn read(text: &str) -> Result<RunLog, Error> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("metrics.jsonl"), text).unwrap();
        RunLog::read(folder.path())
    }

    const LOG: &str = r#"{"event":"start","recipe":{"training":{"epochs":2}}}
{"event":"epoch","epoch":0,"step":0,"knn":0.5}
{"event":"step","step":5,"epoch":1,"loss":3.5,"terms":{"invariance":1.0},"images_per_s":10.0,"waiting":0.1,"learning_rate":0.1}
{"event":"epoch","epoch":1,"step":5,"loss":3.5,"knn":0.75,"seconds":10.0,"collapse":{"dims":2,"spread":0.9,"least_spread":0.5,"dead_dims":0,"entropy":null,"least_entropy":-1}}
"#;

    #[test]
    fn a_log_is_read_into_its_parts() {
        let log = read(LOG).unwrap();
        assert_eq!(log.terms(), ["invariance"]);
        assert_eq!(log.by_step(|step| Some(step.loss)), [(5.0, 3.5)]);
        assert_eq!(log.term_by_step("invariance"), [(5.0, 1.0)]);
        assert!(log.term_by_step("entropy").is_empty());
        assert_eq!(log.by_epoch(|epoch| epoch.knn), [(0.0, 0.5), (5.0, 0.75)]);
        // Values that are not finite are no points.
        let entropy = |epoch: &Epoch| epoch.collapse.map(|collapse| collapse.entropy);
        assert!(log.by_epoch(entropy).is_empty());
        assert_eq!((log.step(), log.planned_epochs()), (5, Some(2)));
        assert_eq!(
            (log.epoch_ends(), log.time_left()),
            (vec![(1, 5.0)], Some(10.0))
        );
        assert!(log.end.is_none());
        let end = "{\"event\":\"end\",\"outcome\":\"finished\",\"seconds\":2.5}\n";
        let ended = read(&format!("{LOG}{end}")).unwrap();
        let expected = End {
            outcome: RunOutcome::Finished,
            seconds: 2.5,
        };
        assert_eq!((ended.time_left(), ended.end), (None, Some(expected)));
    }

    #[test]
    fn a_resumed_run_has_the_epochs_that_it_was_resumed_with_and_no_end() {
        let log = read(&format!(
            "{LOG}{{\"event\":\"end\",\"outcome\":\"interrupted\",\"seconds\":2.5}}\n\
             {{\"event\":\"resume\",\"step\":5,\"recipe\":{{\"training\":{{\"epochs\":7}}}}}}\n"
        ));
        let log = log.unwrap();
        assert_eq!((log.step(), log.planned_epochs()), (5, Some(7)));
        assert_eq!(log.end, None);
    }

    #[test]
    fn half_a_last_line_is_left_out_and_a_broken_one_is_an_error() {
        let log = read(&format!("{LOG}{{\"event\":\"step\",\"st")).unwrap();
        assert_eq!(log.steps.len(), 1);
        let error = read(&format!("{LOG}nonsense\n{LOG}")).unwrap_err();
        assert!(matches!(error, Error::Line { line: 5, .. }), "{error}");
        // A whole line of an event without what it must have is broken, too.
        let error = read("{\"event\":\"step\",\"step\":1}\n").unwrap_err();
        assert!(
            error.to_string().contains("line 1 is not: missing field"),
            "{error}"
        );
        let error = RunLog::read(Path::new("nowhere")).unwrap_err();
        assert_eq!(error.to_string(), "nowhere holds no run");
    }

    #[test]
    fn lines_of_a_later_version_are_left_out() {
        let later = "{\"event\":\"teacher\",\"momentum\":0.9}\n";
        let end = "{\"event\":\"end\",\"outcome\":\"finished\",\"seconds\":2.5}\n";
        let log = read(&format!("{later}{LOG}{later}{end}{later}")).unwrap();
        assert_eq!((log.steps.len(), log.epochs.len()), (1, 2));
        assert!(log.end.is_some());
    }

    #[test]
    fn runs_of_one_name_are_told_apart_by_their_folders() {
        let of = |folder: &str| RunLog {
            name: "run".into(),
            folder: folder.into(),
            ..RunLog::default()
        };
        let mut logs = [
            of("a/run"),
            of("b/run"),
            RunLog {
                name: "c".into(),
                ..of("c")
            },
        ];
        name_apart(&mut logs);
        assert_eq!(logs.map(|log| log.name), ["a/run", "b/run", "c"]);
    }
}
