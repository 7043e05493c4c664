//! What was evaluated, and on what.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, sha256};

/// What was evaluated: a checkpoint's features of images, or files of embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Origin {
    /// A checkpoint and images.
    Checkpoint(CheckpointOrigin),
    /// Files of embeddings and labels.
    Files(FileOrigin),
    /// Matrices in memory, or nothing that is known.
    Unknown {},
}

impl Default for Origin {
    fn default() -> Self {
        Self::Unknown {}
    }
}

/// A checkpoint and images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointOrigin {
    /// The file.
    pub checkpoint: PathBuf,
    /// Its SHA-256, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_sha256: Option<String>,
    /// The data set.
    #[serde(default)]
    pub data: Option<PathBuf>,
    /// Fraction of the images set apart as a test split, of data without one.
    #[serde(default)]
    pub val_fraction: Option<f64>,
    /// Seed of that choice.
    #[serde(default)]
    pub val_seed: u64,
    /// What was taken from the network, such as `backbone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// Files of embeddings and labels, as they were named: `FILE.npz:ARRAY`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileOrigin {
    /// Training embeddings.
    pub train: String,
    /// Their labels.
    pub train_labels: String,
    /// Test embeddings.
    pub test: String,
    /// Their labels.
    pub test_labels: String,
}

/// The map that embeddings were seen through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapOrigin {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl MapOrigin {
    /// The map in the file `path`.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn of(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            path: path.to_owned(),
            sha256: sha256(path)?,
        })
    }
}

/// How images were prepared for the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Channels: 1 or 3.
    pub channels: usize,
    /// The shorter side is resized to this many pixels; none takes images as they are.
    pub resize: Option<usize>,
    /// Side of the centre crop in pixels.
    pub crop: usize,
    /// Whether both sides are resized, whatever their proportion, and not the shorter one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub squash: bool,
    /// The filter of the resizing, such as `bilinear`; none without resizing.
    pub filter: Option<String>,
    /// Mean of each channel, of samples in `[0, 1]`.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, of samples in `[0, 1]`.
    pub std: Vec<f32>,
}

impl Preprocessing {
    /// What is otherwise in `other`, each with both values: `filter bilinear and bicubic`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let pixels = |side: Option<usize>| side.map_or("none".to_owned(), |side| side.to_string());
        let numbers = |numbers: &[f32]| {
            let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
            numbers.join(" ")
        };
        let word = |filter: &Option<String>| filter.clone().unwrap_or_else(|| "none".to_owned());
        let sides = |squash| if squash { "both sides" } else { "shorter side" };
        let all = |p: &Self| {
            [
                ("channels", p.channels.to_string()),
                ("resize", pixels(p.resize)),
                ("resize of", sides(p.squash).to_owned()),
                ("filter", word(&p.filter)),
                ("crop", p.crop.to_string()),
                ("mean", numbers(&p.mean)),
                ("std", numbers(&p.std)),
            ]
        };
        let pairs = all(self).into_iter().zip(all(other));
        pairs
            .filter(|((_, own), (_, other))| own != other)
            .map(|((name, own), (_, other))| format!("{name} {own} and {other}"))
            .collect()
    }
}

/// Where the images of both sets came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Splits {
    /// What was learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<SplitRecord>,
    /// What was predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<SplitRecord>,
}

impl Splits {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.train.is_none() && self.test.is_none()
    }
}

/// The images of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitRecord {
    /// The data set's name of the split, such as `train`, `val` or `test`.
    pub split: String,
    /// How many images it has.
    pub images: usize,
    /// Their [fingerprint](crate::data_fingerprint).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// Which labels were learned from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelSubsets {
    /// Fractions of the training labels, in (0, 1]; a list has one.
    pub fractions: Vec<f64>,
    /// Images of each of them.
    pub images: Vec<usize>,
    /// One subset a seed; of a list and of all labels the subset is the same for all.
    pub seeds: Vec<u64>,
    /// The file that named the images, instead of drawn fractions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<PathBuf>,
}

/// How a model was trained just before it was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// How training ended; `untouched` of the model that it began with.
    pub outcome: String,
    /// Epochs that were trained.
    pub epochs: u64,
}
