//! How a checkpoint is read that others wrote.

use clap::Args;
use clap::builder::PossibleValuesParser;

/// The layouts that a checkpoint may be said to have; the engine knows the same ones.
pub const LAYOUTS: [&str; 8] = [
    "e2mc",
    "vicreg",
    "swav",
    "simsiam",
    "moco",
    "torchvision",
    "timm",
    "backbone",
];

/// How to take a checkpoint that is not quite what it should be.
#[derive(Args, Clone, Debug, Default)]
pub struct CheckpointOptions {
    /// Whose names the checkpoint's tensors have, instead of a guess; `backbone` leaves heads out
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(LAYOUTS))]
    pub layout: Option<String>,
    /// Of several networks in a file take the one with this word in its name, such as `teacher`
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// Attention heads of a transformer's block, where the file does not say [default: width / 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub heads: Option<u16>,
    /// Accept that tensors whose names start so are missing (repeatable)
    #[arg(long, value_name = "PREFIX")]
    pub allow_missing: Vec<String>,
    /// Leave out tensors whose names start so (repeatable)
    #[arg(long, value_name = "PREFIX")]
    pub allow_unexpected: Vec<String>,
}
