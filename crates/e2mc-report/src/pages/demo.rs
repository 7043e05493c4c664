//! The page of the demo: what an improvement gained on test images that took no part in the choice,
//! beside the paper's second step and its control, each with the map and without.

use e2mc_record::{EvaluationResult, Improvement, ImprovementVerdict, RowView};

use super::comparison::{self, COVERS, Comparison, Line};
use super::embedding::{Subject, scaled_table, sections_of};
use super::{improve, rows, section};
use crate::ink::Inks;
use crate::number::{fixed, signed};
use crate::page::{Block, Report, Section};
use crate::table::{Cell, Column, Table};
use crate::verdict::{Finding, Verdict};

/// The base trained on without the criterion.
pub const CONTROL: &str = "continued";
/// The base trained on with the criterion.
pub const CRITERION: &str = "+ E2MC";

/// What a model goes by whose features go through a map.
#[must_use]
pub fn mapped(name: &str) -> String {
    format!("{name}, map")
}

/// A model on the test images, with the map or without.
#[derive(Clone, Debug)]
pub struct Row {
    /// What tables call it.
    pub name: String,
    /// Whether its features went through a map.
    pub mapped: bool,
    /// Steps that it was trained on; none of the base.
    pub steps: Option<u64>,
    /// What its features are worth.
    pub result: EvaluationResult,
}

/// What the page is made from.
#[derive(Clone, Debug)]
pub struct Demonstration {
    /// The improvement: search and verdict on held-out training images.
    pub outcome: Improvement,
    /// The base, the candidates, and what was given back, on the test images.
    pub rows: Vec<Row>,
    /// The map of the rows, in words.
    pub map: String,
    /// Two models each on the test images; the first is what was gained, where something was.
    pub compared: Vec<Comparison>,
    /// The test images' embeddings, the base first.
    pub subjects: Vec<Subject>,
}

impl Demonstration {
    /// What was given back against the base; none if the old model stays.
    fn gained(&self) -> Option<&Comparison> {
        let better = self.outcome.verdict == ImprovementVerdict::Better;
        self.compared.first().filter(|_| better)
    }

    /// The other comparisons: what each step adds.
    fn steps(&self) -> &[Comparison] {
        let gained = usize::from(self.gained().is_some());
        &self.compared[gained..]
    }
}

/// The page.
#[must_use]
pub fn report(shown: &Demonstration) -> Report {
    let mut report = improve::report(&shown.outcome);
    let mut first = vec![Block::Findings(findings(shown))];
    first.extend(
        shown
            .gained()
            .map(|gained| Block::from(comparison::forest(gained))),
    );
    let mut measured = vec![Block::Table(table(shown))];
    let steps = shown.steps().iter();
    measured.extend(steps.map(|step| Block::from(comparison::forest(step))));
    let said = |heading: &str, prose: &str, blocks| Section {
        prose: vec![prose.into()],
        ..section(heading, blocks)
    };
    let own = [
        said(
            "What was gained",
            "On test images that were not used for training or for any choice. Each line gives the \
             share of labels used.",
            first,
        ),
        said(
            "Every model on the test images",
            "The base, the base continued with its own loss, and the base continued with the \
             entropy criterion as in the paper, for the same number of steps unless the guard \
             stopped one early. Each is shown without and with a map fitted to its own features \
             without labels.",
            measured,
        ),
    ];
    report.sections.splice(0..0, own);
    let mut embedding: Vec<Block> = Vec::new();
    embedding.extend(scaled_table(&shown.subjects).map(Block::Table));
    let mut sections = Vec::new();
    if !embedding.is_empty() {
        sections.push(said(
            "The embedding",
            "The criterion acts on the projector's output. A change of scale alone also moves its \
             figures; the rescaled base shows by how much.",
            embedding,
        ));
    }
    if !shown.subjects.is_empty() {
        sections.extend(sections_of(&shown.subjects));
    }
    report.insert(sections);
    let names = shown.rows.iter().map(|row| row.name.as_str());
    let mut inks = Inks::with_base(names.clone().next().unwrap_or_default());
    inks.register(names);
    inks.register(shown.outcome.rows.iter().map(|row| row.model.as_str()));
    report.inks = inks;
    report
}

/// What was gained, for which use and with how many labels, with intervals; then what the paper's
/// second step did alone.
#[must_use]
pub fn findings(shown: &Demonstration) -> Vec<Finding> {
    let mut found = Vec::new();
    match shown.gained() {
        Some(gained) => found.extend(sentences(gained, "the new model")),
        None => found.push(Finding {
            verdict: Verdict::NoDifference,
            text: improve::sentence(&shown.outcome),
        }),
    }
    let mapped_control = mapped(CONTROL);
    for step in &shown.compared {
        let is_mapped = step.first == mapped_control;
        if is_mapped || step.first == CONTROL {
            found.push(summary(step, is_mapped));
        }
    }
    found.push(Finding::note(COVERS));
    found
}

/// A sentence a line.
fn sentences(gained: &Comparison, new: &str) -> Vec<Finding> {
    let lines = gained.others.iter().flat_map(|other| &other.lines);
    let sentence = |line: &Line| {
        let found = &line.difference;
        Finding {
            verdict: line.verdict(gained.level),
            text: format!(
                "{}: {} % with {new}, {} % with the old one: {} points ({}).",
                use_of(&line.name),
                fixed(100.0 * found.accuracy_b, 2),
                fixed(100.0 * found.accuracy_a, 2),
                signed(100.0 * found.mean_difference, 2),
                interval(line)
            ),
        }
    };
    lines.map(sentence).collect()
}

/// A line's name with the use that it speaks for.
fn use_of(name: &str) -> String {
    let usage = if name.contains("-NN") {
        "Neighbours and retrieval, all labels"
    } else if name.starts_with("sgd") {
        "A plain linear head by SGD"
    } else {
        "A tuned classifier"
    };
    format!("{usage} ({name})")
}

/// `99 % interval +1.20 to +3.00`
fn interval(line: &Line) -> String {
    let (low, high) = line.difference.interval;
    let confidence = fixed(100.0 * line.confidence, 1);
    format!(
        "{} % interval {} to {}",
        confidence.trim_end_matches(".0"),
        signed(100.0 * low, 2),
        signed(100.0 * high, 2)
    )
}

/// All lines of a step in one sentence; its verdict is that of the lines that are certain.
fn summary(step: &Comparison, is_mapped: bool) -> Finding {
    let lines: Vec<&Line> = step.others.iter().flat_map(|other| &other.lines).collect();
    let count = |wanted: Verdict| {
        let same = lines
            .iter()
            .filter(|line| line.verdict(step.level) == wanted);
        same.count()
    };
    let (better, worse) = (count(Verdict::Better), count(Verdict::Worse));
    let each = lines.iter().map(|line| {
        format!(
            "{} {} ({} to {})",
            line.name,
            signed(100.0 * line.difference.mean_difference, 2),
            signed(100.0 * line.difference.interval.0, 2),
            signed(100.0 * line.difference.interval.1, 2)
        )
    });
    let with = match is_mapped {
        true => ", both with the map",
        false => "",
    };
    Finding {
        verdict: match (better, worse) {
            (1.., 0) => Verdict::Better,
            (0, 1..) => Verdict::Worse,
            (0, 0) => Verdict::NoDifference,
            _ => Verdict::Concern,
        },
        text: format!(
            "Effect of the entropy criterion, compared with the same training without it{with}, in \
             points: {}. {better} of {} are certain gains, {worse} certain losses.",
            each.collect::<Vec<_>>().join("; "),
            lines.len()
        ),
    }
}

/// Accuracies of all rows.
fn table(shown: &Demonstration) -> Table {
    let column = |group: &str, name: &str, decimals| Column {
        group: group.into(),
        name: name.into(),
        decimals,
    };
    let all: Vec<Vec<RowView>> = (shown.rows.iter())
        .map(|row| rows::rows(&row.result))
        .collect();
    let like: &[RowView] = all.first().map_or(&[][..], Vec::as_slice);
    let mut columns = vec![column("", "Model", 0), column("Trained", "steps", 0)];
    columns.extend(like.iter().map(|row| {
        let group = match row.key.percent() {
            percent if percent >= 100.0 => "All labels".to_owned(),
            percent => format!("{percent} % of labels"),
        };
        column(&group, &row.key.classifier, 2)
    }));
    let cells = shown.rows.iter().zip(&all).map(|(row, own)| {
        let steps = row
            .steps
            .map_or("none".to_owned(), |steps| steps.to_string());
        let values = like.iter().map(|like| {
            let found = rows::find(own, like);
            found.map_or(Cell::Missing, |row| Cell::Estimate(rows::estimate(row)))
        });
        [Cell::Text(row.name.clone()), Cell::Text(steps)]
            .into_iter()
            .chain(values)
            .collect()
    });
    let first = shown.rows.first();
    Table {
        caption: "Top-1 accuracy in %".into(),
        columns,
        rows: cells.collect(),
        note: format!(
            "{} test images, {} training images. The map of the rows is `{}`, fitted to each \
             model's own features; `given back` is the model and map in the folder. {} `logistic` \
             is L-BFGS on standardised features with a cross-validated penalty, `sgd` the paper's \
             linear layer on raw features.",
            fixed(first.map_or(0.0, |row| row.result.test_images as f64), 0),
            fixed(first.map_or(0.0, |row| row.result.train_images as f64), 0),
            shown.map,
            rows::spans(like.iter())
        ),
    }
}
