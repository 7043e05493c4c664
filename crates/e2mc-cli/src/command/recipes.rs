//! `e2mc recipes`: the settings that come with the program.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::output;
use crate::recipe;

#[derive(Args, Debug)]
pub(crate) struct RecipesOptions {
    /// Print this recipe, with the source of each value [default: list all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &RecipesOptions) -> Result<ExitCode> {
    match &options.name {
        Some(name) => {
            let recipe = recipe::find(name)?;
            let result =
                json!({ "name": recipe.name, "recipe": recipe.table, "text": recipe.text });
            output::result(options.json, &result, || recipe.text.to_owned());
        }
        None => {
            let recipes = recipe::built_in()?;
            let rows: Vec<_> = recipes
                .iter()
                .map(|recipe| json!({ "name": recipe.name, "description": recipe.description }))
                .collect();
            output::result(options.json, &json!({ "recipes": rows }), || {
                let width = recipes.iter().map(|recipe| recipe.name.len()).max();
                let width = width.unwrap_or_default();
                let line = |recipe: &recipe::Listed| {
                    format!("{:<width$}   {}\n", recipe.name, recipe.description)
                };
                recipes.iter().map(line).collect()
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}
