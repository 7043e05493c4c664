//! The page of an improvement: what was tried on held-out images A, what held-out images B said of
//! the best, and which model is given back.

mod findings;

use e2mc_record::{Improvement, ImprovementRow, ImprovementVerdict, RowKind, UseVerdict};

use super::section;
use crate::chart::forest::{Forest, ForestPanel, ForestRow};
use crate::chart::lines::Lines;
use crate::chart::marks::Mark;
use crate::chart::series::{LineChart, Series};
use crate::ink::Inks;
use crate::number::{fixed, signed};
use crate::page::{Block, Report, Section};
use crate::table::{Cell, Column, Table};

pub use findings::{findings, in_slices, sentence, untrained};

/// The page.
#[must_use]
pub fn report(outcome: &Improvement) -> Report {
    let mut first = vec![Block::Findings(findings(outcome))];
    if outcome.verified.is_some() {
        first.push(uses(outcome).into());
    }
    let mut sections = vec![section("What came out", first)];
    if !outcome.rows.is_empty() {
        sections.push(Section {
            prose: vec![
                "What each model gets right on held-out images A, as it is and after the best of \
                 the maps. The best of these was compared with the untouched model on B. The best \
                 of many is partly luck: what it gains is what B says."
                    .into(),
            ],
            ..section("What was tried", vec![Block::Table(table(outcome))])
        });
    }
    let search = search(outcome);
    if search.charts.iter().any(LineChart::has_values) {
        sections.push(section("The search", vec![search.into()]));
    }
    sections.push(section("How it was made", made(outcome)));
    let mut inks = Inks::with_base(&untouched(outcome));
    inks.register(outcome.rows.iter().map(|row| row.model.as_str()));
    Report {
        title: match outcome.verdict {
            ImprovementVerdict::Better => "A better model".into(),
            _ => "The old model stays".into(),
        },
        subtitle: format!(
            "{}, on {}, for {}",
            outcome.base.path.display(),
            outcome.images.data.display(),
            outcome.usage
        ),
        sections,
        inks,
    }
}

/// What the first row is called.
fn untouched(outcome: &Improvement) -> String {
    let first = outcome.rows.first();
    first.map_or_else(String::new, |row| row.model.clone())
}

/// A model's last rows: as it is, and with a map.
struct Pair<'a> {
    plain: &'a ImprovementRow,
    mapped: Option<&'a ImprovementRow>,
    /// Why it was trained no further.
    stopped: Option<&'a str>,
}

/// The models in the order in which they were first evaluated, each as it was evaluated last.
fn pairs(outcome: &Improvement) -> Vec<Pair<'_>> {
    let mut names: Vec<&str> = Vec::new();
    for row in &outcome.rows {
        if !names.contains(&row.model.as_str()) {
            names.push(&row.model);
        }
    }
    let pairs = names.into_iter().filter_map(|name| {
        let last = || outcome.rows.iter().rev().filter(|row| row.model == name);
        let judged =
            |mapped: bool| last().find(|row| row.accuracy.is_some() && row.map.is_some() == mapped);
        Some(Pair {
            plain: judged(false).or_else(|| last().next())?,
            mapped: judged(true),
            stopped: last().find_map(|row| row.stopped.as_deref()),
        })
    });
    pairs.collect()
}

fn table(outcome: &Improvement) -> Table {
    let column = |group: &str, name: &str, decimals| Column {
        group: group.into(),
        name: name.into(),
        decimals,
    };
    let columns = vec![
        column("", "Model", 0),
        column("Trained", "epochs", 0),
        column("Trained", "steps", 0),
        column("As it is", "right, %", 2),
        column("As it is", "gain", 2),
        column("With its best map", "right, %", 2),
        column("With its best map", "gain", 2),
        column("With its best map", "map", 0),
    ];
    let gain = |row: &ImprovementRow| match (row.gain, row.standard_error) {
        (Some(gain), Some(error)) => {
            Cell::Text(format!("{} ± {}", signed(gain, 2), fixed(error, 2)))
        }
        _ => Cell::Missing,
    };
    let number = |value: Option<f64>| value.map_or(Cell::Missing, Cell::Number);
    let rows = pairs(outcome).into_iter().map(|pair| {
        let Pair {
            plain,
            mapped,
            stopped,
        } = pair;
        let mut name = plain.model.clone();
        if let Some(reason) = stopped {
            name = format!("{name} (ended: {reason})");
        }
        let mut cells = vec![
            Cell::Text(name),
            Cell::Text(plain.epochs.to_string()),
            Cell::Text(plain.steps.to_string()),
            number(plain.accuracy),
            gain(plain),
        ];
        match mapped {
            Some(mapped) => cells.extend([
                number(mapped.accuracy),
                gain(mapped),
                Cell::Text(mapped.map.clone().unwrap_or_default()),
            ]),
            None => cells.extend([Cell::Missing, Cell::Missing, Cell::Missing]),
        }
        cells
    });
    let images = &outcome.images;
    Table {
        caption: format!("Right on A for {}, in %", outcome.usage),
        columns,
        rows: rows.collect(),
        note: format!(
            "{} images A, {} images with labels to learn from. Gains are points over the untouched \
             model with their standard errors, image by image.{}",
            fixed(images.choose as f64, 0),
            fixed(images.bank as f64, 0),
            explained(&outcome.rows)
        ),
    }
}

/// What a reader has to know of the rows that there are.
fn explained(rows: &[ImprovementRow]) -> String {
    let trained = |row: &&ImprovementRow| matches!(row.kind, RowKind::Continued | RowKind::E2mc);
    let epochs: Vec<u64> = rows.iter().filter(trained).map(|row| row.epochs).collect();
    let texts = [
        (
            epochs.iter().any(|own| Some(own) < epochs.iter().max()),
            "Each candidate is shown as it was evaluated last: those trained for fewer epochs had \
             dropped out.",
        ),
        (
            rows.iter().any(|row| row.kind == RowKind::Statistics),
            "`batch norm re-estimated` has the untouched weights, and the means and variances of \
             batch norm from the training images.",
        ),
        (
            rows.iter().any(|row| row.kind == RowKind::Rescaled),
            "`rescaled` multiplies the untouched features about their mean to the spread of the \
             best trained model.",
        ),
        (
            rows.iter().any(|row| row.share < 1.0),
            "`half-way` has the weights in the middle between start and end.",
        ),
    ];
    let there = texts.into_iter().filter(|(there, _)| *there);
    there.map(|(_, text)| format!(" {text}")).collect()
}

/// Accuracy on A against epochs, as it is and with the best map.
fn search(outcome: &Improvement) -> Lines {
    let rows = || outcome.rows.iter();
    let level = |mapped: bool| {
        let mut first = rows().filter(|row| row.kind == RowKind::Untouched);
        let found = first.find(|row| row.map.is_some() == mapped);
        found.and_then(|row| row.accuracy)
    };
    let chart = |title: &str, mapped: bool| {
        let mut series: Vec<Series> = Vec::new();
        let trained = |kind| matches!(kind, RowKind::Continued | RowKind::E2mc);
        let own = rows().filter(|row| trained(row.kind) && row.share == 1.0);
        for row in own.filter(|row| row.map.is_some() == mapped) {
            let Some(accuracy) = row.accuracy else {
                continue;
            };
            let point = (row.epochs as f64, accuracy);
            match series.iter_mut().find(|one| one.name == row.model) {
                Some(one) => one.points.push(point),
                None => {
                    let start = level(mapped).map(|start| (0.0, start));
                    series.push(Series {
                        name: row.model.clone(),
                        points: start.into_iter().chain([point]).collect(),
                    });
                }
            }
        }
        let marks = level(mapped).map(|y| Mark::Level {
            y,
            label: untouched(outcome),
        });
        LineChart {
            title: title.into(),
            unit: "%".into(),
            series,
            marks: marks.into_iter().collect(),
        }
    };
    Lines {
        title: "Right on A while candidates are trained".into(),
        caption: "After each rung the worse half ends. All start at the untouched model.".into(),
        x_label: "epoch".into(),
        charts: vec![chart("As it is", false), chart("With its best map", true)],
        ..Lines::default()
    }
}

/// The verdict on B, use by use.
fn uses(outcome: &Improvement) -> Forest {
    let row = |verdict: &UseVerdict| {
        let (low, high) = verdict.interval;
        ForestRow {
            name: verdict.usage.clone(),
            value: verdict.gain,
            interval: (low, high),
            found: low > 0.0 || high < 0.0,
        }
    };
    let chosen = outcome.chosen_row().map(named).unwrap_or_default();
    Forest {
        title: "Gain on held-out images B".into(),
        caption: format!(
            "Right of the dotted line is better than the untouched model. The first use decided, \
             with its interval at 95 %; the others are at {} %, so that both hold at once in 95 of \
             100 cases.",
            outcome
                .others
                .first()
                .map_or_else(|| "97.5".into(), |other| fixed(100.0 * other.confidence, 1))
        ),
        unit: "points".into(),
        decimals: 2,
        panels: vec![ForestPanel {
            title: chosen,
            rows: outcome
                .verified
                .iter()
                .chain(&outcome.others)
                .map(row)
                .collect(),
        }],
    }
}

/// A row in words: the model, and the map that follows it.
fn named(row: &ImprovementRow) -> String {
    let model = match row.kind {
        RowKind::Untouched => "the untouched model",
        _ => row.model.as_str(),
    };
    match &row.map {
        Some(map) => format!("{model} with the map `{map}`"),
        None => model.to_owned(),
    }
}

fn made(outcome: &Improvement) -> Vec<Block> {
    let images = &outcome.images;
    let count = |count: usize| fixed(count as f64, 0);
    let mut pairs = vec![
        ("base", outcome.base.path.display().to_string()),
        ("network", outcome.network.clone()),
        ("images", images.data.display().to_string()),
        (
            "parts",
            format!(
                "{} images, {} with labels of {} classes; {} trained on, {} in A, {} in B",
                count(images.images),
                count(images.labelled),
                count(images.classes),
                count(images.train),
                count(images.choose),
                count(images.verify)
            ),
        ),
        ("model", outcome.model.display().to_string()),
    ];
    if let Some(map) = &outcome.map {
        pairs.push(("map", map.display().to_string()));
    }
    let mut blocks = Vec::new();
    if let Some(plan) = &outcome.plan {
        pairs.push((
            "budget",
            format!(
                "{} s, of which {} s were taken",
                fixed(plan.budget_s, 0),
                fixed(outcome.seconds, 0)
            ),
        ));
        pairs.push((
            "machine",
            format!(
                "{}, {} images a second trained, {} embedded",
                plan.device,
                fixed(plan.images_per_s, 0),
                fixed(plan.embedded_per_s, 0)
            ),
        ));
        pairs.push((
            "batch",
            format!(
                "{} images; the criterion sees {} dimensions",
                in_slices(plan.batch, plan.accumulate),
                plan.dims
            ),
        ));
        pairs.push(("seed", plan.seed.to_string()));
        blocks.push(Block::Code {
            caption: "The recipe that the candidates change".into(),
            text: plan.recipe.clone(),
        });
    }
    pairs.push(("e2mc", outcome.version.clone()));
    let pairs = pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    let mut all = vec![
        Block::KeyValues(pairs.collect()),
        super::command(&outcome.command),
    ];
    all.extend(blocks);
    all
}

#[cfg(test)]
pub(super) mod tests {
    use e2mc_record::{BaseCheckpoint, ImprovementImages, ImprovementPlan, Shortage};
    use roxmltree::Document;

    use super::*;
    use crate::Verdict;
    use crate::sample::HOSTILE;
    use crate::tests::as_xml;

    fn row(model: &str, kind: RowKind, epochs: u64, accuracy: Option<f64>) -> ImprovementRow {
        ImprovementRow {
            model: model.into(),
            kind,
            share: 1.0,
            map: None,
            epochs,
            steps: 10 * epochs,
            accuracy,
            gain: accuracy.map(|accuracy| accuracy - 50.0),
            standard_error: accuracy.map(|_| 0.5),
            stopped: None,
        }
    }

    fn mapped(row: ImprovementRow, accuracy: f64) -> ImprovementRow {
        ImprovementRow {
            map: Some("whiten, strength 0.5".into()),
            accuracy: Some(accuracy),
            gain: Some(accuracy - 50.0),
            ..row
        }
    }

    fn verdict(usage: &str, gain: f64, interval: (f64, f64)) -> UseVerdict {
        UseVerdict {
            usage: usage.into(),
            protocol: format!("the protocol of {usage}"),
            before: 50.0,
            after: 50.0 + gain,
            gain,
            interval,
            confidence: 0.95,
            p: 0.0002,
        }
    }

    pub(in super::super) fn outcome() -> Improvement {
        let base = row("untouched", RowKind::Untouched, 0, Some(50.0));
        let e2mc = |epochs, accuracy| row(HOSTILE, RowKind::E2mc, epochs, accuracy);
        Improvement {
            format: 1,
            version: "0".into(),
            command: format!("e2mc improve {HOSTILE}"),
            base: BaseCheckpoint {
                path: HOSTILE.into(),
                sha256: String::new(),
            },
            network: "vicreg on resnet18".into(),
            images: ImprovementImages {
                verify: 1200,
                ..ImprovementImages::default()
            },
            usage: "neighbours".into(),
            plan: Some(ImprovementPlan::default()),
            rows: vec![
                base.clone(),
                mapped(base, 51.0),
                e2mc(1, Some(50.5)),
                mapped(e2mc(1, None), 52.0),
                row("lost", RowKind::Continued, 1, None),
                e2mc(4, Some(51.5)),
                mapped(e2mc(4, None), 53.0),
                ImprovementRow {
                    stopped: Some("the guard".into()),
                    ..e2mc(5, None)
                },
            ],
            chosen: Some(6),
            verdict: ImprovementVerdict::Better,
            verified: Some(verdict("neighbours", 2.5, (1.25, 3.75))),
            others: vec![
                verdict("sgd-head", -1.0, (-1.5, -0.5)),
                verdict("classifier", 0.25, (-0.5, 1.0)),
            ],
            detectable: Some(1.8),
            looks: Some(2),
            labels_would_show: Vec::new(),
            model: "out/model.safetensors".into(),
            map: Some("out/map.safetensors".into()),
            seconds: 60.0,
            interrupted: true,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_gain_is_one_sentence_and_a_loss_elsewhere_is_said() {
        let outcome = outcome();
        let said = sentence(&outcome);
        assert!(
            said.ends_with(
                "with the map `whiten, strength 0.5` classifies 52.50 % of the held-out images B \
                 correctly, the old model 50.00 %: a gain of +2.50 points (95 % interval +1.25 to \
                 +3.75)."
            ),
            "{said}"
        );
        let found = findings(&outcome);
        let kinds: Vec<Verdict> = found.iter().map(|finding| finding.verdict).collect();
        assert_eq!(
            kinds,
            [
                Verdict::Better,
                Verdict::Worse,
                Verdict::NoDifference,
                Verdict::Note,
                Verdict::Concern
            ]
        );
        let loss = "For sgd-head (the protocol of sgd-head) the new model classifies 49.00 % of B";
        assert!(found[1].text.starts_with(loss), "{}", found[1].text);
        assert!(found[3].text.contains("2 times"));
    }

    #[test]
    fn no_gain_says_what_could_have_been_seen() {
        let not = Improvement {
            verdict: ImprovementVerdict::NotVerified,
            ..outcome()
        };
        assert!(sentence(&not).starts_with("The old model stays: the best on A was "));
        let text: Vec<String> = findings(&not).into_iter().map(|found| found.text).collect();
        assert!(
            text.iter()
                .any(|text| text.contains("a gain of 1.80 points or more"))
        );
        // What was refused makes nothing worse.
        let loss = (findings(&not).into_iter())
            .find(|found| found.text.starts_with("For sgd-head"))
            .unwrap();
        assert_eq!(loss.verdict, Verdict::Note);
        assert!(loss.text.contains("the candidate that was not taken"));
        let nothing = Improvement {
            verdict: ImprovementVerdict::NothingBetter,
            verified: None,
            ..outcome()
        };
        assert!(sentence(&nothing).contains("nothing was better"));
        let unlabelled = Improvement {
            verdict: ImprovementVerdict::NotJudged,
            verified: None,
            rows: Vec::new(),
            chosen: None,
            labels_would_show: vec![(500, 9.0), (10_000, 2.0)],
            ..outcome()
        };
        let text: Vec<String> = findings(&unlabelled)
            .into_iter()
            .map(|found| found.text)
            .collect();
        assert!(
            text.iter()
                .any(|text| text.starts_with("With 10,000 labelled images, a gain of 2.0"))
        );
        assert!(Document::parse(&as_xml(&report(&unlabelled))).is_ok());
    }

    #[test]
    fn what_is_missing_for_training_is_said_with_numbers() {
        let said = |shortage| {
            let plan = ImprovementPlan {
                shortage: Some(shortage),
                ..ImprovementPlan::default()
            };
            let short = Improvement {
                plan: Some(plan),
                ..outcome()
            };
            let found = findings(&short).into_iter().map(|found| found.text);
            found
                .filter(|text| text.contains("to train a"))
                .collect::<Vec<_>>()
        };
        let budget = |one, all| Shortage::Budget { one, all };
        assert_eq!(
            said(budget(301.0, 7300.0)),
            [
                "The budget is too short to train a candidate: about 6 min would be enough for one, \
                 3 h for all."
            ]
        );
        assert!(said(budget(301.0, 301.0))[0].ends_with("about 6 min would be enough."));
        assert!(said(Shortage::Images { batch: 256 })[0].ends_with("in batches of 256."));
        assert_eq!(in_slices(256, 1), "256");
        assert_eq!(in_slices(256, 4), "256 in 4 slices");
        // Rows that are not there are not explained.
        assert!(explained(&outcome().rows).contains("dropped out"));
        assert_eq!(explained(&outcome().rows[..2]), "");
    }

    #[test]
    fn the_page_has_each_model_once_as_it_was_judged_last_and_the_search_as_curves() {
        let outcome = outcome();
        let table = table(&outcome);
        assert_eq!(table.rows.len(), 3);
        assert!(matches!(&table.rows[1][1], Cell::Text(epochs) if epochs == "4"));
        let name = |row: usize| match &table.rows[row][0] {
            Cell::Text(name) => name.clone(),
            other => panic!("{other:?}"),
        };
        assert!(name(1).ends_with("(ended: the guard)") && name(2) == "lost");
        assert!(matches!(table.rows[2][3], Cell::Missing));
        let lines = search(&outcome);
        let points = |chart: usize| lines.charts[chart].series[0].points.clone();
        assert_eq!(points(0), [(0.0, 50.0), (1.0, 50.5), (4.0, 51.5)]);
        assert_eq!(points(1), [(0.0, 51.0), (1.0, 52.0), (4.0, 53.0)]);
        assert!(Document::parse(&as_xml(&report(&outcome))).is_ok());
    }
}
