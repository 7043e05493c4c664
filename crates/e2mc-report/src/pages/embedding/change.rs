//! What differs between two embeddings of the same images.
//!
//! The figures of an embedding come without an interval, so a difference is a note and no claim: RankMe of 120 rows moves
//! by chance, and the entropy rises where an embedding merely spreads.

use e2mc::{Criterion, Matrix};

use super::Subject;
use crate::number::fixed;
use crate::verdict::{Finding, Verdict};

/// What differs between `before` and `after`, a sentence a quantity.
pub(in crate::pages) fn changes(before: &Subject, after: &Subject) -> Vec<Finding> {
    let (b, a) = (&before.diagnostics, &after.diagnostics);
    let (first, second) = (phrase(&before.name), phrase(&after.name));
    let mut findings = Vec::new();
    let mut change = |name: &str, from: f64, to: f64, decimals: usize, unit: &str| {
        let (said_from, said_to) = (fixed(from, decimals), fixed(to, decimals));
        findings.push(Finding {
            verdict: if said_from == said_to {
                Verdict::NoDifference
            } else {
                Verdict::Note
            },
            text: format!("{name}: {said_from}{unit} {first}, {said_to}{unit} {second}."),
        });
    };
    change(
        "Mean marginal entropy (0 is uniform)",
        b.marginals.mean_entropy,
        a.marginals.mean_entropy,
        3,
        " nats",
    );
    change(
        "Off-diagonal covariance after the transform",
        b.marginals.covariance,
        a.marginals.covariance,
        5,
        "",
    );
    change("RankMe", b.spectrum.rankme, a.spectrum.rankme, 1, "");
    if let (Some(b), Some(a)) = (&b.uniformity, &a.uniformity) {
        let name = "Uniformity (lower is more even)";
        change(name, b.uniformity, a.uniformity, 3, "");
    }
    if let (Some(b), Some(a)) = (b.neighbours.overlap, a.neighbours.overlap) {
        let name = "Shared area of the 1st and 100th neighbours' distances";
        change(name, 100.0 * b, 100.0 * a, 1, " %");
    }
    if let (Some(b), Some(a)) = (&b.pairs, &a.pairs) {
        let share = |pairs: &e2mc_eval::diagnostics::Pairs| {
            100.0 * pairs.dependent as f64 / pairs.pairs as f64
        };
        change("Dependent pairs of dimensions", share(b), share(a), 1, " %");
    }
    change(
        "Nearly constant dimensions",
        b.dimensions.dead.len() as f64,
        a.dimensions.dead.len() as f64,
        0,
        "",
    );
    findings.extend(rescaled(before, after));
    findings
}

/// Where a rise of the entropy comes from: `before` spread about its mean as far as `after`, without another shape.
fn rescaled(before: &Subject, after: &Subject) -> Option<Finding> {
    let entropy = |z: &Matrix, subject: &Subject| {
        let criterion = match subject.transform {
            e2mc::Transform::Sigmoid => Criterion::vicreg(),
            e2mc::Transform::Gaussian => Criterion::swav(),
        };
        let value = criterion.value(z.view()).ok()?;
        Some(value.entropy).filter(|entropy| entropy.is_finite())
    };
    let spread = |subject: &Subject| {
        let deviation = &subject.diagnostics.dimensions.deviation;
        deviation.iter().sum::<f64>() / deviation.len() as f64
    };
    let factor = spread(after) / spread(before);
    if !factor.is_finite() || before.transform != after.transform {
        return None;
    }
    let scaled = scaled(&before.picture, factor)?;
    let from = entropy(&before.picture, before)?;
    let to = entropy(&after.picture, after)?;
    let alone = entropy(&scaled, before)?;
    (to > from && alone > from).then(|| {
        let share = 100.0 * ((alone - from) / (to - from)).min(1.0);
        Finding::note(format!(
            "A mere rescaling explains {share:.0} % of the rise of the entropy: {} about its mean by {factor:.3} has {} nats, \
             {} has {} (of {} rows).",
            quoted(&before.name),
            fixed(alone, 3),
            quoted(&after.name),
            fixed(to, 3),
            before.picture.rows()
        ))
    })
}

/// The rows moved away from their mean by a factor.
fn scaled(z: &Matrix, factor: f64) -> Option<Matrix> {
    let (rows, cols) = (z.rows(), z.cols());
    let mut mean = vec![0.0; cols];
    for row in z.data().chunks_exact(cols) {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += f64::from(*value) / rows as f64;
        }
    }
    let values = z.data().chunks_exact(cols).flat_map(|row| {
        let moved = row.iter().zip(&mean);
        moved.map(|(value, mean)| (mean + factor * (f64::from(*value) - mean)) as f32)
    });
    Matrix::new(values.collect(), rows, cols).ok()
}

/// `before` of two states of one model, otherwise `in NAME`.
fn phrase(name: &str) -> String {
    match name.split_once(": ") {
        Some((state @ ("before" | "after"), _)) => state.to_owned(),
        _ => format!("in {name}"),
    }
}

fn quoted(name: &str) -> String {
    format!("“{name}”")
}
