//! `e2mc adapt` of a checkpoint: a map for its features of training images.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_cli::adaptation::{self, Embedded};
use e2mc_cli::options::AdaptOptions;
use e2mc_eval::adapt::Evidence;
use e2mc_lab::adapt::MapImages;
use e2mc_lab::machine::Machine;
use e2mc_lab::notice::Notices;
use e2mc_lab::protocol::NetworkSource;
use serde_json::json;

use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &AdaptOptions) -> Result<ExitCode> {
    adaptation::keep_inputs(options)?;
    adaptation::check(options)?;
    adaptation::keep_outputs(options)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads())
        .build_global()?;
    let checkpoint = options.checkpoint.as_ref();
    let checkpoint = checkpoint.expect("the engine is for checkpoints");
    let data = options.data.as_ref();
    let data = data.expect("the parser demands --data with --checkpoint");
    let source = NetworkSource {
        reading: settings::reading_for(&options.reading, &options.preparation),
        taken: settings::taken(options.images),
        output: settings::output(&options.output),
        machine: Machine {
            device: options.device.clone(),
            threads: options.threads(),
            seed: options.seed,
        },
        ..NetworkSource::new(checkpoint, data)
    };
    let notices: Arc<dyn Notices> = Screen::new();
    let images = MapImages::open(source, &notices)?;
    let judged = options.method().is_none();
    if judged && images.labels().is_none() {
        adaptation::check_uses_of_views(options)?;
    }
    let rows = images.features(&*notices)?;
    let second = match (judged, images.labels()) {
        (true, None) => Some(images.second_view()?),
        _ => None,
    };
    let second = second.as_ref().map(|second| second.view());
    let (evidence, by) = match (images.labels(), &second) {
        (Some(labels), _) => (Evidence::Labels(labels), "labels"),
        (None, Some(second)) => (Evidence::SecondView(second), "random views"),
        (None, None) => (Evidence::Nothing, "nothing"),
    };
    let mut origin = json!({
        "checkpoint": checkpoint, "data": data, "output": options.output,
        "preprocessing": images.preprocessing(),
    });
    if judged {
        origin["judged_by"] = json!(by);
    }
    let embedded = Embedded {
        name: &checkpoint.display().to_string(),
        rows: &rows.view(),
        evidence,
    };
    adaptation::run(options, embedded, origin)?;
    Ok(ExitCode::SUCCESS)
}
