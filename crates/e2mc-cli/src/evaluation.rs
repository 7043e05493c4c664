//! What frozen features are worth: k-NN with all labels, linear probes with few and many.

use std::sync::Arc;

use anyhow::Result;
use e2mc::{Matrix, MatrixView};
use e2mc_data::{Dataset, subset};
use e2mc_eval::{Estimate, KnnConfig, L2, LinearConfig, LogisticConfig, Probe, Vote, knn, top1};
use e2mc_train::{Model, Output, Recipe, embed};
use rayon::prelude::*;
use serde::Serialize;

use crate::arguments::ProbeName;

/// The logistic probe's penalty where there are too few labels to choose one.
const FIXED_L2: f64 = 0.01;

/// Images of an evaluation, with their labels.
pub(crate) struct Part {
    dataset: Arc<dyn Dataset>,
    labels: Vec<usize>,
}

impl Part {
    pub(crate) fn new(dataset: Arc<dyn Dataset>) -> Result<Self> {
        let labels = subset::labels(&*dataset)?;
        Ok(Self { dataset, labels })
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The images themselves.
    pub(crate) fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// How many classes there are.
    pub(crate) fn classes(&self) -> usize {
        self.dataset.classes().len()
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    /// Fractions of the training labels, in (0, 1].
    pub(crate) fractions: Vec<f64>,
    /// Label subsets a fraction.
    pub(crate) seeds: u64,
    pub(crate) probe: ProbeName,
    /// Neighbours of the vote.
    pub(crate) k: usize,
    /// Epochs and learning rate of the SGD probe where they are not the paper's.
    pub(crate) sgd_epochs: Option<usize>,
    pub(crate) sgd_rate: Option<f64>,
}

impl Protocol {
    fn probes(&self, fraction: f64) -> Vec<(&'static str, Probe)> {
        let paper = if fraction < 1.0 {
            LinearConfig::vicreg_few_labels()
        } else {
            LinearConfig::vicreg()
        };
        let sgd = LinearConfig {
            epochs: self.sgd_epochs.unwrap_or(paper.epochs),
            learning_rate: self.sgd_rate.unwrap_or(paper.learning_rate),
            ..paper
        };
        let logistic = ("logistic", Probe::Logistic(LogisticConfig::default()));
        let sgd = ("sgd", Probe::Sgd(sgd));
        match self.probe {
            ProbeName::Logistic => vec![logistic],
            ProbeName::Sgd => vec![sgd],
            ProbeName::Both => vec![logistic, sgd],
        }
    }
}

/// One probe at one label fraction.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) probe: &'static str,
    pub(crate) fraction: f64,
    /// Labelled images that the probe saw.
    pub(crate) images: usize,
    /// Top-1 accuracy in percent, mean over the seeds.
    pub(crate) accuracy: f64,
    /// Of that mean, in percentage points; absent for a single seed.
    pub(crate) standard_error: Option<f64>,
    /// In percent, one a seed.
    pub(crate) accuracies: Vec<f64>,
}

/// What a model's features are worth.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scores {
    /// Neighbours of the vote.
    pub(crate) k: usize,
    /// Top-1 of k-NN with all training labels, in percent.
    pub(crate) knn: f64,
    pub(crate) probes: Vec<Row>,
    /// Label subsets without any image of some class.
    pub(crate) warnings: Vec<String>,
}

/// Measures a model on the test part, with labels from the training part.
pub(crate) fn evaluate(
    model: &Model,
    recipe: &Recipe,
    train: &Part,
    test: &Part,
    protocol: &Protocol,
    threads: usize,
) -> Result<Scores> {
    let features = |part: &Part| {
        embed(
            model,
            part.dataset.clone(),
            &recipe.evaluation,
            Output::Backbone,
            256,
            threads,
        )
    };
    score(&features(train)?, &features(test)?, train, test, protocol)
}

fn score(
    train_features: &Matrix,
    test_features: &Matrix,
    train: &Part,
    test: &Part,
    protocol: &Protocol,
) -> Result<Scores> {
    let k = protocol.k.min(train.len());
    let config = KnnConfig {
        ks: vec![k],
        vote: Vote::Majority,
        ..KnnConfig::default()
    };
    let votes = knn(
        train_features.view(),
        &train.labels,
        test_features.view(),
        &config,
    )?;
    let mut scores = Scores {
        k,
        knn: 100.0 * top1(&votes[0].predictions, &test.labels)?,
        probes: Vec::new(),
        warnings: Vec::new(),
    };
    for &fraction in &protocol.fractions {
        for (name, probe) in protocol.probes(fraction) {
            // With all labels every subset is the same; the seed still moves SGD's order.
            let seeds = if fraction >= 1.0 && name == "logistic" {
                1
            } else {
                protocol.seeds
            };
            let results: Vec<Result<(f64, usize, usize)>> = (0..seeds)
                .into_par_iter()
                .map(|seed| {
                    let indices = subset::fraction(&*train.dataset, fraction, seed)?;
                    let labels: Vec<_> = indices.iter().map(|&index| train.labels[index]).collect();
                    let features = rows(train_features.view(), &indices)?;
                    let probe = fit_for(&probe, &labels, train.classes());
                    let prediction = probe.fit_predict(
                        features.view(),
                        &labels,
                        test_features.view(),
                        train.classes(),
                        seed,
                    )?;
                    let accuracy = 100.0 * top1(&prediction.predictions, &test.labels)?;
                    Ok((accuracy, indices.len(), prediction.missing_classes.len()))
                })
                .collect();
            let results = results.into_iter().collect::<Result<Vec<_>>>()?;
            let accuracies: Vec<f64> = results.iter().map(|result| result.0).collect();
            let Estimate {
                mean,
                standard_error,
                ..
            } = Estimate::of(&accuracies)?;
            let missing = results.iter().map(|result| result.2).max().unwrap_or(0);
            if missing > 0 {
                scores.warnings.push(format!(
                    "{missing} of {} classes have no image among {} % of the labels",
                    train.classes(),
                    100.0 * fraction
                ));
            }
            scores.probes.push(Row {
                probe: name,
                fraction,
                images: results[0].1,
                accuracy: mean,
                standard_error,
                accuracies,
            });
        }
    }
    scores.warnings.dedup();
    Ok(scores)
}

/// A cross-validated penalty needs two classes of two images; with fewer it is fixed.
fn fit_for(probe: &Probe, labels: &[usize], classes: usize) -> Probe {
    let mut counts = vec![0; classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    match probe {
        Probe::Logistic(config) if counts.iter().filter(|&&count| count > 1).count() < 2 => {
            Probe::Logistic(LogisticConfig {
                l2: L2::Fixed(FIXED_L2),
                ..config.clone()
            })
        }
        other => other.clone(),
    }
}

fn rows(matrix: MatrixView<'_>, indices: &[usize]) -> Result<Matrix> {
    let data = indices
        .iter()
        .flat_map(|&index| matrix.row(index))
        .copied()
        .collect();
    Ok(Matrix::new(data, indices.len(), matrix.cols())?)
}

/// `79.31 ± 0.22`, or `79.31` where there is one value.
pub(crate) fn plus_minus(mean: f64, standard_error: Option<f64>) -> String {
    match standard_error {
        Some(error) => format!("{mean:.2} ± {error:.2}"),
        None => format!("{mean:.2}"),
    }
}
