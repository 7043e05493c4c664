//! `e2mc convert`: a network for PyTorch and its libraries, or from them.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::{ConvertOptions, NamesName};
use e2mc_train::checkpoint::{Export, Names, Precision, export};
use serde_json::json;

use crate::checkpoint::Reading;
use crate::output;

pub(crate) fn run(options: &ConvertOptions) -> Result<ExitCode> {
    let checkpoint = options.reading.read(&options.input)?;
    let settings = Export {
        names: match options.names {
            NamesName::E2mc => Names::E2mc,
            NamesName::Torchvision | NamesName::Timm => Names::Torchvision,
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
