//! Findings: sentences that say what came out, and the kind of news that each is.
//!
//! Better and worse are claims. They need an interval of the change that excludes zero, at a level
//! that is corrected for the number of changes shown beside each other; a change without an
//! interval is a note.

use crate::number::{fixed, signed};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// How often chance alone may call any of the changes shown better or worse.
const LEVEL: f64 = 0.05;

/// A sentence that says what came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of news it is.
    pub verdict: Verdict,
    /// The sentence.
    pub text: String,
}

impl Finding {
    /// A fact that is neither good nor bad.
    pub(crate) fn note(text: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Note,
            text: text.into(),
        }
    }
}

/// The kind of news that a finding is; the page prints it as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Improved by more than the noise.
    Better,
    /// Became worse by more than the noise.
    Worse,
    /// No difference beyond the noise.
    NoDifference,
    /// As it should be, of a single thing that is compared with nothing.
    Good,
    /// Not as it should be, of a single thing.
    Concern,
    /// A fact that is neither.
    Note,
}

impl Verdict {
    /// The kind of news in a word or two, as the page says it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Better => "Better",
            Self::Worse => "Worse",
            Self::NoDifference => "Within noise",
            Self::Good => "Good",
            Self::Concern => "Look here",
            Self::Note => "Note",
        }
    }

    /// What the style sheet calls it.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoDifference => "even",
            Self::Good => "good",
            Self::Concern => "concern",
            Self::Note => "note",
        }
    }
}

/// A change of a quantity of which more is better, with what is known of its noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The mean change.
    pub value: f64,
    /// Its standard error; `None` where nothing is known of it.
    pub standard_error: Option<f64>,
    /// The differences that the error was estimated from where they are few, such as label subsets;
    /// `None` for many.
    pub samples: Option<usize>,
}

impl Change {
    /// The interval of the change at level 1 - 0.05 / `shown`, so that all of `shown` intervals
    /// hold at once in 95 of 100 cases; `None` without a usable standard error.
    #[must_use]
    pub fn interval(self, shown: usize) -> Option<(f64, f64)> {
        // Fits that differ by the same few images have no spread, but are no proof.
        let usable = |error: &f64| error.is_finite() && (*error > 0.0 || self.value == 0.0);
        let error = self.standard_error.filter(usable)?;
        let probability = 1.0 - LEVEL / (2.0 * shown.max(1) as f64);
        let wide = match self.samples {
            Some(samples) => {
                let freedom = samples.checked_sub(1).filter(|&freedom| freedom > 0)?;
                let t = StudentsT::new(0.0, 1.0, freedom as f64).ok()?;
                t.inverse_cdf(probability)
            }
            None => Normal::standard().inverse_cdf(probability),
        };
        Some((self.value - wide * error, self.value + wide * error))
    }

    /// The change with its interval, in words: `−6.86 points, 95 % interval −15.23 to +1.51`;
    /// `over` says what the error is over, such as ` over the same label subsets`.
    #[must_use]
    pub fn in_words(self, shown: usize, over: &str) -> String {
        let value = signed(self.value, 2);
        match self.interval(shown) {
            Some((low, high)) => {
                let level = fixed(100.0 * (1.0 - LEVEL / shown.max(1) as f64), 1);
                format!(
                    "{value} points{over}, {} % interval {} to {}",
                    level.trim_end_matches(".0"),
                    signed(low, 2),
                    signed(high, 2)
                )
            }
            None => format!("{value} points{over}"),
        }
    }

    /// Better or worse where the interval excludes zero, and a note where there is none; `shown`
    /// changes are shown beside each other.
    #[must_use]
    pub fn verdict(self, shown: usize) -> Verdict {
        match self.interval(shown) {
            Some((low, _)) if low > 0.0 => Verdict::Better,
            Some((_, high)) if high < 0.0 => Verdict::Worse,
            Some(_) => Verdict::NoDifference,
            None => Verdict::Note,
        }
    }
}

/// A finding on its way to the page: how sure a claim must be depends on how many there are.
pub(crate) enum Draft {
    /// It is what it is.
    Settled(Finding),
    /// A change, with its sentence.
    Claim {
        /// What changed, and by how much.
        change: Change,
        /// The sentence; the change with its interval is added to it.
        text: String,
        /// What the change was found over, in words; may be empty.
        over: &'static str,
    },
}

/// Gives each claim its verdict, corrected for the number of claims beside each other.
pub(crate) fn settle(drafts: Vec<Draft>) -> Vec<Finding> {
    let claims = drafts.iter().filter(
        |draft| matches!(draft, Draft::Claim { change, .. } if change.interval(1).is_some()),
    );
    let shown = claims.count();
    let settled = drafts.into_iter().map(|draft| match draft {
        Draft::Settled(finding) => finding,
        Draft::Claim { change, text, over } => Finding {
            verdict: change.verdict(shown),
            text: format!("{text} (paired change {}).", change.in_words(shown, over)),
        },
    });
    settled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: f64, error: Option<f64>, samples: Option<usize>) -> Change {
        Change {
            value,
            standard_error: error,
            samples,
        }
    }

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Quantiles 0.975 and 0.9875 of the normal distribution, 0.975 of t with 4 degrees of
        // freedom.
        let half = |change: Change, shown| (change.interval(shown).unwrap().1 - change.value) / 0.5;
        assert!((half(change(1.0, Some(0.5), None), 1) - 1.959_964).abs() < 1e-5);
        assert!((half(change(1.0, Some(0.5), None), 2) - 2.241_403).abs() < 1e-5);
        assert!((half(change(1.0, Some(0.5), Some(5)), 1) - 2.776_445).abs() < 1e-5);
    }

    #[test]
    fn the_interval_in_words_is_the_one_that_decides() {
        let change = change(-6.86, Some(4.27), None);
        assert_eq!(
            change.in_words(1, ""),
            "−6.86 points, 95 % interval −15.23 to +1.51"
        );
        let two = change.in_words(2, " over the same label subsets");
        assert!(
            two.contains("subsets, 97.5 % interval −16.43 to +2.71"),
            "{two}"
        );
    }

    #[test]
    fn a_claim_needs_an_interval_that_excludes_zero_after_correction() {
        let two = change(2.1, Some(1.0), None);
        assert_eq!(two.verdict(1), Verdict::Better);
        assert_eq!(two.verdict(4), Verdict::NoDifference);
        assert_eq!(change(-2.1, Some(1.0), None).verdict(1), Verdict::Worse);
        // Few label subsets tell less.
        assert_eq!(
            change(2.1, Some(1.0), Some(3)).verdict(1),
            Verdict::NoDifference
        );
        for unknown in [
            change(9.0, None, None),
            change(9.0, Some(f64::NAN), None),
            change(9.0, Some(f64::INFINITY), None),
            change(9.0, Some(0.1), Some(1)),
            change(9.0, Some(0.1), Some(0)),
            change(9.0, Some(0.0), Some(2)),
        ] {
            assert_eq!(unknown.verdict(1), Verdict::Note, "{unknown:?}");
        }
        assert_eq!(
            change(0.0, Some(0.0), None).verdict(1),
            Verdict::NoDifference
        );
    }
}
