//! Rows of results: a figure a classifier and fraction of the labels, whatever the protocol.

use e2mc_eval::Estimate as Mean;
use e2mc_record::{EvaluationResult, RowView, Spans};

use crate::chart::dots::DotPanel;
use crate::table::Estimate;
use crate::verdict::Change;

/// All rows of a result.
pub(super) fn rows(result: &EvaluationResult) -> Vec<RowView> {
    result.rows().collect()
}

/// The row of that key and measure.
pub(super) fn find<'a>(rows: &'a [RowView], like: &RowView) -> Option<&'a RowView> {
    let same = |row: &&RowView| row.key == like.key && row.measure == like.measure;
    rows.iter().find(same)
}

/// What tables and charts call a row.
pub(super) fn name(row: &RowView) -> String {
    match row.measure {
        "top-1" => row.key.row_name(),
        measure => format!("{}, {measure}", row.key.row_name()),
    }
}

pub(super) fn estimate(row: &RowView) -> Estimate {
    Estimate {
        value: row.mean,
        standard_error: row.standard_error,
        // A single fit is the mean itself.
        runs: if row.values.len() > 1 {
            row.values.clone()
        } else {
            Vec::new()
        },
    }
}

/// A panel of a dot chart: the row of each model that is like `like`.
pub(super) fn panel<'a>(like: &RowView, models: impl Iterator<Item = &'a [RowView]>) -> DotPanel {
    let estimates = models.map(|rows| {
        find(rows, like).map_or(
            Estimate {
                value: f64::NAN,
                ..Estimate::default()
            },
            estimate,
        )
    });
    DotPanel {
        title: name(like),
        unit: "%".to_owned(),
        decimals: 2,
        estimates: estimates.collect(),
    }
}

/// The change from one row to another over the same label subsets, whose common part cancels.
///
/// The noise is unknown for a single fit, or if the numbers of fits differ.
pub(super) fn change(before: &RowView, after: &RowView) -> Change {
    let paired = before.spans == Some(Spans::LabelSubsets) && after.spans == before.spans;
    let differences = Mean::of_difference(&before.values, &after.values);
    let difference = differences.ok().filter(|_| paired);
    Change {
        value: after.mean - before.mean,
        standard_error: difference.and_then(|difference| difference.standard_error),
        samples: Some(before.values.len()),
    }
}

/// What the standard errors of rows span, as a sentence for the small print; nothing where there
/// are none.
pub(super) fn spans<'a>(rows: impl Iterator<Item = &'a RowView>) -> String {
    let mut words: Vec<&str> = rows
        .filter(|row| row.standard_error.is_some())
        .map(|row| match row.spans {
            Some(Spans::LabelSubsets) => "label subsets, not training seeds",
            Some(Spans::FitSeeds) => "seeds of the fit on the same labels, not label subsets",
            _ => "runs",
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    if words.is_empty() {
        return String::new();
    }
    format!("Standard errors (±) are over {}.", words.join("; or over "))
}
