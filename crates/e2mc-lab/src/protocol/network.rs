//! A network and the images that it is evaluated on.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use e2mc_data::{Dataset, Loader, LoaderConfig, Pipeline, Preprocessing, Selection, is_voc};
use e2mc_eval::protocol::{Labelled, MapFile, Subsets};
use e2mc_record::{CheckpointOrigin, DataOptions, EvaluationResult, Origin, SplitRecord, Splits};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::world::SOLO;
use e2mc_train::{Model, Output, Recipe, World, device};

use crate::checkpoint::{Reading, check_output, digest};
use crate::error::{Error, ProtocolError};
use crate::features::Seen;
use crate::images::{LabelledImages, LabelledSplits, fingerprint, named, preprocessing};
use crate::machine::{Machine, batch};
use crate::notice::Notices;

/// A checkpoint and images, by name.
#[derive(Clone, Debug)]
pub struct NetworkSource {
    /// The checkpoint or model file.
    pub checkpoint: PathBuf,
    /// How it is read.
    pub reading: Reading,
    /// The labelled images.
    pub data: PathBuf,
    /// How they are taken.
    pub taken: DataOptions,
    /// What is taken from the network.
    pub output: Output,
    /// Images at a time, at least 1; as many as suit the images and the memory if `None`.
    pub batch: Option<usize>,
    /// What the features are seen through.
    pub map: Option<MapFile>,
    /// Where it is computed.
    pub machine: Machine,
    /// The processes that share [`Network::features`]; all else is done by each alone.
    pub world: World,
}

impl NetworkSource {
    /// The backbone's features on the CPU.
    pub fn new(checkpoint: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            checkpoint: checkpoint.into(),
            reading: Reading::default(),
            data: data.into(),
            taken: DataOptions::default(),
            output: Output::Backbone,
            batch: None,
            map: None,
            machine: Machine::default(),
            world: World::solo(),
        }
    }

    /// Images at a time.
    pub(super) fn batch(&self, evaluation: &Preprocessing, model: &Model) -> usize {
        self.batch
            .unwrap_or_else(|| batch(evaluation, model.device()))
    }

    /// Writes into a result what is evaluated, and how images are prepared.
    pub(super) fn describe(
        &self,
        evaluation: &Preprocessing,
        result: &mut EvaluationResult,
    ) -> Result<(), Error> {
        let output = self.output.to_string();
        result.origin = origin(&self.checkpoint, (&self.data, self.taken), Some(output))?;
        result.map = self.map.as_ref().map(|map| map.origin.clone());
        result.preprocessing = Some(preprocessing(evaluation));
        Ok(())
    }

    /// What its network gives, through the map.
    pub(crate) fn seen<'a>(&'a self, model: &'a Model) -> Seen<'a> {
        Seen {
            checkpoint: &self.checkpoint,
            model,
            map: self.map.as_ref(),
            batch: self.batch,
            world: &SOLO,
        }
    }

    /// The checkpoint with its network.
    pub(crate) fn open_network(
        &self,
        notices: &Arc<dyn Notices>,
    ) -> Result<(Checkpoint, Model), Error> {
        let device = device(&self.machine.device)?;
        let (checkpoint, model) = self.reading.open(&self.checkpoint, device, &**notices)?;
        check_output(&self.output, &checkpoint)?;
        Ok((checkpoint, model))
    }
}

/// A network and its images, opened and checked; no image is read yet.
pub struct Network {
    /// What was asked for.
    pub source: NetworkSource,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its network.
    pub model: Model,
    /// The images with one label each.
    pub splits: LabelledSplits,
}

impl Network {
    /// Opens the images, then the checkpoint.
    ///
    /// # Errors
    /// Where either cannot be opened, images have no label or several, or there is no such output.
    pub fn open(source: NetworkSource, notices: &Arc<dyn Notices>) -> Result<Self, Error> {
        if is_voc(&source.data) {
            return Err(ProtocolError::SeveralLabels { data: source.data }.into());
        }
        let splits = LabelledSplits::open(&source.data, source.taken, notices)?;
        let (checkpoint, model) = source.open_network(notices)?;
        // Decided once: how much memory is free changes while the first split is computed.
        let batch = source.batch(&checkpoint.recipe.evaluation, &model);
        let source = NetworkSource {
            batch: Some(batch),
            ..source
        };
        Ok(Self {
            source,
            checkpoint,
            model,
            splits,
        })
    }

    /// The network as it is evaluated.
    pub fn judged(&self) -> Judged<'_> {
        Judged {
            checkpoint: &self.source.checkpoint,
            data: &self.source.data,
            taken: self.source.taken,
            model: &self.model,
            recipe: &self.checkpoint.recipe,
            splits: &self.splits,
            map: self.source.map.as_ref(),
            threads: self.source.machine.threads,
            world: &self.source.world,
        }
    }

    /// The name of the method that trained the network, as recipes have it.
    pub fn method(&self) -> &'static str {
        self.checkpoint.recipe.method.name()
    }

    /// The training images that a list names, as label subsets.
    ///
    /// # Errors
    /// Where the list cannot be read, or a name is not that of exactly one training image.
    pub fn listed(&self, list: &Path) -> Result<Subsets, Error> {
        Ok(Subsets::of_rows(named(list, &self.splits)?, list)?)
    }

    /// One row of features an image, of both splits, with their labels. A process that is not the
    /// first of several only helps: it has no rows.
    ///
    /// # Errors
    /// As [`Judged::features`].
    pub fn features(&self) -> Result<Labelled, Error> {
        self.judged().features_by(&self.source.output, self.batch())
    }

    /// Whether features are seen through a map.
    pub(super) fn has_map(&self) -> bool {
        self.source.map.is_some()
    }

    /// The tokens of all images of both splits, from this process alone.
    ///
    /// # Errors
    /// As [`Judged::features`].
    pub(super) fn tokens(&self) -> Result<Labelled, Error> {
        let judged = Judged {
            world: &SOLO,
            ..self.judged()
        };
        judged.features_by(&Output::Tokens, self.batch())
    }

    /// Writes into a result how many images went through the network at a time.
    pub(super) fn record_batch(&self, result: &mut EvaluationResult) {
        result.settings.insert("batch".into(), self.batch().into());
    }

    /// How many images go through the network at a time.
    fn batch(&self) -> usize {
        self.source.batch(self.evaluation(), &self.model)
    }

    /// How images are prepared where the network is evaluated.
    pub(super) fn evaluation(&self) -> &Preprocessing {
        &self.checkpoint.recipe.evaluation
    }

    /// How many test images look like one of these training images to the network, and how many
    /// test images there are.
    pub(super) fn overlap(
        &self,
        rows: impl IntoIterator<Item = usize>,
    ) -> Result<(usize, usize), Error> {
        let rows = rows.into_iter().collect();
        let learnt = Selection::new(self.splits.train.dataset().clone(), rows)?;
        let (threads, evaluation) = (self.source.machine.threads, self.evaluation());
        let learnt: HashSet<u64> = views(Arc::new(learnt), evaluation, threads)?
            .into_iter()
            .collect();
        let tests = views(self.splits.test.dataset().clone(), evaluation, threads)?;
        let equal = tests.iter().filter(|view| learnt.contains(view)).count();
        Ok((equal, tests.len()))
    }
}

/// A model in memory, and the images that it is evaluated on.
#[derive(Clone, Copy)]
pub struct Judged<'a> {
    /// The file that the model is from.
    pub checkpoint: &'a Path,
    /// The images.
    pub data: &'a Path,
    /// How they were taken.
    pub taken: DataOptions,
    /// The network.
    pub model: &'a Model,
    /// Its settings.
    pub recipe: &'a Recipe,
    /// The images with one label each.
    pub splits: &'a LabelledSplits,
    /// What the features are seen through.
    pub map: Option<&'a MapFile>,
    /// Threads that prepare images, at least 1.
    pub threads: usize,
    /// The processes that share the work.
    pub world: &'a World,
}

impl Judged<'_> {
    /// One row of features an image, of both splits, with their labels; through the map if there is
    /// one.
    ///
    /// # Errors
    /// Where an image cannot be read or does not fit the network, or the map takes other features.
    pub fn features(&self, output: &Output) -> Result<Labelled, Error> {
        self.features_by(output, batch(&self.recipe.evaluation, self.model.device()))
    }

    /// As [`Judged::features`], with so many images at a time.
    fn features_by(&self, output: &Output, batch: usize) -> Result<Labelled, Error> {
        let seen = Seen {
            checkpoint: self.checkpoint,
            model: self.model,
            map: self.map,
            // What suits the memory that is left may differ from process to process.
            batch: Some(self.world.as_first(batch)?),
            world: self.world,
        };
        let features = |images: &LabelledImages| {
            let (images, evaluation) = (images.dataset().clone(), &self.recipe.evaluation);
            seen.evaluated(images, evaluation, output, self.threads)
        };
        let LabelledSplits { train, test } = self.splits;
        Ok(Labelled {
            train: features(train)?,
            train_labels: train.labels().to_vec(),
            test: features(test)?,
            test_labels: test.labels().to_vec(),
            classes: train.classes(),
        })
    }

    /// Writes into a result what was evaluated, on which images, and how they were prepared;
    /// `output` is what was taken from the network, none if all of it was trained.
    ///
    /// # Errors
    /// Where the checkpoint's file cannot be read.
    pub fn describe(
        &self,
        output: Option<&Output>,
        result: &mut EvaluationResult,
    ) -> Result<(), Error> {
        let output = output.map(ToString::to_string);
        result.origin = origin(self.checkpoint, (self.data, self.taken), output)?;
        result.map = self.map.map(|map| map.origin.clone());
        result.preprocessing = Some(preprocessing(&self.recipe.evaluation));
        result.train_images = self.splits.train.len();
        result.test_images = self.splits.test.len();
        result.classes = self.splits.classes();
        result.class_names = self.splits.train.dataset().classes().to_vec();
        result.splits = Splits {
            train: Some(split("train", self.data, &**self.splits.train.dataset())),
            test: Some(split("test", self.data, &**self.splits.test.dataset())),
        };
        Ok(())
    }
}

/// What was evaluated, as a result has it.
fn origin(
    checkpoint: &Path,
    (data, taken): (&Path, DataOptions),
    output: Option<String>,
) -> Result<Origin, Error> {
    Ok(Origin::Checkpoint(CheckpointOrigin {
        checkpoint: checkpoint.to_owned(),
        checkpoint_sha256: Some(digest(checkpoint)?),
        data: Some(data.to_owned()),
        val_fraction: taken.val_fraction,
        val_seed: taken.val_seed,
        output,
    }))
}

/// The record of one split of the images at `data`.
pub(super) fn split(name: &str, data: &Path, dataset: &dyn Dataset) -> SplitRecord {
    SplitRecord {
        split: name.to_owned(),
        images: dataset.len(),
        fingerprint: Some(fingerprint(data, dataset)),
    }
}

/// What the network is shown of each image, as hashes: the same image looks the same, whatever it
/// is called.
fn views(
    dataset: Arc<dyn Dataset>,
    evaluation: &Preprocessing,
    threads: usize,
) -> Result<Vec<u64>, Error> {
    let config = LoaderConfig {
        batch: 64.min(dataset.len().max(1)),
        seed: 0,
        threads,
        prefetch: 2,
        shuffle: false,
        drop_last: false,
        parts: 1,
        rank: 0,
        world: 1,
    };
    let mut hashes = Vec::with_capacity(dataset.len());
    let loader = Loader::new(dataset, Pipeline::Preprocess(evaluation.clone()), config)?;
    for batch in loader.epoch(0, 0) {
        let batch = batch?;
        let view = &batch.views[0];
        let size: usize = view.shape[1..].iter().product();
        hashes.extend(view.data.chunks_exact(size).map(|image| {
            let mut hasher = DefaultHasher::new();
            image
                .iter()
                .for_each(|sample| sample.to_bits().hash(&mut hasher));
            hasher.finish()
        }));
        loader.recycle(batch);
    }
    Ok(hashes)
}
