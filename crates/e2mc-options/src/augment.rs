//! Options of `augment`.

use std::path::PathBuf;

use clap::Args;

/// Options of `augment`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["op", "recipe"]))]
pub struct AugmentOptions {
    /// A JPEG, PNG or WebP file
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// One operation with fixed parameters: resized_crop, resize_center_crop, hflip, brightness,
    /// contrast, saturation, hue, grayscale, gaussian_blur, solarize, normalize
    #[arg(long, value_name = "NAME")]
    pub op: Option<String>,
    /// The operation's parameters as a JSON object, for instance '{"factor": 1.4}'
    #[arg(long, value_name = "JSON", requires = "op", default_value = "{}")]
    pub params: String,
    /// All views of vicreg, swav, simsiam, probe, small-grey or a training recipe, on one sheet
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<String>,
    /// Times that the recipe is applied, one row each
    #[arg(
        long,
        default_value_t = 4,
        conflicts_with = "op",
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub draws: u16,
    /// Seed of the recipe's randomness
    #[arg(long, default_value_t = 0, conflicts_with = "op")]
    pub seed: u64,
    /// Where the result goes: a .png file, or for normalize a .npy file (channels, height, width)
    #[arg(long, value_name = "OUT")]
    pub out: PathBuf,
    /// Print the parameters as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
