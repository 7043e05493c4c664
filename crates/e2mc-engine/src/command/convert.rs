//! `e2mc convert`: a network for PyTorch and its libraries, or from them.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_base::counted;
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
    let map = settings::map(options.with_map.as_deref())?;
    let (input, out) = (&options.input, &options.output);
    let converted = convert(
        input,
        &reading,
        out,
        options.overwrite,
        export,
        map.as_ref(),
        &*screen,
    )?;
    output::result(options.json, &converted, || {
        let heads = converted.heads;
        let network = format!(
            "{}: {} of {}{} in {} format",
            converted.output.display(),
            counted(converted.tensors, "tensor"),
            converted.backbone,
            heads.map_or(" without heads".into(), |name| format!(
                " with the heads of {name}"
            )),
            converted.format,
        );
        let Some(map) = &converted.map else {
            return network;
        };
        let unit_length = match map.note.unit_length_left_out {
            true => {
                "\nthe map's unit length is not in the file: bring the features to length 1 \
                 yourself"
            }
            false => "",
        };
        format!(
            "{network}\nthe map ({}) is its last layer, `{}`, {} to {} dimensions{unit_length}",
            map.note.method, map.layer, map.input_dims, map.output_dims
        )
    });
    Ok(ExitCode::SUCCESS)
}
