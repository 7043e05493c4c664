//! Options of `convert`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CheckpointOptions;

/// Options of `convert`.
#[derive(Args, Debug)]
pub struct ConvertOptions {
    /// Checkpoint or model file: of e2mc, of PyTorch (.pth, .pth.tar, .pt), or safetensors; or the
    /// folder of a model of timm or Hugging Face
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// File to write: .safetensors, or .pth, .pt or .pth.tar for torch.load; with another name the
    /// folder that --names loads
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Leave the heads out
    #[arg(long)]
    pub backbone_only: bool,
    /// Whose names the backbone's tensors get
    #[arg(long, value_enum, default_value_t = NamesName::E2mc)]
    pub names: NamesName,
    /// Fold this map of the features, which `adapt` wrote, into the network as its last layer: `map`
    /// under our names, `fc` under torchvision's and timm's
    #[arg(long, value_name = "MAP.safetensors")]
    pub with_map: Option<PathBuf>,
    /// Store in half precision
    #[arg(long)]
    pub half: bool,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Whose names the backbone's tensors get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NamesName {
    /// backbone.conv1.weight, projector.0.weight
    E2mc,
    /// conv1.weight of a ResNet, as in torchvision; the classifier is left out, or the map
    Torchvision,
    /// conv1.weight of a ResNet, as in timm; the classifier is left out, or the map
    Timm,
    /// embeddings.cls_token of a vision transformer, as in Hugging Face's transformers
    Hf,
}
