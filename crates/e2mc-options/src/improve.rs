//! Options of `improve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use e2mc_eval::adapt::Use;

use super::value::duration;
use super::{CheckpointOptions, ImageOptions, MachineOptions, UseName};

/// Options of `improve`.
#[derive(Args, Debug)]
pub struct ImproveOptions {
    /// Checkpoint or model file to improve, of e2mc or of PyTorch
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// Folder of images in class folders; those without a label may be in unlabelled/ beside them
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Folder for the outcome: model.safetensors, perhaps map.safetensors, report.html, improve.json;
    /// the same command goes on with an improvement that was ended
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What the features are for: this use decides, a loss in another is told
    #[arg(
        long = "for",
        value_name = "USE",
        value_enum,
        default_value_t = UseName::Neighbours
    )]
    pub usage: UseName,
    /// The time that may be taken, for instance 90s, 30m or 8h
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration)]
    pub budget: Duration,
    /// Built-in recipe or TOML file whose views and optimiser are used [default: the checkpoint's
    /// views, else those of its method]
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Change one value of the recipe, for instance training.batch=128 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Measure the machine, print the plan with its time and memory, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// Where and with what randomness to compute.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

impl ImproveOptions {
    /// The name of the use that decides.
    pub fn usage(&self) -> Use {
        self.usage.into()
    }
}
