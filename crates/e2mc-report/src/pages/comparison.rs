//! The page of a comparison: models against the one that all are compared with, a row a protocol
//! and fraction of the labels.

use e2mc_eval::CrossedComparison;

use super::{command, section};
use crate::chart::forest::{Forest, ForestPanel, ForestRow};
use crate::ink::Inks;
use crate::number::{fixed, signed};
use crate::page::{Block, Report, Section};
use crate::table::{Cell, Column, Table};
use crate::verdict::{Finding, Verdict};

/// What intervals of one trained model each say nothing of.
pub const COVERS: &str = "Each side is one model: an interval covers other test samples and, if \
    there are several, other label subsets, but not other training seeds.";

/// What the page shows.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// What all are compared with.
    pub first: String,
    /// What is compared with it, at least one.
    pub others: Vec<Other>,
    /// The level that all lines hold at together, such as 0.05.
    pub level: f64,
    /// What both did not have, and was left out.
    pub left_out: Vec<String>,
    /// Where images were prepared otherwise for the two that are compared, a sentence each.
    pub preprocessing: Vec<String>,
    /// How it was made: names with their values.
    pub made: Vec<(String, String)>,
    /// The command that was typed.
    pub command: String,
}

/// A model that is compared with the first.
#[derive(Clone, Debug, Default)]
pub struct Other {
    /// Its name, unlike the others'.
    pub name: String,
    /// What it goes by on every page: see [`RunFolder::name_of`](e2mc_record::RunFolder::name_of);
    /// may be empty.
    pub identity: String,
    /// One for each protocol and fraction of the labels.
    pub lines: Vec<Line>,
}

/// One protocol and fraction of the labels.
#[derive(Clone, Debug)]
pub struct Line {
    /// As tables name it, such as `logistic, 1 % of labels`.
    pub name: String,
    /// The model against the first, as fractions.
    pub difference: CrossedComparison,
    /// The probability that the interval covers the difference.
    pub confidence: f64,
    /// The p-value after correction for all lines.
    pub p: f64,
}

impl Line {
    /// Better or worse where both the interval and the corrected p-value say so.
    #[must_use]
    pub fn verdict(&self, level: f64) -> Verdict {
        let (low, high) = self.difference.interval;
        match self.p < level {
            true if low > 0.0 => Verdict::Better,
            true if high < 0.0 => Verdict::Worse,
            _ => Verdict::NoDifference,
        }
    }
}

/// The page.
#[must_use]
pub fn report(comparison: &Comparison) -> Report {
    let names: Vec<&str> = comparison.others.iter().map(|o| o.name.as_str()).collect();
    let lines: usize = comparison.others.iter().map(|o| o.lines.len()).sum();
    let mut inks = Inks::with_base(&comparison.first);
    for other in &comparison.others {
        inks.identify(&other.name, &other.identity);
    }
    let mut made = comparison.made.clone();
    if !comparison.left_out.is_empty() {
        made.push(("left out".into(), comparison.left_out.join("; ")));
    }
    Report {
        title: format!("{} against {}", names.join(", "), comparison.first),
        subtitle: format!(
            "{lines} comparison{} of models with the same training labels and the same test \
             samples.",
            if lines == 1 { "" } else { "s" }
        ),
        sections: vec![
            Section {
                heading: "What came out".into(),
                prose: vec![COVERS.to_owned()],
                blocks: vec![
                    forest(comparison).into(),
                    Block::Findings(findings(comparison)),
                ],
            },
            section("All numbers", vec![Block::Table(table(comparison))]),
            section(
                "How it was made",
                vec![Block::KeyValues(made), command(&comparison.command)],
            ),
        ],
        inks,
    }
}

/// A sentence a line.
#[must_use]
pub fn findings(comparison: &Comparison) -> Vec<Finding> {
    let several = comparison.others.len() > 1;
    let of_other = |other: &Other| {
        let owner = match several {
            true => format!("{}, ", other.name),
            false => String::new(),
        };
        let finding = |line: &Line| Finding {
            verdict: line.verdict(comparison.level),
            text: format!(
                "{owner}{}: {} % instead of {} %, {} points (interval {} to {}, p {}).",
                line.name,
                fixed(100.0 * line.difference.accuracy_b, 2),
                fixed(100.0 * line.difference.accuracy_a, 2),
                signed(100.0 * line.difference.mean_difference, 2),
                signed(100.0 * line.difference.interval.0, 2),
                signed(100.0 * line.difference.interval.1, 2),
                p_value(line.p),
            ),
        };
        other.lines.iter().map(finding).collect::<Vec<_>>()
    };
    let prepared = comparison.preprocessing.iter().map(|text| Finding {
        verdict: Verdict::Concern,
        text: format!("{text}."),
    });
    prepared
        .chain(comparison.others.iter().flat_map(of_other))
        .collect()
}

/// The differences with their intervals.
#[must_use]
pub fn forest(comparison: &Comparison) -> Forest {
    let row = |line: &Line| ForestRow {
        name: line.name.clone(),
        value: 100.0 * line.difference.mean_difference,
        interval: (
            100.0 * line.difference.interval.0,
            100.0 * line.difference.interval.1,
        ),
        found: line.verdict(comparison.level) != Verdict::NoDifference,
    };
    let panel = |other: &Other| ForestPanel {
        title: other.name.clone(),
        rows: other.lines.iter().map(row).collect(),
    };
    let first = comparison.others.iter().flat_map(|other| &other.lines);
    let level = first.map(confidence).next().unwrap_or_default();
    Forest {
        title: format!("Top-1 accuracy over {}", comparison.first),
        caption: format!(
            "Right of the dotted line is better than {}. Intervals are at {level} %, so that all \
             of them hold at once in {} of 100 cases.",
            comparison.first,
            fixed(100.0 * (1.0 - comparison.level), 0)
        ),
        unit: "points".into(),
        decimals: 2,
        panels: comparison.others.iter().map(panel).collect(),
    }
}

fn table(comparison: &Comparison) -> Table {
    let column = |name: &str| Column {
        name: name.into(),
        decimals: 2,
        ..Column::default()
    };
    let several = comparison.others.len() > 1;
    let mut columns = vec![column("Protocol")];
    columns.extend(several.then(|| column("Model")));
    let rest = [
        "First, %",
        "Compared, %",
        "Difference",
        "Interval",
        "p, corrected",
        "Test samples",
        "Fits",
    ];
    columns.extend(rest.map(column));
    let row = |other: &Other, line: &Line| {
        let found = &line.difference;
        let (low, high) = found.interval;
        let mut cells = vec![Cell::Text(line.name.clone())];
        cells.extend(several.then(|| Cell::Text(other.name.clone())));
        cells.extend([
            Cell::Number(100.0 * found.accuracy_a),
            Cell::Number(100.0 * found.accuracy_b),
            Cell::Words(signed(100.0 * found.mean_difference, 2)),
            Cell::Words(format!(
                "{} to {}",
                signed(100.0 * low, 2),
                signed(100.0 * high, 2)
            )),
            Cell::Words(p_value(line.p).trim_start_matches("= ").to_owned()),
            Cell::Words(fixed(found.samples as f64, 0)),
            Cell::Words(found.subsets.to_string()),
        ]);
        cells
    };
    let others = comparison.others.iter();
    Table {
        caption: "Top-1 accuracy, difference in points".into(),
        columns,
        rows: others
            .flat_map(|other| other.lines.iter().map(|line| row(other, line)))
            .collect(),
        note: format!(
            "`First` is {}. Intervals come from a bootstrap over test samples and label subsets at \
             once; p-values are corrected for the number of lines. `Fits` is the number of label \
             subsets, or of seeds if all labels are used.",
            comparison.first
        ),
    }
}

/// `99.17`, as short as it can be.
fn confidence(line: &Line) -> String {
    let text = fixed(100.0 * line.confidence, 2);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// What comes after `p`: four digits after the point, or a bound.
fn p_value(p: f64) -> String {
    match p < 1e-4 {
        true => "< 0.0001".to_owned(),
        false => format!("= {}", fixed(p, 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, difference: f64, half: f64, p: f64) -> Line {
        Line {
            name: name.to_owned(),
            difference: CrossedComparison {
                subsets: 5,
                samples: 1000,
                accuracy_a: 0.5,
                accuracy_b: 0.5 + difference,
                mean_difference: difference,
                interval: (difference - half, difference + half),
                p,
            },
            confidence: 1.0 - 0.05 / 3.0,
            p,
        }
    }

    fn comparison() -> Comparison {
        let lines = vec![
            line("logistic, 1 % of labels", 0.02, 0.01, 0.001),
            line("logistic, 10 % of labels", 0.01, 0.02, 0.3),
            line("20-NN majority", -0.03, 0.01, 0.00001),
        ];
        Comparison {
            first: "alone".into(),
            others: vec![Other {
                name: "entropy <b>".into(),
                identity: "entropy".into(),
                lines,
            }],
            level: 0.05,
            ..Comparison::default()
        }
    }

    #[test]
    fn a_claim_needs_the_interval_and_the_corrected_p_value() {
        let found = findings(&comparison());
        let verdicts: Vec<Verdict> = found.iter().map(|finding| finding.verdict).collect();
        let expected = [Verdict::Better, Verdict::NoDifference, Verdict::Worse];
        assert_eq!(verdicts, expected);
        assert_eq!(
            found[0].text,
            "logistic, 1 % of labels: 52.00 % instead of 50.00 %, +2.00 points (interval +1.00 to \
             +3.00, p = 0.0010)."
        );
        assert!(found[2].text.contains("p < 0.0001)"), "{}", found[2].text);
        // The interval alone is not enough.
        assert_eq!(
            line("a", 0.02, 0.01, 0.06).verdict(0.05),
            Verdict::NoDifference
        );
    }

    #[test]
    fn images_prepared_otherwise_come_before_what_came_out() {
        let comparison = Comparison {
            preprocessing: vec!["a and b: filter bilinear and bicubic".into()],
            ..comparison()
        };
        let found = findings(&comparison);
        assert_eq!(found[0].verdict, Verdict::Concern);
        assert_eq!(found.len(), 4);
        assert!(report(&comparison).to_html().contains("bicubic"));
    }

    #[test]
    fn the_page_has_a_forest_a_table_and_says_what_is_not_covered() {
        let html = report(&comparison()).to_html();
        assert_eq!(html.matches("class=\"whisker\"").count(), 3);
        assert!(html.contains("not other training seeds"));
        assert!(html.contains("entropy &lt;b&gt;") && !html.contains("entropy <b>"));
        assert!(html.contains("98.33"), "the level of the intervals");
    }
}
