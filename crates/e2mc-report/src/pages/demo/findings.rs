//! What the demo found, in plain words, with the noise.

use e2mc_record::{Protocol, RowView};

use super::super::rows;
use super::Comparison;
use crate::number::{fixed, plus_minus, signed};
use crate::verdict::{Draft, Finding, settle};

/// The findings, most wanted first.
#[must_use]
pub fn findings(comparison: &Comparison) -> Vec<Finding> {
    let [base, continued, entropic] = comparison.arms().map(|arm| rows::rows(&arm.result));
    let mut probes = Vec::new();
    let mut neighbours = Vec::new();
    for before in &base {
        let both = rows::find(&continued, before).zip(rows::find(&entropic, before));
        let Some((alone, after)) = both else {
            continue;
        };
        if before.key.protocol == Protocol::Knn {
            let images = comparison.base.result.test_images;
            neighbours.push(Draft::Settled(knn(before, alone, after, images)));
        } else {
            probes.push(accuracy(before, alone, after));
        }
    }
    let mut drafts = probes;
    drafts.extend(neighbours);
    drafts.push(Draft::Settled(entropy(comparison)));
    drafts.push(Draft::Settled(Finding::note(
        "The settings were chosen on training images only; the test images were used once, \
         for this table. The label subsets vary between seeds, the three models do not: \
         another base model may answer differently.",
    )));
    settle(drafts)
}

fn accuracy(before: &RowView, alone: &RowView, after: &RowView) -> Draft {
    let percent = e2mc_record::percent(before.key.percent() / 100.0);
    let label = format!("{percent} % of the labels, {} probe", before.key.classifier);
    // The same subsets for all models, so what the subsets have in common cancels.
    let change = rows::change(before, after);
    let text = format!(
        "{label}: {} with E2MC, {} continued without, {} of the base",
        plus_minus(after.mean, after.standard_error),
        plus_minus(alone.mean, alone.standard_error),
        plus_minus(before.mean, before.standard_error),
    );
    match change.standard_error {
        Some(error) => Draft::Claim {
            change,
            text: format!(
                "{text} (paired change from the base {} ± {error:.2} points by the label subsets).",
                signed(change.value, 2)
            ),
        },
        None => Draft::Settled(Finding::note(format!("{text}."))),
    }
}

fn knn(before: &RowView, alone: &RowView, after: &RowView, images: usize) -> Finding {
    // One measurement a model: its noise is that of counting right answers among the test images.
    let p = before.mean / 100.0;
    let noise = 100.0 * (p * (1.0 - p) / images.max(1) as f64).sqrt();
    Finding::note(format!(
        "{} with all labels: {:.2} % with E2MC, {:.2} % continued without, {:.2} % of the base \
         (each ± {noise:.2} by the number of test images).",
        before.key.classifier, after.mean, alone.mean, before.mean
    ))
}

/// No claim: a mere rescaling of the embedding moves both figures.
fn entropy(comparison: &Comparison) -> Finding {
    let [base, continued, entropic] = comparison.arms();
    Finding::note(format!(
        "The mean marginal entropy of the embedding went from {} to {} nats with E2MC \
         (to {} without; 0 is uniform), its off-diagonal covariance from {:.4} to {:.4} \
         (to {:.4} without).",
        fixed(base.entropy, 3),
        fixed(entropic.entropy, 3),
        fixed(continued.entropy, 3),
        base.covariance,
        entropic.covariance,
        continued.covariance
    ))
}
