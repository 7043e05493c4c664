//! How a data set of images is opened.

use clap::Args;

use super::heading;
use e2mc_record::DataOptions;

/// How a data set is opened: options of every command that reads images.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ImageOptions {
    /// Largest fraction of images that may be unreadable [default: 0.001]
    ///
    /// Each is replaced by another image of its class.
    #[arg(help_heading = heading::IMAGES, long, value_name = "FRACTION")]
    pub max_bad_images: Option<f64>,
    /// Hold out this fraction of each class as a test split, if the data has none
    ///
    /// `improve` and training do not use these images. With the same fraction and --val-seed,
    /// `probe` tests on them.
    #[arg(help_heading = heading::IMAGES, long, value_name = "FRACTION")]
    pub val_fraction: Option<f64>,
    /// Seed of the held-out split
    ///
    /// Commands with the same seed use the same two splits.
    #[arg(help_heading = heading::IMAGES, long, value_name = "SEED", default_value_t = 0)]
    pub val_seed: u64,
}

impl From<ImageOptions> for DataOptions {
    fn from(options: ImageOptions) -> Self {
        Self {
            max_bad_images: options.max_bad_images,
            val_fraction: options.val_fraction,
            val_seed: options.val_seed,
        }
    }
}
