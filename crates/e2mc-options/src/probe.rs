//! Options of `probe`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use e2mc_eval::protocol::{ProbeKind, ProbePlan, ProbeSettings, Subsets};
use e2mc_eval::{LinearOptimizer, LinearPreset, Schedule};

use super::heading;
use super::value::{fraction, schedule};
use super::{EmbeddingsOptions, MachineOptions, ProcessOptions, RecordOptions};

/// Options of `probe`.
#[derive(Args, Debug)]
pub struct ProbeOptions {
    /// The features to evaluate.
    #[command(flatten)]
    pub embeddings: EmbeddingsOptions,
    /// Fractions of the training labels, above 0 and at most 1
    #[arg(
        value_name = "F,…",
        long,
        value_delimiter = ',',
        default_value = "0.01,0.1,1",
        value_parser = fraction
    )]
    pub fractions: Vec<f64>,
    /// File of the labelled training images, instead of --fractions
    ///
    /// A text file with one image name per line. For embeddings from files: one row number per
    /// line.
    #[arg(long, value_name = "FILE", conflicts_with = "fractions")]
    pub list: Option<PathBuf>,
    /// Label subsets drawn for each fraction, one per seed
    #[arg(
        value_name = "N",
        long,
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=1000)
    )]
    pub seeds: u64,
    /// Classifiers to fit; logistic regression needs no tuning
    #[arg(long, value_enum, default_value_t = ProbeName::Both)]
    pub probe: ProbeName,
    /// Published settings of the SGD probe, by method [default: the method's]
    ///
    /// Sources: the paper, appendix B.2, and DINO's and DINOv2's authors. The default is vicreg for
    /// embeddings from files and for unknown methods.
    #[arg(help_heading = heading::SGD, long, value_enum)]
    pub preset: Option<PresetName>,
    /// Features for the SGD probe: computed once, or for every batch
    #[arg(help_heading = heading::SGD, long, value_enum, default_value_t = FeaturesName::Cached)]
    pub features: FeaturesName,
    /// Probability of a left-right flip with --features augmented
    #[arg(help_heading = heading::SGD, long, value_name = "P", default_value_t = 0.5)]
    pub flip: f32,
    /// Epochs of the SGD probe [default: the preset's]
    #[arg(
        help_heading = heading::SGD,
        long,
        value_name = "EPOCHS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub sgd_epochs: Option<u32>,
    /// Learning rate of the SGD probe for a batch of 256 [default: the preset's]
    #[arg(help_heading = heading::SGD, long, value_name = "RATE")]
    pub sgd_rate: Option<f64>,
    /// Batch of the SGD probe [default: the preset's]
    #[arg(
        help_heading = heading::SGD,
        long,
        value_name = "IMAGES",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub sgd_batch: Option<u32>,
    /// Weight decay of the SGD probe [default: the preset's]
    #[arg(help_heading = heading::SGD, long, value_name = "DECAY")]
    pub sgd_weight_decay: Option<f64>,
    /// Optimiser of the SGD probe [default: the preset's]
    #[arg(help_heading = heading::SGD, long, value_enum)]
    pub sgd_optimizer: Option<OptimizerName>,
    /// Learning rate schedule of the SGD probe [default: the preset's]
    ///
    /// cosine, constant, or FACTOR@EPOCH,EPOCH,... which multiplies the rate by FACTOR at each of
    /// these epochs.
    #[arg(help_heading = heading::SGD, long, value_name = "SCHEDULE", value_parser = schedule)]
    pub sgd_schedule: Option<Schedule>,
    /// Number of neighbours in the k-NN vote
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub k: u16,
    /// Device, threads and seed.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Number of processes.
    #[command(flatten)]
    pub processes: ProcessOptions,
    /// Where the result goes.
    #[command(flatten)]
    pub record: RecordOptions,
}

impl ProbeOptions {
    /// What is fitted, on these label subsets; `method` names what trained the network, where it is
    /// known.
    pub fn plan(&self, subsets: Subsets, method: Option<&str>) -> ProbePlan {
        ProbePlan {
            subsets,
            seeds: self.machine.seeds(self.seeds),
            probes: self.probe.kinds(),
            settings: ProbeSettings {
                epochs: self.sgd_epochs.map(|epochs| epochs as usize),
                learning_rate: self.sgd_rate,
                batch: self.sgd_batch.map(|batch| batch as usize),
                weight_decay: self.sgd_weight_decay,
                optimizer: self.sgd_optimizer.map(Into::into),
                schedule: self.sgd_schedule.clone(),
                ..ProbeSettings::choose(self.preset.map(Into::into), method)
            },
            k: self.k.into(),
        }
    }
}

/// Which linear classifiers are fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbeName {
    /// L-BFGS logistic regression, features standardised, penalty cross-validated
    Logistic,
    /// The paper's linear layer, by SGD on raw features
    Sgd,
    /// Both, one after the other
    Both,
    /// One cross-attention layer over patches or positions, by AdamW (needs --checkpoint)
    Attentive,
}

impl ProbeName {
    /// The classifiers, in order.
    pub fn kinds(self) -> Vec<ProbeKind> {
        match self {
            Self::Logistic => vec![ProbeKind::Logistic],
            Self::Sgd => vec![ProbeKind::Sgd],
            Self::Both => vec![ProbeKind::Logistic, ProbeKind::Sgd],
            Self::Attentive => vec![ProbeKind::Attentive],
        }
    }
}

/// Presets of the SGD probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// Cosine, rate 0.02, weight decay 1e-4 (1e-6 with all labels)
    Vicreg,
    /// Cosine, rate 0.3, weight decay 1e-6
    Swav,
    /// LARC without weight decay, rate and batch by the fraction
    Simsiam,
    /// Steps, rate 0.01, batch norm shared by 4 positions (for --output map6x6)
    Inat18,
    /// Cosine, rate 0.001, batch 1024, no weight decay (for --output class:4)
    Dino,
    /// Like dino, with ten epochs (for --output class:1+mean)
    Dinov2,
}

impl From<PresetName> for LinearPreset {
    fn from(name: PresetName) -> Self {
        match name {
            PresetName::Vicreg => Self::Vicreg,
            PresetName::Swav => Self::Swav,
            PresetName::Simsiam => Self::Simsiam,
            PresetName::Inat18 => Self::Inat18,
            PresetName::Dino => Self::Dino,
            PresetName::Dinov2 => Self::Dinov2,
        }
    }
}

/// What the SGD probe learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FeaturesName {
    /// Computed once, from the evaluation's view: much faster
    Cached,
    /// Computed for every batch from random crops and flips, as the paper does
    Augmented,
    /// Computed for every batch: same result as cached, slower; for checking
    Fresh,
}

/// Update rule of the SGD probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OptimizerName {
    /// With momentum 0.9
    Sgd,
    /// SGD with layer-wise adaptive rate control, trust 0.001
    Larc,
}

impl From<OptimizerName> for LinearOptimizer {
    fn from(name: OptimizerName) -> Self {
        match name {
            OptimizerName::Sgd => Self::Sgd,
            OptimizerName::Larc => Self::Larc { trust: 0.001 },
        }
    }
}
