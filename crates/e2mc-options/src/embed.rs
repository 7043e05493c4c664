//! Options of `embed`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CheckpointOptions, ImageOptions, MachineOptions, PreparationOptions};

/// Options of `embed`.
#[derive(Args, Debug)]
pub struct EmbedOptions {
    /// Checkpoint or model file
    #[arg(long, value_name = "FILE")]
    pub checkpoint: PathBuf,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Folder of images, labelled or not
    #[arg(long, value_name = "DIR", required_unless_present = "tensor")]
    pub data: Option<PathBuf>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// Split of the data
    #[arg(
        long,
        alias = "part",
        value_enum,
        default_value_t = SplitName::Train,
        requires = "data"
    )]
    pub split: SplitName,
    /// Images (n, c, h, w) that are normalised already instead: FILE.safetensors:TENSOR,
    /// FILE.npz:ARRAY or FILE.npy
    #[arg(long, value_name = "FILE:NAME", conflicts_with = "data")]
    pub tensor: Option<String>,
    /// The file to write, .npy or .safetensors; labels and image names go beside it
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What is taken from the network: backbone, projector, predictor (SimSiam), prototypes (SwAV),
    /// map6x6 (last feature map, average-pooled 6 x 6); of a vision transformer class:4 (class tokens of
    /// the last 4 blocks) or class:1+mean (with the mean of the patches); or the name of a backbone layer
    /// such as layer3, layer4.1.bn2 or blocks.7
    #[arg(long, value_name = "NAME", default_value = "backbone")]
    pub output: String,
    /// Write the features as they are after this map, which `adapt` wrote
    #[arg(long, value_name = "MAP.safetensors")]
    pub map: Option<PathBuf>,
    /// How numbers are stored
    #[arg(long, value_enum, default_value_t = DtypeName::Float32)]
    pub dtype: DtypeName,
    /// Images at a time [default: up to 256, as suits the images and the memory]
    #[arg(long, value_name = "IMAGES", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Where to compute.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// A split of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// The images to learn from
    Train,
    /// The images to judge by
    Test,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DtypeName {
    /// 32 bits
    Float32,
    /// 16 bits
    Float16,
}
