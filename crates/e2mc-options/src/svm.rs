//! Options of `svm`.

use clap::{Args, ValueEnum};
use e2mc_eval::protocol::{MachinePlan, Scale};
use e2mc_eval::{Interpolation, SvmConfig};

use super::{EmbeddingsOptions, MachineOptions, RecordOptions};

/// Folds of the cross-validation that chooses C.
const FOLDS: usize = 3;

/// Options of `svm`.
#[derive(Args, Debug)]
pub struct SvmOptions {
    /// The features to evaluate.
    #[command(flatten)]
    pub embeddings: EmbeddingsOptions,
    /// Penalty C; larger values fit the training labels more closely
    ///
    /// [default: 1e-6 to 1000 in factors of 10]
    ///
    /// With several values, cross-validation chooses one.
    #[arg(value_name = "C,…", long = "cost", short = 'C', value_delimiter = ',')]
    pub costs: Vec<f64>,
    /// Scaling of the features before the fit
    #[arg(long, value_enum, default_value_t = ScaleName::Raw)]
    pub scale: ScaleName,
    /// Definition of average precision, for several labels per image
    #[arg(
        long,
        alias = "precision",
        value_enum,
        default_value_t = AveragePrecisionName::Area
    )]
    pub average_precision: AveragePrecisionName,
    /// Device, threads and seed.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Where the result goes.
    #[command(flatten)]
    pub record: RecordOptions,
}

/// What is done to features first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScaleName {
    /// None
    Raw,
    /// Rows scaled to length 1
    Unit,
    /// Columns scaled to mean 0 and standard deviation 1
    Standard,
}

/// How a label's average precision is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AveragePrecisionName {
    /// Area under the steps of precision over recall
    Area,
    /// Mean of the precision at eleven recalls, as in VOC 2007
    Voc07,
}

impl SvmOptions {
    /// How machines are fitted and evaluated.
    pub fn plan(&self) -> MachinePlan {
        let solver = SvmConfig::default();
        MachinePlan {
            costs: self.costs.clone(),
            folds: FOLDS,
            positive_weight: 1.0,
            scale: match self.scale {
                ScaleName::Raw => Scale::Raw,
                ScaleName::Unit => Scale::Unit,
                ScaleName::Standard => Scale::Standard,
            },
            interpolation: match self.average_precision {
                AveragePrecisionName::Area => Interpolation::Area,
                AveragePrecisionName::Voc07 => Interpolation::ElevenPoint,
            },
            tolerance: solver.tolerance,
            max_epochs: solver.max_epochs,
            seed: self.machine.seed,
        }
    }
}
