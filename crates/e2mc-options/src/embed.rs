//! Options of `embed`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::heading;
use super::{CheckpointOptions, ImageOptions, MachineOptions, PreparationOptions, ProcessOptions};

/// Options of `embed`.
#[derive(Args, Debug)]
pub struct EmbedOptions {
    /// Checkpoint or model file (required)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: PathBuf,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Folder of images, labelled or not (required without --tensor)
    #[arg(
        help_heading = heading::IMAGES,
        long,
        value_name = "DIR",
        required_unless_present = "tensor"
    )]
    pub data: Option<PathBuf>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// Split of the data to embed
    #[arg(help_heading = heading::IMAGES,
        long,
        alias = "part",
        value_enum,
        default_value_t = SplitName::Train,
        requires = "data"
    )]
    pub split: SplitName,
    /// Normalised images (n, c, h, w), instead of --data
    ///
    /// FILE.safetensors:TENSOR, FILE.npz:ARRAY or FILE.npy.
    #[arg(help_heading = heading::IMAGES, long, value_name = "FILE:NAME", conflicts_with = "data")]
    pub tensor: Option<String>,
    /// File to write, .npy or .safetensors (required)
    ///
    /// Labels and image names are written beside it.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Replace --out and the files beside it if they exist, instead of refusing
    #[arg(long)]
    pub overwrite: bool,
    /// Output of the network to write, such as backbone or projector
    ///
    /// Outputs: backbone; projector; predictor (SimSiam); prototypes (SwAV); map6x6 (the last
    /// feature map, average-pooled to 6 x 6); class:4 (the class tokens of a vision transformer's
    /// last 4 blocks); class:1+mean (the last class token and the mean of the patches); patches (the
    /// mean of a vision transformer's patches); tokens (all patches, or all places of the last
    /// feature map, side by side); or the name of a backbone layer, such as layer3, layer4.1.bn2 or
    /// blocks.7.
    #[arg(long, value_name = "NAME", default_value = "backbone")]
    pub output: String,
    /// Map from `adapt` to apply to the features first
    #[arg(long, value_name = "MAP.safetensors")]
    pub map: Option<PathBuf>,
    /// Number format of the file
    #[arg(long, value_enum, default_value_t = DtypeName::Float32)]
    pub dtype: DtypeName,
    /// Images per forward pass [default: up to 256, by image size and memory]
    #[arg(
        help_heading = heading::MACHINE,
        long,
        value_name = "IMAGES",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub batch: Option<u32>,
    /// Where to compute.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Number of processes.
    #[command(flatten)]
    pub processes: ProcessOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

/// A split of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// The training images
    Train,
    /// The test images
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
