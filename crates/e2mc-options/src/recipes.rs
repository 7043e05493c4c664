//! Options of `recipes`.

use clap::Args;

/// Options of `recipes`.
#[derive(Args, Debug)]
pub struct RecipesOptions {
    /// Print this recipe, with the source of each value [default: list all]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
