//! `e2mc recipes`: the settings that come with the program.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::RecipesOptions;
use e2mc_cli::output;
use e2mc_recipe::BuiltIn;
use serde_json::json;

pub(crate) fn run(options: &RecipesOptions) -> Result<ExitCode> {
    match &options.name {
        Some(name) => {
            let BuiltIn {
                name, text, table, ..
            } = e2mc_recipe::find(name)?;
            let result = json!({ "name": name, "recipe": table, "text": text });
            output::result(options.json, &result, || text.to_owned());
        }
        None => {
            let recipes = e2mc_recipe::built_in()?;
            let rows: Vec<_> = recipes
                .iter()
                .map(|recipe| json!({ "name": recipe.name, "description": recipe.description }))
                .collect();
            output::result(options.json, &json!({ "recipes": rows }), || {
                let width = recipes.iter().map(|recipe| recipe.name.len()).max();
                let width = width.unwrap_or_default();
                let line = |recipe: &BuiltIn| {
                    format!("{:<width$}   {}\n", recipe.name, recipe.description)
                };
                recipes.iter().map(line).collect()
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}
