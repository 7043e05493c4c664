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
                .map(|recipe| {
                    json!({
                        "name": recipe.name,
                        "command": command(recipe),
                        "description": recipe.description,
                    })
                })
                .collect();
            output::result(options.json, &json!({ "recipes": rows }), || {
                let width = recipes.iter().map(|recipe| recipe.name.len()).max();
                let width = width.unwrap_or_default();
                let line = |recipe: &BuiltIn| {
                    format!(
                        "{:<width$}   {:<8}   {}\n",
                        recipe.name,
                        command(recipe),
                        recipe.description
                    )
                };
                let lines: String = recipes.iter().map(line).collect();
                format!("{lines}\n`e2mc recipes NAME` prints one")
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The command that a recipe is for: one that describes a network starts from scratch, one that
/// leaves the network to the checkpoint continues it.
fn command(recipe: &BuiltIn) -> &'static str {
    match recipe.table.contains_key("backbone") {
        true => "pretrain",
        false => "continue",
    }
}
