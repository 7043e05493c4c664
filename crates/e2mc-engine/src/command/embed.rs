//! `e2mc embed`: the features of images in a file.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_base::counted;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::{DtypeName, EmbedOptions, SplitName};
use e2mc_cli::{output, signals};
use e2mc_data::Split;
use e2mc_eval::Stored;
use e2mc_lab::embed::{Embedding, Pictures, embed_to_file};
use e2mc_lab::machine::Machine;
use e2mc_lab::notice::Notices;
use e2mc_train::World;

use crate::processes;
use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &EmbedOptions) -> Result<ExitCode> {
    processes::sharing(options.processes, &options.machine, |world, machine| {
        embed(options, world, machine)
    })
}

fn embed(options: &EmbedOptions, world: &World, machine: Machine) -> Result<ExitCode> {
    let pictures = match (&options.tensor, &options.data) {
        (Some(file), _) => Pictures::Tensor { file: file.clone() },
        (None, Some(data)) => Pictures::Split {
            data: data.clone(),
            taken: settings::taken(options.images),
            split: match options.split {
                SplitName::Train => Split::Train,
                SplitName::Test => Split::Test,
            },
        },
        (None, None) => {
            return Err(Failure::usage(
                "nothing to embed",
                "give --data or --tensor",
            ));
        }
    };
    let work = Embedding {
        reading: settings::reading_for(&options.reading, &options.preparation),
        output: settings::output(&options.output),
        map: settings::map(options.map.as_deref())?,
        stored: match options.dtype {
            DtypeName::Float32 => Stored::F32,
            DtypeName::Float16 => Stored::F16,
        },
        overwrite: options.overwrite,
        batch: options.batch.map(|batch| batch as usize),
        machine,
        world: world.clone(),
        ..Embedding::new(&options.checkpoint, pictures, &options.out)
    };
    let notices: Arc<dyn Notices> = Screen::of(world);
    let embedded = embed_to_file(&work, signals::stop(), &notices)?;
    if !world.is_first() {
        return Ok(ExitCode::SUCCESS);
    }
    output::result(options.json, &embedded, || {
        format!(
            "{} of {} in {}",
            counted(embedded.rows, "row"),
            counted(embedded.dims, "number"),
            embedded.out.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}
