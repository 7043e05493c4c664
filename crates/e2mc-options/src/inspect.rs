//! Options of `inspect`.

use std::path::PathBuf;

use clap::Args;

use super::heading;
use super::{CheckpointOptions, ImageOptions, MachineOptions, PreparationOptions, TransformName};

/// Options of `inspect`.
#[derive(Args, Debug)]
pub struct InspectOptions {
    /// Embeddings (n, d) (required without --checkpoint)
    ///
    /// FILE.npy, FILE.npz:ARRAY or FILE.safetensors:TENSOR. Two are compared;
    /// their rows must be of the same images.
    #[arg(value_name = "EMBEDDINGS", num_args = 1..=2, required_unless_present = "checkpoint")]
    pub files: Vec<String>,
    /// Checkpoint or model file that embeds --data; two are compared
    #[arg(
        help_heading = heading::CHECKPOINT,
        long,
        value_name = "FILE",
        requires = "data",
        conflicts_with = "files"
    )]
    pub checkpoint: Vec<PathBuf>,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Folder of images (required with --checkpoint)
    ///
    /// --checkpoint embeds its test split, if it has one. With files, these are the images of the
    /// rows, for pictures in --report.
    #[arg(help_heading = heading::IMAGES, long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// Output of the network [default: projector, or backbone without heads]
    ///
    /// The criterion acts on the projector's output. `embed` lists the outputs.
    #[arg(help_heading = heading::CHECKPOINT, long, value_name = "NAME", requires = "checkpoint")]
    pub output: Option<String>,
    /// Augmented views of each image, with --checkpoint, for alignment and LiDAR
    ///
    /// LiDAR is the rank of a linear discriminant analysis in which the views of an image are one
    /// class (Thilak et al. 2024).
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=64)
    )]
    pub views: u16,
    /// Embeddings of other views, for alignment and LiDAR (repeatable)
    ///
    /// They must show the same images in the same rows.
    #[arg(long, value_name = "EMBEDDINGS", requires = "files")]
    pub view: Vec<String>,
    /// Map from `adapt` to apply to the embeddings first
    #[arg(long, value_name = "MAP.safetensors")]
    pub map: Option<PathBuf>,
    /// Function that brings embeddings into the unit interval for the entropy
    ///
    /// [default: gaussian for files; for checkpoints that of their criterion or method, which is
    /// sigmoid without heads]
    #[arg(long, value_enum)]
    pub transform: Option<TransformName>,
    /// Number of query rows; neighbours are searched among all rows
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5000,
        value_parser = clap::value_parser!(u32).range(2..)
    )]
    pub queries: u32,
    /// Self-contained page to write
    #[arg(help_heading = heading::PAGE, long, value_name = "OUT.html")]
    pub report: Option<PathBuf>,
    /// Omit pictures from the page; keep names and classes
    #[arg(long, help_heading = heading::PAGE)]
    pub no_thumbnails: bool,
    /// Folder to write each chart to, as SVG and PNG
    #[arg(help_heading = heading::PAGE, long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// Device, threads and seed.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}
