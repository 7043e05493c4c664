//! Options of `improve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use e2mc_eval::adapt::Use;

use super::heading;
use super::value::duration;
use super::{
    CheckpointOptions, ImageOptions, MachineOptions, PreparationOptions, ProcessOptions, UseName,
};

/// Options of `improve`.
#[derive(Args, Debug)]
pub struct ImproveOptions {
    /// Checkpoint or model file to improve, of e2mc or of PyTorch
    #[arg(value_name = "CHECKPOINT")]
    pub checkpoint: PathBuf,
    /// Images, labelled or in part: folder, tar shards, list or IDX files (required)
    ///
    /// A folder holds class folders, or a train and a test split of them; of splits, only the
    /// training split is used. Unlabelled images may be in a folder unlabelled/ beside the class
    /// folders.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Folder for the result (required)
    ///
    /// It receives model.safetensors, report.html, improve.json and, if a map is part of the
    /// result, map.safetensors. The same command resumes a stopped improvement.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What you need the features for
    ///
    /// The best candidate for this use is verified. The other uses are checked for a loss.
    #[arg(
        long = "for",
        value_name = "USE",
        value_enum,
        default_value_t = UseName::Neighbours
    )]
    pub usage: UseName,
    /// Time limit, such as 90s, 30m or 8h
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration)]
    pub budget: Duration,
    /// Recipe for views and optimiser [default: by the checkpoint or its method]
    ///
    /// A built-in recipe or a TOML file. By default, the views are the checkpoint's, or its
    /// method's if it has none.
    #[arg(help_heading = heading::TRAINING, long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Change one value of the recipe, such as training.batch=128 (repeatable)
    #[arg(help_heading = heading::TRAINING, long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Measure the machine, print the plan with its time and memory, and exit
    #[arg(long)]
    pub dry_run: bool,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// How images are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// Device, threads and seed.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// How many processes share training and embedding.
    #[command(flatten)]
    pub processes: ProcessOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

impl ImproveOptions {
    /// The name of the use that decides.
    pub fn usage(&self) -> Use {
        self.usage.into()
    }
}
