//! The result of an evaluation: one type for `probe`, `knn`, `svm`, `finetune`, the runs of a sweep
//! and the models of the demo.
//!
//! A result says what was evaluated ([`Origin`], [`Preprocessing`], [`Splits`]), what was learned
//! from ([`LabelSubsets`]), with which settings, and what came out: [`EvaluationResult::results`]
//! of nearest neighbours, [`EvaluationResult::probes`] of linear layers and fine-tuning,
//! [`EvaluationResult::svm`] of support vector machines. [`EvaluationResult::rows`] and
//! [`EvaluationResult::fits`] show all three alike. Accuracies are in percent.

mod figures;
pub(crate) mod find;
pub(crate) mod folder;
mod origin;
#[cfg(test)]
mod tests;
mod view;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;
use crate::read::{self, Kind};

pub use figures::{
    Figures, NeighbourFit, Precisions, ProbeFit, ProbeRow, Spans, SvmResult, SvmUnit,
};
pub use origin::{
    CheckpointOrigin, FileOrigin, LabelSubsets, MapOrigin, Origin, Preprocessing, SplitRecord,
    Splits, Training,
};
pub use view::{FitKey, FitView, RowView};

/// The format of `result.json` that is written here.
pub const RESULT_FORMAT: u32 = 1;

const KIND: Kind = Kind {
    what: "a result",
    format: RESULT_FORMAT,
};

/// How features are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Protocol {
    /// A linear layer on frozen features.
    Linear,
    /// All layers trained on few labels.
    SemiSupervised,
    /// Nearest neighbours.
    Knn,
    /// Support vector machines, one against the rest.
    Svm,
}

/// What an evaluation leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationResult {
    /// See [`RESULT_FORMAT`].
    #[serde(default = "first")]
    pub format: u32,
    /// The program's version.
    #[serde(rename = "e2mc", default)]
    pub version: String,
    /// The command, such as `probe`.
    pub command: String,
    /// What tables call the model.
    pub model: String,
    /// What was evaluated.
    #[serde(flatten)]
    pub origin: Origin,
    /// The map that the embeddings were seen through; none if they were evaluated as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapOrigin>,
    /// How images were prepared; none if embeddings were read from files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
    /// How the model was trained just before; none of a checkpoint that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// The settings of each classifier, as the command has them.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// What the command is for; the result may hold figures of others beside it.
    pub evaluation: Protocol,
    /// Training images, or rows of embeddings.
    #[serde(default)]
    pub train_images: usize,
    /// Test images, or rows of embeddings.
    #[serde(default)]
    pub test_images: usize,
    /// Classes or labels.
    #[serde(default)]
    pub classes: usize,
    /// What the classes are called, in the order of their numbers; empty where nobody knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// Where the images came from, split by split.
    #[serde(default, skip_serializing_if = "Splits::is_empty")]
    pub splits: Splits,
    /// Which labels were learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_subsets: Option<LabelSubsets>,
    /// Neighbours of [`EvaluationResult::knn`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<usize>,
    /// Top-1 in percent of the neighbours' majority, where they are evaluated beside probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knn: Option<f64>,
    /// Nearest neighbours with all labels, one entry for each k and vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<NeighbourFit>,
    /// Linear layers and fine-tuning, one row for each classifier and fraction of the labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeRow>,
    /// Support vector machines.
    #[serde(flatten)]
    pub svm: Option<SvmResult>,
    /// Where test rows lie and what is nearest to them: a file, relative to the folder of the
    /// result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<PathBuf>,
    /// What a reader of the figures should know.
    #[serde(default)]
    pub warnings: Vec<String>,
}

fn first() -> u32 {
    1
}

impl EvaluationResult {
    /// A result of this program without any figures yet.
    pub fn new(command: &str, model: impl Into<String>, evaluation: Protocol) -> Self {
        Self {
            format: RESULT_FORMAT,
            version: crate::VERSION.to_owned(),
            command: command.to_owned(),
            model: model.into(),
            origin: Origin::default(),
            map: None,
            preprocessing: None,
            training: None,
            settings: Map::new(),
            evaluation,
            train_images: 0,
            test_images: 0,
            classes: 0,
            class_names: Vec::new(),
            splits: Splits::default(),
            label_subsets: None,
            k: None,
            knn: None,
            results: Vec::new(),
            probes: Vec::new(),
            svm: None,
            surroundings: None,
            warnings: Vec::new(),
        }
    }

    /// Reads `result.json`.
    ///
    /// # Errors
    /// Where the file cannot be read, holds something else or is of a later version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let result: Self = read::json(path, &KIND)?;
        if result.fits().next().is_none() && result.rows().next().is_none() {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: KIND.what,
                found: "no figures".into(),
            });
        }
        Ok(result)
    }

    /// Writes `result.json`, whole or not at all.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        read::write_json(path, &KIND, self)
    }

    /// The places of all files beside the result, relative to its folder.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.predictions().chain(&self.surroundings)
    }

    /// The places of all predictions, relative to the folder of the result.
    pub fn predictions(&self) -> impl Iterator<Item = &PathBuf> {
        let neighbours = self.results.iter().map(|fit| &fit.predictions);
        let probes = self.probes.iter().flat_map(|row| &row.runs);
        let probes = probes.map(|fit| &fit.predictions);
        let svm = self.svm.iter().map(|svm| &svm.predictions);
        neighbours.chain(probes).chain(svm).flatten()
    }
}
