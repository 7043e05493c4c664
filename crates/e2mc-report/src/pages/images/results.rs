//! Single images of recorded results: answers from their predictions, neighbours from their
//! surroundings.

use std::path::PathBuf;

use e2mc_eval::Answers;
use e2mc_eval::diagnostics::Surroundings;
use e2mc_eval::protocol::{Judged as Side, MatchedLine, match_fits};
use e2mc_record::{EvaluationResult, FoundResult, Origin, Protocol, Run, RunFolder, SplitRecord};

use super::{Images, Judged, Model};

/// Where the images of a result are.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The data set.
    pub data: PathBuf,
    /// Fraction of the images set apart as a test split, of data without one.
    pub val_fraction: Option<f64>,
    /// Seed of that choice.
    pub val_seed: u64,
    /// What was learned from.
    pub train: Option<SplitRecord>,
    /// What was evaluated.
    pub test: Option<SplitRecord>,
}

impl Source {
    /// Reads it from a result; `None` for embeddings in files.
    #[must_use]
    pub fn of(result: &EvaluationResult) -> Option<Self> {
        let Origin::Checkpoint(origin) = &result.origin else {
            return None;
        };
        Some(Self {
            data: origin.data.clone()?,
            val_fraction: origin.val_fraction,
            val_seed: origin.val_seed,
            train: result.splits.train.clone(),
            test: result.splits.test.clone(),
        })
    }
}

/// What a result goes by on every page.
fn identity(result: &EvaluationResult) -> String {
    match &result.origin {
        Origin::Checkpoint(origin) => RunFolder::name_of(&origin.checkpoint),
        Origin::Files(files) => files.test.clone(),
        _ => result.model.clone(),
    }
}

/// What the models of results do with single images: the first against each of the others. Results
/// that were evaluated on other images, or have no fit in common with the first, take no part. A
/// single result is shown alone.
#[must_use]
pub fn of_results(results: &[(String, &FoundResult)]) -> Images {
    let Some((_, first)) = results.first() else {
        return Images::default();
    };
    let mut images = Images {
        classes: first.result.class_names.clone(),
        source: Source::of(&first.result),
        are_rows: matches!(first.result.origin, Origin::Files(_)),
        ..Images::default()
    };
    for (name, found) in results {
        let own = std::ptr::eq(*found, *first);
        let other = !own && other_images(&first.result, &found.result);
        let line = (!own && !other).then(|| best_line(first, found)).flatten();
        if !own && line.is_none() {
            continue;
        }
        let surroundings = found.result.surroundings.as_ref();
        let path = surroundings.map(|place| found.folder().join(place));
        images.models.push(Model {
            name: name.clone(),
            identity: identity(&found.result),
            // A page without neighbours is better than none.
            surroundings: path.and_then(|path| Surroundings::read(&path).ok()),
        });
        let model = images.models.len() - 1;
        images.judged.extend(line.map(|line| judged(model, line)));
    }
    if images.judged.is_empty() {
        let line = best_line(first, first);
        images.judged.extend(line.map(|line| {
            let mut alone = judged(0, line);
            alone.answers.second.clear();
            alone
        }));
    }
    images
}

/// What the models of runs do with single images: the base, where a result is of it, against each
/// run's own.
#[must_use]
pub fn of_run(runs: &[Run]) -> Images {
    let models = crate::pages::run::models_of(runs);
    // Of several results of a model, take the first that shares a fit with the first model's.
    let Some((name, results)) = models.first() else {
        return Images::default();
    };
    let mut best = Images::default();
    for first in results {
        let mut chosen = vec![(name.clone(), *first)];
        for (name, results) in &models[1..] {
            let partner = results.iter().find(|found| {
                !other_images(&first.result, &found.result) && best_line(first, found).is_some()
            });
            chosen.extend(partner.map(|found| (name.clone(), *found)));
        }
        let images = of_results(&chosen);
        let rank = |images: &Images| {
            let near = images
                .models
                .iter()
                .filter(|m| m.surroundings.is_some())
                .count();
            (images.models.len(), near)
        };
        if !images.judged.is_empty() && rank(&images) > rank(&best) {
            best = images;
        }
    }
    best
}

fn judged(model: usize, line: MatchedLine) -> Judged {
    Judged {
        model,
        line: line.key.row_name(),
        rows: Vec::new(),
        answers: Answers {
            labels: line.labels,
            first: line.first,
            second: line.second,
        },
    }
}

/// Whether both know their test images, and they are not the same.
fn other_images(a: &EvaluationResult, b: &EvaluationResult) -> bool {
    let known = |result: &EvaluationResult| result.splits.test.as_ref()?.fingerprint.clone();
    let both = known(a).zip(known(b));
    both.is_some_and(|(a, b)| a != b) || a.test_images != b.test_images
}

/// The shared fits with the most labels: probes before neighbours before machines.
fn best_line(a: &FoundResult, b: &FoundResult) -> Option<MatchedLine> {
    // What cannot be read is no fit in common.
    let matches = match_fits(Side::from(a), Side::from(b)).ok()?;
    let rank = |line: &MatchedLine| {
        let kind = match line.key.protocol {
            Protocol::Linear | Protocol::SemiSupervised => 2,
            Protocol::Knn => 1,
            _ => 0,
        };
        (kind, (1e9 * line.key.percent()) as u64)
    };
    // Ties go to the first.
    let lines = matches.lines.into_iter().rev();
    lines.max_by_key(rank)
}
