//! `e2mc inspect`: what an embedding looks like. Files need no libtorch work; a checkpoint embeds its data set first.

mod figures;
mod findings;
mod page;
mod subject;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use e2mc_train::Output;

use crate::arguments::{MachineOptions, TransformArgument};
use crate::checkpoint::CheckpointOptions;
use crate::data::DataOptions;
use crate::failure::Failure;
use crate::output;
use crate::report::save_figures;

pub(crate) use page::embedding_sections;
pub(crate) use subject::Subject;

/// Options of `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectOptions {
    /// Embeddings (n, d): a .npy file, FILE.npz:ARRAY or FILE.safetensors:TENSOR; two of the same images, before and after
    #[arg(value_name = "EMBEDDINGS", num_args = 1..=2, required_unless_present = "checkpoint")]
    files: Vec<String>,
    /// Checkpoint or model file that embeds --data; two for before and after
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with = "files")]
    checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    reading: CheckpointOptions,
    /// Folder of images for --checkpoint; its test part is used where it has one
    #[arg(long, value_name = "DIR", requires = "checkpoint")]
    data: Option<PathBuf>,
    #[command(flatten)]
    data_options: DataOptions,
    /// What is taken from the network: projector, backbone or another output that `embed` knows [default:
    /// projector, which the criterion acts on; backbone where the checkpoint has no heads]
    #[arg(long, value_name = "NAME", requires = "checkpoint")]
    output: Option<Output>,
    /// With --checkpoint: augmented views of each image, for alignment and LiDAR
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=64))]
    views: u16,
    /// Embeddings of other views of the same images in the same rows (repeatable); for alignment and LiDAR
    #[arg(long, value_name = "EMBEDDINGS", requires = "files")]
    view: Vec<String>,
    /// Map to the unit interval [default: gaussian for files, the recipe's for checkpoints]
    #[arg(long, value_enum)]
    transform: Option<TransformArgument>,
    /// Rows that ask for their neighbours; all rows may answer
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(2..))]
    queries: u32,
    /// Write a self-contained page
    #[arg(long, value_name = "OUT.html")]
    report: Option<PathBuf>,
    /// Write each chart as SVG and PNG into this folder
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &InspectOptions) -> Result<ExitCode> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.machine.threads())
        .build_global()?;
    if options.views == 1 {
        return Err(Failure::usage(
            "--views 1: one view has no other to be compared with",
            "give at least 2",
        ));
    }
    let subjects = subject::all(options)?;
    let findings = findings::findings(&subjects);
    if options.report.is_some() || options.figures.is_some() {
        let page = page::report(&subjects, &findings);
        if let Some(path) = &options.report {
            page.save(path)?;
        }
        if let Some(folder) = &options.figures {
            save_figures(&page, folder)?;
        }
    }
    let result = summary::json(&subjects, &findings, options);
    output::result(options.json, &result, || {
        summary::text(&subjects, &findings, options)
    });
    Ok(ExitCode::SUCCESS)
}
