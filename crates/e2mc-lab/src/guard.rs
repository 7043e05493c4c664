//! The online check that features do not get worse: k-NN on held-out training images.
//!
//! The untouched model is measured first. Its predictions are kept, so that a later drop is judged
//! image by image: the noise is the standard error of the paired difference. Processes that train
//! together share the embedding; the first one classifies.

use std::sync::Arc;
use std::time::Instant;

use e2mc::Matrix;
use e2mc_base::stop::Stop;
use e2mc_data::{Dataset, Pipeline, Selection, subset};
use e2mc_eval::{KnnConfig, PairedDrop, Vote, knn, paired_drop, top1};
use e2mc_record::RunFolder;
use e2mc_train::world::WorldError;
use e2mc_train::{EmbedOptions, Model, Output, Recipe, World, embed_until};

use crate::error::Error;
use crate::machine::batch;

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
    world: World,
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
            world: World::solo(),
        })
    }

    /// Shares the embedding with the processes of `world`, which hold out the same images.
    pub(crate) fn join(&mut self, world: World) {
        self.world = world;
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

    /// Measures the model; the first measurement is the start that later ones are compared with. `None`
    /// where a stop was requested meanwhile, of any process. The others do their share of the embedding.
    ///
    /// # Errors
    /// Where an image cannot be read, or a feature is not finite.
    pub fn check(
        &mut self,
        model: &Model,
        recipe: &Recipe,
        stop: &Stop,
    ) -> Result<Option<Check>, Error> {
        let Some(bank) = self.features(&self.bank, model, recipe, stop)? else {
            return Ok(None);
        };
        let Some(queries) = self.features(&self.held_out, model, recipe, stop)? else {
            return Ok(None);
        };
        let check = self.judge(&bank, &queries);
        // Whoever waits goes on, or ends as this process does.
        let problem = check.as_ref().err().map(ToString::to_string);
        self.world.of_first(problem.unwrap_or_default())?;
        check.map(Some)
    }

    /// What a process does that is not the first while that one [checks](Guard::check): its share of the
    /// embedding. Whether it came to the end, or a stop was requested meanwhile.
    ///
    /// # Errors
    /// As [`Guard::check`].
    pub(crate) fn help(&self, model: &Model, recipe: &Recipe, stop: &Stop) -> Result<bool, Error> {
        for images in [&self.bank, &self.held_out] {
            if self.features(images, model, recipe, stop)?.is_none() {
                return Ok(false);
            }
        }
        let message = self.world.of_first(String::new())?;
        match message.is_empty() {
            true => Ok(true),
            false => {
                let failed = WorldError::Failed { rank: 0, message };
                Err(e2mc_train::Error::from(failed).into())
            }
        }
    }

    /// Classifies the rows of held-out images, and compares the answers with the start's.
    fn judge(&mut self, bank: &Matrix, queries: &Matrix) -> Result<Check, Error> {
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

    /// One row of features an image, unless a stop is requested; none for a process that is not the first.
    fn features(
        &self,
        images: &Arc<dyn Dataset>,
        model: &Model,
        recipe: &Recipe,
        stop: &Stop,
    ) -> Result<Option<Matrix>, Error> {
        let pipeline = Pipeline::Preprocess(recipe.evaluation.clone());
        let options = EmbedOptions {
            batch: (self.world).as_first(batch(&recipe.evaluation, model.device()))?,
            threads: self.threads,
            world: self.world.clone(),
            ..EmbedOptions::new(Output::Backbone, pipeline)
        };
        let rows = match self.world.is_first() {
            true => images.len(),
            false => 0,
        };
        let mut data = Vec::new();
        let take = |values: &[f32], _| {
            data.extend_from_slice(values);
            Ok::<(), Error>(())
        };
        if !embed_until(model, images.clone(), &options, Some(stop.flag()), take)? {
            return Ok(None);
        }
        let cols = data.len() / rows.max(1);
        Ok(Some(Matrix::new(data, rows, cols)?))
    }

    /// The seconds that one check takes, as a single batch of it tells.
    ///
    /// # Errors
    /// As [`Guard::check`].
    pub(crate) fn seconds(&self, model: &Model, recipe: &Recipe) -> Result<f64, Error> {
        let few = batch(&recipe.evaluation, model.device()).min(self.bank.len());
        let few: Arc<dyn Dataset> = Arc::new(Selection::new(
            self.bank.clone(),
            (0..few).collect::<Vec<_>>(),
        )?);
        let started = Instant::now();
        self.features(&few, model, recipe, &Stop::new())?;
        let images = self.bank.len() + self.held_out.len();
        Ok(started.elapsed().as_secs_f64() / few.len().max(1) as f64 * images as f64)
    }
}
