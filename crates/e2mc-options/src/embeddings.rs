//! What `probe`, `knn` and `svm` judge: a checkpoint on images, or files of embeddings.

use std::path::PathBuf;

use clap::Args;
use e2mc_record::FileOrigin;

use super::{CheckpointOptions, ImageOptions, PreparationOptions};

/// What is judged: a checkpoint's features of images, or four files of embeddings and labels.
#[derive(Args, Clone, Debug)]
pub struct EmbeddingsOptions {
    /// Checkpoint or model file whose features are judged
    #[arg(
        long,
        value_name = "FILE",
        requires = "data",
        required_unless_present = "train",
        conflicts_with = "train"
    )]
    pub checkpoint: Option<PathBuf>,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Folder of labelled images with a train and a test split
    #[arg(long, value_name = "DIR", requires = "checkpoint")]
    pub data: Option<PathBuf>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// What is taken from the network: backbone, projector, predictor (SimSiam), prototypes (SwAV),
    /// map6x6 (last feature map, average-pooled 6 x 6); of a vision transformer class:4 (class tokens of
    /// the last 4 blocks) or class:1+mean (with the mean of the patches); or the name of a backbone layer
    /// such as layer3, layer4.1.bn2 or blocks.7
    #[arg(long, value_name = "NAME", default_value = "backbone")]
    pub output: String,
    /// Images that go through the network at a time [default: up to 256, as suits the images and the
    /// memory]
    #[arg(long, value_name = "IMAGES", requires = "checkpoint", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Judge the embeddings as they are after this map, which `adapt` wrote
    #[arg(long, value_name = "MAP.safetensors")]
    pub map: Option<PathBuf>,
    /// Training embeddings of any model instead: FILE.npy, FILE.npz:ARRAY or FILE.safetensors:TENSOR
    #[arg(long, value_name = "FILE", requires_all = ["train_labels", "test", "test_labels"])]
    pub train: Option<String>,
    /// Class numbers of the training embeddings, one a row (svm also takes 0/1 columns)
    #[arg(long, value_name = "FILE", requires = "train")]
    pub train_labels: Option<String>,
    /// Test embeddings
    #[arg(long, value_name = "FILE", requires = "train")]
    pub test: Option<String>,
    /// Class numbers of the test embeddings
    #[arg(long, value_name = "FILE", requires = "train")]
    pub test_labels: Option<String>,
}

impl EmbeddingsOptions {
    /// Whether features are computed by a network; files hold theirs.
    pub fn needs_network(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// The four files of embeddings and labels; none where a checkpoint is judged.
    pub fn files(&self) -> Option<FileOrigin> {
        Some(FileOrigin {
            train: self.train.clone()?,
            train_labels: self.train_labels.clone()?,
            test: self.test.clone()?,
            test_labels: self.test_labels.clone()?,
        })
    }

    /// What tables call the model where the user gave no name: the checkpoint or the training file.
    pub fn model(&self) -> String {
        let checkpoint = self.checkpoint.as_ref();
        let checkpoint = checkpoint.map(|path| path.display().to_string());
        checkpoint.or(self.train.clone()).unwrap_or_default()
    }
}
