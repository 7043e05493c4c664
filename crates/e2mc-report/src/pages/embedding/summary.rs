//! The result of `inspect` as JSON and as text.

use serde_json::{Value, json};

use super::{InspectOptions, Subject};
use crate::output;
use crate::report::{Finding, legible};

/// The figures that a table shows: name, key, value, and decimals; what was not measured is missing.
pub(super) fn figures(subject: &Subject) -> Vec<(&'static str, &'static str, Option<f64>, usize)> {
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

/// One object; with two subjects `before` and `after` in it.
pub(super) fn json(subjects: &[Subject], findings: &[Finding], options: &InspectOptions) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| json!({ "kind": finding.verdict.words(), "text": finding.text }))
        .collect();
    let mut result = match subjects {
        [before, after] => json!({ "before": of(before), "after": of(after) }),
        _ => of(&subjects[0]),
    };
    result["findings"] = findings.into();
    for (key, path) in [("report", &options.report), ("figures", &options.figures)] {
        if let Some(path) = path {
            result[key] = json!(path);
        }
    }
    result
}

fn of(subject: &Subject) -> Value {
    let d = &subject.diagnostics;
    let mut result = json!({ "source": subject.source, "transform": format!("{:?}", subject.transform).to_lowercase() });
    for (_, key, value, decimals) in figures(subject) {
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

/// One page: findings, then numbers.
pub(super) fn text(subjects: &[Subject], findings: &[Finding], options: &InspectOptions) -> String {
    let mut text = String::new();
    for subject in subjects {
        let d = &subject.diagnostics;
        text.push_str(&format!(
            "{}: {} rows, {} dimensions\n",
            subject.source, d.rows, d.dims
        ));
    }
    text.push('\n');
    let width = findings
        .iter()
        .map(|f| f.verdict.words().len())
        .max()
        .unwrap_or(0);
    for finding in findings {
        text.push_str(&format!(
            "{:<width$}  {}\n",
            finding.verdict.words(),
            finding.text
        ));
    }
    let mut rows = Vec::new();
    if subjects.len() > 1 {
        let names = subjects.iter().map(|subject| subject.name.clone());
        rows.push(std::iter::once(String::new()).chain(names).collect());
    }
    let columns: Vec<_> = subjects.iter().map(figures).collect();
    for (index, (name, ..)) in columns[0].iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let (_, _, value, decimals) = column[index];
            value.map_or("–".into(), |value| legible(value, decimals))
        });
        rows.push(std::iter::once((*name).to_owned()).chain(cells).collect());
    }
    text.push_str(&format!("\n{}", output::table(&rows)));
    if let Some(path) = &options.report {
        text.push_str(&format!("\nreport: {}\n", path.display()));
    }
    if let Some(path) = &options.figures {
        text.push_str(&format!("figures: {}\n", path.display()));
    }
    text
}
