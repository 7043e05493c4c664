//! The settings of a run, made of recipes.
//!
//! They are laid over each other: a checkpoint's recipe, the named recipe, single changes. What
//! comes out is checked as a whole. How recipes are written is the matter of [`e2mc_recipe`].

use e2mc_data::PreprocessingChanges;
use e2mc_recipe::Change;
use e2mc_train::Recipe;
use e2mc_train::criterion::CriterionConfig;
use toml::{Table, Value};

use crate::error::RecipeError;

/// What is added to the base loss, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CriterionChoice {
    /// The base loss alone.
    None,
    /// Entropy and covariance of the embedding.
    E2mc,
    /// Variances and covariances of the normalised embedding.
    Vcreg,
    /// Uniformity of the normalised embedding (AUH).
    Uniformity,
    /// Nuclear norm of the mean view (MMCR).
    Mmcr,
    /// Normality along random directions (LeJEPA).
    Sigreg,
}

impl CriterionChoice {
    /// The published settings; of [`CriterionChoice::E2mc`] those for the method.
    fn published(self, method: &str) -> CriterionConfig {
        match self {
            Self::None => CriterionConfig::None,
            Self::E2mc => CriterionConfig::e2mc(method),
            Self::Vcreg => CriterionConfig::vcreg(),
            Self::Uniformity => CriterionConfig::uniformity(),
            Self::Mmcr => CriterionConfig::mmcr(),
            Self::Sigreg => CriterionConfig::sigreg(),
        }
    }
}

/// The settings of a run: `base` (a checkpoint's recipe, if any), then the named recipe, then each
/// of `changes`.
///
/// # Errors
/// Where the recipe cannot be read, or a setting is missing, unknown or out of range.
pub fn resolve(
    base: Option<&Recipe>,
    recipe: Option<&str>,
    changes: &[Change],
) -> Result<Recipe, RecipeError> {
    let mut table = match base {
        Some(recipe) => {
            let what = "the checkpoint's recipe";
            Table::try_from(recipe).map_err(|source| RecipeError::Write { what, source })?
        }
        None => Table::new(),
    };
    if let Some(recipe) = recipe {
        e2mc_recipe::overlay(&mut table, e2mc_recipe::load(recipe)?);
    }
    let unchanged = table.clone();
    for (key, value) in changes {
        e2mc_recipe::set(&mut table, key, value.clone())?;
    }
    let resolved = read(table).map_err(|error| {
        let at_fault = at_fault(&unchanged, changes);
        at_fault.unwrap_or_else(|| RecipeError::Settings {
            recipe: recipe.unwrap_or("the recipe").to_owned(),
            message: error.message().to_owned(),
        })
    })?;
    resolved.check()?;
    Ok(resolved)
}

/// The method that a recipe and changes on top of it name, if they name one.
///
/// # Errors
/// Where the recipe cannot be read, or a change of the method has no place in it.
pub fn method(recipe: Option<&str>, changes: &[Change]) -> Result<Option<String>, RecipeError> {
    let mut table = match recipe {
        Some(recipe) => e2mc_recipe::load(recipe)?,
        None => Table::new(),
    };
    let of_method = |key: &str| key == "method" || key == "method.name";
    for (key, value) in changes.iter().filter(|(key, _)| of_method(key)) {
        e2mc_recipe::set(&mut table, key, value.clone())?;
    }
    let name = table.get("method").and_then(|method| method.get("name"));
    Ok(name.and_then(Value::as_str).map(str::to_owned))
}

fn read(table: Table) -> Result<Recipe, toml::de::Error> {
    Value::Table(table).try_into()
}

/// The first change that makes no recipe of one, if a recipe was there without it.
fn at_fault(unchanged: &Table, changes: &[Change]) -> Option<RecipeError> {
    read(unchanged.clone()).ok()?;
    let mut table = unchanged.clone();
    for (key, value) in changes {
        let before = table.clone();
        e2mc_recipe::set(&mut table, key, value.clone()).ok()?;
        let Err(error) = read(table.clone()) else {
            continue;
        };
        let message = error.message().to_owned();
        let unknown =
            message.starts_with("unknown field") || message.starts_with("unknown variant");
        let nearest = unknown.then(|| meant(key, &before, &message)).flatten();
        return Some(RecipeError::Change {
            key: key.clone(),
            message,
            nearest,
        });
    }
    None
}

/// The key that is there, or that the message names as possible, and is closest to the one given;
/// where the key is right, with the value that is closest.
fn meant(key: &str, table: &Table, message: &str) -> Option<String> {
    let mut keys = Vec::new();
    gather("", table, &mut keys);
    let (_, expected) = message.split_once("expected").unwrap_or_default();
    let named = || expected.split('`').skip(1).step_by(2);
    if keys.iter().any(|known| known == key) {
        // The value is unknown, not the key.
        let value = message.split('`').nth(1)?;
        let meant = e2mc_recipe::nearest(value, named())?;
        return Some(format!("{key}={meant}"));
    }
    let above = key.rsplit_once('.').map_or("", |(above, _)| above);
    keys.extend(named().map(|name| below(above, name)));
    e2mc_recipe::nearest(key, keys.iter().map(String::as_str)).map(str::to_owned)
}

fn gather(above: &str, table: &Table, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = below(above, name);
        match value {
            Value::Table(table) => gather(&key, table, keys),
            _ => keys.push(key),
        }
    }
}

fn below(above: &str, name: &str) -> String {
    match above {
        "" => name.to_owned(),
        _ => format!("{above}.{name}"),
    }
}

/// As [`resolve`], with another criterion where one is asked for: the recipe's where it has that
/// one, else the published settings. `changes` come on top.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_with(
    criterion: Option<CriterionChoice>,
    base: &Recipe,
    recipe: Option<&str>,
    changes: &[Change],
) -> Result<Recipe, RecipeError> {
    let Some(choice) = criterion else {
        return resolve(Some(base), recipe, changes);
    };
    let others = changes
        .iter()
        .filter(|(key, _)| !key.starts_with("criterion"));
    let others: Vec<_> = others.cloned().collect();
    let found = resolve(Some(base), recipe, &others)?;
    let wanted = choice.published(found.method.name());
    if found.criterion.name() == wanted.name() {
        return resolve(Some(base), recipe, changes);
    }
    let what = "the criterion's settings";
    let wanted = Value::try_from(wanted).map_err(|source| RecipeError::Write { what, source })?;
    let mut all = vec![("criterion".to_owned(), wanted)];
    all.extend_from_slice(changes);
    resolve(Some(base), recipe, &all)
}

/// Prepares images otherwise than a recipe says, for evaluation and for training. Views keep their
/// proportions to each other, as far as the network can take them.
///
/// # Errors
/// Where a setting is then out of range.
pub fn prepare(recipe: &mut Recipe, images: &PreprocessingChanges) -> Result<(), RecipeError> {
    if images.is_empty() {
        return Ok(());
    }
    recipe.evaluation = images
        .applied(&recipe.evaluation)
        .map_err(e2mc_train::Error::from)?;
    let augmentation = &mut recipe.augmentation;
    let largest = augmentation.views.iter().map(|view| view.size).max();
    if let (Some(side), Some(largest)) = (images.image_size, largest.filter(|&side| side > 0)) {
        let step = recipe.backbone.side_multiple().max(1);
        for view in &mut augmentation.views {
            let scaled = view.size * side / largest;
            view.size = match view.size == largest {
                true => side,
                false => (scaled + step / 2) / step * step,
            }
            .max(step);
        }
    }
    if let Some(mean) = &images.mean {
        augmentation.mean.clone_from(mean);
    }
    if let Some(std) = &images.std {
        augmentation.std.clone_from(std);
    }
    Ok(recipe.check()?)
}

/// The recipe as TOML text.
///
/// # Errors
/// Where a value has no place in TOML.
pub fn to_toml(recipe: &Recipe) -> Result<String, RecipeError> {
    let what = "the recipe";
    toml::to_string(recipe).map_err(|source| RecipeError::Write { what, source })
}

#[cfg(test)]
mod tests;
