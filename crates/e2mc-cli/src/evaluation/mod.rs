//! What frozen features are worth: k-NN with all labels, linear probes with few and many.
//!
//! [`source`] gets features and labels, from a checkpoint and images or from files; [`parts`]
//! says which labels may be learned from; [`linear`] fits probes on them; [`record`] writes what
//! every evaluation leaves behind.

pub(crate) mod fresh;
pub(crate) mod linear;
pub(crate) mod parts;
pub(crate) mod record;
pub(crate) mod source;
pub(crate) mod voc;

use std::sync::Arc;

use anyhow::Result;
use e2mc_data::{Dataset, subset};
use e2mc_eval::{KnnConfig, Vote, knn, top1};
use e2mc_train::{Model, Output, Recipe, embed};
use serde::Serialize;

use e2mc_cli::options::ProbeName;
use linear::{LinearPlan, ProbeSettings};
use source::Labelled;

pub(crate) use linear::Row;

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

    /// One class number an image.
    pub(crate) fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// How many classes there are.
    pub(crate) fn classes(&self) -> usize {
        self.dataset.classes().len()
    }
}

/// A fraction of the labels in percent, to three digits that count: ImageNet's list of 12,811 images of 1,281,167 is 1 %,
/// as its name says.
pub(crate) fn rounded_percent(fraction: f64) -> f64 {
    let percent = 100.0 * fraction;
    if percent == 0.0 || !percent.is_finite() {
        return percent;
    }
    let scale = 10f64.powi(2 - percent.abs().log10().floor() as i32);
    (percent * scale).round() / scale
}

/// The same as text: `1`, `0.1`, `12.5`.
pub(crate) fn percent(fraction: f64) -> String {
    rounded_percent(fraction).to_string()
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
    let labelled = Labelled {
        train: features(train)?,
        train_labels: train.labels.clone(),
        test: features(test)?,
        test_labels: test.labels.clone(),
        classes: train.classes(),
    };
    let plan = LinearPlan {
        parts: parts::Parts::of_fractions(&protocol.fractions)?,
        seeds: (0..protocol.seeds).collect(),
        probe: protocol.probe,
        settings: ProbeSettings {
            epochs: protocol.sgd_epochs,
            learning_rate: protocol.sgd_rate,
            ..ProbeSettings::default()
        },
    };
    let (k, knn) = nearest(&labelled, protocol.k)?;
    let (probes, warnings) = linear::run(&labelled, &plan, &record::Recorder::nowhere())?;
    Ok(Scores {
        k,
        knn,
        probes,
        warnings,
    })
}

/// Top-1 of a majority of `k` neighbours, or of all there are, in percent.
pub(crate) fn nearest(labelled: &Labelled, k: usize) -> Result<(usize, f64)> {
    let k = k.min(labelled.train.rows());
    let config = KnnConfig {
        ks: vec![k],
        votes: vec![Vote::Majority],
        ..KnnConfig::default()
    };
    let (train, test) = (labelled.train.view(), labelled.test.view());
    let votes = knn(train, &labelled.train_labels, test, &config)?;
    let right = top1(&votes[0].predictions, &labelled.test_labels)?;
    Ok((k, 100.0 * right))
}

/// `79.31 ± 0.22`, or `79.31` where there is one value.
pub(crate) fn plus_minus(mean: f64, standard_error: Option<f64>) -> String {
    match standard_error {
        Some(error) => format!("{mean:.2} ± {error:.2}"),
        None => format!("{mean:.2}"),
    }
}
