//! Appending events to `metrics.jsonl`, and continuing with it after a stop.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use e2mc_base::write_atomically;
use serde::Deserialize;

use crate::{Error, Event};

/// The log of a run, one event a line. It grows by whole lines: a reader at the same time sees at
/// most one that is half written.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
    path: PathBuf,
}

/// What a run's log holds from before a stop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Before {
    /// Seconds that the run had trained; after a kill, without the epoch that was under way.
    pub seconds: f64,
    /// Held-out k-NN: epoch, accuracy as a fraction.
    pub knn: Vec<(u64, f64)>,
}

impl EventWriter {
    /// Starts an empty log; one that is there is replaced.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Self::holding(path, "")
    }

    /// Goes on with a log after optimiser step `step` and `epochs` whole epochs, and says what it
    /// holds. Lines of later steps and epochs go: they will be trained, and written, again. So do
    /// the line of the end, and a line that a kill cut short.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn resume(path: &Path, step: u64, epochs: u64) -> Result<(Self, Before), Error> {
        let text = match std::fs::read(path) {
            // A kill may have left anything in the last line.
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let (kept, before) = until(&text, step, epochs);
        Ok((Self::holding(path, &kept)?, before))
    }

    fn holding(path: &Path, text: &str) -> Result<Self, Error> {
        write_atomically(path, text.as_bytes()).map_err(Error::io("write", path))?;
        let file = OpenOptions::new().append(true).open(path);
        Ok(Self {
            file: file.map_err(Error::io("write", path))?,
            path: path.to_owned(),
        })
    }

    /// Appends one event, in one write.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&mut self, event: &Event) -> Result<(), Error> {
        let mut line = serde_json::to_string(event).map_err(|error| Error::Json {
            what: "an event",
            found: error.to_string(),
        })?;
        line.push('\n');
        let written = self.file.write_all(line.as_bytes());
        written.map_err(Error::io("write", &self.path))
    }
}

/// The lines up to a step and of so many whole epochs, as they are: those of unknown events as
/// well.
fn until(text: &str, step: u64, epochs: u64) -> (String, Before) {
    let (mut kept, mut before) = (String::new(), Before::default());
    for line in text.lines() {
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            continue;
        };
        match event {
            Event::Start(_) => {}
            Event::End(end) => {
                before.seconds = end.seconds;
                continue;
            }
            Event::Guard(guard) if guard.epoch > epochs => continue,
            Event::Guard(_) => {}
            Event::Step(other) if other.step > step => continue,
            Event::Step(_) => {}
            Event::Resume(resume) if resume.step > step => continue,
            Event::Resume(resume) => before.seconds = resume.seconds,
            Event::Epoch(epoch) if epoch.step > step || epoch.epoch > epochs => continue,
            Event::Epoch(epoch) => {
                before.seconds += epoch.seconds.unwrap_or(0.0);
                before.knn.extend(epoch.knn.map(|knn| (epoch.epoch, knn)));
            }
            Event::Unknown => {
                let later: Result<Later, _> = serde_json::from_str(line);
                if later.is_ok_and(|later| later.step > step) {
                    continue;
                }
            }
        }
        kept.push_str(line);
        kept.push('\n');
    }
    (kept, before)
}

/// What is known of an event of a later version.
#[derive(Deserialize)]
struct Later {
    #[serde(default)]
    step: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{End, Epoch, Guard, RunOutcome, Start};

    fn epoch(epoch: u64, step: u64, knn: f64, seconds: Option<f64>) -> Event {
        Event::Epoch(Epoch {
            epoch,
            step,
            knn: Some(knn),
            seconds,
            ..Epoch::default()
        })
    }

    fn end(seconds: f64) -> Event {
        Event::End(End {
            outcome: RunOutcome::Interrupted,
            seconds,
        })
    }

    #[test]
    fn a_log_goes_on_after_the_step_of_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = EventWriter::create(&path).unwrap();
        for event in [
            Event::Start(Start::new(Value::Null)),
            epoch(0, 0, 0.25, None),
            epoch(1, 5, 0.5, Some(2.0)),
            epoch(2, 10, 0.75, Some(3.0)),
        ] {
            log.write(&event).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // A later version's line stays; half a line, as of a kill, goes.
        let later = "{\"event\":\"teacher\",\"step\":5,\"x\":[1, 2]}\n";
        std::fs::write(&path, format!("{text}{later}{{\"event\":\"st")).unwrap();
        let (mut log, before) = EventWriter::resume(&path, 5, 1).unwrap();
        assert_eq!(before.seconds, 2.0);
        assert_eq!(before.knn, [(0, 0.25), (1, 0.5)]);
        log.write(&Event::Guard(Guard { epoch: 1 })).unwrap();
        let lines: Vec<&str> = text.lines().take(3).collect();
        let expected = format!(
            "{}\n{later}{{\"event\":\"guard\",\"epoch\":1}}\n",
            lines.join("\n")
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn the_end_of_an_earlier_part_counts_its_seconds_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = EventWriter::create(&path).unwrap();
        log.write(&epoch(1, 5, 0.5, Some(2.0))).unwrap();
        log.write(&end(4.5)).unwrap();
        let (_, before) = EventWriter::resume(&path, 5, 1).unwrap();
        assert_eq!(before.seconds, 4.5);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("end"));
    }

    #[test]
    fn an_epoch_whose_end_was_not_saved_is_ended_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = EventWriter::create(&path).unwrap();
        log.write(&epoch(1, 5, 0.5, Some(2.0))).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        log.write(&epoch(2, 10, 0.25, Some(2.0))).unwrap();
        log.write(&Event::Guard(Guard { epoch: 2 })).unwrap();
        // The checkpoint is of the last step of the second epoch, before its end.
        let (_, before) = EventWriter::resume(&path, 10, 1).unwrap();
        assert_eq!(before.knn, [(1, 0.5)]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_missing_log_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (_, before) = EventWriter::resume(&path, 5, 1).unwrap();
        assert_eq!(before, Before::default());
        let error = EventWriter::create(&path.join("below")).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}
