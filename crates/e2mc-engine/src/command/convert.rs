//! `e2mc convert`: a network for PyTorch and its libraries, or from them.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::{ConvertOptions, NamesName};
use e2mc_cli::output;
use e2mc_lab::convert::convert;
use e2mc_train::checkpoint::{Export, Names, Storage};

use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &ConvertOptions) -> Result<ExitCode> {
    let export = Export {
        names: match options.names {
            NamesName::E2mc => Names::E2mc,
            NamesName::Torchvision => Names::Public("torchvision"),
            NamesName::Timm => Names::Public("timm"),
            NamesName::Hf => Names::Public("hf"),
        },
        backbone_only: options.backbone_only,
        storage: match options.half {
            true => Storage::F16,
            false => Storage::F32,
        },
    };
    let reading = settings::reading(&options.reading);
    let screen = Screen::new();
    let converted = convert(&options.input, &reading, &options.output, export, &*screen)?;
    output::result(options.json, &converted, || {
        let heads = converted.heads;
        format!(
            "{}: {} tensors of {}{} in {} format",
            converted.output.display(),
            converted.tensors,
            converted.backbone,
            heads.map_or(" without heads".into(), |name| format!(
                " with the heads of {name}"
            )),
            converted.format,
        )
    });
    Ok(ExitCode::SUCCESS)
}
