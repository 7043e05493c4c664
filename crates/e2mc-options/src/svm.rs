//! Options of `svm`.

use clap::{Args, ValueEnum};
use e2mc_eval::Interpolation;
use e2mc_eval::protocol::{MachinePlan, Scale};

use super::{EmbeddingsOptions, MachineOptions, RecordOptions};

/// Options of `svm`.
#[derive(Args, Debug)]
pub struct SvmOptions {
    /// What is judged.
    #[command(flatten)]
    pub embeddings: EmbeddingsOptions,
    /// C, the weight of errors; several are chosen from by cross-validation [default: 1e-6 to 1000 in
    /// factors of 10]
    #[arg(long = "cost", short = 'C', value_name = "C", value_delimiter = ',')]
    pub costs: Vec<f64>,
    /// Folds of the cross-validation
    #[arg(long, default_value_t = 3)]
    pub folds: usize,
    /// Weight of the class's own rows against the others
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0)]
    pub positive_weight: f64,
    /// What is done to features first
    #[arg(long, value_enum, default_value_t = ScaleName::Raw)]
    pub scale: ScaleName,
    /// Average precision for several labels: area under the steps, or VOC 2007's eleven points
    #[arg(
        long,
        alias = "precision",
        value_enum,
        default_value_t = AveragePrecisionName::Area
    )]
    pub average_precision: AveragePrecisionName,
    /// Largest difference of projected gradients at the end
    #[arg(long, default_value_t = 1e-4)]
    pub tolerance: f64,
    /// Most passes over the training rows
    #[arg(long, value_name = "EPOCHS", default_value_t = 1000)]
    pub max_epochs: usize,
    /// Where and with what randomness to compute.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// What is left behind.
    #[command(flatten)]
    pub record: RecordOptions,
}

/// What is done to features first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScaleName {
    /// Nothing
    Raw,
    /// Rows at length 1
    Unit,
    /// Columns at mean 0 and standard deviation 1
    Standard,
}

/// How a label's average precision is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AveragePrecisionName {
    /// Area under the steps of precision over recall
    Area,
    /// Mean of the precision at eleven recalls, as VOC 2007 has it
    Voc07,
}

impl SvmOptions {
    /// How machines are fitted and judged.
    pub fn plan(&self) -> MachinePlan {
        MachinePlan {
            costs: self.costs.clone(),
            folds: self.folds,
            positive_weight: self.positive_weight,
            scale: match self.scale {
                ScaleName::Raw => Scale::Raw,
                ScaleName::Unit => Scale::Unit,
                ScaleName::Standard => Scale::Standard,
            },
            interpolation: match self.average_precision {
                AveragePrecisionName::Area => Interpolation::Area,
                AveragePrecisionName::Voc07 => Interpolation::ElevenPoint,
            },
            tolerance: self.tolerance,
            max_epochs: self.max_epochs,
            seed: self.machine.seed,
        }
    }
}
