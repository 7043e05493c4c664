//! The demo's charts and tables, from its measurements and its runs' logs.

use e2mc_record::{RowView, RunLog};

use super::super::rows;
use super::{Arm, Comparison};
use crate::chart::dots::{AxisStart, DotPanel, Dots};
use crate::table::{Cell, Column, Estimate, Table};

fn names(comparison: &Comparison) -> Vec<String> {
    comparison.arms().map(|arm| arm.name.clone()).to_vec()
}

/// The rows of each model, the base first.
fn all_rows(comparison: &Comparison) -> Vec<Vec<RowView>> {
    let arms = comparison.arms();
    arms.map(|arm| rows::rows(&arm.result)).to_vec()
}

/// Accuracies of the three models, and their embeddings in two numbers.
pub(super) fn accuracy_table(comparison: &Comparison) -> Table {
    let column = |group: &str, name: &str, decimals| Column {
        group: group.into(),
        name: name.into(),
        decimals,
    };
    let all = all_rows(comparison);
    let mut columns = vec![column("", "Model", 0)];
    columns.extend(all[0].iter().map(|row| {
        let fraction = e2mc_record::percent(row.key.percent() / 100.0);
        let group = match row.key.percent() {
            percent if percent >= 100.0 => "All labels".to_owned(),
            _ => format!("{fraction} % of labels"),
        };
        column(&group, &row.key.classifier, 2)
    }));
    columns.push(column("Embedding", "entropy, nats", 4));
    columns.push(column("Embedding", "covariance", 4));
    let table_rows = comparison.arms().into_iter().zip(&all).map(|(arm, rows)| {
        let cells = all[0].iter().map(|like| {
            let row = rows::find(rows, like);
            row.map_or(Cell::Missing, |row| Cell::Estimate(rows::estimate(row)))
        });
        let ends = [Cell::Number(arm.entropy), Cell::Number(arm.covariance)];
        std::iter::once(Cell::Text(arm.name.clone()))
            .chain(cells)
            .chain(ends)
            .collect()
    });
    Table {
        caption: "Top-1 accuracy in %, and the embedding".into(),
        columns,
        rows: table_rows.collect(),
        note: format!(
            "{} test images. {} The subsets are the same for all models; `logistic` is L-BFGS on standardised features with \
             its penalty cross-validated on the labelled images, `sgd` the paper's linear layer on raw features. Embedding: \
             the test images at the projector's output, after the transform.",
            comparison.base.result.test_images,
            rows::spans(all[0].iter())
        ),
    }
}

/// The accuracies of probes as dots with error bars.
pub(super) fn accuracy_dots(comparison: &Comparison) -> Dots {
    let all = all_rows(comparison);
    let probes = all[0].iter().filter(|row| row.standard_error.is_some());
    let panel = |like: &RowView| rows::panel(like, all.iter().map(Vec::as_slice));
    Dots {
        title: "Top-1 accuracy".into(),
        caption: format!(
            "Thin strokes are the single label subsets. {}",
            rows::spans(all[0].iter())
        ),
        series: names(comparison),
        panels: probes.map(panel).collect(),
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
            .arms()
            .map(|arm| Estimate {
                value: value(arm),
                ..Estimate::default()
            })
            .to_vec(),
    };
    Dots {
        title: "Entropy and covariance of the three models".into(),
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

/// The logs of the two runs, by the names of their models.
pub(super) fn logs(comparison: &Comparison) -> Vec<RunLog> {
    let arms = comparison.arms().into_iter();
    let logs = arms.filter_map(|arm| {
        let log = arm.run.as_ref()?.log.clone();
        Some(RunLog {
            name: arm.name.clone(),
            ..log
        })
    });
    logs.collect()
}
