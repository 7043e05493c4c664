//! The demo's charts and tables, from its measurements and its runs' logs.

use anyhow::Result;

use super::{Arm, Comparison};
use crate::evaluation::percent;
use crate::report::{AxisStart, Cell, Column, DotPanel, Dots, Estimate, Table};
use crate::runlog::RunLog;

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
            &format!("{} % of labels", percent(row.fraction)),
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
            title: format!("{} % of labels, {}", percent(row.fraction), row.probe),
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

/// The logs of the two runs, by the names of their arms.
pub(super) fn logs(comparison: &Comparison) -> Result<Vec<RunLog>> {
    let runs = comparison
        .arms
        .iter()
        .filter_map(|arm| Some((arm.name, arm.run.as_ref()?)));
    runs.map(|(name, folder)| {
        let mut log = RunLog::read(folder)?;
        log.name = name.into();
        Ok(log)
    })
    .collect()
}
