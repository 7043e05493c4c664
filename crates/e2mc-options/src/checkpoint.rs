//! How a checkpoint is read that others wrote.

use clap::Args;

use super::heading;
use clap::builder::PossibleValuesParser;

/// The layouts that a checkpoint may be said to have; the engine knows the same ones.
pub const LAYOUTS: [&str; 9] = [
    "e2mc",
    "vicreg",
    "swav",
    "simsiam",
    "moco",
    "dino",
    "torchvision",
    "timm",
    "backbone",
];

/// How to take a checkpoint that is not quite what it should be.
#[derive(Args, Clone, Debug, Default)]
pub struct CheckpointOptions {
    /// Whose checkpoint it is, which decides its tensors' names [default: detected]
    ///
    /// `backbone` loads the encoder only.
    #[arg(
        help_heading = heading::CHECKPOINT,
        long,
        value_name = "NAME",
        value_parser = PossibleValuesParser::new(LAYOUTS)
    )]
    pub layout: Option<String>,
    /// Word from the name of the network to load, if the file holds several
    ///
    /// For instance `teacher`.
    #[arg(help_heading = heading::CHECKPOINT, long, value_name = "NAME")]
    pub network: Option<String>,
    /// Attention heads of each block (not projector heads) [default: width / 64]
    ///
    /// Needed for a vision transformer whose file does not say their number.
    #[arg(
        help_heading = heading::CHECKPOINT,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub heads: Option<u16>,
    /// Accept that tensors whose names start with PREFIX are missing (repeatable)
    #[arg(help_heading = heading::CHECKPOINT, long, value_name = "PREFIX")]
    pub allow_missing: Vec<String>,
    /// Leave out tensors whose names start with PREFIX (repeatable)
    #[arg(help_heading = heading::CHECKPOINT, long, value_name = "PREFIX")]
    pub allow_unexpected: Vec<String>,
}
