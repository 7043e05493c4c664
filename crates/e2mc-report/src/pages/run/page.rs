//! The page of training runs.

use anyhow::Result;
use serde_json::{Value, json};

use super::curves;
use super::probes::{self, Probes};
use crate::evaluation::percent;
use crate::report::{
    AxisStart, Block, Cell, Column, DotPanel, Dots, Estimate, Finding, Report, Section, Table,
    Verdict, fixed, signed,
};
use crate::runlog::RunLog;

/// The page, and what it finds.
pub(super) fn report(logs: &[RunLog]) -> Result<(Report, Vec<Finding>)> {
    let findings: Vec<Finding> = logs
        .iter()
        .flat_map(|log| findings(log, logs.len() > 1))
        .collect();
    let mut sections = vec![Section {
        heading: "What came out".into(),
        prose: Vec::new(),
        blocks: vec![Block::Findings(findings.clone()), Block::Table(table(logs))],
    }];
    let section = |heading: &str, blocks| Section {
        heading: heading.into(),
        prose: Vec::new(),
        blocks,
    };
    if let Some(blocks) = accuracy(logs)? {
        sections.push(section("Accuracy of the frozen features", blocks));
    }
    sections.push(section("Training", vec![Block::Lines(curves::terms(logs))]));
    let quality = curves::quality(logs);
    if !quality.charts.is_empty() {
        sections.push(section(
            "Features and embedding",
            vec![Block::Lines(quality)],
        ));
    }
    sections.push(section("Speed", vec![Block::Lines(curves::speed(logs))]));
    sections.push(section(
        if logs.len() > 1 {
            "How they were made"
        } else {
            "How it was made"
        },
        recipes(logs)?,
    ));
    let names: Vec<&str> = logs.iter().map(|log| log.name.as_str()).collect();
    let page = Report {
        title: if logs.len() > 1 {
            format!("{} training runs", logs.len())
        } else {
            format!("Training run “{}”", names[0])
        },
        subtitle: logs
            .iter()
            .map(|log| format!("`{}`", log.folder.display()))
            .collect::<Vec<_>>()
            .join(", "),
        sections,
    };
    Ok((page, findings))
}

/// First and last k-NN accuracy, in percent.
fn knn(log: &RunLog) -> Option<(f64, f64)> {
    let points = log.by_epoch(|event| event["knn"].as_f64());
    Some((100.0 * points.first()?.1, 100.0 * points.last()?.1))
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
    let points = log.by_epoch(|event| event["images_per_s"].as_f64());
    let points = if points.is_empty() {
        log.by_step("images_per_s")
    } else {
        points
    };
    let inverse: f64 = points.iter().map(|point| point.1.recip()).sum();
    (!points.is_empty()).then(|| points.len() as f64 / inverse)
}

fn findings(log: &RunLog, several: bool) -> Vec<Finding> {
    let prefix = if several {
        format!("{}: ", log.name)
    } else {
        String::new()
    };
    let mut findings = Vec::new();
    let mut say = |verdict, text: String| {
        findings.push(Finding {
            verdict,
            text: format!("{prefix}{text}"),
        });
    };
    let done = log.epoch_ends().last().map_or(0, |(epoch, _)| *epoch);
    let planned = log
        .planned_epochs()
        .map_or("?".into(), |epochs| epochs.to_string());
    match &log.end {
        Some((outcome, seconds)) => say(
            if outcome == "finished" {
                Verdict::Good
            } else {
                Verdict::Concern
            },
            format!(
                "{} after {done} of {planned} epochs, {} steps and {seconds:.0} s.",
                capital(outcome),
                log.step()
            ),
        ),
        None => say(
            Verdict::Note,
            format!(
                "Not ended: {done} of {planned} epochs are done, {} steps; it runs, or was killed.",
                log.step()
            ),
        ),
    }
    if let Some((first, last)) = knn(log) {
        let text = format!("k-NN on held-out training images went from {first:.2} to {last:.2} %");
        // Image by image against the start, as the guard judges it.
        let event = log.epochs.last();
        let of = |key: &str| {
            event
                .and_then(|event| event[key].as_f64())
                .map(|value| 100.0 * value)
        };
        match of("knn_change").zip(of("knn_change_error")) {
            Some((change, error)) => say(
                Verdict::of_change(change, error),
                format!(
                    "{text} (paired change {} ± {error:.2} points).",
                    signed(change, 2)
                ),
            ),
            None => say(Verdict::Note, format!("{text}.")),
        }
    }
    if let Some((first, last)) = ends(&log.by_step("loss")) {
        say(
            Verdict::Note,
            format!(
                "The loss went from {} to {}.",
                fixed(first, 4),
                fixed(last, 4)
            ),
        );
    }
    if let Some((first, last)) = ends(&log.by_step("entropy")) {
        let verdict = if last > first {
            Verdict::Better
        } else {
            Verdict::Note
        };
        say(
            verdict,
            format!(
                "The mean marginal entropy went from {} to {} nats (0 is uniform).",
                fixed(first, 4),
                fixed(last, 4)
            ),
        );
    }
    if let Some(collapse) = log
        .epochs
        .last()
        .map(|event| &event["collapse"])
        .filter(|c| c.is_object())
    {
        let (dead, dims) = (collapse["dead_dims"].as_u64(), collapse["dims"].as_u64());
        if let (Some(dead), Some(dims)) = (dead, dims)
            && dead > 0
        {
            say(
                Verdict::Concern,
                format!("{dead} of {dims} embedding dimensions are nearly constant."),
            );
        }
        if let Some(spread) = collapse["spread"].as_f64().filter(|&spread| spread < 0.2) {
            say(
                Verdict::Concern,
                format!(
                    "The embedding has nearly collapsed to one point: mean spread {spread:.3}, healthy is about 1."
                ),
            );
        }
    }
    if let Some(speed) = images_per_s(log) {
        let waiting = log.by_step("waiting");
        let waiting =
            100.0 * waiting.iter().map(|p| p.1).sum::<f64>() / waiting.len().max(1) as f64;
        say(
            if waiting > 20.0 {
                Verdict::Concern
            } else {
                Verdict::Note
            },
            format!(
                "{speed:.0} images a second, {waiting:.0} % of the time spent waiting for images."
            ),
        );
    }
    findings
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// A run in numbers.
pub(super) fn summary(log: &RunLog) -> Value {
    json!({
        "run": log.folder,
        "outcome": log.end.as_ref().map(|end| &end.0),
        "seconds": log.end.as_ref().map(|end| end.1),
        "epochs": log.epoch_ends().last().map_or(0, |(epoch, _)| *epoch),
        "steps": log.step(),
        "loss": ends(&log.by_step("loss")).map(|ends| ends.1),
        "knn_start": knn(log).map(|knn| knn.0),
        "knn_end": knn(log).map(|knn| knn.1),
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
        let loss = ends(&log.by_step("loss"));
        vec![
            Cell::Text(log.name.clone()),
            Cell::Number(log.step() as f64),
            number(loss.map(|loss| loss.0)),
            number(loss.map(|loss| loss.1)),
            number(knn(log).map(|knn| knn.0)),
            number(knn(log).map(|knn| knn.1)),
            number(images_per_s(log)),
            number(log.end.as_ref().map(|end| end.1)),
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
        note: "Losses are means over the first and the last tenth of the log.".into(),
    }
}

/// Probe results that lie in the runs' folders.
fn accuracy(logs: &[RunLog]) -> Result<Option<Vec<Block>>> {
    let mut named: Vec<(String, Probes)> = Vec::new();
    for log in logs {
        for probes in probes::read(&log.folder)? {
            let name = if probes.name == "probe" {
                log.name.clone()
            } else {
                format!("{}, {}", log.name, probes.name)
            };
            named.push((name, probes));
        }
    }
    let Some((_, first)) = named.first() else {
        return Ok(None);
    };
    let panel = |title: String, estimates| DotPanel {
        title,
        unit: "%".into(),
        decimals: 2,
        estimates,
    };
    let mut panels = vec![panel(
        format!("{}-NN, all labels", first.k),
        named
            .iter()
            .map(|(_, probes)| Estimate {
                value: probes.knn,
                ..Estimate::default()
            })
            .collect(),
    )];
    for row in &first.probes {
        let same = |probes: &Probes| {
            let mut rows = probes.probes.iter();
            let row = rows.find(|other| other.probe == row.probe && other.fraction == row.fraction);
            row.map_or(
                Estimate {
                    value: f64::NAN,
                    ..Estimate::default()
                },
                |row| Estimate {
                    value: row.accuracy,
                    standard_error: row.standard_error,
                    runs: row.accuracies.clone(),
                },
            )
        };
        panels.push(panel(
            format!("{} % of labels, {}", percent(row.fraction), row.probe),
            named.iter().map(|(_, probes)| same(probes)).collect(),
        ));
    }
    Ok(Some(vec![Block::Dots(Dots {
        title: "Top-1 accuracy".into(),
        caption: "From the files `probe*.json` in the runs' folders.".into(),
        series: named.iter().map(|(name, _)| name.clone()).collect(),
        panels,
        start: AxisStart::AroundValues,
    })]))
}

fn recipes(logs: &[RunLog]) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for log in logs {
        let path = log.folder.join("recipe.toml");
        if let Ok(text) = std::fs::read_to_string(&path) {
            blocks.push(Block::Code {
                caption: format!("Recipe of {}", log.name),
                text,
            });
        }
    }
    blocks.push(Block::Code {
        caption: "Command".into(),
        text: std::env::args().collect::<Vec<_>>().join(" "),
    });
    Ok(blocks)
}
