//! What came out of the choice among maps, in words.

use std::path::PathBuf;

use e2mc_base::counted;
use e2mc_eval::adapt::{MapChoice, Method, Use, Verdict, Verified};
use e2mc_report::{signed, significant};

use super::table;

/// Candidates that are listed, beside none.
const LISTED: usize = 5;

/// Maps that were compared for embeddings.
#[derive(Debug)]
pub struct Adaptation<'a> {
    /// What the embeddings are called.
    pub name: &'a str,
    /// Their rows.
    pub rows: usize,
    /// Their dimensions.
    pub dims: usize,
    /// One for each use.
    pub outcomes: &'a [MapChoice],
    /// Where the map of each was written.
    pub maps: Vec<PathBuf>,
    /// Whether labels were used, rather than a second view.
    pub labelled: bool,
}

/// A method with its settings, and the unit length that follows it.
pub fn map_name(method: &Method, unit_length: bool) -> String {
    match unit_length {
        true => format!("{method}, unit length"),
        false => method.to_string(),
    }
}

impl Adaptation<'_> {
    /// What was chosen and what it gains, or that the embeddings stay unchanged.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}: {} of {}\n",
            self.name,
            counted(self.rows, "row"),
            counted(self.dims, "dimension")
        );
        if let Some(first) = self.outcomes.first() {
            let parts = first.parts;
            let copies = match first.copies {
                Some(_) => "nearly equal rows",
                None => "equal rows (nearly equal ones would connect too many)",
            };
            text.push_str(&format!(
                "{} rows to fit on, {} held-out rows A to choose on, {} held-out rows B to verify \
                 on; {copies} lie in one part\n",
                parts.train, parts.choose, parts.verify
            ));
        }
        for (outcome, map) in self.outcomes.iter().zip(&self.maps) {
            text.push_str(&format!(
                "\nFor {}: {}",
                outcome.usage,
                self.verdict(outcome)
            ));
            if let Some(looks) = outcome.verified.as_ref().and_then(|v| v.looks) {
                text.push_str(&looks_said(looks));
            }
            text.push('\n');
            text.push_str(&self.candidates(outcome));
            text.push_str(&format!("map: {}\n", map.display()));
        }
        text
    }

    fn verdict(&self, outcome: &MapChoice) -> String {
        let stays = "the embeddings stay unchanged (the map is the identity).";
        let right = match self.labelled {
            true => "right",
            false => "of the images found by their other view",
        };
        let best = outcome.chosen.map(|place| &outcome.candidates[place]);
        let name = best.map_or(String::new(), |best| {
            map_name(&best.method, best.unit_length)
        });
        match (outcome.verdict, &outcome.verified) {
            (Verdict::Gain, Some(verified)) => format!(
                "{name}.\nOn B it gets {:.2} % {right}, without it {:.2} %: a gain of {}.",
                100.0 * verified.with,
                100.0 * verified.without,
                gained(verified)
            ),
            (Verdict::NotVerified, Some(verified)) => format!(
                "{stays}\nThe best on A was {name}. On B the difference is {}: no certain gain.{}",
                gained(verified),
                detectable(outcome)
            ),
            (Verdict::NothingBetter, _) => format!(
                "{stays}\nNo map was better on A, so B was not evaluated.{}",
                detectable(outcome)
            ),
            _ => format!(
                "{stays}\nNothing was evaluated: too few rows are held out, or all are of one \
                 class."
            ),
        }
    }

    /// None, then the best on A.
    fn candidates(&self, outcome: &MapChoice) -> String {
        let Some((none, others)) = outcome.candidates.split_first() else {
            return String::new();
        };
        let mut others: Vec<_> = others.iter().collect();
        others.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy));
        let left = others.len().saturating_sub(LISTED);
        let measure = match (self.labelled, outcome.usage) {
            (false, _) => "found by the other view, %",
            (true, Use::Neighbours) => "20-NN weighted, % right",
            (true, Use::SgdHead) => "SGD head, % right",
            (true, Use::Classifier) => "logistic, % right",
        };
        let mut rows = vec![vec!["compared on A".to_owned(), measure.to_owned()]];
        rows.extend(
            [none]
                .into_iter()
                .chain(others.into_iter().take(LISTED))
                .map(|candidate| {
                    let name = map_name(&candidate.method, candidate.unit_length);
                    vec![name, format!("{:.2}", 100.0 * candidate.accuracy)]
                }),
        );
        let mut text = table(&rows);
        if left > 0 {
            text.push_str(&format!("and {left} more, not better\n"));
        }
        text
    }
}

/// `+3.20 points, 95 % interval +1.10 to +5.30, one-sided permutation test p = 0.0021 (a gain needs
/// 0.025 or less)`
fn gained(verified: &Verified) -> String {
    let (low, high) = verified.interval;
    let p = match verified.p {
        p if p < 1e-4 => "p < 0.0001".to_owned(),
        p => format!("p = {p:.4}"),
    };
    // An interval leaves out as much on either side; the test looks at the side of gains alone.
    let needed = significant((1.0 - verified.confidence) / 2.0);
    format!(
        "{} points, {} % interval {} to {}, one-sided permutation test {p} (a gain needs {} or \
         less)",
        signed(100.0 * verified.gain, 2),
        percent(verified.confidence),
        signed(100.0 * low, 2),
        signed(100.0 * high, 2),
        needed.trim_end_matches('0')
    )
}

/// `95`, `98.3`
fn percent(confidence: f64) -> String {
    let text = format!("{:.1}", 100.0 * confidence);
    text.trim_end_matches(".0").to_owned()
}

fn detectable(outcome: &MapChoice) -> String {
    let Some(gain) = outcome.detectable else {
        return String::new();
    };
    format!(
        "\nA gain of {:.2} points or more on B would be detected four times in five.",
        100.0 * gain
    )
}

fn looks_said(looks: u64) -> String {
    match looks {
        1 => "\nEvaluations on B so far: 1.".to_owned(),
        _ => format!(
            "\nEvaluations on B so far: {looks}. Each gives luck another chance; the interval does \
             not account for this."
        ),
    }
}

#[cfg(test)]
mod tests {
    use e2mc::Matrix;
    use e2mc_eval::adapt::{Candidate, Parts, fit};

    use super::*;

    fn outcome(verdict: Verdict) -> MapChoice {
        let rows = Matrix::new(vec![0.0, 1.0, 2.0, 5.0], 2, 2).unwrap();
        let candidate = |method, accuracy| Candidate {
            method,
            unit_length: false,
            accuracy,
        };
        MapChoice {
            usage: Use::Neighbours,
            verdict,
            map: fit(&rows.view(), &Method::None, false, 0).unwrap(),
            candidates: vec![
                candidate(Method::None, 0.5),
                candidate(Method::Center, 0.75),
            ],
            chosen: Some(1),
            verified: Some(Verified {
                without: 0.5,
                with: 0.7,
                gain: 0.2,
                interval: (0.125, 0.275),
                confidence: 1.0 - 0.05 / 3.0,
                p: 0.00001,
                looks: Some(2),
            }),
            detectable: Some(0.1),
            parts: Parts {
                train: 60,
                choose: 20,
                verify: 20,
                groups: 100,
            },
            copies: Some(0.99),
            fingerprint: String::new(),
        }
    }

    fn text(outcome: MapChoice) -> String {
        Adaptation {
            name: "z.npy",
            rows: 100,
            dims: 2,
            outcomes: &[outcome],
            maps: vec!["m.safetensors".into()],
            labelled: true,
        }
        .text()
    }

    #[test]
    fn a_gain_is_said_with_its_interval_and_the_looks() {
        let text = text(outcome(Verdict::Gain));
        for part in [
            "For neighbours: center.\n",
            "On B it gets 70.00 % right, without it 50.00 %: a gain of +20.00 points, 98.3 % \
             interval +12.50 to +27.50, one-sided permutation test p < 0.0001 (a gain needs \
             0.008333 or less).\n",
            "Evaluations on B so far: 2.",
            "compared on A   20-NN weighted, % right\n",
            "center                            75.00\n",
            "map: m.safetensors\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("smallest gain"), "{text}");
    }

    #[test]
    fn no_gain_is_said_with_the_smallest_that_would_have_been_seen() {
        let not = text(outcome(Verdict::NotVerified));
        assert!(
            not.contains("stay unchanged") && not.contains("no certain gain"),
            "{not}"
        );
        let nothing = text(MapChoice {
            chosen: Some(0),
            verified: None,
            ..outcome(Verdict::NothingBetter)
        });
        assert!(nothing.contains("B was not evaluated"), "{nothing}");
        for text in [not, nothing] {
            assert!(
                text.contains("A gain of 10.00 points or more on B"),
                "{text}"
            );
        }
        let few = text(MapChoice {
            chosen: None,
            verified: None,
            detectable: None,
            candidates: Vec::new(),
            ..outcome(Verdict::NotJudged)
        });
        assert!(few.contains("too few rows are held out"), "{few}");
    }
}
