//! Choosing a map on held-out rows A and verifying the choice on held-out rows B.
//!
//! 1. Rows that are nearly the same are grouped; groups are dealt to a part to fit on (60 %), A and
//!    B (20 % each), so that no copy lies on two sides. Of more than [`AutoConfig::most_rows`] rows
//!    an even sample takes part.
//! 2. Every candidate is fitted on the first part, and for each use evaluated on A, beside the
//!    identity. The best is fitted again on the first part and A.
//! 3. Where the best is not the identity, it is evaluated on B, paired with the identity over
//!    images and label subsets. It is a gain if the interval of the difference excludes zero at
//!    [`AutoConfig::level`], divided by the number of uses (Bonferroni), and a permutation test
//!    agrees. The map that is returned is the one that was evaluated.
//!
//! Labels are never fitted to: they only judge. With a second view of the same images instead of
//! labels, what is evaluated is whether an image's other view finds it, and nothing else is
//! claimed.

use e2mc::Matrix;
use sha2::{Digest, Sha256};

use super::duplicates::Groups;
use super::gain::Gain;
use super::judge::{Learning, Task, retrieved, right};
use super::split::Split;
use super::statistics::hex;
use super::versus::{Answers, COPIES, LEAST_HELD_OUT, Versus};
use super::{
    AutoConfig, Candidate, Map, MapChoice, Method, Statistics, Use, Verdict, Verified, count_look,
};
use crate::diagnostics::rows::{check_finite, pick, spread_rows};
use crate::{Error, Rows, check};

/// What a map is evaluated by.
#[derive(Clone, Copy)]
pub enum Evidence<'a> {
    /// One class number for each row.
    Labels(&'a [usize]),
    /// Another view of the same images, row by row: only [`Use::Neighbours`], and only the
    /// retrieval of an image by its other view.
    SecondView(&'a dyn Rows),
    /// Nothing: the identity is returned.
    Nothing,
}

/// Chooses and verifies a map for each use of `rows` `(n, d)`, evaluated by `evidence`: one outcome
/// for each of [`AutoConfig::uses`].
///
/// Cost: `n^2 d` operations to find copies, and each candidate's use on A: neighbours
/// `2 n_train n_a d`, a head by SGD or a tuned classifier for each label subset. Memory: the rows
/// that take part, three times.
///
/// # Errors
/// Rows that [`Statistics::measure`] refuses, labels or a second view of another length, labels of
/// one class only, a setting out of its range, a use that needs labels but has only a view, a file
/// that cannot be read or written.
pub fn auto(
    rows: &dyn Rows,
    evidence: Evidence<'_>,
    config: &AutoConfig,
) -> Result<Vec<MapChoice>, Error> {
    config.check()?;
    config
        .methods
        .iter()
        .try_for_each(|method| method.check(rows.cols()))?;
    check::shape(rows.rows(), rows.cols(), "the")?;
    if rows.rows() < 2 {
        return Err(Error::TooFewRows { rows: rows.rows() });
    }
    let wanted = spread_rows(rows.rows(), config.most_rows, config.seed);
    let sample = gather(rows, &wanted, "the")?;
    let judge = Judge::new(rows, evidence, &wanted, config)?;
    let fingerprint = fingerprint(&sample, &judge, rows.rows());
    let groups = Groups::find(sample.view(), COPIES);
    let split = Split::draw(&groups, config.seed);
    let trial = Trial {
        sample,
        judge,
        groups,
        split,
        fingerprint,
        config,
    };
    trial.run()
}

/// The rows `wanted`; finite. Errors call them `set`.
fn gather(rows: &dyn Rows, wanted: &[usize], set: &'static str) -> Result<Matrix, Error> {
    let picked = pick(rows, wanted)?;
    match check_finite(0, picked.view()) {
        Err(Error::NotFinite {
            row, column, value, ..
        }) => Err(Error::NotFinite {
            set,
            row: wanted[row],
            column,
            value,
        }),
        _ => Ok(picked),
    }
}

/// What verifies the rows that take part: their labels, or their other view.
enum Judge {
    Labels { labels: Vec<usize>, classes: usize },
    Second(Matrix),
    Nothing,
}

impl Judge {
    fn new(
        rows: &dyn Rows,
        evidence: Evidence<'_>,
        wanted: &[usize],
        config: &AutoConfig,
    ) -> Result<Self, Error> {
        match evidence {
            Evidence::Nothing => Ok(Self::Nothing),
            Evidence::Labels(all) => {
                check::label_count(rows.rows(), all, "the")?;
                let classes = all.iter().max().map_or(0, |&most| most.saturating_add(1));
                check::labels(all, classes, "the")?;
                let labels: Vec<usize> = wanted.iter().map(|&row| all[row]).collect();
                if labels.iter().all(|&label| label == labels[0]) {
                    return Err(Error::OneClass {
                        class: labels[0],
                        rows: labels.len(),
                    });
                }
                Ok(Self::Labels { labels, classes })
            }
            Evidence::SecondView(second) => {
                if let Some(usage) = config.uses.iter().find(|usage| usage.subsets()) {
                    return Err(Error::NeedsLabels {
                        usage: usage.name(),
                    });
                }
                if (second.rows(), second.cols()) != (rows.rows(), rows.cols()) {
                    return Err(Error::ViewShape {
                        view: 1,
                        rows: second.rows(),
                        cols: second.cols(),
                        expected_rows: rows.rows(),
                        expected_cols: rows.cols(),
                    });
                }
                Ok(Self::Second(gather(second, wanted, "the second view's")?))
            }
        }
    }
}

fn fingerprint(sample: &Matrix, judge: &Judge, rows: usize) -> String {
    let mut hash = Sha256::new();
    for size in [rows, sample.rows(), sample.cols()] {
        hash.update((size as u64).to_le_bytes());
    }
    let mut floats = |values: &[f32]| {
        for values in values.chunks(4096) {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            hash.update(&bytes);
        }
    };
    floats(sample.data());
    match judge {
        Judge::Second(second) => floats(second.data()),
        Judge::Labels { labels, .. } => {
            labels
                .iter()
                .for_each(|&label| hash.update((label as u64).to_le_bytes()));
        }
        Judge::Nothing => {}
    }
    hex(&hash.finalize())
}

/// Everything that is the same for all uses.
struct Trial<'a> {
    sample: Matrix,
    judge: Judge,
    groups: Groups,
    split: Split,
    fingerprint: String,
    config: &'a AutoConfig,
}

/// Rows taken out of the sample.
struct Part {
    first: Matrix,
    second: Option<Matrix>,
    labels: Vec<usize>,
    groups: Vec<usize>,
}

impl Trial<'_> {
    fn run(self) -> Result<Vec<MapChoice>, Error> {
        let config = self.config;
        let Split {
            train,
            choose,
            verify,
            ..
        } = &self.split;
        let small = [choose, verify]
            .into_iter()
            .any(|part| part.len() < LEAST_HELD_OUT);
        let train_part = self.part(train);
        let one_class = train_part.labels.windows(2).all(|pair| pair[0] == pair[1]);
        let unable = match &self.judge {
            Judge::Nothing => true,
            Judge::Labels { .. } => small || one_class,
            Judge::Second(_) => small,
        };
        if unable {
            let statistics = Statistics::measure(&self.sample.view())?;
            let map = statistics.fit(&self.sample.view(), &Method::None, false, config.seed)?;
            return Ok((config.uses.iter())
                .map(|&usage| self.outcome(usage, map.clone()))
                .collect());
        }

        let choose_part = self.part(choose);
        let fitted = self.fitted(&train_part)?;
        let mut kept: Vec<usize> = train.iter().chain(choose).copied().collect();
        kept.sort_unstable();
        let kept_part = self.part(&kept);
        let verify_part = self.part(verify);
        let again = Statistics::measure(&kept_part.first.view())?;
        let mut looks = None;
        let mut outcomes = Vec::with_capacity(config.uses.len());
        for &usage in &config.uses {
            let (candidates, chosen, detectable) =
                self.choose(usage, &fitted, &train_part, &choose_part)?;
            let (method, unit_length) =
                (&candidates[chosen].method, candidates[chosen].unit_length);
            let refit = |method: &Method, unit_length| {
                again.fit(&kept_part.first.view(), method, unit_length, config.seed)
            };
            let identity = refit(&Method::None, false)?;
            let mut outcome = MapChoice {
                verdict: Verdict::NothingBetter,
                chosen: Some(chosen),
                detectable: Some(detectable),
                ..self.outcome(usage, identity)
            };
            if chosen > 0 {
                if let (None, Some(path)) = (looks, &config.looks) {
                    // Counted before the look: one that is broken off was one.
                    looks = Some(count_look(path, &self.fingerprint)?);
                }
                let map = refit(method, unit_length)?;
                let (verified, detectable) =
                    self.verify(usage, &map, &kept_part, &verify_part, looks)?;
                outcome.verdict = if verified.is_gain() {
                    outcome.map = map;
                    Verdict::Gain
                } else {
                    Verdict::NotVerified
                };
                outcome.detectable = Some(detectable);
                outcome.verified = Some(verified);
            }
            outcome.candidates = candidates;
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// An outcome in which nothing was evaluated.
    fn outcome(&self, usage: Use, identity: Map) -> MapChoice {
        MapChoice {
            usage,
            verdict: Verdict::NotJudged,
            map: identity,
            candidates: Vec::new(),
            chosen: None,
            verified: None,
            detectable: None,
            parts: self.split.parts(),
            copies: self.groups.threshold,
            fingerprint: self.fingerprint.clone(),
        }
    }

    fn part(&self, rows: &[usize]) -> Part {
        let pick = |matrix: &Matrix| {
            let view = matrix.view();
            let data = rows
                .iter()
                .flat_map(|&row| view.row(row))
                .copied()
                .collect();
            Matrix::new(data, rows.len(), view.cols()).expect("whole rows")
        };
        Part {
            first: pick(&self.sample),
            second: match &self.judge {
                Judge::Second(second) => Some(pick(second)),
                _ => None,
            },
            labels: match &self.judge {
                Judge::Labels { labels, .. } => rows.iter().map(|&row| labels[row]).collect(),
                _ => Vec::new(),
            },
            groups: rows.iter().map(|&row| self.groups.of_row[row]).collect(),
        }
    }

    /// The identity and every method, on the rows to fit on. A method that these rows do not allow
    /// (no bound on the eigenvalues, fewer rows than dimensions) is left out.
    fn fitted(&self, train: &Part) -> Result<Vec<Map>, Error> {
        let view = train.first.view();
        let statistics = Statistics::measure(&view)?;
        let mut maps = Vec::new();
        let methods = self
            .config
            .methods
            .iter()
            .filter(|method| **method != Method::None);
        for method in [&Method::None].into_iter().chain(methods) {
            match statistics.fit(&view, method, false, self.config.seed) {
                Ok(map) => maps.push(map),
                Err(
                    Error::FewerRowsThanDimensions { .. }
                    | Error::NoVariance { .. }
                    | Error::MapDiverged { .. },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(maps)
    }

    /// The candidates for a use with what they get right on A, the place of the best, and the gain
    /// that B would show, going by A.
    fn choose(
        &self,
        usage: Use,
        fitted: &[Map],
        train: &Part,
        choose: &Part,
    ) -> Result<(Vec<Candidate>, usize, f64), Error> {
        let subsets = self.config.choice_subsets;
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut right_of: Vec<Vec<Vec<bool>>> = Vec::new();
        for map in fitted {
            for unit_length in [false, true] {
                if unit_length && !usage.sees_length() {
                    continue;
                }
                let map = Map {
                    unit_length,
                    ..map.clone()
                };
                let right = self.right(usage, &map, train, choose, subsets)?;
                candidates.push(Candidate {
                    method: map.method,
                    unit_length,
                    accuracy: share(&right),
                });
                right_of.push(right);
            }
        }
        let mut best = 0;
        for (place, candidate) in candidates.iter().enumerate() {
            if candidate.accuracy > candidates[best].accuracy {
                best = place;
            }
        }
        // The chosen map against none; if none was chosen, the best of the others.
        let rival = (1..candidates.len())
            .max_by(|&a, &b| candidates[a].accuracy.total_cmp(&candidates[b].accuracy));
        let rival = if best > 0 { best } else { rival.unwrap_or(0) };
        let gain = Gain::of(&differences(&right_of[rival], &right_of[0]), &choose.groups);
        let ratio =
            choose.labels.len().max(choose.groups.len()) as f64 / self.split.verify.len() as f64;
        let detectable = gain.detectable(self.confidence(), ratio);
        Ok((candidates, best, detectable))
    }

    fn verify(
        &self,
        usage: Use,
        map: &Map,
        kept: &Part,
        verify: &Part,
        looks: Option<u64>,
    ) -> Result<(Verified, f64), Error> {
        let subsets = self.config.subsets;
        let identity = Map {
            shift: vec![0.0; map.input_dims()],
            linear: super::map::Linear::Identity,
            unit_length: false,
            ..map.clone()
        };
        let answers = |map: &Map| -> Result<Answers, Error> {
            let right = self.right(usage, map, kept, verify, subsets)?;
            Ok(Answers { right })
        };
        let (without, with) = (answers(&identity)?, answers(map)?);
        let (confidence, seed) = (self.confidence(), self.config.seed);
        let versus = Versus::of(&with, &without, &verify.groups, confidence, seed);
        let verified = Verified {
            looks,
            ..versus.verified
        };
        Ok((verified, versus.detectable))
    }

    /// Which queries are right after `map`, by label subset.
    fn right(
        &self,
        usage: Use,
        map: &Map,
        bank: &Part,
        queries: &Part,
        subsets: usize,
    ) -> Result<Vec<Vec<bool>>, Error> {
        let mapped = map.mapped(queries.first.view());
        let Judge::Labels { classes, .. } = &self.judge else {
            let second = queries.second.as_ref().expect("judged by a second view");
            return retrieved(mapped.view(), map.mapped(second.view()).view());
        };
        let bank_rows = map.mapped(bank.first.view());
        let task = Task {
            bank: bank_rows.view(),
            bank_labels: &bank.labels,
            queries: mapped.view(),
            query_labels: &queries.labels,
            classes: *classes,
        };
        let learning = Learning {
            preset: self.config.preset,
            per_class: self.config.per_class,
            subsets,
            seed: self.config.seed,
        };
        right(usage, task, learning)
    }

    fn confidence(&self) -> f64 {
        1.0 - self.config.level / self.config.uses.len() as f64
    }
}

pub(super) fn share(right: &[Vec<bool>]) -> f64 {
    let all: usize = right.iter().map(Vec::len).sum();
    let count = right.iter().flatten().filter(|right| **right).count();
    count as f64 / all as f64
}

pub(super) fn differences(with: &[Vec<bool>], without: &[Vec<bool>]) -> Vec<Vec<f64>> {
    let number = |right: &bool| f64::from(u8::from(*right));
    let pairs = with.iter().zip(without);
    pairs
        .map(|(with, without)| {
            let pairs = with.iter().zip(without);
            pairs
                .map(|(with, without)| number(with) - number(without))
                .collect()
        })
        .collect()
}
