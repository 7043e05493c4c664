//! How images are prepared for a network.

use clap::Args;

use super::heading;
use e2mc_data::PreprocessingChanges;

/// How images are prepared otherwise than the checkpoint or the recipe says: options of every
/// command that shows images to a network.
#[derive(Args, Clone, Debug, Default)]
pub struct PreparationOptions {
    /// Height and width of the network's input [default: the checkpoint's or recipe's]
    ///
    /// The resize before the crop and the training views scale with it. All options in this section
    /// default to the values of the checkpoint or the recipe.
    #[arg(help_heading = heading::PREPARATION, long, value_name = "PIXELS")]
    pub image_size: Option<usize>,
    /// Length of the shorter side after resizing, in evaluation
    #[arg(help_heading = heading::PREPARATION, long, value_name = "PIXELS")]
    pub resize: Option<usize>,
    /// Side of the centre crop, in evaluation
    #[arg(help_heading = heading::PREPARATION, long, value_name = "PIXELS")]
    pub crop: Option<usize>,
    /// Mean of each channel, for samples in [0, 1], such as 0.485,0.456,0.406
    #[arg(help_heading = heading::PREPARATION, long, value_name = "M,…", value_delimiter = ',')]
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, for samples in [0, 1]
    #[arg(help_heading = heading::PREPARATION, long, value_name = "S,…", value_delimiter = ',')]
    pub std: Vec<f32>,
}

impl From<&PreparationOptions> for PreprocessingChanges {
    fn from(options: &PreparationOptions) -> Self {
        let given = |numbers: &[f32]| (!numbers.is_empty()).then(|| numbers.to_vec());
        Self {
            image_size: options.image_size,
            resize: options.resize,
            crop: options.crop,
            mean: given(&options.mean),
            std: given(&options.std),
        }
    }
}
