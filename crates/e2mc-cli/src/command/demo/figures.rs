//! The demo's charts and tables, from its measurements and its runs' logs.

use std::fs;

use anyhow::{Context, Result};
use e2mc::Transform;
use serde_json::Value;

use super::{Arm, Comparison};
use crate::report::{
    AxisStart, Cell, Column, DotPanel, Dots, Estimate, HistogramPanel, Histograms, LineChart,
    Lines, Mark, Reference, Series, Table,
};
use crate::run::RunFolder;

/// Dimensions whose marginals are drawn.
const MARGINALS: usize = 6;

fn names(comparison: &Comparison) -> Vec<String> {
    comparison
        .arms
        .iter()
        .map(|arm| arm.name.to_owned())
        .collect()
}

fn estimate(row: &crate::evaluation::Row) -> Estimate {
    Estimate {
        value: row.accuracy,
        standard_error: row.standard_error,
        runs: row.accuracies.clone(),
    }
}

/// Accuracies of the three models.
pub(super) fn accuracy_table(comparison: &Comparison) -> Table {
    let column = |group: &str, name: &str, decimals| Column {
        group: group.into(),
        name: name.into(),
        decimals,
    };
    let scores = &comparison.arms[0].scores;
    let mut columns = vec![
        column("", "Model", 0),
        column("All labels", &format!("{}-NN", scores.k), 2),
    ];
    for row in &scores.probes {
        columns.push(column(
            &format!("{} % of labels", 100.0 * row.fraction),
            row.probe,
            2,
        ));
    }
    columns.push(column("Embedding", "entropy, nats", 4));
    columns.push(column("Embedding", "covariance", 4));
    let rows = comparison.arms.iter().map(|arm| {
        let mut cells = vec![Cell::Text(arm.name.into()), Cell::Number(arm.scores.knn)];
        cells.extend(
            arm.scores
                .probes
                .iter()
                .map(|row| Cell::Estimate(estimate(row))),
        );
        cells.extend([Cell::Number(arm.entropy), Cell::Number(arm.covariance)]);
        cells
    });
    Table {
        caption: "Top-1 accuracy in %, and the embedding".into(),
        columns,
        rows: rows.collect(),
        note: format!(
            "{} test images. Probes: mean ± standard error over {} label subsets, the same for all \
             models; `logistic` is L-BFGS on standardised features with its penalty cross-validated \
             on the labelled images, `sgd` the paper's linear layer on raw features. Embedding: the \
             test images at the projector's output, after the transform.",
            comparison.test_images, comparison.seeds
        ),
    }
}

/// The same as dots with error bars.
pub(super) fn accuracy_dots(comparison: &Comparison) -> Dots {
    let panels = comparison.arms[0]
        .scores
        .probes
        .iter()
        .enumerate()
        .map(|(i, row)| DotPanel {
            title: format!("{} % of labels, {}", 100.0 * row.fraction, row.probe),
            unit: "%".into(),
            decimals: 2,
            estimates: comparison
                .arms
                .iter()
                .map(|arm| estimate(&arm.scores.probes[i]))
                .collect(),
        });
    Dots {
        title: "Top-1 accuracy".into(),
        caption: "Mean with standard error; thin strokes are the single label subsets.".into(),
        series: names(comparison),
        panels: panels.collect(),
        start: AxisStart::AroundValues,
    }
}

/// Entropy and covariance of the three models' embeddings.
pub(super) fn embedding_dots(comparison: &Comparison) -> Dots {
    let panel = |title: &str, unit: &str, value: fn(&Arm) -> f64| DotPanel {
        title: title.into(),
        unit: unit.into(),
        decimals: 4,
        estimates: comparison
            .arms
            .iter()
            .map(|arm| Estimate {
                value: value(arm),
                standard_error: None,
                runs: Vec::new(),
            })
            .collect(),
    };
    Dots {
        title: "Entropy and covariance, before and after".into(),
        caption: "Of the test images' embeddings. Higher entropy is closer to uniform (0); lower \
                  covariance is closer to uncorrelated."
            .into(),
        series: names(comparison),
        panels: vec![
            panel("Mean marginal entropy", "nats", |arm| arm.entropy),
            panel("Off-diagonal covariance", "", |arm| arm.covariance),
        ],
        start: AxisStart::AroundValues,
    }
}

/// Loss terms of the two runs over the steps, from their logs.
pub(super) fn losses(comparison: &Comparison) -> Result<Lines> {
    const TERMS: [(&str, &str, &str); 6] = [
        ("loss", "Whole loss", ""),
        ("invariance", "Invariance", ""),
        ("variance", "Variance", ""),
        ("covariance", "Covariance", ""),
        ("entropy", "Marginal entropy (maximised)", "nats"),
        ("hypercovariance", "Covariance after the transform", ""),
    ];
    let mut runs = Vec::new();
    for arm in &comparison.arms {
        if let Some(folder) = &arm.run {
            runs.push((arm.name, log(&RunFolder::new(folder))?));
        }
    }
    let chart = |event: &str, key: &str, title: &str, unit: &str, scale: f64| {
        let points = |events: &[Value]| -> Vec<(f64, f64)> {
            let chosen = events.iter().filter(|found| found["event"] == event);
            chosen
                .filter_map(|e| Some((e["step"].as_f64()?, scale * e[key].as_f64()?)))
                .collect()
        };
        let named = |(name, events): &(&str, Vec<Value>)| Series {
            name: (*name).into(),
            points: points(events),
        };
        LineChart {
            title: title.into(),
            unit: unit.into(),
            series: runs
                .iter()
                .map(named)
                .filter(|series| !series.points.is_empty())
                .collect(),
            marks: Vec::new(),
        }
    };
    let mut charts: Vec<LineChart> = TERMS
        .iter()
        .map(|(key, title, unit)| chart("step", key, title, unit, 1.0))
        .collect();
    let mut knn = chart(
        "epoch",
        "knn",
        "k-NN on held-out training images",
        "%",
        100.0,
    );
    let start = knn
        .series
        .first()
        .and_then(|series| series.points.first())
        .map(|point| point.1);
    knn.marks.extend(start.map(|y| Mark::Level {
        y,
        label: "untouched base".into(),
    }));
    charts.push(knn);
    // The axis counts steps; one epoch's length makes it readable.
    let epoch = runs.first().and_then(|(_, events)| {
        events
            .iter()
            .find(|event| event["epoch"] == 1 && event["event"] == "epoch")
    });
    if let Some(x) = epoch.and_then(|event| event["step"].as_f64()) {
        charts[0].marks.push(Mark::At {
            x,
            label: "one epoch".into(),
        });
    }
    Ok(Lines {
        title: "Loss terms during the continuations".into(),
        caption: "Unweighted, means over five steps. The whole losses cannot be compared: one has \
                  two more terms, which only that run computes."
            .into(),
        x_label: "step".into(),
        smooth: 9,
        charts,
    })
}

fn log(folder: &RunFolder) -> Result<Vec<Value>> {
    let path = folder.metrics();
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let events = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Value>, _>>();
    events.with_context(|| format!("{} is not a log", path.display()))
}

/// Marginal distributions of a few dimensions, before and after.
pub(super) fn marginals(comparison: &Comparison) -> Histograms {
    let (before, after) = (&comparison.arms[0], &comparison.arms[2]);
    // From the least to the most uniform before, evenly spaced in rank.
    let mut order: Vec<usize> = (0..before.marginal_entropy.len()).collect();
    order.sort_by(|&a, &b| before.marginal_entropy[a].total_cmp(&before.marginal_entropy[b]));
    let shown = MARGINALS.min(order.len());
    let chosen = (0..shown).map(|i| order[i * (order.len() - 1) / (shown - 1).max(1)]);
    let panels = chosen.map(|dimension| HistogramPanel {
        title: format!("Dimension {dimension}"),
        note: format!(
            "entropy {:.2} → {:.2} nats",
            before.marginal_entropy[dimension], after.marginal_entropy[dimension]
        ),
        samples: vec![
            column(before, dimension, comparison.transform),
            column(after, dimension, comparison.transform),
        ],
    });
    Histograms {
        title: "Marginal distributions of single dimensions".into(),
        caption: "Test images, after the transform to the unit interval. The dimensions run from \
                  the least to the most uniform of the base model, evenly in rank."
            .into(),
        x_label: "transformed coordinate".into(),
        series: vec![before.name.into(), after.name.into()],
        range: (0.0, 1.0),
        bins: 25,
        reference: Some(Reference {
            name: "uniform".into(),
            density: 1.0,
        }),
        panels: panels.collect(),
    }
}

fn column(arm: &Arm, dimension: usize, transform: Transform) -> Vec<f32> {
    let rows = arm.embeddings.data().chunks_exact(arm.embeddings.cols());
    rows.map(|row| transform.value(row[dimension])).collect()
}
