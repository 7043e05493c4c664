//! Where an evaluation's features and labels come from: a checkpoint and images, or files of
//! embeddings of any model. The second does no libtorch work.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use e2mc::Matrix;
use e2mc_data::{Dataset, Evaluation, Loader, LoaderConfig, Pipeline, Selection};
use e2mc_eval::{EmbeddingFile, Rows, Targets, equal_rows, read_targets};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{Model, Output, device, embed};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::parts::Parts;
use super::{Part, voc};
use crate::checkpoint::{CheckpointOptions, Reading, check_output, output_named};
use crate::command::probe;
use crate::data::ImageOptions;
use crate::failure::Failure;
use e2mc_cli::options::EmbeddingsOptions;
use e2mc_cli::options::MachineOptions;

/// Features and classes, ready to be judged.
pub(crate) struct Labelled {
    pub(crate) train: Matrix,
    pub(crate) train_labels: Vec<usize>,
    pub(crate) test: Matrix,
    pub(crate) test_labels: Vec<usize>,
    pub(crate) classes: usize,
}

/// Four files of embeddings and labels.
pub(crate) struct Files {
    pub(crate) train: EmbeddingFile,
    pub(crate) train_targets: Targets,
    pub(crate) test: EmbeddingFile,
    pub(crate) test_targets: Targets,
    /// Where the targets of both are.
    label_files: [String; 2],
}

/// A network and the images that it is judged on.
pub(crate) struct Network {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) model: Model,
    pub(crate) train: Part,
    pub(crate) test: Part,
}

/// Either of the two.
pub(crate) enum Source {
    Files(Box<Files>),
    Network(Box<Network>),
}

/// Opening what the options name.
pub(crate) trait Opening {
    fn open(&self, machine: &MachineOptions) -> Result<Source>;
    fn network_paths(&self) -> Result<(&Path, &Path)>;
    fn files(&self) -> Result<Option<Files>>;
    fn describe(&self) -> Result<Value>;
}

impl Opening for EmbeddingsOptions {
    /// Opens and checks everything; reads no image yet.
    fn open(&self, machine: &MachineOptions) -> Result<Source> {
        if let Some(files) = self.files()? {
            return Ok(Source::Files(Box::new(files)));
        }
        let (checkpoint, data) = self.network_paths()?;
        let network = Network::open(checkpoint, &self.reading, (data, self.images), machine)?;
        check_output(&output_named(&self.output), &network.checkpoint)?;
        Ok(Source::Network(Box::new(network)))
    }

    /// The checkpoint and the folder of images, which the parser demands where no files are given.
    fn network_paths(&self) -> Result<(&Path, &Path)> {
        match (&self.checkpoint, &self.data) {
            (Some(checkpoint), Some(data)) => Ok((checkpoint, data)),
            _ => Err(Failure::usage(
                "neither a checkpoint with images nor files of embeddings",
                "give --checkpoint and --data, or --train, --train-labels, --test and --test-labels",
            )),
        }
    }

    /// The four files, if they were given.
    fn files(&self) -> Result<Option<Files>> {
        let (Some(train), Some(train_labels), Some(test), Some(test_labels)) = (
            &self.train,
            &self.train_labels,
            &self.test,
            &self.test_labels,
        ) else {
            return Ok(None);
        };
        let open = |embeddings: &String, labels: &String| -> Result<(EmbeddingFile, Targets)> {
            let (file, targets) = (EmbeddingFile::open(embeddings)?, read_targets(labels)?);
            if file.rows() != targets.rows() {
                return Err(Failure::new(
                    format!(
                        "{embeddings} has {} rows, but {labels} has {} labels",
                        file.rows(),
                        targets.rows()
                    ),
                    "give one label for each row, in the order of the rows",
                ));
            }
            Ok((file, targets))
        };
        let label_files = [train_labels.clone(), test_labels.clone()];
        let (train, train_targets) = open(train, train_labels)?;
        let (test, test_targets) = open(test, test_labels)?;
        Ok(Some(Files {
            label_files,
            train,
            train_targets,
            test,
            test_targets,
        }))
    }

    /// What a result says of its origin: the files, or the checkpoint with its hash and the images.
    fn describe(&self) -> Result<Value> {
        Ok(match &self.checkpoint {
            Some(checkpoint) => json!({
                "checkpoint": checkpoint, "checkpoint_sha256": sha256(checkpoint)?,
                "data": self.data, "val_fraction": self.images.val_fraction,
                "val_seed": self.images.val_seed, "output": self.output.to_string(),
            }),
            None => json!({
                "train": self.train, "train_labels": self.train_labels,
                "test": self.test, "test_labels": self.test_labels,
            }),
        })
    }
}

impl Source {
    /// How many training images, or rows, there are.
    pub(crate) fn train_images(&self) -> usize {
        match self {
            Self::Files(files) => files.train.rows(),
            Self::Network(network) => network.train.len(),
        }
    }

    /// Features and class numbers in memory, with what the user should be warned of.
    pub(crate) fn labelled(
        &self,
        options: &EmbeddingsOptions,
        machine: &MachineOptions,
    ) -> Result<(Labelled, Vec<String>)> {
        let labelled = match self {
            Self::Files(files) => files.labelled()?,
            Self::Network(network) => network.labelled(&output_named(&options.output), machine)?,
        };
        let Labelled {
            train,
            train_labels,
            test,
            test_labels,
            classes,
        } = &labelled;
        let overlap = overlap(&train.view(), &test.view())?;
        let unseen = unseen(train_labels, test_labels, *classes);
        let warnings = overlap.into_iter().chain(unseen).collect();
        Ok((labelled, warnings))
    }
}

impl Files {
    /// The class numbers of both sets, and how many classes they speak of.
    pub(crate) fn classes(&self) -> Result<(&[usize], &[usize], usize)> {
        let (Targets::Classes(train), Targets::Classes(test)) =
            (&self.train_targets, &self.test_targets)
        else {
            return Err(Failure::usage(
                format!(
                    "labels have two dimensions, expected one class number for each row: {}",
                    self.kinds()
                ),
                "use `e2mc svm` for several labels a row, or flatten class numbers with .ravel()",
            ));
        };
        let largest = train.iter().chain(test).max().copied().unwrap_or(0);
        // No label that was read is so large that there would be too many.
        Ok((train, test, largest + 1))
    }

    /// What labels each file holds.
    pub(crate) fn kinds(&self) -> String {
        let kind = |targets: &Targets| match targets {
            Targets::Classes(_) => "class numbers".to_owned(),
            Targets::Multi(labels) => format!("{} column(s) of 0/1", labels.labels()),
        };
        let [train, test] = &self.label_files;
        format!(
            "{train} holds {}, {test} holds {}",
            kind(&self.train_targets),
            kind(&self.test_targets)
        )
    }

    fn labelled(&self) -> Result<Labelled> {
        let (train, test, classes) = self.classes()?;
        Ok(Labelled {
            train: whole(&self.train)?,
            train_labels: train.to_vec(),
            test: whole(&self.test)?,
            test_labels: test.to_vec(),
            classes,
        })
    }
}

/// All rows in memory.
pub(crate) fn whole(file: &EmbeddingFile) -> Result<Matrix> {
    let values = file.read(0..file.rows())?.into_owned();
    Ok(Matrix::new(values, file.rows(), file.cols())?)
}

impl Network {
    pub(crate) fn open(
        checkpoint: &Path,
        reading: &CheckpointOptions,
        (data, taken): (&Path, ImageOptions),
        machine: &MachineOptions,
    ) -> Result<Self> {
        if voc::is_voc(data) {
            return Err(Failure::usage(
                format!("{}: VOC images have several labels each", data.display()),
                "use `e2mc svm` for several labels an image",
            ));
        }
        let (train, test) = probe::open(data, taken)?;
        let (checkpoint, model) = reading.open(checkpoint, device(&machine.device)?)?;
        Ok(Self {
            checkpoint,
            model,
            train,
            test,
        })
    }

    /// The training images that a list names.
    pub(crate) fn listed(&self, list: &Path) -> Result<Parts> {
        Parts::of_images(list, &**self.train.dataset(), &**self.test.dataset())
    }

    /// What the user should be warned of where these training images are learnt from.
    pub(crate) fn warnings(
        &self,
        rows: impl IntoIterator<Item = usize>,
        machine: &MachineOptions,
    ) -> Result<Vec<String>> {
        let rows = rows.into_iter().collect();
        let learnt = Arc::new(Selection::new(self.train.dataset().clone(), rows)?);
        let (tests, threads) = (self.test.dataset().clone(), machine.threads());
        let evaluation = &self.checkpoint.recipe.evaluation;
        let learnt: HashSet<u64> = views(learnt, evaluation, threads)?.into_iter().collect();
        let seen = views(tests, evaluation, threads)?;
        let equal = seen.iter().filter(|view| learnt.contains(view)).count();
        let parts = (self.train.labels(), self.test.labels());
        let unseen = unseen(parts.0, parts.1, self.train.classes());
        Ok(overlapping(equal, seen.len())
            .into_iter()
            .chain(unseen)
            .collect())
    }

    fn labelled(&self, output: &Output, machine: &MachineOptions) -> Result<Labelled> {
        let features = |part: &Part| {
            embed(
                &self.model,
                part.dataset().clone(),
                &self.checkpoint.recipe.evaluation,
                output.clone(),
                256,
                machine.threads(),
            )
        };
        Ok(Labelled {
            train: features(&self.train)?,
            train_labels: self.train.labels().to_vec(),
            test: features(&self.test)?,
            test_labels: self.test.labels().to_vec(),
            classes: self.train.classes(),
        })
    }
}

/// What the network is shown of each image, as hashes: the same image looks the same, whatever it is called.
fn views(dataset: Arc<dyn Dataset>, evaluation: &Evaluation, threads: usize) -> Result<Vec<u64>> {
    let config = LoaderConfig {
        batch: 64.min(dataset.len().max(1)),
        seed: 0,
        threads,
        prefetch: 2,
        shuffle: false,
        drop_last: false,
        rank: 0,
        world: 1,
    };
    let mut hashes = Vec::with_capacity(dataset.len());
    let loader = Loader::new(dataset, Pipeline::Evaluate(evaluation.clone()), config)?;
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

/// A warning where test rows are training rows too.
pub(crate) fn overlap(train: &dyn Rows, test: &dyn Rows) -> Result<Option<String>> {
    Ok(overlapping(equal_rows(train, test)?, test.rows()))
}

fn overlapping(equal: usize, tests: usize) -> Option<String> {
    (equal > 0).then(|| {
        format!(
            "{equal} of {tests} test rows equal a training row: test images are among the training images"
        )
    })
}

/// A warning where test rows are of classes without training rows.
pub(crate) fn unseen(train: &[usize], test: &[usize], classes: usize) -> Option<String> {
    let mut seen = vec![false; classes];
    train.iter().for_each(|&label| seen[label] = true);
    let lost = test.iter().filter(|&&label| !seen[label]).count();
    (lost > 0).then(|| {
        format!(
            "{lost} of {} test rows are of classes without training rows and cannot be right",
            test.len()
        )
    })
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let failed = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(failed)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut piece).with_context(failed)?;
        if count == 0 {
            let digest = hash.finalize();
            return Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&piece[..count]);
    }
}
