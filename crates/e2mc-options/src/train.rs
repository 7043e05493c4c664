//! Options of `pretrain` and `continue`.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{CheckpointOptions, ImageOptions, MachineOptions, PreparationOptions, ProcessOptions};

/// Options that `pretrain` and `continue` share.
#[derive(Args, Debug)]
pub struct TrainOptions {
    /// Folder of images (class folders or flat), or of IDX files; its train split is used
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    pub data: Option<PathBuf>,
    /// Folder for the run: recipe.toml, metrics.jsonl, checkpoint.safetensors, model.safetensors
    /// [default: runs/RECIPE, or runs/RECIPE-2 and so on where that is taken]
    #[arg(long, value_name = "DIR", required_if_eq_any([("resume", "true"), ("resume_or_start", "true")]))]
    pub out: Option<PathBuf>,
    #[arg(skip)]
    chosen: OnceCell<PathBuf>,
    /// Built-in recipe, or the path of a TOML file
    #[arg(long, value_name = "NAME|FILE", required_unless_present = "resume")]
    pub recipe: Option<String>,
    /// Change one value of the recipe, for instance criterion.beta=100 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Passes over the data [default: the recipe's]
    #[arg(long)]
    pub epochs: Option<u64>,
    /// Images a step [default: the recipe's]
    #[arg(long)]
    pub batch: Option<usize>,
    /// Slices that a batch goes through the backbone in: the memory of one slice, the loss and the
    /// gradient of the whole batch [default: the recipe's]
    #[arg(long, value_name = "SLICES")]
    pub accumulate: Option<usize>,
    /// Use only the first N images, after a seeded shuffle
    #[arg(long, value_name = "N")]
    pub max_images: Option<usize>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// Go on with the run in --out where it was stopped, with its data and settings; --epochs, --guard,
    /// --log-every, --save-every, --half and --max-bad-images may change
    #[arg(long)]
    pub resume: bool,
    /// Start the run, or go on with it where --out holds it: the same command can be queued again.
    /// Settings that differ from the run's are refused
    #[arg(long, conflicts_with = "resume")]
    pub resume_or_start: bool,
    /// Print the resolved plan with the time and memory that it will take, as a few steps tell, and
    /// stop
    #[arg(long, conflicts_with = "resume")]
    pub dry_run: bool,
    /// Epochs between two k-NN checks on held-out images; 0 for none
    #[arg(long, value_name = "EPOCHS", default_value_t = 1)]
    pub knn_every: u64,
    /// Labelled training images kept out of training for the k-NN check
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub held_out: usize,
    /// What to do when held-out k-NN falls below its start by more than the noise [default: warn]
    #[arg(long, value_enum)]
    pub guard: Option<GuardAction>,
    /// Store model.safetensors in half precision
    #[arg(long)]
    pub half: bool,
    /// Steps between two entries in metrics.jsonl [default: 10]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub log_every: Option<u64>,
    /// Steps between two saves within an epoch [default: only at its end]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub save_every: Option<u64>,
    /// Where and with what randomness to compute.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// How many processes train together.
    #[command(flatten)]
    pub processes: ProcessOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// What becomes of a run whose features get worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GuardAction {
    /// Say so and go on
    Warn,
    /// Say so, save and stop
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
    /// Checkpoint or model file to start from, of e2mc or of PyTorch
    #[arg(long, value_name = "FILE", required_unless_present = "resume")]
    pub checkpoint: Option<PathBuf>,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Steps in which the heads train before the backbone does [default: the recipe's; 500 where
    /// the checkpoint has no heads]
    #[arg(long, value_name = "STEPS")]
    pub head_warmup: Option<u64>,
    /// What is added to the base loss: the recipe's settings where it has this criterion, else the
    /// published ones [default: the recipe's]
    #[arg(long, value_enum)]
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
    /// Variances and covariances of the normalised embedding, 0.1 and 0.001
    Vcreg,
    /// Uniformity of the normalised embedding (AUH), weight 0.5 and t 2
    Uniformity,
    /// Nuclear norm of the mean view (MMCR), weight 0.005
    Mmcr,
    /// Normality along random directions (LeJEPA), weight 0.05
    Sigreg,
}
