//! Options of `pretrain` and `continue`.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::heading;
use super::{CheckpointOptions, ImageOptions, MachineOptions, PreparationOptions, ProcessOptions};

/// Options that `pretrain` and `continue` share.
#[derive(Args, Debug)]
pub struct TrainOptions {
    /// Images to train on (required without --resume)
    ///
    /// A folder (class folders or flat), tar shards, a list of files, or IDX files. The train split
    /// is used.
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    pub data: Option<PathBuf>,
    /// Folder of the run [default: runs/RECIPE, or the next free runs/RECIPE-N]
    ///
    /// It receives recipe.toml, metrics.jsonl, checkpoint.safetensors and model.safetensors.
    /// Required with --resume and --resume-or-start.
    #[arg(
        long,
        value_name = "DIR",
        required_if_eq_any([("resume", "true"), ("resume_or_start", "true")])
    )]
    pub out: Option<PathBuf>,
    #[arg(skip)]
    chosen: OnceCell<PathBuf>,
    /// Built-in recipe or TOML file (required without --resume)
    ///
    /// `e2mc recipes` lists the built-in ones.
    #[arg(long, value_name = "NAME|FILE", required_unless_present = "resume")]
    pub recipe: Option<String>,
    /// Change one value of the recipe, such as criterion.beta=100 (repeatable)
    #[arg(help_heading = heading::TRAINING, long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Passes over the data [default: the recipe's]
    #[arg(long, help_heading = heading::TRAINING)]
    pub epochs: Option<u64>,
    /// Images per step [default: the recipe's]
    #[arg(long, help_heading = heading::TRAINING, value_name = "IMAGES")]
    pub batch: Option<usize>,
    /// Slices per batch, to save memory [default: the recipe's]
    ///
    /// The backbone processes one slice at a time and needs memory for only one. The loss and the
    /// gradient are those of the whole batch.
    #[arg(help_heading = heading::TRAINING, long, value_name = "SLICES")]
    pub accumulate: Option<usize>,
    /// Use only the first N images, after a seeded shuffle
    #[arg(help_heading = heading::IMAGES, long, value_name = "N")]
    pub max_images: Option<usize>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// Resume the run in --out, with its own data and settings
    ///
    /// With --resume, only these may change: --epochs, --guard, --log-every, --save-every, --half,
    /// --max-bad-images, --data, and the device, threads and processes.
    #[arg(long, help_heading = heading::RUN)]
    pub resume: bool,
    /// Start the run, or resume it if --out holds it already
    ///
    /// The same command can be queued again. Settings that differ from the run's are refused.
    #[arg(help_heading = heading::RUN, long, conflicts_with = "resume")]
    pub resume_or_start: bool,
    /// Print the plan with its estimated time and memory, and exit
    ///
    /// It runs a few steps to estimate both.
    #[arg(help_heading = heading::RUN, long, conflicts_with = "resume")]
    pub dry_run: bool,
    /// Epochs between k-NN checks on held-out images; 0 for none
    #[arg(help_heading = heading::GUARD, long, value_name = "EPOCHS", default_value_t = 1)]
    pub knn_every: u64,
    /// Labelled training images to hold out for the k-NN check
    #[arg(help_heading = heading::GUARD, long, value_name = "N", default_value_t = 1000)]
    pub held_out: usize,
    /// Action if held-out k-NN accuracy falls below its start [default: warn]
    ///
    /// Only a fall larger than the noise counts.
    #[arg(help_heading = heading::GUARD, long, value_enum)]
    pub guard: Option<GuardAction>,
    /// Store model.safetensors in half precision
    #[arg(long, help_heading = heading::RUN)]
    pub half: bool,
    /// Steps between entries in metrics.jsonl [default: 10]
    #[arg(
        help_heading = heading::RUN,
        long,
        value_name = "STEPS",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub log_every: Option<u64>,
    /// Steps between saves within an epoch [default: only at its end]
    #[arg(
        help_heading = heading::RUN,
        long,
        value_name = "STEPS",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub save_every: Option<u64>,
    /// Device, threads and seed.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// How many processes train together.
    #[command(flatten)]
    pub processes: ProcessOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

/// What becomes of a run whose features get worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GuardAction {
    /// Print a warning and continue
    Warn,
    /// Print a warning, save and stop
    Stop,
}

impl From<GuardAction> for e2mc_record::GuardAction {
    fn from(action: GuardAction) -> Self {
        match action {
            GuardAction::Warn => Self::Warn,
            GuardAction::Stop => Self::Stop,
        }
    }
}

impl TrainOptions {
    /// The folder for the run: `--out`, or one under `runs` that is free when first asked for.
    pub fn out(&self) -> &Path {
        self.chosen
            .get_or_init(|| self.out.clone().unwrap_or_else(|| self.free_folder()))
    }

    fn free_folder(&self) -> PathBuf {
        let recipe = Path::new(self.recipe.as_deref().unwrap_or_default());
        let name = recipe.file_stem().unwrap_or(OsStr::new("run"));
        let first = Path::new("runs").join(name);
        let more = (2..).map(|number| {
            let mut name = name.to_owned();
            name.push(format!("-{number}"));
            first.with_file_name(name)
        });
        let mut folders = std::iter::once(first.clone()).chain(more);
        folders.find(|folder| !folder.exists()).unwrap_or(first)
    }
}

/// Options of `pretrain`.
#[derive(Args, Debug)]
pub struct PretrainOptions {
    /// How the run is trained.
    #[command(flatten)]
    pub train: TrainOptions,
}

/// Options of `continue`.
#[derive(Args, Debug)]
pub struct ContinueOptions {
    /// Checkpoint or model file to start from (required without --resume)
    ///
    /// It may be a file of e2mc or of PyTorch.
    #[arg(long, value_name = "FILE", required_unless_present = "resume")]
    pub checkpoint: Option<PathBuf>,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Steps that train only the heads first
    ///
    /// [default: the recipe's; 500 if the checkpoint has no heads]
    #[arg(help_heading = heading::TRAINING, long, value_name = "STEPS")]
    pub head_warmup: Option<u64>,
    /// Criterion to add to the base loss [default: the recipe's]
    ///
    /// Its settings are those of the recipe if the recipe has this criterion; otherwise the
    /// published ones.
    #[arg(help_heading = heading::TRAINING, long, value_enum)]
    pub criterion: Option<CriterionName>,
    /// How the run is trained.
    #[command(flatten)]
    pub train: TrainOptions,
}

/// What is added to the base loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CriterionName {
    /// The base loss alone
    None,
    /// Entropy and covariance of the embedding
    E2mc,
    /// Variances and covariances of the normalised embedding, weights 0.1 and 0.001
    Vcreg,
    /// Uniformity of the normalised embedding (AUH), weight 0.5 and t 2
    Uniformity,
    /// Nuclear norm of the mean view (MMCR), weight 0.005
    Mmcr,
    /// Normality along random directions (LeJEPA), weight 0.05
    Sigreg,
}
