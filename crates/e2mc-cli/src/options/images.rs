//! How a data set of images is opened.

use clap::Args;
use serde::{Deserialize, Serialize};

/// The fraction of the images that may be bad, unless told otherwise.
const MAX_BAD_IMAGES: f64 = 0.001;

/// How a data set is opened: options of every command that reads images.
#[derive(Args, Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ImageOptions {
    /// Fraction of the images that may be unreadable; others of their class take their places
    /// [default: 0.001]
    #[arg(long, value_name = "FRACTION")]
    #[serde(default)]
    pub max_bad_images: Option<f64>,
    /// Hold out this fraction of each class as a test split, where the data has none of its own
    #[arg(long, value_name = "FRACTION")]
    #[serde(default)]
    pub val_fraction: Option<f64>,
    /// Seed of that choice: commands with the same seed see the same two splits
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    #[serde(default)]
    pub val_seed: u64,
}

impl ImageOptions {
    /// The fraction of the images that may be bad.
    pub fn max_bad_images(self) -> f64 {
        self.max_bad_images.unwrap_or(MAX_BAD_IMAGES)
    }
}
