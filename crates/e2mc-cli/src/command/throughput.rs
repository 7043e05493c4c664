//! `e2mc throughput`: how fast images are decoded and augmented, without a model.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use e2mc_base::counted;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::ThroughputOptions;
use e2mc_cli::output;
use e2mc_data::throughput::{Throughput, measure};
use e2mc_data::{Pipeline, Preprocessing, Split};
use serde_json::json;

use crate::images;

/// The name under which the deterministic preparation for evaluation is measured.
const EVALUATION: &str = "evaluation";

pub(crate) fn run(options: &ThroughputOptions) -> Result<ExitCode> {
    if !(options.seconds > 0.0 && options.seconds <= 86_400.0) {
        return Err(Failure::usage(
            format!(
                "--seconds: expected a number above 0, found {}",
                options.seconds
            ),
            "5 seconds give a steady figure",
        ));
    }
    let pipeline = match options.recipe.as_str() {
        EVALUATION => Pipeline::Preprocess(Preprocessing::imagenet()),
        name => Pipeline::Augment(e2mc_recipe::augmentation(name)?),
    };
    let dataset = images::open(&options.data, Split::Train, options.images)?;
    let threads = options.threads();
    let duration = Duration::from_secs_f64(options.seconds);
    let measured = measure(&dataset, &pipeline, threads, duration)?;
    let Throughput {
        images,
        seconds,
        images_per_s,
        decode_ms,
        augment_ms,
    } = measured;
    let views = pipeline.shapes()?.len();
    let result = json!({
        "data": options.data, "recipe": options.recipe, "threads": threads,
        "images_per_s": images_per_s, "views_per_s": images_per_s * views as f64,
        "images": images, "seconds": seconds, "views": views,
        "decode_ms": decode_ms, "augment_ms": augment_ms,
    });
    // The time is that of all views of an image together.
    let made = match views {
        1 => "its view".to_owned(),
        _ => format!("its {views} views"),
    };
    output::result(options.json, &result, || {
        format!(
            "{images_per_s:.0} images/s on {} ({} each; {} in {seconds:.1} s)\n\
             one thread, one image: {decode_ms:.2} ms to read and decode, {augment_ms:.2} ms to \
             make {made}",
            counted(threads, "thread"),
            counted(views, "view"),
            counted(images, "image"),
        )
    });
    Ok(ExitCode::SUCCESS)
}
