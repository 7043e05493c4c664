//! `e2mc convert`: a network for PyTorch and its libraries, or from them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use e2mc_train::checkpoint::{Export, Names, Precision, export};
use serde_json::json;

use crate::checkpoint::CheckpointOptions;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct ConvertOptions {
    /// Checkpoint or model file: of e2mc, of PyTorch (.pth, .pth.tar, .pt), or safetensors
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write: .safetensors, or .pth, .pt or .pth.tar for torch.load
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Leave the heads out
    #[arg(long)]
    backbone_only: bool,
    /// Whose names the backbone's tensors get
    #[arg(long, value_enum, default_value_t = NamesArgument::E2mc)]
    names: NamesArgument,
    /// Store in half precision
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    reading: CheckpointOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NamesArgument {
    /// backbone.conv1.weight, projector.0.weight
    E2mc,
    /// conv1.weight, as in torchvision's ResNet; there is no classifier fc
    Torchvision,
    /// conv1.weight, as in timm's ResNet; there is no classifier fc
    Timm,
}

pub(crate) fn run(options: &ConvertOptions) -> Result<ExitCode> {
    let checkpoint = options.reading.read(&options.input)?;
    let settings = Export {
        names: match options.names {
            NamesArgument::E2mc => Names::E2mc,
            NamesArgument::Torchvision | NamesArgument::Timm => Names::Torchvision,
        },
        backbone_only: options.backbone_only,
        precision: match options.half {
            true => Precision::F16,
            false => Precision::F32,
        },
    };
    let (format, tensors) = export(&checkpoint, &options.output, settings)?;
    let recipe = &checkpoint.recipe;
    let heads = !(options.backbone_only || checkpoint.is_headless());
    let method = heads.then(|| recipe.method.name());
    let result = json!({
        "input": options.input, "output": options.output, "format": format, "tensors": tensors,
        "backbone": recipe.backbone.to_string(), "heads": method,
    });
    output::result(options.json, &result, || {
        format!(
            "{}: {tensors} tensors of {}{} in {format} format",
            options.output.display(),
            recipe.backbone,
            method.map_or(" without heads".into(), |name| format!(
                " with the heads of {name}"
            )),
        )
    });
    Ok(ExitCode::SUCCESS)
}
