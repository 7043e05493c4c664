//! Options of `inspect`.

use std::path::PathBuf;

use clap::Args;

use super::{CheckpointOptions, ImageOptions, MachineOptions, PreparationOptions, TransformName};

/// Options of `inspect`.
#[derive(Args, Debug)]
pub struct InspectOptions {
    /// Embeddings (n, d): a .npy file, FILE.npz:ARRAY or FILE.safetensors:TENSOR; two of the same
    /// images, before and after
    #[arg(value_name = "EMBEDDINGS", num_args = 1..=2, required_unless_present = "checkpoint")]
    pub files: Vec<String>,
    /// Checkpoint or model file that embeds --data; two for before and after
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with = "files")]
    pub checkpoint: Vec<PathBuf>,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Folder of images: for --checkpoint, its test split where it has one; with files the images that the
    /// rows are of, for pictures in --report
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// What is taken from the network: projector, backbone or another output that `embed` knows
    /// [default: projector, which the criterion acts on; backbone where the checkpoint has no heads]
    #[arg(long, value_name = "NAME", requires = "checkpoint")]
    pub output: Option<String>,
    /// With --checkpoint: augmented views of each image, for alignment and LiDAR
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=64)
    )]
    pub views: u16,
    /// Embeddings of other views of the same images in the same rows (repeatable); for alignment and
    /// LiDAR
    #[arg(long, value_name = "EMBEDDINGS", requires = "files")]
    pub view: Vec<String>,
    /// Look at the embeddings as they are after this map, which `adapt` wrote
    #[arg(long, value_name = "MAP.safetensors")]
    pub map: Option<PathBuf>,
    /// Map to the unit interval [default: gaussian for files, the recipe's for checkpoints]
    #[arg(long, value_enum)]
    pub transform: Option<TransformName>,
    /// Rows whose neighbours are searched, among all rows
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5000,
        value_parser = clap::value_parser!(u32).range(2..)
    )]
    pub queries: u32,
    /// Write a self-contained page
    #[arg(long, value_name = "OUT.html")]
    pub report: Option<PathBuf>,
    /// Leave pictures of images out of the page; names and classes stay
    #[arg(long)]
    pub no_thumbnails: bool,
    /// Write each chart as SVG and PNG into this folder
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// Where and with what randomness to compute.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
