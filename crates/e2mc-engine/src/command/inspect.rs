//! `e2mc inspect` of checkpoints: what they make of images.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_cli::inspection;
use e2mc_cli::options::InspectOptions;
use e2mc_lab::inspect::{Inspection, inspect};
use e2mc_lab::notice::Notices;

use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &InspectOptions) -> Result<ExitCode> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.machine.threads())
        .build_global()?;
    let paths = options.checkpoint.iter();
    let sources: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    let names = inspection::names(&sources).into_iter();
    let data = options.data.clone();
    let output = options.output.as_ref();
    let work = Inspection {
        checkpoints: names.zip(options.checkpoint.iter().cloned()).collect(),
        reading: settings::reading_for(&options.reading, &options.preparation),
        data: data.expect("the parser demands --data with --checkpoint"),
        taken: settings::taken(options.images),
        map: settings::map(options.map.as_deref())?,
        output: output.map(|name| settings::output(name)),
        transform: options.transform.map(Into::into),
        views: options.views.into(),
        queries: options.queries as usize,
        pictures: inspection::has_page(options),
        thumbnails: !options.no_thumbnails,
        machine: settings::machine(&options.machine),
    };
    let notices: Arc<dyn Notices> = Screen::new();
    let map = work.map.as_ref().map(|map| &map.origin);
    let (subjects, images) = inspect(&work, &notices)?;
    inspection::show(&subjects, map, images.as_ref(), options)?;
    Ok(ExitCode::SUCCESS)
}
