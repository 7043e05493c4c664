//! The online check that features do not get worse: k-NN on held-out training images.
//!
//! The untouched model is measured first. Its predictions are kept, so that a later drop is judged
//! image by image: the noise is the standard error of the paired difference.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use e2mc_data::{Dataset, Selection, subset};
use e2mc_eval::{KnnConfig, PairedDrop, Vote, knn, paired_drop, top1};
use e2mc_train::checkpoint::write_atomically;
use e2mc_train::{Model, Output, embed};

use crate::failure::Failure;

/// Images that the held-out ones are compared with, at most.
const BANK: usize = 5000;
/// Neighbours that vote.
const K: usize = 20;
/// A drop counts when it is more than this many standard errors. Every epoch is checked, so two
/// would be exceeded by chance in about one run of ten epochs out of five.
const NOISE: f64 = 3.0;

/// Keeps held-out images apart and measures them.
pub(crate) struct Guard {
    bank: Arc<dyn Dataset>,
    bank_labels: Vec<usize>,
    held_out: Arc<dyn Dataset>,
    labels: Vec<usize>,
    start: Option<Vec<usize>>,
    threads: usize,
}

/// One measurement.
pub(crate) struct Check {
    /// Fraction of held-out images whose neighbours name their class.
    pub(crate) accuracy: f64,
    /// Against the start, once there is one.
    pub(crate) since_start: Option<PairedDrop>,
}

impl Check {
    /// Whether the features are worse than at the start beyond the noise.
    pub(crate) fn is_worse(&self) -> bool {
        self.since_start.is_some_and(|change| change.z() > NOISE)
    }
}

/// Splits `dataset` into the images to train on and a guard; no guard where images have no labels
/// or are too few.
pub(crate) fn split(
    dataset: Arc<dyn Dataset>,
    wanted: usize,
    seed: u64,
    threads: usize,
) -> Result<(Arc<dyn Dataset>, Option<Guard>)> {
    // A tenth at most: small data sets are needed for training.
    let held_out = wanted.min(dataset.len() / 10);
    let labelled = dataset.classes().len() > 1;
    if !labelled || held_out == 0 || dataset.len() - held_out < K {
        return Ok((dataset, None));
    }
    let (rest, queries) = match subset::hold_out(&*dataset, held_out, seed) {
        // No class has a second image.
        Err(e2mc_data::Error::Part { .. }) => return Ok((dataset, None)),
        parts => parts?,
    };
    let select = |from: &Arc<dyn Dataset>, indices| -> Result<Arc<dyn Dataset>> {
        Ok(Arc::new(Selection::new(from.clone(), indices)?))
    };
    let train = select(&dataset, rest)?;
    let bank = subset::count(&*train, train.len().min(BANK), seed)?;
    let bank = select(&train, bank)?;
    let held_out = select(&dataset, queries)?;
    let guard = Guard {
        bank_labels: subset::labels(&*bank)?,
        labels: subset::labels(&*held_out)?,
        bank,
        held_out,
        start: None,
        threads,
    };
    Ok((train, Some(guard)))
}

impl Guard {
    /// Held-out images, and images they are compared with.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.labels.len(), self.bank_labels.len())
    }

    /// Takes the start's predictions from the run folder, where an interrupted run left them.
    pub(crate) fn load_start(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let start: Vec<usize> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a list of predictions", path.display()))?;
        if start.len() == self.labels.len() {
            self.start = Some(start);
            return Ok(());
        }
        Err(Failure::new(
            format!(
                "{}: expected {} predictions, one a held-out image, found {}",
                path.display(),
                self.labels.len(),
                start.len()
            ),
            "resume with the --data that the run was started with",
        ))
    }

    /// Leaves the start's predictions in the run folder.
    pub(crate) fn save_start(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(&self.start)?;
        Ok(write_atomically(path, text.as_bytes())?)
    }

    /// Measures the model; the first measurement is the start that later ones are compared with.
    pub(crate) fn check(&mut self, model: &Model, recipe: &e2mc_train::Recipe) -> Result<Check> {
        let features = |part: &Arc<dyn Dataset>| {
            embed(
                model,
                part.clone(),
                &recipe.evaluation,
                Output::Backbone,
                256,
                self.threads,
            )
        };
        let (bank, queries) = (features(&self.bank)?, features(&self.held_out)?);
        let config = KnnConfig {
            ks: vec![K],
            votes: vec![Vote::Majority],
            ..KnnConfig::default()
        };
        let results = knn(bank.view(), &self.bank_labels, queries.view(), &config)?;
        let predictions = results
            .into_iter()
            .next()
            .expect("one k was asked for")
            .predictions;
        let accuracy = top1(&predictions, &self.labels)?;
        let since_start = match &self.start {
            Some(start) => Some(paired_drop(start, &predictions, &self.labels)?),
            None => {
                self.start = Some(predictions);
                None
            }
        };
        Ok(Check {
            accuracy,
            since_start,
        })
    }
}
