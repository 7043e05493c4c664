//! What the demo found, in plain words, with the noise.

use e2mc_eval::Estimate;

use super::{Arm, Comparison};
use crate::evaluation::{percent, plus_minus};
use crate::report::{Finding, Verdict, fixed, signed};

/// The findings, most wanted first.
pub(super) fn findings(comparison: &Comparison) -> Vec<Finding> {
    let [base, continued, entropic] = comparison.arms.as_slice() else {
        unreachable!("the demo compares three models")
    };
    let mut findings = Vec::new();
    for (row, probe) in base.scores.probes.iter().enumerate() {
        let label = format!(
            "{} % of the labels, {} probe",
            percent(probe.fraction),
            probe.probe
        );
        findings.push(accuracy(&label, row, base, entropic, continued));
    }
    findings.push(knn(base, continued, entropic, comparison.test_images));
    findings.push(entropy(base, continued, entropic));
    findings.push(Finding {
        verdict: Verdict::Note,
        text: "The settings were chosen on training images only; the test images were used once, \
               for this table. The label subsets vary between seeds, the three models do not: \
               another base model may answer differently."
            .into(),
    });
    findings
}

fn accuracy(label: &str, row: usize, base: &Arm, entropic: &Arm, continued: &Arm) -> Finding {
    let [before, alone, after] = [base, continued, entropic].map(|arm| &arm.scores.probes[row]);
    // The same subsets for all models, so what the subsets have in common cancels.
    let change = Estimate::of_difference(&before.accuracies, &after.accuracies)
        .expect("all models are probed with the same seeds");
    let error = change.standard_error.unwrap_or(f64::INFINITY);
    let verdict = Verdict::of_change(change.mean, error);
    let words = match verdict {
        Verdict::Better => "better by more than the noise of the label subsets",
        Verdict::Worse => "worse by more than the noise of the label subsets",
        _ => "no difference beyond the noise",
    };
    let text = format!(
        "{label}: {} with E2MC, {} continued without, {} before: {words} \
         (paired change from before {} ± {error:.2} points).",
        plus_minus(after.accuracy, after.standard_error),
        plus_minus(alone.accuracy, alone.standard_error),
        plus_minus(before.accuracy, before.standard_error),
        signed(change.mean, 2),
    );
    Finding { verdict, text }
}

fn knn(base: &Arm, continued: &Arm, entropic: &Arm, images: usize) -> Finding {
    // One measurement a model: its noise is that of counting right answers among the test images.
    let p = base.scores.knn / 100.0;
    let noise = 100.0 * (p * (1.0 - p) / images as f64).sqrt();
    Finding {
        verdict: Verdict::Note,
        text: format!(
            "{}-NN with all labels: {:.2} % with E2MC, {:.2} % continued without, {:.2} % before \
             (each ± {noise:.2} by the number of test images).",
            base.scores.k, entropic.scores.knn, continued.scores.knn, base.scores.knn
        ),
    }
}

fn entropy(base: &Arm, continued: &Arm, entropic: &Arm) -> Finding {
    let rises = entropic.entropy > base.entropy.max(continued.entropy);
    Finding {
        verdict: if rises {
            Verdict::Better
        } else {
            Verdict::Note
        },
        text: format!(
            "The mean marginal entropy of the embedding went from {} to {} nats with E2MC \
             (to {} without; 0 is uniform), its off-diagonal covariance from {:.4} to {:.4} \
             (to {:.4} without).",
            fixed(base.entropy, 3),
            fixed(entropic.entropy, 3),
            fixed(continued.entropy, 3),
            base.covariance,
            entropic.covariance,
            continued.covariance
        ),
    }
}
