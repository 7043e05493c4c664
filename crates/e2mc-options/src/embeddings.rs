//! What `probe`, `knn` and `svm` judge: a checkpoint on images, or files of embeddings.

use std::path::PathBuf;

use clap::Args;
use e2mc_record::FileOrigin;

use super::heading;
use super::{CheckpointOptions, ImageOptions, PreparationOptions};

/// Features to evaluate: those of a checkpoint and images, or four files of embeddings and labels.
#[derive(Args, Clone, Debug)]
pub struct EmbeddingsOptions {
    /// Checkpoint or model file to evaluate (required without --train)
    #[arg(help_heading = heading::CHECKPOINT,
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
    /// Folder of labelled images with both splits (required with --checkpoint)
    ///
    /// Classifiers are trained on the train split and tested on the test split.
    #[arg(help_heading = heading::IMAGES, long, value_name = "DIR", requires = "checkpoint")]
    pub data: Option<PathBuf>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// Output of the network to evaluate, such as backbone or projector
    ///
    /// Outputs: backbone; projector; predictor (SimSiam); prototypes (SwAV); map6x6 (the last
    /// feature map, average-pooled to 6 x 6); class:4 (the class tokens of a vision transformer's
    /// last 4 blocks); class:1+mean (the last class token and the mean of the patches); patches (the
    /// mean of a vision transformer's patches); tokens (all patches, or all places of the last
    /// feature map, side by side); or the name of a backbone layer, such as layer3, layer4.1.bn2 or
    /// blocks.7.
    #[arg(
        help_heading = heading::CHECKPOINT,
        long,
        value_name = "NAME",
        default_value = "backbone"
    )]
    pub output: String,
    /// Images per forward pass [default: up to 256, by image size and memory]
    #[arg(
        help_heading = heading::MACHINE,
        long,
        value_name = "IMAGES",
        requires = "checkpoint",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub batch: Option<u32>,
    /// Map from `adapt` to apply to the embeddings first
    #[arg(long, value_name = "MAP.safetensors")]
    pub map: Option<PathBuf>,
    /// Training embeddings, instead of --checkpoint and --data
    ///
    /// They may come from any model: FILE.npy, FILE.npz:ARRAY or FILE.safetensors:TENSOR.
    #[arg(
        help_heading = heading::FILES,
        long,
        value_name = "FILE",
        requires_all = ["train_labels", "test", "test_labels"]
    )]
    pub train: Option<String>,
    /// Class numbers of the training embeddings, one per row (required with --train)
    #[arg(help_heading = heading::FILES, long, value_name = "FILE", requires = "train")]
    pub train_labels: Option<String>,
    /// Test embeddings (required with --train)
    #[arg(help_heading = heading::FILES, long, value_name = "FILE", requires = "train")]
    pub test: Option<String>,
    /// Class numbers of the test embeddings (required with --train)
    #[arg(help_heading = heading::FILES, long, value_name = "FILE", requires = "train")]
    pub test_labels: Option<String>,
}

impl EmbeddingsOptions {
    /// Whether features are computed by a network; files hold theirs.
    pub fn needs_network(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// The four files of embeddings and labels; none if a checkpoint is evaluated.
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
