//! `e2mc recipes`: the settings that come with the program.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::RecipesOptions;
use serde_json::json;

use crate::output;
use crate::recipe;

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
