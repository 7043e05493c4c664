//! `e2mc throughput`: how fast images are decoded and augmented, without a model. Needs no libtorch work.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use e2mc_data::throughput::{Throughput, measure};
use e2mc_data::{Evaluation, Pipeline, Split};
use serde_json::json;

use crate::data::{self, DataOptions};
use crate::failure::Failure;
use crate::{output, recipe};

/// The name under which the deterministic preparation for evaluation is measured.
const EVALUATION: &str = "evaluation";

#[derive(Args, Debug)]
pub(crate) struct ThroughputOptions {
    /// Images: a folder, a list, tar shards or IDX files; the train part is used
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// vicreg, swav, simsiam, probe, small-grey, evaluation, or any training recipe
    #[arg(long, value_name = "NAME|FILE", default_value = "vicreg")]
    recipe: String,
    /// Threads that prepare images [default: the number of cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// How long to measure
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    #[command(flatten)]
    data_options: DataOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

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
        EVALUATION => Pipeline::Evaluate(Evaluation::imagenet()),
        name => Pipeline::Augment(recipe::augmentation(name)?),
    };
    let dataset = data::open(&options.data, Split::Train, options.data_options)?;
    let threads = options.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
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
    output::result(options.json, &result, || {
        format!(
            "{images_per_s:.0} images/s on {threads} {} ({views} {} each; {images} images in {seconds:.1} s)\n\
             one thread, one image: {decode_ms:.2} ms to read and decode, {augment_ms:.2} ms to augment",
            if threads == 1 { "thread" } else { "threads" },
            if views == 1 { "view" } else { "views" },
        )
    });
    Ok(ExitCode::SUCCESS)
}
