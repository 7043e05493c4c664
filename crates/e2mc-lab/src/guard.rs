//! The online check that features do not get worse: k-NN on held-out training images.
//!
//! The untouched model is measured first. Its predictions are kept, so that a later drop is judged
//! image by image: the noise is the standard error of the paired difference.

use std::sync::Arc;

use e2mc_data::{Dataset, Selection, subset};
use e2mc_eval::{KnnConfig, PairedDrop, Vote, knn, paired_drop, top1};
use e2mc_record::RunFolder;
use e2mc_train::{Model, Output, Recipe, embed};

use crate::error::Error;
use crate::machine::BATCH;

/// Images that the held-out ones are compared with, at most.
pub(crate) const BANK: usize = 5000;
/// Neighbours that vote.
const K: usize = 20;
/// A drop counts when it is more than this many standard errors. Every epoch is checked, so two
/// would be exceeded by chance in about one run of ten epochs out of five.
const NOISE: f64 = 3.0;

/// Keeps held-out images apart and measures them.
pub struct Guard {
    bank: Arc<dyn Dataset>,
    bank_labels: Vec<usize>,
    held_out: Arc<dyn Dataset>,
    labels: Vec<usize>,
    start: Option<Vec<usize>>,
    threads: usize,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Fraction of held-out images whose neighbours name their class.
    pub accuracy: f64,
    /// Against the start, once there is one.
    pub since_start: Option<PairedDrop>,
}

impl Check {
    /// Whether the features are worse than at the start beyond the noise.
    pub fn is_worse(&self) -> bool {
        self.since_start.is_some_and(|change| change.z() > NOISE)
    }
}

/// Splits `dataset` into the images to train on and a guard over at most `wanted` others; no guard
/// where images have no labels or are too few.
///
/// # Errors
/// Where an image of a labelled data set has no label.
pub fn hold_out(
    dataset: Arc<dyn Dataset>,
    wanted: usize,
    seed: u64,
    threads: usize,
) -> Result<(Arc<dyn Dataset>, Option<Guard>), Error> {
    // A tenth at most: small data sets are needed for training.
    let held_out = wanted.min(dataset.len() / 10);
    let labelled = dataset.classes().len() > 1;
    if !labelled || held_out == 0 || dataset.len() - held_out < K {
        return Ok((dataset, None));
    }
    let (rest, queries) = match subset::hold_out(&*dataset, held_out, seed) {
        // No class has a second image.
        Err(e2mc_data::Error::Subset { .. }) => return Ok((dataset, None)),
        halves => halves?,
    };
    let select = |from: &Arc<dyn Dataset>, indices| -> Result<Arc<dyn Dataset>, Error> {
        Ok(Arc::new(Selection::new(from.clone(), indices)?))
    };
    let train = select(&dataset, rest)?;
    let held_out = select(&dataset, queries)?;
    let guard = Guard::over(&train, held_out, seed, threads)?;
    Ok((train, Some(guard)))
}

impl Guard {
    /// A guard over the images `held_out`, which some of the `known` ones are compared with; all of
    /// them have labels.
    ///
    /// # Errors
    /// Where an image has no label, or there are none.
    pub fn over(
        known: &Arc<dyn Dataset>,
        held_out: Arc<dyn Dataset>,
        seed: u64,
        threads: usize,
    ) -> Result<Self, Error> {
        let bank = subset::count(&**known, known.len().min(BANK), seed)?;
        let bank: Arc<dyn Dataset> = Arc::new(Selection::new(known.clone(), bank)?);
        Ok(Self {
            bank_labels: subset::labels(&*bank)?,
            labels: subset::labels(&*held_out)?,
            bank,
            held_out,
            start: None,
            threads,
        })
    }

    /// Held-out images, and images they are compared with.
    pub fn sizes(&self) -> (usize, usize) {
        (self.labels.len(), self.bank_labels.len())
    }

    /// Takes the start's predictions from the run's folder, where an interrupted run left them.
    ///
    /// # Errors
    /// Where the file is not there, or is not of these images.
    pub fn load_start(&mut self, folder: &RunFolder) -> Result<(), Error> {
        self.start = Some(folder.read_knn_start(self.labels.len())?);
        Ok(())
    }

    /// Leaves the start's predictions, if it was measured, in the run's folder.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save_start(&self, folder: &RunFolder) -> Result<(), Error> {
        match &self.start {
            Some(start) => Ok(folder.write_knn_start(start)?),
            None => Ok(()),
        }
    }

    /// Measures the model; the first measurement is the start that later ones are compared with.
    ///
    /// # Errors
    /// Where an image cannot be read, or a feature is not finite.
    pub fn check(&mut self, model: &Model, recipe: &Recipe) -> Result<Check, Error> {
        let features = |images: &Arc<dyn Dataset>| {
            embed(
                model,
                images.clone(),
                &recipe.evaluation,
                Output::Backbone,
                BATCH,
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
