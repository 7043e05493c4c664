//! The sweep's report and its heat maps.

use anyhow::{Context, Result};

use super::grid::Axis;
use super::results::{Measured, Metric, Results};
use crate::report::{
    Block, Cell, Column, Estimate, Finding, HeatMaps, HeatPanel, Report, Section, Table, Verdict,
};

/// The name of what all runs are compared with.
const BASE: &str = "base";

/// The page.
pub(super) fn report(results: &Results) -> Result<Report> {
    let plan = &results.plan;
    let names = plan.grid.names().join(", ");
    let (done, all) = (
        results
            .runs
            .iter()
            .filter(|run| run.measured.is_some())
            .count(),
        results.runs.len(),
    );
    let section = |heading: &str, prose: &str, blocks| Section {
        heading: heading.into(),
        prose: vec![prose.into()],
        blocks,
    };
    let mut maps: Vec<Block> = heat_maps(results).into_iter().map(Block::Heat).collect();
    maps.insert(0, Block::Findings(findings(results)));
    let recipe = toml::to_string(&plan.recipe).context("the recipe as TOML")?;
    let pair = |key: &str, value: String| (key.to_owned(), value);
    Ok(Report {
        title: format!("Sweep over {names}"),
        subtitle: format!(
            "{done} of {all} runs, each continued from the same checkpoint (epochs: {}, criterion `{}`) and \
             measured by its frozen features.",
            plan.recipe.training.epochs,
            plan.recipe.criterion.name()
        ),
        sections: vec![
            section(
                "What came out",
                "Top-1 accuracy in % on the test images. The best cell is the best on these same \
                 images: of many runs some are lucky, so its lead is flattering.",
                maps,
            ),
            section(
                "All numbers",
                "`base` is the checkpoint as it was, measured alike.",
                vec![Block::Table(table(results))],
            ),
            section(
                "How it was made",
                "Every run has its folder, with its own recipe and log.",
                vec![
                    Block::KeyValues(vec![
                        pair("e2mc", env!("CARGO_PKG_VERSION").into()),
                        pair("checkpoint", plan.checkpoint.display().to_string()),
                        pair("data", plan.settings.data.data.display().to_string()),
                        pair("seed", plan.seed.to_string()),
                        pair("label subsets", plan.seeds().to_string()),
                    ]),
                    Block::Code {
                        caption: "Command".into(),
                        text: plan.command.clone(),
                    },
                    Block::Code {
                        caption: "Recipe that the grid changes".into(),
                        text: recipe,
                    },
                ],
            ),
        ],
    })
}

/// A figure for each combination of the third and further settings, a panel for each metric: the
/// first setting's values are the rows, the second's the columns.
pub(super) fn heat_maps(results: &Results) -> Vec<HeatMaps> {
    let grid = &results.plan.grid;
    let names = grid.names();
    let labels: Vec<Vec<String>> = grid.axes.iter().map(Axis::labels).collect();
    // A single setting makes one row.
    let (rows, columns, rest) = match grid.axes.len() {
        1 => (None, 0, 1),
        _ => (Some(0), 1, 2),
    };
    let mut others: Vec<&[usize]> = results
        .runs
        .iter()
        .map(|r| &r.point.indices[rest..])
        .collect();
    others.sort_unstable();
    others.dedup();
    let figure = |&others: &&[usize]| {
        let fixed = others.iter().enumerate();
        let fixed = fixed.map(|(k, &i)| format!("{} {}", names[rest + k], labels[rest + k][i]));
        let panel = |name: &&str| {
            let mut cells =
                vec![vec![None; labels[columns].len()]; rows.map_or(1, |r| labels[r].len())];
            for run in &results.runs {
                let indices = &run.point.indices;
                if &indices[rest..] == others {
                    let metric = run.measured.as_ref().and_then(|m| m.metric(name));
                    cells[rows.map_or(0, |r| indices[r])][indices[columns]] = metric.map(estimate);
                }
            }
            let base = results.base.metric(name);
            HeatPanel {
                title: (*name).to_owned(),
                unit: "%".into(),
                decimals: 2,
                cells,
                reference: base.map(|metric| (BASE.to_owned(), metric.accuracy)),
            }
        };
        HeatMaps {
            title: fixed.collect::<Vec<_>>().join(", "),
            caption: format!(
                "Mean with standard error over {} label subsets; each panel has its own colour scale.",
                results.plan.seeds()
            ),
            x_label: names[columns].to_owned(),
            x: labels[columns].clone(),
            y_label: rows.map_or_else(String::new, |r| names[r].to_owned()),
            y: rows.map_or_else(|| vec![String::new()], |r| labels[r].clone()),
            panels: results.metrics().iter().map(panel).collect(),
        }
    };
    others.iter().map(figure).collect()
}

fn estimate(metric: &Metric) -> Estimate {
    Estimate {
        value: metric.accuracy,
        standard_error: metric.standard_error,
        runs: metric.accuracies.clone(),
    }
}

/// One sentence a metric: the best run and the untouched checkpoint.
fn findings(results: &Results) -> Vec<Finding> {
    let measured = |name: &str| {
        let runs = results.runs.iter();
        let metric = |run: &'_ super::results::Run| {
            let metric = run.measured.as_ref()?.metric(name)?.clone();
            Some((results.plan.grid.describe(&run.point), metric))
        };
        let best = runs.filter_map(metric).max_by(|(_, a), (_, b)| {
            // Of equals the first.
            a.accuracy
                .total_cmp(&b.accuracy)
                .then(std::cmp::Ordering::Greater)
        });
        best.zip(results.base.metric(name))
    };
    let words =
        |metric: &Metric| crate::evaluation::plus_minus(metric.accuracy, metric.standard_error);
    let sentence = |name: &&str| {
        let ((described, best), base) = measured(name)?;
        Some(Finding {
            verdict: Verdict::Note,
            text: format!(
                "{name}: the highest is {} %, with {described}; base {} %.",
                words(&best),
                words(base)
            ),
        })
    };
    results.metrics().iter().filter_map(sentence).collect()
}

fn table(results: &Results) -> Table {
    let grid = &results.plan.grid;
    let column = |name: &str, decimals| Column {
        name: name.into(),
        decimals,
        ..Column::default()
    };
    let mut columns = vec![column("Settings", 0)];
    columns.extend(results.metrics().into_iter().map(|name| column(name, 2)));
    let row = |name: &str, measured: Option<&Measured>| -> Vec<Cell> {
        let cell = |metric: &&str| match measured.and_then(|measured| measured.metric(metric)) {
            Some(metric) => Cell::Estimate(estimate(metric)),
            None => Cell::Missing,
        };
        let cells = results.metrics();
        let cells = cells.iter().map(cell);
        std::iter::once(Cell::Text(name.into()))
            .chain(cells)
            .collect()
    };
    let base = row(BASE, Some(&results.base));
    let rows = results.runs.iter();
    let rows = rows.map(|run| row(&grid.describe(&run.point), run.measured.as_ref()));
    Table {
        caption: "Top-1 accuracy, %".into(),
        columns,
        rows: std::iter::once(base).chain(rows).collect(),
        note: format!(
            "Mean ± standard error over {} label subsets.",
            results.plan.seeds()
        ),
    }
}
