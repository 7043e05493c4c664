//! What differs between two embeddings of the same images.
//!
//! The figures of an embedding come without an interval, so a difference is a note and no claim:
//! RankMe of 120 rows moves by chance, and the entropy rises where an embedding merely spreads.

use super::Subject;
use super::rescaled::measure;
use crate::number::fixed;
use crate::verdict::Finding;

/// What differs between `before` and `after`, a sentence a quantity.
pub(in crate::pages) fn changes(before: &Subject, after: &Subject) -> Vec<Finding> {
    let (b, a) = (&before.diagnostics, &after.diagnostics);
    let (first, second) = (phrase(&before.name), phrase(&after.name));
    let mut findings = Vec::new();
    let mut change = |name: &str, from: f64, to: f64, decimals: usize, unit: &str| {
        let (said_from, said_to) = (fixed(from, decimals), fixed(to, decimals));
        findings.push(Finding::note(format!(
            "{name}: {said_from}{unit} {first}, {said_to}{unit} {second}."
        )));
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
    change(
        "Entropy without scale",
        b.marginals.entropy_shape,
        a.marginals.entropy_shape,
        3,
        " nats",
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

/// Where a rise of the entropy comes from: `before` spread about its mean as far as `after`,
/// without another shape.
fn rescaled(before: &Subject, after: &Subject) -> Option<Finding> {
    let rows = measure(&[before, after])?;
    let [from, alone, to] = rows.as_slice() else {
        return None;
    };
    let (start, end) = (from.entropy, to.entropy);
    (end > start && alone.entropy > start).then(|| {
        let share = 100.0 * ((alone.entropy - start) / (end - start)).min(1.0);
        Finding::note(format!(
            "Rescaling alone explains {share:.0} % of the rise in entropy: {} about its mean \
             by {:.3} has {} nats, {} has {} (of {} rows).",
            quoted(&before.name),
            alone.factor,
            fixed(alone.entropy, 3),
            quoted(&after.name),
            fixed(end, 3),
            before.picture.rows()
        ))
    })
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
