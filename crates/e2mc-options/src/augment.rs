//! Options of `augment`.

use std::path::PathBuf;

use clap::Args;

/// Options of `augment`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["op", "recipe"]))]
pub struct AugmentOptions {
    /// JPEG, PNG or WebP file
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Operation with fixed parameters (required without --recipe)
    ///
    /// resized_crop, resize_center_crop, hflip, brightness, contrast, saturation, hue, grayscale,
    /// gaussian_blur, solarize or normalize.
    #[arg(long, value_name = "NAME")]
    pub op: Option<String>,
    /// Parameters of the operation as a JSON object, such as '{"factor": 1.4}'
    #[arg(long, value_name = "JSON", requires = "op", default_value = "{}")]
    pub params: String,
    /// Recipe whose views are put on one sheet (required without --op)
    ///
    /// vicreg, swav, simsiam, probe, small-grey, or a training recipe.
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Number of draws of the views, one row each
    #[arg(value_name = "N",
        long,
        default_value_t = 4,
        conflicts_with = "op",
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub draws: u16,
    /// Seed of the recipe's random choices
    #[arg(long, default_value_t = 0, conflicts_with = "op")]
    pub seed: u64,
    /// File to write: .png, or .npy for normalize (required)
    ///
    /// normalize gives an array of (channels, height, width).
    #[arg(long, value_name = "OUT")]
    pub out: PathBuf,
    /// Print the parameters as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
