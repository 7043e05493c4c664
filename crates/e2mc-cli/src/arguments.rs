//! What may be typed. Nothing here touches a file.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointOptions;
use crate::command::augment::AugmentOptions;
use crate::command::compare::CompareOptions;
use crate::command::convert::ConvertOptions;
use crate::command::embed::EmbedCommandOptions;
use crate::command::finetune::FinetuneOptions;
use crate::command::inspect::InspectOptions;
use crate::command::knn::KnnOptions;
use crate::command::probe::ProbeOptions;
use crate::command::recipes::RecipesOptions;
use crate::command::report::ReportOptions;
use crate::command::results::ResultsOptions;
use crate::command::svm::SvmOptions;
use crate::command::sweep::SweepOptions;
use crate::command::throughput::ThroughputOptions;
use crate::command::watch::WatchOptions;
use crate::data::DataOptions;
use crate::resume;

/// Improve a pre-trained self-supervised model by effective entropy maximisation (E2MC).
#[derive(Debug, Parser)]
#[command(
    name = "e2mc",
    version,
    max_term_width = 100,
    args_override_self = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// What was typed, or the end of the program with what is wrong with it.
    ///
    /// # Errors
    /// Where an option does not go with `--resume`.
    pub(crate) fn read() -> Result<Self> {
        let mut command = Self::command();
        let mut matches = command.get_matches_mut();
        resume::check(&command, &matches)?;
        Ok(Self::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit()))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a self-supervised model from scratch
    Pretrain(PretrainOptions),
    /// Train a checkpoint for some more epochs, with the entropy criterion or without
    Continue(ContinueOptions),
    /// Continue a checkpoint once for every combination of settings, and compare the runs
    Sweep(SweepOptions),
    /// Measure frozen features: linear probes at several label fractions, and k-NN
    Probe(ProbeOptions),
    /// Learn from few labels with all layers: the semi-supervised protocol
    Finetune(FinetuneOptions),
    /// Classify by nearest neighbours
    Knn(KnnOptions),
    /// Classify by linear support vector machines, one or several labels an image
    Svm(SvmOptions),
    /// Write the features of images to a file
    Embed(EmbedCommandOptions),
    /// Say whether two evaluations differ beyond chance
    Compare(CompareOptions),
    /// Tabulate the results of evaluations
    Results(ResultsOptions),
    /// List the built-in recipes, or print one
    Recipes(RecipesOptions),
    /// Compute the criterion on a file of embeddings
    Score(ScoreOptions),
    /// Look at embeddings: dimensions, directions, neighbours and pairs, with pictures
    Inspect(InspectOptions),
    /// Put training runs on one page
    Report(ReportOptions),
    /// Watch a run while it trains
    Watch(WatchOptions),
    /// Write a checkpoint's network for PyTorch, torchvision or timm, or take theirs
    Convert(ConvertOptions),
    /// Measure how fast images are decoded and augmented, without a model
    Throughput(ThroughputOptions),
    /// Apply one operation to an image, or show what a recipe makes of it
    Augment(AugmentOptions),
    /// Show the whole job on the sample that comes with the source
    Demo(DemoOptions),
}

/// Options that `pretrain` and `continue` share.
#[derive(Args, Debug)]
pub(crate) struct TrainOptions {
    /// Folder of images (class folders or flat), or of IDX files; its train part is used
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    pub(crate) data: Option<PathBuf>,
    /// Folder for the run: recipe.toml, metrics.jsonl, checkpoint.safetensors, model.safetensors [default:
    /// runs/RECIPE, or runs/RECIPE-2 and so on where that is taken]
    #[arg(long, value_name = "DIR", required_if_eq("resume", "true"))]
    out: Option<PathBuf>,
    #[arg(skip)]
    chosen: OnceCell<PathBuf>,
    /// Built-in recipe, or the path of a TOML file
    #[arg(long, value_name = "NAME|FILE", required_unless_present = "resume")]
    pub(crate) recipe: Option<String>,
    /// Change one value of the recipe, for instance criterion.beta=100 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Passes over the data [default: the recipe's]
    #[arg(long)]
    pub(crate) epochs: Option<u64>,
    /// Images a step [default: the recipe's]
    #[arg(long)]
    pub(crate) batch: Option<usize>,
    /// Parts that a batch goes through the backbone in: memory of one part, the loss and the
    /// gradient of the whole batch [default: the recipe's]
    #[arg(long, value_name = "PARTS")]
    pub(crate) accumulate: Option<usize>,
    /// Use only the first N images, after a seeded shuffle
    #[arg(long, value_name = "N")]
    pub(crate) max_images: Option<usize>,
    #[command(flatten)]
    pub(crate) data_options: DataOptions,
    /// Go on with the run in --out where it was stopped, with its data and settings; --epochs, --guard,
    /// --log-every, --half and --max-bad-images may change
    #[arg(long)]
    pub(crate) resume: bool,
    /// Print the resolved plan and stop
    #[arg(long, conflicts_with = "resume")]
    pub(crate) dry_run: bool,
    /// Epochs between two k-NN checks on held-out images; 0 for none
    #[arg(long, value_name = "EPOCHS", default_value_t = 1)]
    pub(crate) knn_every: u64,
    /// Labelled training images kept out of training for the k-NN check
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) held_out: usize,
    /// What to do when held-out k-NN falls below its start by more than the noise [default: warn]
    #[arg(long, value_enum)]
    pub(crate) guard: Option<GuardAction>,
    /// Store model.safetensors in half precision
    #[arg(long)]
    pub(crate) half: bool,
    /// Steps between two entries in metrics.jsonl [default: 10]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) log_every: Option<u64>,
    #[command(flatten)]
    pub(crate) machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where and with what randomness to compute.
#[derive(Args, Clone, Debug)]
pub(crate) struct MachineOptions {
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// Threads that prepare images [default: the number of cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Seed of all randomness
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

impl MachineOptions {
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, |threads| threads.get()),
            usize::from,
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GuardAction {
    /// Say so and go on
    Warn,
    /// Say so, save and stop
    Stop,
}

impl TrainOptions {
    /// The folder for the run: `--out`, or one under `runs` that is free when first asked for.
    pub(crate) fn out(&self) -> &Path {
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

#[derive(Args, Debug)]
pub(crate) struct PretrainOptions {
    #[command(flatten)]
    pub(crate) train: TrainOptions,
}

#[derive(Args, Debug)]
pub(crate) struct ContinueOptions {
    /// Checkpoint or model file to start from, of e2mc or of PyTorch
    #[arg(long, value_name = "FILE", required_unless_present = "resume")]
    pub(crate) checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: CheckpointOptions,
    /// Steps in which the heads train before the backbone does [default: the recipe's; 500 where
    /// the checkpoint has no heads]
    #[arg(long, value_name = "STEPS")]
    pub(crate) head_warmup: Option<u64>,
    /// What is added to the base loss: the recipe's settings where it has this criterion, else the
    /// published ones [default: the recipe's]
    #[arg(long, value_enum)]
    pub(crate) criterion: Option<CriterionName>,
    #[command(flatten)]
    pub(crate) train: TrainOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CriterionName {
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

#[derive(Args, Debug)]
pub(crate) struct ScoreOptions {
    /// Embeddings (n, d): a .npy file, or FILE.safetensors:TENSOR
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// Map to the unit interval: sigmoid, or gaussian for methods that normalise
    #[arg(long, value_enum, default_value_t = TransformArgument::Gaussian)]
    pub(crate) transform: TransformArgument,
    /// Weight of the mean marginal entropy
    #[arg(long, default_value_t = 1.0)]
    pub(crate) beta: f64,
    /// Weight of the off-diagonal covariance
    #[arg(long, default_value_t = 25.0)]
    pub(crate) gamma: f64,
    /// Added to each spacing before the logarithm [default: 1e-7 for sigmoid, 1.1920929e-7 else]
    #[arg(long)]
    pub(crate) epsilon: Option<f32>,
    /// Write the gradient of the loss, (n, d) float32
    #[arg(long, value_name = "OUT.npy")]
    pub(crate) gradient: Option<PathBuf>,
    /// Also give the entropy of every dimension
    #[arg(long)]
    pub(crate) marginals: bool,
    /// Also give the median time of R evaluations of value and gradient in memory
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: Option<u32>,
    /// Threads [default: the number of cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransformArgument {
    Sigmoid,
    Gaussian,
}

#[derive(Args, Debug)]
pub(crate) struct DemoOptions {
    /// Folder with the sample's images and base model
    #[arg(long, value_name = "DIR", default_value = "sample")]
    pub(crate) sample: PathBuf,
    /// Folder for the runs and the report
    #[arg(long, value_name = "DIR", default_value = "demo-run")]
    pub(crate) out: PathBuf,
    /// Label subsets drawn for each fraction, at least 2
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=1000))]
    pub(crate) seeds: u64,
    /// Epochs of each continuation [default: the recipe's]
    #[arg(long)]
    pub(crate) epochs: Option<u64>,
    #[command(flatten)]
    pub(crate) machine: MachineOptions,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}
