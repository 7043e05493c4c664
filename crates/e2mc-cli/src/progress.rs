//! What a training run shows and records while it goes: a bar or plain lines on standard error, and
//! `metrics.jsonl`, the one source for later tables and plots.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2mc_eval::PairedDrop;
use e2mc_train::checkpoint::write_atomically;
use e2mc_train::{Control, EpochSummary, Error, Model, Observer, Recipe, StepLog};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::guard::{Check, Guard};
use crate::output;
use crate::run::RunSettings;
use crate::tensorboard::EventFile;
use e2mc_cli::options::GuardAction;

/// Seconds between two plain lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The run's record: one JSON object a line.
pub(crate) struct Metrics {
    file: File,
    path: PathBuf,
    events: EventFile,
}

impl Metrics {
    /// Opens the record, and says what is in it. After a resume, lines of steps that the checkpoint
    /// does not have go: they will be trained, and written, again.
    pub(crate) fn open(path: &Path, resumed_at: Option<u64>) -> Result<(Self, Before)> {
        let (kept, before) = match resumed_at {
            Some(step) => lines_until(path, step)?,
            None => Default::default(),
        };
        write_atomically(path, kept.as_bytes())?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let events = EventFile::create(path.parent().unwrap_or(Path::new(".")), resumed_at)?;
        let metrics = Self {
            file,
            path: path.to_owned(),
            events,
        };
        Ok((metrics, before))
    }

    /// Adds the numbers of a step or an epoch to TensorBoard's file, as `GROUP/NAME`. Signs of collapse are a group of
    /// their own: the embedding's entropy is not the term of the loss that has its name.
    fn tensorboard(&mut self, group: &str, step: u64, fields: &Value) -> Result<(), Error> {
        let groups = [(group, fields), ("collapse", &fields["collapse"])];
        let mut values: Vec<(String, f64)> = Vec::new();
        for (group, fields) in groups {
            let numbers = fields.as_object().into_iter().flatten();
            let numbers = numbers.filter(|(name, _)| *name != "step");
            values
                .extend(numbers.filter_map(|(name, value)| {
                    Some((format!("{group}/{name}"), value.as_f64()?))
                }));
        }
        let named = values.iter().map(|(name, value)| (name.as_str(), *value));
        self.events.write(step, named)
    }

    /// Appends one event.
    pub(crate) fn write(&mut self, event: &str, fields: Value) -> Result<(), Error> {
        let mut line = Map::from_iter([("event".to_owned(), Value::from(event))]);
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        writeln!(self.file, "{}", Value::Object(line)).map_err(|source| Error::Io {
            action: "write",
            path: self.path.clone(),
            source,
        })
    }
}

/// What a run's record holds from before a stop.
#[derive(Default)]
pub(crate) struct Before {
    /// How long the run had trained; after a kill, without the epoch that was under way.
    seconds: f64,
    /// Held-out k-NN: epoch, accuracy as a fraction.
    knn: Vec<(u64, f64)>,
}

fn lines_until(path: &Path, step: u64) -> Result<(String, Before)> {
    let (mut kept, mut before) = (String::new(), Before::default());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((kept, before)),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    for line in BufReader::new(file).lines() {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        // A line cut short by a kill is not JSON; it goes as well.
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let seconds = value["seconds"].as_f64();
        if value["event"] == "end" {
            before.seconds = seconds.unwrap_or(before.seconds);
            continue;
        }
        if value["step"].as_u64().is_some_and(|found| found > step) {
            continue;
        }
        if value["event"] == "resume" {
            before.seconds = seconds.unwrap_or(before.seconds);
        }
        if value["event"] == "epoch" {
            before.seconds += seconds.unwrap_or(0.0);
            let knn = value["epoch"].as_u64().zip(value["knn"].as_f64());
            before.knn.extend(knn);
        }
        kept.push_str(&line);
        kept.push('\n');
    }
    Ok((kept, before))
}

/// Shows and records a run.
pub(crate) struct Progress<'a> {
    recipe: &'a Recipe,
    metrics: Metrics,
    guard: Option<Guard>,
    guard_action: GuardAction,
    knn_every: u64,
    started: Instant,
    /// Seconds that the run had trained before a stop.
    before: f64,
    /// When the first step was logged, from where the pace is taken.
    paced_from: Instant,
    started_at: Option<u64>,
    last_line: Instant,
    bar: Option<ProgressBar>,
    /// Held-out k-NN after each epoch that had a check: epoch, accuracy as a fraction.
    pub(crate) knn: Vec<(u64, f64)>,
    /// The last epoch's summary.
    pub(crate) last: Option<EpochSummary>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(
        recipe: &'a Recipe,
        metrics: Metrics,
        guard: Option<Guard>,
        settings: &RunSettings,
    ) -> Self {
        Self {
            recipe,
            metrics,
            guard,
            guard_action: settings.guard,
            knn_every: settings.data.knn_every,
            started: Instant::now(),
            before: 0.0,
            paced_from: Instant::now(),
            started_at: None,
            last_line: Instant::now(),
            bar: std::io::stderr().is_terminal().then(bar),
            knn: Vec::new(),
            last: None,
        }
    }

    /// Measures the untouched model and keeps what later epochs are compared with in `knn_start`.
    pub(crate) fn start(&mut self, model: &Model, knn_start: &Path) -> Result<()> {
        self.metrics
            .write("start", json!({ "recipe": self.recipe }))?;
        if let Some(check) = self.check(model)? {
            let (held_out, bank) = self.guard.as_ref().map_or((0, 0), Guard::sizes);
            self.say(&format!(
                "at start: k-NN {:.2} % on {held_out} held-out images against {bank}",
                100.0 * check.accuracy
            ));
            self.knn.push((0, check.accuracy));
            if let Some(guard) = &self.guard {
                guard.save_start(knn_start)?;
            }
            let fields = json!({"epoch": 0, "step": 0, "knn": check.accuracy});
            self.metrics.tensorboard("epoch", 0, &fields)?;
            self.metrics.write("epoch", fields)?;
        }
        self.started = Instant::now();
        Ok(())
    }

    /// Goes on with a record.
    pub(crate) fn resume(&mut self, step: u64, before: Before) -> Result<()> {
        let recipe = self.recipe;
        self.metrics.write(
            "resume",
            json!({ "step": step, "recipe": recipe, "seconds": before.seconds }),
        )?;
        self.before = before.seconds;
        self.knn = before.knn;
        Ok(())
    }

    /// Records how the run ended.
    pub(crate) fn finish(&mut self, outcome: &str) -> Result<()> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.before + self.started.elapsed().as_secs_f64();
        self.metrics
            .write("end", json!({ "outcome": outcome, "seconds": seconds }))?;
        Ok(())
    }

    fn check(&mut self, model: &Model) -> Result<Option<Check>> {
        if self.knn_every == 0 {
            return Ok(None);
        }
        self.guard
            .as_mut()
            .map(|guard| guard.check(model, self.recipe))
            .transpose()
    }

    /// A line that stays, above the bar where there is one.
    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(line)),
            None => output::note(line),
        }
    }

    fn warn(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::warning(line)),
            None => output::warning(line),
        }
    }

    fn time_left(&mut self, step: u64, total: u64) -> String {
        // After a resume, only this process's own steps tell its speed.
        let Some(first) = self.started_at else {
            self.started_at = Some(step);
            self.paced_from = Instant::now();
            return "?".into();
        };
        let done = step.saturating_sub(first).max(1);
        let left = self.paced_from.elapsed().as_secs_f64() / done as f64
            * total.saturating_sub(step) as f64;
        duration(left)
    }
}

impl Observer for Progress<'_> {
    fn step(&mut self, log: &StepLog) -> Result<(), Error> {
        let mut fields = json!({
            "step": log.step, "epoch": log.epoch, "learning_rate": log.learning_rate,
            "loss": log.loss, "images_per_s": log.images_per_s, "waiting": log.waiting,
        });
        for (name, value) in &log.terms {
            fields[*name] = (*value).into();
        }
        self.metrics.tensorboard("step", log.step, &fields)?;
        self.metrics.write("step", fields)?;

        let epochs = self.recipe.training.epochs;
        let left = self.time_left(log.step, log.batches * epochs);
        let terms = terms(log.loss, &log.terms);
        let pace = format!(
            "{:.0} images/s  data wait {:.0} %  left {left}",
            log.images_per_s,
            100.0 * log.waiting
        );
        if let Some(bar) = &self.bar {
            bar.set_length(log.batches);
            bar.set_position(log.batch);
            bar.set_prefix(format!("epoch {}/{epochs}  {pace}", log.epoch));
            let (_, width) = console::Term::stderr().size();
            bar.set_message(folded(&terms, width.into()));
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            output::note(&format!(
                "epoch {}/{epochs}  batch {}/{}  {terms}  {pace}",
                log.epoch, log.batch, log.batches
            ));
        }
        Ok(())
    }

    fn epoch(&mut self, model: &Model, summary: &EpochSummary) -> Result<Control, Error> {
        let due = self.knn_every > 0
            && (summary.epoch.is_multiple_of(self.knn_every)
                || summary.epoch == self.recipe.training.epochs);
        let check = if due {
            self.check(model)
                .map_err(|error| Error::Observer(error.into()))?
        } else {
            None
        };

        let mut fields = json!({
            "epoch": summary.epoch, "step": summary.step, "loss": summary.loss,
            "seconds": summary.seconds, "images_per_s": summary.images_per_s,
            "waiting": summary.waiting, "collapse": summary.collapse,
        });
        for (name, value) in &summary.terms {
            fields[*name] = (*value).into();
        }
        let mut line = format!(
            "epoch {}/{}  {}  {:.0} images/s  data wait {:.0} %  {}",
            summary.epoch,
            self.recipe.training.epochs,
            terms(summary.loss, &summary.terms),
            summary.images_per_s,
            100.0 * summary.waiting,
            duration(summary.seconds),
        );
        if let Some(check) = &check {
            self.knn.push((summary.epoch, check.accuracy));
            fields["knn"] = check.accuracy.into();
            if let Some(change) = check.since_start {
                fields["knn_change"] = (-change.drop).into();
                fields["knn_change_error"] = change.standard_error.into();
            }
            line.push_str(&format!("  k-NN {:.2} %", 100.0 * check.accuracy));
        }
        self.metrics.tensorboard("epoch", summary.step, &fields)?;
        self.metrics.write("epoch", fields)?;
        self.say(&line);
        self.last = Some(summary.clone());
        for warning in summary.collapse.warnings() {
            self.warn(&warning);
        }
        let worse = check
            .filter(Check::is_worse)
            .and_then(|check| check.since_start);
        if let Some(change) = worse {
            self.warn(&worse_text(&change));
            if self.guard_action == GuardAction::Stop {
                self.metrics
                    .write("guard", json!({ "epoch": summary.epoch }))?;
                return Ok(Control::Stop);
            }
        }
        Ok(Control::Continue)
    }
}

fn worse_text(change: &PairedDrop) -> String {
    format!(
        "held-out k-NN is {:.2} points below its start (noise: ± {:.2}): the features get worse; \
         a lower learning rate or beta may help",
        100.0 * change.drop,
        100.0 * change.standard_error
    )
}

fn terms(loss: f64, terms: &[(&'static str, f64)]) -> String {
    let mut text = format!("loss {loss:.4}");
    for (name, value) in terms {
        text.push_str(&format!("  {name} {value:.4}"));
    }
    text
}

/// The terms in lines of at most `width` columns, where one fits at all.
fn folded(terms: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for term in terms.split("  ") {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(term);
        } else if line.len() + 2 + term.len() < width {
            line.push_str("  ");
            line.push_str(term);
        } else {
            lines.push(term.to_owned());
        }
    }
    lines.join("\n")
}

/// Seconds as a person would say them.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:16} {pos}/{len}  {prefix}\n{msg}")
        .expect("the template is valid");
    bar.set_style(style);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_folded_and_none_is_lost() {
        let text = "loss 21.9646  invariance 0.1554  entropy -0.5928";
        assert_eq!(folded(text, 80), text);
        assert_eq!(
            folded(text, 40),
            "loss 21.9646  invariance 0.1554\nentropy -0.5928"
        );
        assert_eq!(folded(text, 5).lines().count(), 3);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(4.4), "4 s");
        assert_eq!(duration(64.0), "1 min 04 s");
        assert_eq!(duration(3725.0), "1 h 02 min");
    }
}
