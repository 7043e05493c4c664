//! The page of a sweep: runs over a grid of settings beside the checkpoint that all began with.

use e2mc_record::{EvaluationResult, RowView};

use super::{BASE, rows, section};
use crate::chart::grid::{HeatMaps, HeatPanel};
use crate::number::plus_minus;
use crate::page::{Block, Report, Section};
use crate::table::{Cell, Column, Estimate, Table};
use crate::verdict::{Change, Draft, Finding, Verdict, settle};

/// Everything that the page shows.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The settings, at least one; the first setting's values are the rows of a heat map, the
    /// second's the columns.
    pub axes: Vec<Axis>,
    /// The checkpoint as it was, measured as the runs are.
    pub base: EvaluationResult,
    /// The runs, in the order of the grid.
    pub points: Vec<Point>,
    /// Epochs of each run, and the criterion that was added.
    pub recipe: Recipe,
    /// How it was made: names with their values.
    pub made: Vec<(String, String)>,
    /// The command that was typed.
    pub command: String,
}

/// A setting and its values, as tables show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Axis {
    /// The setting.
    pub name: String,
    /// Its values, at least one.
    pub labels: Vec<String>,
}

/// One run of the grid.
#[derive(Clone, Debug)]
pub struct Point {
    /// The index of each setting's value.
    pub indices: Vec<usize>,
    /// What came out; `None` until it is trained and measured.
    pub result: Option<EvaluationResult>,
}

/// The settings that the grid changes, as far as the page speaks of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// Epochs of each run.
    pub epochs: u64,
    /// The criterion that was added.
    pub criterion: String,
    /// The whole recipe as TOML.
    pub text: String,
}

/// The page.
#[must_use]
pub fn report(sweep: &Sweep) -> Report {
    let names: Vec<&str> = sweep.axes.iter().map(|axis| axis.name.as_str()).collect();
    let points = sweep.points.iter();
    let done = points.filter(|point| point.result.is_some()).count();
    let mut maps: Vec<Block> = heat_maps(sweep).into_iter().map(Block::from).collect();
    maps.insert(0, Block::Findings(findings(sweep)));
    let said = |heading: &str, prose: &str, blocks| Section {
        prose: vec![prose.into()],
        ..section(heading, blocks)
    };
    Report {
        title: format!("Sweep over {}", names.join(", ")),
        subtitle: format!(
            "{done} of {} runs, each continued from the same checkpoint (epochs: {}, criterion \
             `{}`) and evaluated by its frozen features.",
            sweep.points.len(),
            sweep.recipe.epochs,
            sweep.recipe.criterion
        ),
        sections: vec![
            said(
                "What came out",
                "Top-1 accuracy in % on the test images. The best cell was selected on these same \
                 images, so its lead is optimistic.",
                maps,
            ),
            said(
                "All numbers",
                "`base` is the untouched checkpoint, evaluated in the same way.",
                vec![Block::Table(table(sweep))],
            ),
            said(
                "How it was made",
                "Every run has its own folder with its recipe and log.",
                vec![
                    Block::KeyValues(sweep.made.clone()),
                    super::command(&sweep.command),
                    Block::Code {
                        caption: "Recipe that the grid changes".into(),
                        text: sweep.recipe.text.clone(),
                    },
                ],
            ),
        ],
        ..Report::default()
    }
}

/// A figure for each combination of the third and further settings, a panel for each kind of
/// figure: the first setting's values are the rows, the second's the columns. A single setting
/// makes one row.
#[must_use]
pub fn heat_maps(sweep: &Sweep) -> Vec<HeatMaps> {
    let (row_axis, columns, rest) = match sweep.axes.len() {
        1 => (None, 0, 1),
        _ => (Some(0), 1, 2),
    };
    let mut others: Vec<&[usize]> = sweep.points.iter().map(|p| &p.indices[rest..]).collect();
    others.sort_unstable();
    others.dedup();
    let base = rows::rows(&sweep.base);
    let figure = |others: &&[usize]| {
        let fixed = others.iter().zip(&sweep.axes[rest..]);
        let fixed: Vec<String> = fixed
            .map(|(&i, axis)| format!("{} {}", axis.name, axis.labels[i]))
            .collect();
        let labels = |axis: usize| &sweep.axes[axis].labels;
        let panel = |kind: &RowView| {
            let height = row_axis.map_or(1, |axis| labels(axis).len());
            let mut cells = vec![vec![None; labels(columns).len()]; height];
            for point in &sweep.points {
                if &point.indices[rest..] == *others {
                    let row = row_axis.map_or(0, |axis| point.indices[axis]);
                    cells[row][point.indices[columns]] =
                        of_kind(point, kind).map(|row| rows::estimate(&row));
                }
            }
            HeatPanel {
                title: rows::name(kind),
                unit: "%".into(),
                decimals: 2,
                cells,
                reference: Some((BASE.to_owned(), kind.mean)),
                find: best(sweep, kind)
                    .is_some_and(|best| best.change.verdict(claims(sweep)) == Verdict::Better),
            }
        };
        HeatMaps {
            title: fixed.join(", "),
            caption: format!(
                "{} Each panel has its own colour scale, which includes the base.",
                rows::spans(base.iter())
            )
            .trim_start()
            .to_owned(),
            x_label: sweep.axes[columns].name.clone(),
            x: labels(columns).clone(),
            y_label: row_axis.map_or_else(String::new, |axis| sweep.axes[axis].name.clone()),
            y: row_axis.map_or_else(|| vec![String::new()], |axis| labels(axis).clone()),
            panels: base.iter().map(panel).collect(),
        }
    };
    others.iter().map(figure).collect()
}

/// The figure of a run that is of the same kind as the base's.
fn of_kind(point: &Point, kind: &RowView) -> Option<RowView> {
    let all = rows::rows(point.result.as_ref()?);
    rows::find(&all, kind).cloned()
}

/// The run with the highest figure of a kind.
struct Best {
    settings: String,
    row: RowView,
    change: Change,
}

fn best(sweep: &Sweep, base: &RowView) -> Option<Best> {
    let rows = sweep.points.iter();
    let rows = rows.filter_map(|point| Some((point, of_kind(point, base)?)));
    // Ties go to the first.
    let (point, row) = rows.reduce(|best, other| match other.1.mean > best.1.mean {
        true => other,
        false => best,
    })?;
    Some(Best {
        settings: described(sweep, point),
        change: rows::change(base, &row),
        row,
    })
}

/// Changes from the base that could be claimed: each run's in each figure, of which the best are
/// shown.
fn claims(sweep: &Sweep) -> usize {
    let base = rows::rows(&sweep.base);
    let of_point = |point: &Point| {
        let rows = base
            .iter()
            .filter_map(|kind| of_kind(point, kind).map(|row| (kind, row)));
        rows.filter(|(kind, row)| rows::change(kind, row).interval(1).is_some())
            .count()
    };
    sweep.points.iter().map(of_point).sum::<usize>().max(1)
}

/// `beta 1, gamma 25`.
fn described(sweep: &Sweep, point: &Point) -> String {
    let parts = sweep.axes.iter().zip(&point.indices);
    let parts = parts.map(|(axis, &i)| format!("{} {}", axis.name, axis.labels[i]));
    parts.collect::<Vec<_>>().join(", ")
}

/// One sentence a kind of figure: the best run and the untouched checkpoint.
#[must_use]
pub fn findings(sweep: &Sweep) -> Vec<Finding> {
    let shown = claims(sweep);
    let base = rows::rows(&sweep.base);
    let draft = |kind: &RowView| {
        let best = best(sweep, kind)?;
        let mut text = format!(
            "{}: the highest is {} %, with {}; {BASE} {} %",
            rows::name(kind),
            plus_minus(best.row.mean, best.row.standard_error),
            best.settings,
            plus_minus(kind.mean, kind.standard_error)
        );
        let verdict = match best.change.interval(shown) {
            Some(_) => {
                text.push_str(&format!(
                    " (paired change {}; selected as the best of {shown})",
                    best.change.in_words(shown, "")
                ));
                best.change.verdict(shown)
            }
            None => Verdict::Note,
        };
        text.push('.');
        Some(Draft::Settled(Finding { verdict, text }))
    };
    settle(base.iter().filter_map(draft).collect())
}

fn table(sweep: &Sweep) -> Table {
    let column = |name: &str, decimals| Column {
        name: name.into(),
        decimals,
        ..Column::default()
    };
    let base = rows::rows(&sweep.base);
    let mut columns = vec![column("Settings", 0)];
    columns.extend(base.iter().map(|kind| column(&rows::name(kind), 2)));
    let cell = |estimate: Option<Estimate>| estimate.map_or(Cell::Missing, Cell::Estimate);
    let of_base = base.iter().map(|row| cell(Some(rows::estimate(row))));
    let of_base = std::iter::once(Cell::Text(BASE.into())).chain(of_base);
    let of_point = |point: &Point| {
        let cells = base.iter().map(|kind| {
            let row = of_kind(point, kind);
            cell(row.as_ref().map(rows::estimate))
        });
        std::iter::once(Cell::Text(described(sweep, point)))
            .chain(cells)
            .collect()
    };
    Table {
        caption: "Top-1 accuracy, %".into(),
        columns,
        rows: std::iter::once(of_base.collect())
            .chain(sweep.points.iter().map(of_point))
            .collect(),
        note: rows::spans(base.iter()),
    }
}
