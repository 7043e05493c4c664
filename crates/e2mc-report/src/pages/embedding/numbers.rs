//! What is known of embeddings in numbers: as a table, and as JSON.

use serde_json::{Value, json};

use super::{Subject, rescaled};
use crate::table::{Cell, Column, Table};
use crate::verdict::Finding;

/// A figure as tables show it: its name, its key in JSON, its value if it was measured, and its
/// digits after the point.
pub type Quantity = (&'static str, &'static str, Option<f64>, usize);

/// The figures that a table shows, in order; what was not measured is `None`.
#[must_use]
pub fn quantities(subject: &Subject) -> Vec<Quantity> {
    let d = &subject.diagnostics;
    let uniformity = d.uniformity.as_ref();
    let pairs = d.pairs.as_ref();
    vec![
        ("Rows", "rows", Some(d.rows as f64), 0),
        ("Dimensions", "dims", Some(d.dims as f64), 0),
        (
            "Nearly constant dimensions",
            "dead",
            Some(d.dimensions.dead.len() as f64),
            0,
        ),
        (
            "Copies of other dimensions",
            "redundant",
            Some(d.dimensions.redundant() as f64),
            0,
        ),
        (
            "Mean marginal entropy, nats",
            "entropy",
            Some(d.marginals.mean_entropy),
            4,
        ),
        (
            "Mean distance from uniform, nats",
            "divergence_from_uniform",
            Some(-d.marginals.mean_entropy),
            4,
        ),
        (
            "Mean gap from uniform, 0 to 1",
            "gap_from_uniform",
            Some(
                d.marginals
                    .gap
                    .iter()
                    .map(|&gap| f64::from(gap))
                    .sum::<f64>()
                    / d.dims as f64,
            ),
            4,
        ),
        (
            "Covariance after the transform",
            "covariance",
            Some(d.marginals.covariance),
            6,
        ),
        (
            "Entropy without scale, nats",
            "entropy_shape",
            Some(d.marginals.entropy_shape),
            4,
        ),
        (
            "Covariance without scale",
            "covariance_shape",
            Some(d.marginals.covariance_shape),
            6,
        ),
        (
            "Covariance as it is",
            "raw_covariance",
            Some(d.dimensions.covariance),
            6,
        ),
        (
            "Mean correlation, in size",
            "mean_absolute_correlation",
            Some(d.dimensions.mean_absolute_correlation),
            4,
        ),
        ("RankMe", "rankme", Some(d.spectrum.rankme), 2),
        (
            "Participation ratio",
            "participation_ratio",
            Some(d.spectrum.participation_ratio),
            2,
        ),
        (
            "Directions of 99 % variance",
            "directions_99",
            Some(d.spectrum.directions_99 as f64),
            0,
        ),
        ("Spectrum's decay alpha", "alpha", d.spectrum.alpha, 3),
        ("LiDAR", "lidar", subject.lidar, 2),
        ("Alignment", "alignment", subject.alignment, 4),
        (
            "Uniformity (t = 2)",
            "uniformity",
            uniformity.map(|u| u.uniformity),
            4,
        ),
        (
            "Mean cosine of two rows",
            "mean_cosine",
            uniformity.map(|u| u.mean_cosine),
            4,
        ),
        (
            "Distance to the 1st neighbour",
            "neighbour_1_mean",
            Some(d.neighbours.first_mean),
            4,
        ),
        (
            "Distance to the 100th neighbour",
            "neighbour_100_mean",
            d.neighbours.hundredth_mean,
            4,
        ),
        (
            "Shared area of the two, 0 to 1",
            "neighbour_overlap",
            d.neighbours.overlap,
            4,
        ),
        (
            "Dependent pairs, share",
            "dependent_pairs",
            pairs.map(|p| p.dependent as f64 / p.pairs as f64),
            4,
        ),
        (
            "Mean mutual information, nats",
            "mean_mutual_information",
            pairs.map(|p| p.mean_mutual_information),
            5,
        ),
    ]
}

/// All figures in numbers.
pub(super) fn table(subjects: &[Subject]) -> Table {
    let columns: Vec<_> = subjects.iter().map(quantities).collect();
    let heading = |name: String| Column {
        name,
        ..Column::default()
    };
    let rows = columns[0].iter().enumerate().map(|(index, (name, ..))| {
        let cells = columns.iter().map(|column| {
            let (_, _, value, decimals) = column[index];
            value.map_or(Cell::Missing, |value| Cell::Value { value, decimals })
        });
        std::iter::once(Cell::Text((*name).to_owned()))
            .chain(cells)
            .collect()
    });
    Table {
        caption: "In numbers".into(),
        columns: std::iter::once(heading("Quantity".into()))
            .chain(subjects.iter().map(|subject| heading(subject.name.clone())))
            .collect(),
        rows: rows.collect(),
        note: "The project's `docs/diagnostics.md` defines each figure and names its source."
            .into(),
    }
}

/// One object; with two subjects `before` and `after` in it, with more a list under `embeddings`;
/// with several also, under `beside_the_same_spread`, the first with the spread of the others.
#[must_use]
pub fn json(subjects: &[Subject], findings: &[Finding]) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| json!({ "kind": finding.verdict.words(), "text": finding.text }))
        .collect();
    let mut result = match subjects {
        [one] => of(one),
        [before, after] => json!({ "before": of(before), "after": of(after) }),
        _ => json!({ "embeddings": subjects.iter().map(of).collect::<Vec<_>>() }),
    };
    let rescaled = rescaled::json(subjects);
    if !rescaled.is_empty() {
        result["beside_the_same_spread"] = rescaled.into();
    }
    result["findings"] = findings.into();
    result
}

fn of(subject: &Subject) -> Value {
    let d = &subject.diagnostics;
    let mut result = json!({ "source": subject.source, "transform": format!("{:?}", subject.transform).to_lowercase() });
    if let Some(preprocessing) = &subject.preprocessing {
        result["preprocessing"] = json!(preprocessing);
    }
    for (_, key, value, decimals) in quantities(subject) {
        // Counts stay whole numbers.
        result[key] = match value {
            Some(value) if decimals == 0 => json!(value as u64),
            value => json!(value),
        };
    }
    for (key, value) in [
        ("neighbour_1_error", json!(d.neighbours.first_error)),
        ("neighbour_100_error", json!(d.neighbours.hundredth_error)),
        ("neighbour_queries", json!(d.neighbours.queries)),
        ("neighbour_copies", json!(d.neighbours.copies)),
        ("marginal_rows", json!(d.marginal_rows)),
        ("zero_rows", json!(d.zero_rows)),
        ("views", json!(subject.views)),
        ("dead_dimensions", json!(d.dimensions.dead)),
        ("duplicates", json!(d.dimensions.duplicates)),
        ("most_correlated", json!(d.dimensions.most_correlated)),
        ("marginal_entropy", json!(d.marginals.entropy)),
        ("marginal_gap", json!(d.marginals.gap)),
        ("mean", json!(d.dimensions.mean)),
        ("deviation", json!(d.dimensions.deviation)),
        ("eigenvalues", json!(d.spectrum.eigenvalues)),
        ("pairs", json!(d.pairs)),
    ] {
        result[key] = value;
    }
    result
}
