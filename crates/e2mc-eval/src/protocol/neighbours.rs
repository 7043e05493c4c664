//! Nearest neighbours: the whole evaluation, and the first look beside probes.

use std::path::PathBuf;

use e2mc_record::{EvaluationResult, NeighbourFit, ResultFolder};
use serde_json::json;

use super::{
    Error, Labelled, check_classes, data_warnings, figures, write_surroundings, write_votes,
};
use crate::diagnostics::{NEAREST, Surroundings};
use crate::{KnnConfig, KnnResult, Rows, Vote, knn_keeping};

/// Features, in memory or in files, and classes.
#[derive(Clone, Copy)]
pub struct NeighbourData<'a> {
    /// Training features `(n, d)`.
    pub train: &'a dyn Rows,
    /// One class number a training row.
    pub train_labels: &'a [usize],
    /// Test features `(n_test, d)`.
    pub test: &'a dyn Rows,
    /// One class number a test row.
    pub test_labels: &'a [usize],
    /// All labels are below it.
    pub classes: usize,
}

/// How neighbours are asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NeighbourPlan {
    /// Numbers of neighbours and votes.
    pub config: KnnConfig,
    /// Bytes for the search; none for no limit.
    pub memory: Option<usize>,
}

/// Classifies the test rows by their neighbours and fills `result` in: settings, `results`, sizes
/// and warnings.
///
/// # Errors
/// As [`knn_keeping`](crate::knn_keeping); training labels of one class; where predictions cannot
/// be written.
pub fn evaluate_neighbours(
    mut result: EvaluationResult,
    data: &NeighbourData<'_>,
    plan: &NeighbourPlan,
    folder: &mut ResultFolder,
) -> Result<EvaluationResult, Error> {
    let config = &plan.config;
    if let (Some(&k), Some(&vote)) = (config.ks.first(), config.votes.first()) {
        folder.set_first(fit_name(k, vote));
    }
    crate::check::labels(data.train_labels, data.classes, crate::check::TRAINING)?;
    crate::check::labels(data.test_labels, data.classes, crate::check::TEST)?;
    check_classes(data.train_labels.iter().copied(), data.classes)?;
    let (found, kept) = knn_keeping(
        data.train,
        data.train_labels,
        data.test,
        config,
        plan.memory,
        &Surroundings::asking(data.test.rows()),
    )?;
    let train = (data.train, data.train_labels);
    let warnings = data_warnings(train, (data.test, data.test_labels), data.classes)?;
    for votes in &found {
        let fit = neighbour_fit(votes, (data.test_labels, data.classes), folder)?;
        result.results.push(fit);
    }
    let test = (data.test, data.test_labels);
    result.surroundings = write_surroundings(folder, test, &nearest_of(kept), data.train_labels)?;
    let votes: Vec<_> = config.votes.iter().map(|&vote| vote_name(vote)).collect();
    for (key, value) in [
        ("k", json!(config.ks)),
        ("vote", json!(votes)),
        ("temperature", json!(config.temperature)),
        ("memory", json!(plan.memory)),
    ] {
        result.settings.insert(key.into(), value);
    }
    result.train_images = data.train.rows();
    result.test_images = data.test_labels.len();
    result.classes = data.classes;
    result.warnings.extend(warnings);
    Ok(result)
}

/// The majority of `k` neighbours, or of all there are, with all labels; and the place of the
/// surroundings of test rows.
///
/// # Errors
/// As [`knn`](crate::knn()); where predictions or surroundings cannot be written.
pub fn nearest(
    data: &Labelled,
    k: usize,
    folder: &ResultFolder,
) -> Result<(NeighbourFit, Option<PathBuf>), Error> {
    let config = KnnConfig {
        ks: vec![k.min(data.train.rows())],
        votes: vec![Vote::Majority],
        ..KnnConfig::default()
    };
    let (train, test) = (&data.train.view(), &data.test.view());
    let asking = Surroundings::asking(data.test.rows());
    let (votes, kept) = knn_keeping(train, &data.train_labels, test, &config, None, &asking)?;
    let fit = neighbour_fit(&votes[0], (&data.test_labels, data.classes), folder)?;
    let test = (test as &dyn Rows, &data.test_labels[..]);
    let place = write_surroundings(folder, test, &nearest_of(kept), &data.train_labels)?;
    Ok((fit, place))
}

/// The nearest that are listed.
fn nearest_of(mut kept: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    kept.iter_mut().for_each(|rows| rows.truncate(NEAREST));
    kept
}

fn neighbour_fit(
    votes: &KnnResult,
    (labels, classes): (&[usize], usize),
    folder: &ResultFolder,
) -> Result<NeighbourFit, Error> {
    let mut figures = figures(&votes.predictions, labels, classes, None)?;
    figures.top5 = Some(100.0 * votes.top5(labels)?);
    let name = fit_name(votes.k, votes.vote);
    Ok(NeighbourFit {
        k: votes.k,
        vote: vote_name(votes.vote).to_owned(),
        figures,
        predictions: write_votes(folder, &name, labels, votes)?,
    })
}

fn fit_name(k: usize, vote: Vote) -> String {
    format!("knn-{k}-{}", vote_name(vote))
}

fn vote_name(vote: Vote) -> &'static str {
    match vote {
        Vote::Majority => "majority",
        Vote::Weighted => "weighted",
    }
}
