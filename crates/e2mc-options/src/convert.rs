//! Options of `convert`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CheckpointOptions;
use super::heading;

/// Options of `convert`.
#[derive(Args, Debug)]
pub struct ConvertOptions {
    /// Checkpoint or model to read
    ///
    /// A file of e2mc, of PyTorch (.pth, .pth.tar, .pt) or safetensors, or the folder of a model of
    /// timm or Hugging Face.
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// File or folder to write
    ///
    /// A file: .safetensors, or .pth, .pt or .pth.tar for torch.load. With any other name, a folder
    /// that the library of --names loads.
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Leave the heads out
    #[arg(long)]
    pub backbone_only: bool,
    /// Naming scheme of the backbone's tensors
    #[arg(long, value_enum, default_value_t = NamesName::E2mc)]
    pub names: NamesName,
    /// Fold this map from `adapt` into the network, as its last layer
    ///
    /// The layer is called `map` under e2mc's names. Under a library's names it replaces the
    /// classifier: `fc` of a ResNet, `head` or `heads.head` of a vision transformer.
    #[arg(long, value_name = "MAP.safetensors")]
    pub with_map: Option<PathBuf>,
    /// Store in half precision
    #[arg(long)]
    pub half: bool,
    /// Replace OUT if it exists, instead of refusing
    #[arg(long)]
    pub overwrite: bool,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

/// Naming schemes of a backbone's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NamesName {
    /// e2mc's: backbone.conv1.weight, projector.0.weight
    E2mc,
    /// torchvision's: conv1.weight; without fc; with --with-map, the map becomes fc
    Torchvision,
    /// timm's: conv1.weight; without a classifier, or with the map as one
    Timm,
    /// Hugging Face's, of vision transformers: embeddings.cls_token
    Hf,
}
