//! Options of `recipes`.

use clap::Args;

use super::heading;

/// Options of `recipes`.
#[derive(Args, Debug)]
pub struct RecipesOptions {
    /// Recipe to print, with the source of each value [default: list all]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}
