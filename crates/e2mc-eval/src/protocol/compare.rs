//! Whether two evaluations differ beyond chance: all fits of two results, each with its partner.
//!
//! Fits are partners where protocol, classifier, fraction of the labels and seed are the same. They
//! must have learned from the same label subset and been evaluated on the same test rows in the
//! same order. Fits of one protocol, classifier and fraction make one [`MatchedLine`], which is
//! compared over images and label subsets at once. With `m` lines the intervals are at the level
//! `1 - level / m`, and p-values are corrected by Holm's method.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use e2mc_record::{EvaluationResult, FitKey, FoundResult, SplitRecord, Splits};

use super::Error;
use crate::{CompareConfig, CrossedComparison, compare_crossed, holm, npz_names, read_labels};

/// A result and the folder to which the places of its predictions are relative.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// The result.
    pub result: &'a EvaluationResult,
}

impl<'a> From<&'a FoundResult> for Judged<'a> {
    fn from(found: &'a FoundResult) -> Self {
        Self {
            folder: found.folder(),
            result: &found.result,
        }
    }
}

/// A fit that cannot be compared, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unmatched {
    /// Only the first result has it.
    OnlyFirst(FitKey),
    /// Only the second result has it.
    OnlySecond(FitKey),
    /// The two learned from other labels.
    OtherSubset(FitKey),
    /// The two were evaluated on other test rows, or in another order.
    OtherTestSet {
        /// The fit.
        fit: FitKey,
        /// Test rows of the first.
        first: usize,
        /// Test rows of the second.
        second: usize,
    },
    /// No single prediction a row was kept: of several labels a row there is none.
    NoPredictions(FitKey),
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyFirst(fit) => write!(f, "{fit}: only the first has it"),
            Self::OnlySecond(fit) => write!(f, "{fit}: only the second has it"),
            Self::OtherSubset(fit) => write!(f, "{fit}: learned from other labels"),
            Self::OtherTestSet { fit, first, second } => write!(
                f,
                "{fit}: the test rows differ ({first} against {second}), or their order does"
            ),
            Self::NoPredictions(fit) => write!(f, "{fit}: no predictions of one class a row"),
        }
    }
}

/// Fits of one protocol, classifier and fraction, each with its partner.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchedLine {
    /// Which; the seed is 0.
    pub key: FitKey,
    /// One fit each, in rising order.
    pub seeds: Vec<u64>,
    /// The class of each test row.
    pub labels: Vec<usize>,
    /// The first model's predictions, one list a seed.
    pub first: Vec<Vec<usize>>,
    /// The second model's.
    pub second: Vec<Vec<usize>>,
}

/// The fits of two results with their partners, and those without.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matches {
    /// In the order of [`FitKey`].
    pub lines: Vec<MatchedLine>,
    /// In the same order.
    pub unmatched: Vec<Unmatched>,
}

impl Matches {
    /// The lines, where every fit has its partner.
    ///
    /// # Errors
    /// [`Error::Unmatched`] lists the others.
    pub fn all(self) -> Result<Vec<MatchedLine>, Error> {
        match self.unmatched.is_empty() {
            true => self.common(),
            false => Err(Error::Unmatched {
                fits: self.unmatched,
                common: self.lines.len(),
            }),
        }
    }

    /// The lines of what both have.
    ///
    /// # Errors
    /// [`Error::Unmatched`] where both have nothing in common.
    pub fn common(self) -> Result<Vec<MatchedLine>, Error> {
        match self.lines.is_empty() {
            true => Err(Error::Unmatched {
                fits: self.unmatched,
                common: 0,
            }),
            false => Ok(self.lines),
        }
    }
}

/// Finds the partner of every fit.
///
/// # Errors
/// Where predictions cannot be read.
pub fn match_fits(first: Judged<'_>, second: Judged<'_>) -> Result<Matches, Error> {
    let (a, b) = (kept(first), kept(second));
    let keys: BTreeSet<&FitKey> = a.keys().chain(b.keys()).collect();
    let mut matches = Matches::default();
    for key in keys {
        let (a, b) = match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => (a, b),
            (Some(_), None) => {
                matches.unmatched.push(Unmatched::OnlyFirst(key.clone()));
                continue;
            }
            _ => {
                matches.unmatched.push(Unmatched::OnlySecond(key.clone()));
                continue;
            }
        };
        if a.subset != b.subset || other_images(first, second, |splits| &splits.train) {
            matches.unmatched.push(Unmatched::OtherSubset(key.clone()));
            continue;
        }
        let (Some(a), Some(b)) = (a.read()?, b.read()?) else {
            matches
                .unmatched
                .push(Unmatched::NoPredictions(key.clone()));
            continue;
        };
        let other = other_images(first, second, |splits| &splits.test);
        if other || a.labels != b.labels {
            matches.unmatched.push(Unmatched::OtherTestSet {
                fit: key.clone(),
                first: a.labels.len(),
                second: b.labels.len(),
            });
            continue;
        }
        matches.add(key, a.labels, a.predictions, b.predictions);
    }
    Ok(matches)
}

impl Matches {
    /// Adds a pair to its line. Keys come in order, so the line is the last or a new one.
    fn add(&mut self, key: &FitKey, labels: Vec<usize>, a: Vec<usize>, b: Vec<usize>) {
        let row = key.row();
        if let Some(line) = self.lines.last_mut().filter(|line| line.key == row) {
            if line.labels != labels {
                self.unmatched.push(Unmatched::OtherTestSet {
                    fit: key.clone(),
                    first: line.labels.len(),
                    second: labels.len(),
                });
                return;
            }
            line.seeds.push(key.seed);
            line.first.push(a);
            line.second.push(b);
            return;
        }
        self.lines.push(MatchedLine {
            key: row,
            seeds: vec![key.seed],
            labels,
            first: vec![a],
            second: vec![b],
        });
    }
}

/// Whether both results know a split's images, and they are not the same. Where either does not,
/// the labels are all that can tell.
fn other_images(
    first: Judged<'_>,
    second: Judged<'_>,
    split: fn(&Splits) -> &Option<SplitRecord>,
) -> bool {
    let known = |judged: Judged<'_>| {
        let record = split(&judged.result.splits).as_ref()?;
        record.fingerprint.clone()
    };
    let both = known(first).zip(known(second));
    both.is_some_and(|(first, second)| first != second)
}

/// What is kept of a fit.
struct Kept {
    subset: Option<String>,
    predictions: Option<PathBuf>,
}

/// One a test row.
struct Predictions {
    labels: Vec<usize>,
    predictions: Vec<usize>,
}

impl Kept {
    /// None if there is no single prediction a row.
    fn read(&self) -> Result<Option<Predictions>, Error> {
        let Some(path) = &self.predictions else {
            return Ok(None);
        };
        if !npz_names(path)?.iter().any(|name| name == "prediction") {
            return Ok(None);
        }
        let array = |name: &str| read_labels(format!("{}:{name}", path.display()));
        let (labels, predictions) = (array("label")?, array("prediction")?);
        if labels.len() != predictions.len() {
            return Err(crate::Error::Length {
                what: "list of predictions",
                found: predictions.len(),
                expected: labels.len(),
            }
            .into());
        }
        Ok(Some(Predictions {
            labels,
            predictions,
        }))
    }
}

fn kept(judged: Judged<'_>) -> BTreeMap<FitKey, Kept> {
    let fits = judged.result.fits().map(|fit| {
        let kept = Kept {
            subset: fit.subset.map(str::to_owned),
            predictions: fit.predictions.map(|place| judged.folder.join(place)),
        };
        (fit.key, kept)
    });
    fits.collect()
}

/// What a line shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedLine {
    /// Which; the seed is 0.
    pub key: FitKey,
    /// The label subsets' seeds.
    pub seeds: Vec<u64>,
    /// The second model against the first.
    pub difference: CrossedComparison,
    /// The probability that the interval covers the difference: `1 - level / m`.
    pub confidence: f64,
    /// The p-value after Holm's method.
    pub p_corrected: f64,
}

impl ComparedLine {
    /// Whether the two differ at the level that the lines were compared at: both the interval and
    /// the corrected p-value must say so.
    pub fn differs(&self, level: f64) -> bool {
        let (low, high) = self.difference.interval;
        (low > 0.0 || high < 0.0) && self.p_corrected < level
    }
}

/// Compares all lines; they are the `m` that intervals and p-values are corrected for. `level`, in
/// (0, 1), takes the place of the configuration's confidence.
///
/// # Errors
/// As [`compare_crossed`].
pub fn compare_lines(
    lines: &[MatchedLine],
    level: f64,
    config: &CompareConfig,
) -> Result<Vec<ComparedLine>, Error> {
    let confidence = 1.0 - level / lines.len().max(1) as f64;
    let config = CompareConfig {
        confidence,
        ..config.clone()
    };
    let compared: Result<Vec<CrossedComparison>, crate::Error> = lines
        .iter()
        .map(|line| compare_crossed(&line.first, &line.second, &line.labels, &config))
        .collect();
    let compared = compared?;
    let corrected = holm(&compared.iter().map(|line| line.p).collect::<Vec<f64>>());
    let all = lines.iter().zip(compared).zip(corrected);
    Ok(all
        .map(|((line, difference), p_corrected)| ComparedLine {
            key: line.key.clone(),
            seeds: line.seeds.clone(),
            difference,
            confidence,
            p_corrected,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{figures, write_predictions};
    use e2mc_record::{ProbeFit, ProbeRow, Protocol, ResultFolder};

    fn split(fingerprint: &str) -> Option<SplitRecord> {
        Some(SplitRecord {
            split: "test".into(),
            images: 6,
            fingerprint: Some(fingerprint.into()),
        })
    }
    use tempfile::TempDir;

    const LABELS: [usize; 6] = [0, 1, 0, 1, 0, 1];

    /// A result of one row a fraction and one fit a seed, which gets the first `right` images
    /// right.
    fn judged(
        fractions: &[f64],
        seeds: &[u64],
        right: usize,
        labels: &[usize],
    ) -> (TempDir, EvaluationResult) {
        let outside = tempfile::tempdir().unwrap();
        let folder = ResultFolder::create(outside.path(), false).unwrap();
        let mut result = EvaluationResult::new("probe", "model", Protocol::Linear);
        for &fraction in fractions {
            let fit = |&seed: &u64| {
                let predicted: Vec<usize> = labels
                    .iter()
                    .enumerate()
                    .map(|(at, &label)| if at < right { label } else { 1 - label })
                    .collect();
                let name = format!("{fraction}-{seed}");
                ProbeFit {
                    seed,
                    subset: Some(format!("{fraction} {seed}")),
                    l2: None,
                    converged: None,
                    loss: None,
                    figures: figures(&predicted, labels, 2, None).unwrap(),
                    predictions: write_predictions(&folder, &name, labels, &predicted, None)
                        .unwrap(),
                    missing: 0,
                }
            };
            result.probes.push(ProbeRow {
                probe: "sgd".into(),
                fraction,
                images: 1,
                accuracy: 0.0,
                standard_error: None,
                spans: None,
                accuracies: Vec::new(),
                top5: None,
                runs: seeds.iter().map(fit).collect(),
            });
        }
        folder.write(&result).unwrap();
        (outside, result)
    }

    fn judge(side: &(TempDir, EvaluationResult)) -> Judged<'_> {
        Judged {
            folder: side.0.path(),
            result: &side.1,
        }
    }

    fn matched(a: &(TempDir, EvaluationResult), b: &(TempDir, EvaluationResult)) -> Matches {
        match_fits(judge(a), judge(b)).unwrap()
    }

    #[test]
    fn every_fit_finds_its_partner_and_each_fraction_is_one_line() {
        let a = judged(&[0.01, 0.1], &[0, 1, 2], 2, &LABELS);
        let b = judged(&[0.1, 0.01], &[2, 0, 1], 6, &LABELS);
        let lines = matched(&a, &b).all().unwrap();
        let names: Vec<String> = lines.iter().map(|line| line.key.row_name()).collect();
        assert_eq!(names, ["sgd, 1 % of labels", "sgd, 10 % of labels"]);
        assert_eq!(lines[0].seeds, [0, 1, 2]);
        let config = CompareConfig {
            bootstraps: 200,
            ..CompareConfig::default()
        };
        let compared = compare_lines(&lines, 0.05, &config).unwrap();
        assert_eq!(compared.len(), 2);
        for line in &compared {
            assert_eq!(line.confidence, 1.0 - 0.05 / 2.0);
            let found = &line.difference;
            assert_eq!((found.subsets, found.samples), (3, 6));
            assert!((found.mean_difference - 4.0 / 6.0).abs() < 1e-12);
            assert!((line.p_corrected - (2.0 * found.p).min(1.0)).abs() < 1e-12);
        }
        // Nothing to tell apart.
        let same = compare_lines(&matched(&a, &a).all().unwrap(), 0.05, &config).unwrap();
        assert!(
            same.iter()
                .all(|line| line.p_corrected == 1.0 && !line.differs(0.05))
        );
    }

    #[test]
    fn fits_without_a_partner_are_listed() {
        let a = judged(&[0.01, 0.1], &[0, 1], 2, &LABELS);
        let b = judged(&[0.1, 1.0], &[1, 2], 6, &LABELS);
        let found = matched(&a, &b);
        let text: Vec<String> = found.unmatched.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "sgd, 1 % of labels, seed 0: only the first has it",
                "sgd, 1 % of labels, seed 1: only the first has it",
                "sgd, 10 % of labels, seed 0: only the first has it",
                "sgd, 10 % of labels, seed 2: only the second has it",
                "sgd, 100 % of labels, seed 1: only the second has it",
                "sgd, 100 % of labels, seed 2: only the second has it",
            ]
        );
        let error = found.clone().all().unwrap_err().to_string();
        assert!(
            error.starts_with("6 fits have no counterpart:\n  sgd, 1 % of labels, seed 0: only"),
            "{error}"
        );
        let common = found.common().unwrap();
        assert_eq!((common.len(), &common[0].seeds), (1, &vec![1]));
    }

    #[test]
    fn other_labels_and_other_test_sets_are_no_partners() {
        let a = judged(&[0.1], &[0], 2, &LABELS);
        let mut b = judged(&[0.1], &[0], 6, &LABELS);
        b.1.probes[0].runs[0].subset = Some("other".into());
        let found = matched(&a, &b);
        assert!(
            matches!(found.unmatched[..], [Unmatched::OtherSubset(_)]),
            "{found:?}"
        );
        assert!(found.common().is_err());
        let b = judged(&[0.1], &[0], 6, &LABELS[..4]);
        let text = matched(&a, &b).unmatched[0].to_string();
        assert!(
            text.ends_with("the test rows differ (6 against 4), or their order does"),
            "{text}"
        );
        // Other images may have the same labels.
        let (mut a, mut b) = (
            judged(&[0.1], &[0], 2, &LABELS),
            judged(&[0.1], &[0], 6, &LABELS),
        );
        (a.1.splits.test, b.1.splits.test) = (split("one"), split("one"));
        assert!(matched(&a, &b).unmatched.is_empty());
        b.1.splits.test = split("other");
        let found = matched(&a, &b).unmatched;
        assert!(
            matches!(found[..], [Unmatched::OtherTestSet { .. }]),
            "{found:?}"
        );
        b.1.splits.test = None;
        assert!(matched(&a, &b).unmatched.is_empty());
        (a.1.splits.train, b.1.splits.train) = (split("one"), split("other"));
        let found = matched(&a, &b).unmatched;
        assert!(
            matches!(found[..], [Unmatched::OtherSubset(_)]),
            "{found:?}"
        );
        let mut b = judged(&[0.1], &[0], 6, &LABELS);
        b.1.probes[0].runs[0].predictions = None;
        let found = matched(&a, &b);
        assert!(
            matches!(found.unmatched[..], [Unmatched::NoPredictions(_)]),
            "{found:?}"
        );
    }
}
