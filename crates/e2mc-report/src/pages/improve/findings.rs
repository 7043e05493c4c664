//! What came of an improvement, in plain words, with the noise.

use e2mc_record::{Improvement, ImprovementVerdict, Shortage, UseVerdict};

use super::named;
use crate::number::{fixed, signed};
use crate::text::capital;
use crate::verdict::{Finding, Verdict};

/// The outcome in one sentence, with its number and interval.
#[must_use]
pub fn sentence(outcome: &Improvement) -> String {
    let usage = &outcome.usage;
    let chosen = outcome.chosen_row().map(named).unwrap_or_default();
    match (outcome.verdict, &outcome.verified) {
        (ImprovementVerdict::Better, Some(verified)) => format!(
            "Better for {usage}: {chosen} classifies {} % of the held-out images B correctly, the \
             old model {} %: a gain of {}.",
            fixed(verified.after, 2),
            fixed(verified.before, 2),
            gained(verified)
        ),
        (_, Some(verified)) => format!(
            "The old model stays: the best on A was {chosen}, and on B its gain for {usage} is {}, \
             which is not certain.",
            gained(verified)
        ),
        (ImprovementVerdict::NothingBetter, None) => format!(
            "The old model stays: for {usage} nothing was better than it on the held-out images A."
        ),
        _ => "The old model stays: there are too few labelled images to verify a gain.".into(),
    }
}

/// `+2.10 points (95 % interval +1.20 to +3.00)`
fn gained(verdict: &UseVerdict) -> String {
    let (low, high) = verdict.interval;
    let confidence = fixed(100.0 * verdict.confidence, 1);
    format!(
        "{} points ({} % interval {} to {})",
        signed(verdict.gain, 2),
        confidence.trim_end_matches(".0"),
        signed(low, 2),
        signed(high, 2)
    )
}

/// What the new model does in another use, or the candidate that was not taken: of it nothing is
/// better or worse for the user.
fn in_other_use(other: &UseVerdict, taken: bool) -> Finding {
    let (low, high) = other.interval;
    let verdict = match (low > 0.0, high < 0.0) {
        _ if !taken => Verdict::Note,
        (true, _) => Verdict::Better,
        (_, true) => Verdict::Worse,
        _ => Verdict::NoDifference,
    };
    let subject = match taken {
        true => "the new model",
        false => "the candidate that was not taken",
    };
    let protocol = match other.protocol.as_str() {
        "" => String::new(),
        protocol => format!(" ({protocol})"),
    };
    let text = format!(
        "For {}{protocol} {subject} classifies {} % of B correctly, the old model {} %: {}.",
        other.usage,
        fixed(other.after, 2),
        fixed(other.before, 2),
        gained(other)
    );
    Finding { verdict, text }
}

/// Why an improvement trains no candidate, and what would help.
#[must_use]
pub fn untrained(shortage: &Shortage) -> String {
    match shortage {
        Shortage::Budget { one, all } if all > one => format!(
            "the budget is too short to train a candidate: about {} would be enough for one, {} \
             for all",
            minutes(*one),
            minutes(*all)
        ),
        Shortage::Budget { one, .. } => format!(
            "the budget is too short to train a candidate: about {} would be enough",
            minutes(*one)
        ),
        Shortage::Images { batch } => format!(
            "the images (or the epochs) are too few to train a candidate in batches of {batch}"
        ),
        _ => "no candidate is trained".to_owned(),
    }
}

/// Seconds in whole minutes, rounded up.
fn minutes(seconds: f64) -> String {
    match (seconds / 60.0).ceil() as u64 {
        minutes if minutes < 90 => format!("{minutes} min"),
        minutes => format!("{} h", minutes.div_ceil(60)),
    }
}

/// `256`, or `256 in 4 slices`.
#[must_use]
pub fn in_slices(batch: usize, accumulate: usize) -> String {
    match accumulate {
        0 | 1 => batch.to_string(),
        _ => format!("{batch} in {accumulate} slices"),
    }
}

/// The findings, the outcome first.
#[must_use]
pub fn findings(outcome: &Improvement) -> Vec<Finding> {
    let better = outcome.verdict == ImprovementVerdict::Better;
    let mut found = vec![Finding {
        verdict: match better {
            true => Verdict::Better,
            false => Verdict::NoDifference,
        },
        text: sentence(outcome),
    }];
    found.extend(
        outcome
            .others
            .iter()
            .map(|other| in_other_use(other, better)),
    );
    if let Some(shortage) = outcome
        .plan
        .as_ref()
        .and_then(|plan| plan.shortage.as_ref())
    {
        found.push(Finding::note(capital(&untrained(shortage)) + "."));
    }
    if let (false, Some(gain)) = (better, outcome.detectable) {
        found.push(Finding::note(format!(
            "On the {} images of B, a gain of {} points or more would be detected four times in \
             five.",
            fixed(outcome.images.verify as f64, 0),
            fixed(gain, 2)
        )));
    }
    for &(labels, gain) in &outcome.labels_would_show {
        found.push(Finding::note(format!(
            "With {} labelled images, a gain of {} points would be detected four times in five, if \
             two models differ on a tenth of the images.",
            fixed(labels as f64, 0),
            fixed(gain, 1)
        )));
    }
    if let Some(looks) = outcome.looks {
        found.push(Finding::note(match looks {
            1 => "B was looked at once.".to_owned(),
            _ => format!(
                "B was evaluated {looks} times. Each time gives luck another chance; the interval \
                 does not account for this."
            ),
        }));
    }
    if outcome.interrupted {
        found.push(Finding {
            verdict: Verdict::Concern,
            text: "A signal stopped the search early; the same command resumes it.".into(),
        });
    }
    found.extend(outcome.warnings.iter().map(|text| Finding {
        verdict: Verdict::Concern,
        text: text.clone(),
    }));
    found
}
