//! How a data set of images is opened.

use clap::Args;
use e2mc_record::DataOptions;

/// How a data set is opened: options of every command that reads images.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ImageOptions {
    /// Fraction of the images that may be unreadable; others of their class take their places
    /// [default: 0.001]
    #[arg(long, value_name = "FRACTION")]
    pub max_bad_images: Option<f64>,
    /// Hold out this fraction of each class as a test split, where the data has none of its own
    #[arg(long, value_name = "FRACTION")]
    pub val_fraction: Option<f64>,
    /// Seed of that choice: commands with the same seed see the same two splits
    #[arg(long, value_name = "SEED", default_value_t = 0)]
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
