//! Options of `svm`.

use clap::{Args, ValueEnum};
use e2mc_eval::{Cost, Interpolation, SvmConfig};

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
    /// How the machines are fitted.
    pub fn config(&self) -> SvmConfig {
        let default = SvmConfig::default();
        let folds = self.folds;
        SvmConfig {
            cost: match (&self.costs[..], default.cost) {
                ([], Cost::Grid { values, .. }) => Cost::Grid { values, folds },
                ([], fixed) => fixed,
                ([cost], _) => Cost::Fixed(*cost),
                (costs, _) => Cost::Grid {
                    values: costs.to_vec(),
                    folds,
                },
            },
            positive_weight: self.positive_weight,
            tolerance: self.tolerance,
            max_epochs: self.max_epochs,
            standardise: self.scale == ScaleName::Standard,
        }
    }

    /// How the average precision of a label is measured.
    pub fn interpolation(&self) -> Interpolation {
        match self.average_precision {
            AveragePrecisionName::Area => Interpolation::Area,
            AveragePrecisionName::Voc07 => Interpolation::ElevenPoint,
        }
    }
}
