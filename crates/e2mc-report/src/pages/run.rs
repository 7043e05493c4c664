//! The page of training runs: what came out, with every result found below their folders.

mod accuracy;
mod curves;

use e2mc_record::{FoundResult, Run, RunLog, RunOutcome};
use serde_json::{Value, json};

use super::section;
use crate::ink::Inks;
use crate::number::fixed;
use crate::page::{Block, Report};
use crate::table::{Cell, Column, Table};
use crate::text::capital;
use crate::verdict::{Change, Draft, Finding, Verdict, settle};

pub use curves::{quality, terms};

/// The page of one run or of several beside each other; `command` is what was typed to get it.
#[must_use]
pub fn report(runs: &[Run], command: &str) -> Report {
    let logs: Vec<RunLog> = named(runs);
    let models = accuracy::models(runs, &logs);
    let findings = all_findings(runs, &logs, &models);
    let mut sections = vec![section(
        "What came out",
        vec![Block::Findings(findings), Block::Table(table(&logs))],
    )];
    if let Some(dots) = accuracy::dots(&models) {
        sections.push(section(accuracy::heading(&models), vec![dots.into()]));
    }
    let mut chart = |heading, lines: crate::Lines| {
        if !lines.charts.is_empty() {
            sections.push(section(heading, vec![lines.into()]));
        }
    };
    chart("Training", terms(&logs));
    chart("Features and embedding", quality(&logs));
    chart("Speed", curves::speed(&logs));
    let several = runs.len() > 1;
    sections.push(section(
        if several {
            "How they were made"
        } else {
            "How it was made"
        },
        made(runs, &logs, command),
    ));
    let folders = logs.iter().map(|log| log.folder.display().to_string());
    let folders: Vec<String> = folders
        .map(|folder| format!("`{}`", code(&folder)))
        .collect();
    // Runs have their colours in the order in which they are named, whatever chart comes first.
    let mut inks = Inks::with_base(super::BASE);
    for log in &logs {
        let folder = log.folder.file_name().unwrap_or_default();
        inks.identify(&log.name, &folder.to_string_lossy());
    }
    Report {
        title: match &logs[..] {
            [log] => format!("Training run “{}”", log.name),
            _ => format!("{} training runs", logs.len()),
        },
        subtitle: folders.join(", "),
        sections,
        inks,
    }
}

/// What the page finds, for the terminal and for other programs.
#[must_use]
pub fn findings(runs: &[Run]) -> Vec<Finding> {
    let logs = named(runs);
    all_findings(runs, &logs, &accuracy::models(runs, &logs))
}

/// The models of all results below the runs' folders with their results, the base first.
pub(super) fn models_of(runs: &[Run]) -> Vec<(String, Vec<&FoundResult>)> {
    let models = accuracy::models(runs, &named(runs)).into_iter();
    models.map(|model| (model.name, model.results)).collect()
}

/// The logs of the runs, named apart.
fn named(runs: &[Run]) -> Vec<RunLog> {
    let mut logs: Vec<RunLog> = runs.iter().map(|run| run.log.clone()).collect();
    e2mc_record::name_apart(&mut logs);
    logs
}

/// Text between backticks, which must not hold any.
fn code(text: &str) -> String {
    text.replace('`', "'")
}

fn all_findings(runs: &[Run], logs: &[RunLog], models: &[accuracy::Model<'_>]) -> Vec<Finding> {
    let several = logs.len() > 1;
    let mut drafts: Vec<Draft> = logs.iter().flat_map(|log| of_run(log, several)).collect();
    drafts.extend(accuracy::drafts(models));
    let unread = runs.iter().flat_map(|run| &run.results.unread);
    drafts.extend(unread.map(|warning| {
        Draft::Settled(Finding {
            verdict: Verdict::Concern,
            text: format!("A result is not shown: {warning}."),
        })
    }));
    settle(drafts)
}

/// First k-NN accuracy, and the last where there is another, in percent.
fn knn(log: &RunLog) -> Option<(f64, Option<f64>)> {
    let points = log.by_epoch(|epoch| epoch.knn);
    let (first, later) = points.split_first()?;
    Some((100.0 * first.1, later.last().map(|last| 100.0 * last.1)))
}

/// The mean of the first and of the last tenth of a quantity's entries.
fn ends(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let tenth = (points.len() / 10).max(1);
    let mean = |part: &[(f64, f64)]| part.iter().map(|p| p.1).sum::<f64>() / part.len() as f64;
    (!points.is_empty()).then(|| {
        (
            mean(&points[..tenth]),
            mean(&points[points.len() - tenth..]),
        )
    })
}

/// Images a second over all epochs that are done, or over the steps so far.
fn images_per_s(log: &RunLog) -> Option<f64> {
    let points = log.by_epoch(|epoch| epoch.images_per_s);
    let points = if points.is_empty() {
        log.by_step(|step| Some(step.images_per_s))
    } else {
        points
    };
    let inverse: f64 = points.iter().map(|point| point.1.recip()).sum();
    (!points.is_empty()).then(|| points.len() as f64 / inverse)
}

fn of_run(log: &RunLog, several: bool) -> Vec<Draft> {
    let prefix = if several {
        format!("{}: ", log.name)
    } else {
        String::new()
    };
    let said = |verdict, text: String| {
        Draft::Settled(Finding {
            verdict,
            text: format!("{prefix}{text}"),
        })
    };
    let mut drafts = vec![{
        let (verdict, text) = ended(log);
        said(verdict, text)
    }];
    match knn(log) {
        Some((first, Some(last))) => {
            let text =
                format!("k-NN on held-out training images went from {first:.2} to {last:.2} %");
            // Image by image against the start, as the guard judges it.
            let epoch = log.epochs.last();
            let change = epoch.and_then(|epoch| epoch.knn_change.zip(epoch.knn_change_error));
            drafts.push(match change {
                Some((change, error)) => Draft::Claim {
                    change: Change {
                        value: 100.0 * change,
                        standard_error: Some(100.0 * error),
                        samples: None,
                    },
                    text: format!("{prefix}{text}"),
                    over: "",
                },
                None => said(Verdict::Note, format!("{text}.")),
            });
        }
        Some((first, None)) => drafts.push(said(
            Verdict::Note,
            format!(
                "k-NN on held-out training images was {first:.2} % at the start; it has not been \
                 measured since."
            ),
        )),
        None => {}
    }
    if let Some((first, last)) = ends(&log.by_step(|step| Some(step.loss))) {
        let (first, last) = (fixed(first, 4), fixed(last, 4));
        drafts.push(said(
            Verdict::Note,
            format!(
                "The loss went from {first} to {last}; it is what training lowers, and no measure \
                 of the features."
            ),
        ));
    }
    if let Some((first, last)) = ends(&log.term_by_step("entropy")) {
        let (first, last) = (fixed(first, 4), fixed(last, 4));
        // No claim: a mere rescaling of the embedding moves it too.
        drafts.push(said(
            Verdict::Note,
            format!("The mean marginal entropy went from {first} to {last} nats (0 is uniform)."),
        ));
    }
    drafts.extend(
        collapse(log)
            .into_iter()
            .map(|text| said(Verdict::Concern, text)),
    );
    if let Some(speed) = images_per_s(log) {
        let waiting = log.by_step(|step| Some(step.waiting));
        let waiting =
            100.0 * waiting.iter().map(|p| p.1).sum::<f64>() / waiting.len().max(1) as f64;
        let verdict = if waiting > 20.0 {
            Verdict::Concern
        } else {
            Verdict::Note
        };
        drafts.push(said(
            verdict,
            format!(
                "{speed:.0} images a second, {waiting:.0} % of the time spent waiting for images."
            ),
        ));
    }
    drafts
}

/// How the run ended, or how far it is.
fn ended(log: &RunLog) -> (Verdict, String) {
    let done = log.epoch_ends().last().map_or(0, |(epoch, _)| *epoch);
    let planned = log
        .planned_epochs()
        .map_or("?".into(), |epochs| epochs.to_string());
    let steps = log.step();
    match &log.end {
        Some(end) => {
            let verdict = match end.outcome {
                RunOutcome::Finished => Verdict::Good,
                _ => Verdict::Concern,
            };
            let (outcome, seconds) = (capital(end.outcome.as_str()), end.seconds);
            let text = format!(
                "{outcome} after {done} of {planned} epochs, {steps} steps and {seconds:.0} s."
            );
            (verdict, text)
        }
        None => (
            Verdict::Note,
            format!(
                "Not finished: {done} of {planned} epochs are done, {steps} steps; the run is in \
                 progress, or was killed."
            ),
        ),
    }
}

/// Signs of collapse after the last epoch.
fn collapse(log: &RunLog) -> Vec<String> {
    let Some(collapse) = log.epochs.last().and_then(|epoch| epoch.collapse) else {
        return Vec::new();
    };
    let mut signs = Vec::new();
    if collapse.dead_dims > 0 {
        signs.push(format!(
            "{} of {} embedding dimensions are nearly constant.",
            collapse.dead_dims, collapse.dims
        ));
    }
    if collapse.spread < 0.2 {
        signs.push(format!(
            "The embedding has nearly collapsed to one point: mean spread {:.3}, healthy is about \
             1.",
            collapse.spread
        ));
    }
    signs
}

/// A run in numbers.
#[must_use]
pub fn summary(run: &Run) -> Value {
    let log = &run.log;
    json!({
        "run": log.folder,
        "outcome": log.end.as_ref().map(|end| end.outcome.as_str()),
        "seconds": log.end.as_ref().map(|end| end.seconds),
        "epochs": log.epoch_ends().last().map_or(0, |(epoch, _)| *epoch),
        "steps": log.step(),
        "loss": ends(&log.by_step(|step| Some(step.loss))).map(|ends| ends.1),
        "knn_start": knn(log).map(|knn| knn.0),
        "knn_end": knn(log).and_then(|knn| knn.1),
        "images_per_s": images_per_s(log),
    })
}

fn table(logs: &[RunLog]) -> Table {
    let column = |group: &str, name: &str, decimals| Column {
        group: group.into(),
        name: name.into(),
        decimals,
    };
    let number = |value: Option<f64>| value.map_or(Cell::Missing, Cell::Number);
    let rows = logs.iter().map(|log| {
        let loss = ends(&log.by_step(|step| Some(step.loss)));
        vec![
            Cell::Text(log.name.clone()),
            Cell::Number(log.step() as f64),
            number(loss.map(|loss| loss.0)),
            number(loss.map(|loss| loss.1)),
            number(knn(log).map(|knn| knn.0)),
            number(knn(log).and_then(|knn| knn.1)),
            number(images_per_s(log)),
            number(log.end.as_ref().map(|end| end.seconds)),
        ]
    });
    Table {
        caption: "In numbers".into(),
        columns: vec![
            column("", "Run", 0),
            column("", "steps", 0),
            column("Loss", "first", 4),
            column("Loss", "last", 4),
            column("Held-out k-NN, %", "start", 2),
            column("Held-out k-NN, %", "end", 2),
            column("", "images/s", 0),
            column("", "seconds", 0),
        ],
        rows: rows.collect(),
        note: "The losses are means over the first and the last tenth of the log.".into(),
    }
}

fn made(runs: &[Run], logs: &[RunLog], command: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (run, log) in runs.iter().zip(logs) {
        if let Some(settings) = &run.settings {
            blocks.push(Block::KeyValues(of_settings(settings, &log.name)));
        }
        if let Some(recipe) = &run.recipe {
            blocks.push(Block::Code {
                caption: format!("Recipe of {}", log.name),
                text: recipe.clone(),
            });
        }
    }
    blocks.push(super::command(command));
    blocks
}

/// What decided the run beside its recipe.
fn of_settings(settings: &e2mc_record::RunSettings, name: &str) -> Vec<(String, String)> {
    let base = settings.base.as_ref();
    let pairs = [
        ("run", Some(name.to_owned())),
        ("e2mc", Some(settings.version.clone())),
        ("base", base.map(|base| base.path.display().to_string())),
        ("data", Some(settings.data.data.display().to_string())),
        (
            "images",
            settings.data.images.map(|images| fixed(images as f64, 0)),
        ),
        ("seed", Some(settings.seed.to_string())),
        ("device", settings.device.clone()),
        ("command", settings.command.clone()),
        ("resumed by", Some(settings.resumed_by.join("; "))),
    ];
    let known = pairs.into_iter().filter_map(|(key, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some((key.to_owned(), value))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use e2mc_record::Epoch;

    use super::*;

    #[test]
    fn a_start_alone_is_no_result() {
        let log = RunLog {
            epochs: vec![Epoch {
                knn: Some(0.5882),
                ..Epoch::default()
            }],
            ..RunLog::default()
        };
        let found = settle(of_run(&log, false));
        let said = |part: &str| found.iter().any(|finding| finding.text.contains(part));
        assert!(said(
            "was 58.82 % at the start; it has not been measured since"
        ));
        assert!(!said("went from"));
    }
}
