//! Options of `finetune`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::heading;
use super::value::fraction;
use super::{CheckpointOptions, ImageOptions, MachineOptions, PreparationOptions, RecordOptions};

/// Options of `finetune`.
#[derive(Args, Debug)]
pub struct FinetuneOptions {
    /// Checkpoint or model file to start from (required)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: PathBuf,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Folder of labelled images with a train and a test split (required)
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// Fractions of the training labels, above 0 and at most 1
    #[arg(
        value_name = "F,…",
        long,
        value_delimiter = ',',
        default_value = "0.01,0.1",
        value_parser = fraction
    )]
    pub fractions: Vec<f64>,
    /// File of the labelled training images, instead of --fractions
    ///
    /// A text file with one image name per line.
    #[arg(long, value_name = "FILE", conflicts_with = "fractions")]
    pub list: Option<PathBuf>,
    /// Label subsets drawn for each fraction, one per seed
    #[arg(
        value_name = "N",
        long,
        default_value_t = 3,
        value_parser = clap::value_parser!(u64).range(1..=1000)
    )]
    pub seeds: u64,
    /// Published learning rates and schedule (paper, appendix B.2)
    ///
    /// The rates are for a batch of 256. vicreg: rates fall along a cosine. swav: rate times 0.2 at
    /// epochs 12 and 16.
    #[arg(
        help_heading = heading::TRAINING,
        long,
        value_enum,
        default_value_t = FinetunePresetName::Vicreg
    )]
    pub preset: FinetunePresetName,
    /// Passes over the labelled images [default: 20, as in the paper]
    #[arg(
        help_heading = heading::TRAINING,
        long,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub epochs: Option<u32>,
    /// Images per step [default: 256, as in the paper]
    #[arg(
        help_heading = heading::TRAINING,
        value_name = "IMAGES",
        long,
        value_parser = clap::value_parser!(u32).range(2..)
    )]
    pub batch: Option<u32>,
    /// Learning rate of the backbone for a batch of 256 [default: the preset's]
    #[arg(help_heading = heading::TRAINING, long, value_name = "RATE")]
    pub trunk_rate: Option<f64>,
    /// Learning rate of the linear layer for a batch of 256 [default: the preset's]
    #[arg(help_heading = heading::TRAINING, long, value_name = "RATE")]
    pub head_rate: Option<f64>,
    /// Probability of a left-right flip of a training image
    #[arg(help_heading = heading::TRAINING, long, value_name = "P", default_value_t = 0.5)]
    pub flip: f32,
    /// Device, threads and seed.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Where the result goes.
    #[command(flatten)]
    pub record: RecordOptions,
}

/// Presets of fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FinetunePresetName {
    /// Backbone 0.03 and classifier 0.08 with 1 % of labels; 0.01 and 0.1 with more
    Vicreg,
    /// Backbone 0.02 and classifier 5 with 1 % of labels; 0.01 and 0.2 with more
    Swav,
}
