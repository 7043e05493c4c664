//! Recipes as TOML: the built-in ones, files, and the changes a user makes on top.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use e2mc_data::Augmentation;
use e2mc_train::Recipe;
use e2mc_train::criterion::CriterionConfig;
use toml::{Table, Value};

use crate::failure::Failure;
use e2mc_cli::options::CriterionName;

/// A recipe that comes with the program, as `(name, text)`.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../recipes/", $name, ".toml")))),*]
    };
}

/// The recipes that come with the program, one line a recipe.
const BUILT_IN: [(&str, &str); 18] = built_in![
    "simsiam-imagenet",
    "simsiam-imagenet-pretrain",
    "simsiam-small",
    "simsiam-small-pretrain",
    "swav-imagenet",
    "swav-imagenet-mmcr",
    "swav-imagenet-pretrain",
    "swav-imagenet-uniformity",
    "swav-imagenet-vcreg",
    "swav-small",
    "swav-small-mmcr",
    "swav-small-pretrain",
    "swav-small-uniformity",
    "swav-small-vcreg",
    "vicreg-imagenet",
    "vicreg-imagenet-pretrain",
    "vicreg-small",
    "vicreg-small-pretrain",
];

/// A recipe as it stands, before it is laid over a checkpoint's.
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) description: String,
    /// The TOML text, with a source for each value.
    pub(crate) text: &'static str,
    /// With what it extends.
    pub(crate) table: Table,
}

/// The recipes that come with the program, by name.
pub(crate) fn built_in() -> Result<Vec<Listed>> {
    BUILT_IN.iter().map(|&(name, _)| find(name)).collect()
}

/// The built-in recipe of that name.
pub(crate) fn find(recipe: &str) -> Result<Listed> {
    let Some(&(name, text)) = BUILT_IN.iter().find(|(name, _)| *name == recipe) else {
        return Err(unknown(recipe));
    };
    let table = extend(name, parse(name, text)?, &[])?;
    let description = table.get("description").and_then(Value::as_str);
    Ok(Listed {
        name,
        description: description.unwrap_or_default().to_owned(),
        text,
        table,
    })
}

/// The settings of a run: `base` (a checkpoint's recipe, if any), then the named recipe, then each
/// `key=value` of `changes`.
pub(crate) fn resolve(
    base: Option<&Recipe>,
    recipe: Option<&str>,
    changes: &[(String, Value)],
) -> Result<Recipe> {
    let mut table = match base {
        Some(recipe) => Table::try_from(recipe).context("the checkpoint's recipe")?,
        None => Table::new(),
    };
    let name = recipe.unwrap_or("the recipe");
    if let Some(recipe) = recipe {
        overlay(&mut table, load(recipe, &[])?);
    }
    for (key, value) in changes {
        set(&mut table, key, value.clone())?;
    }
    let recipe: Recipe = Value::Table(table).try_into().map_err(|error: toml::de::Error| {
        Failure::usage(
            format!("{name}: {}", error.message()),
            "compare with the recipes in the folder recipes/; --dry-run prints the resolved one",
        )
    })?;
    recipe.check()?;
    Ok(recipe)
}

/// As [`resolve`], with another criterion where one is asked for: the recipe's where it has that one,
/// else the published settings. `changes` come on top.
pub(crate) fn resolve_with(
    criterion: Option<CriterionName>,
    base: &Recipe,
    recipe: Option<&str>,
    changes: &[(String, Value)],
) -> Result<Recipe> {
    let Some(name) = criterion else {
        return resolve(Some(base), recipe, changes);
    };
    let others = changes
        .iter()
        .filter(|(key, _)| !key.starts_with("criterion"));
    let others: Vec<_> = others.cloned().collect();
    let found = resolve(Some(base), recipe, &others)?;
    let wanted = match name {
        CriterionName::None => CriterionConfig::None,
        CriterionName::E2mc => CriterionConfig::e2mc(found.method.name()),
        CriterionName::Vcreg => CriterionConfig::vcreg(),
        CriterionName::Uniformity => CriterionConfig::uniformity(),
        CriterionName::Mmcr => CriterionConfig::mmcr(),
        CriterionName::Sigreg => CriterionConfig::sigreg(),
    };
    if found.criterion.name() == wanted.name() {
        return resolve(Some(base), recipe, changes);
    }
    let wanted = Value::try_from(wanted).context("the criterion's settings")?;
    let mut all = vec![("criterion".to_owned(), wanted)];
    all.extend_from_slice(changes);
    resolve(Some(base), recipe, &all)
}

/// A built-in augmentation by name, or that of a training recipe, whatever else the recipe leaves to
/// a checkpoint.
pub(crate) fn augmentation(recipe: &str) -> Result<Augmentation> {
    if let Some(augmentation) = Augmentation::named(recipe) {
        return Ok(augmentation);
    }
    let names = Augmentation::NAMES.join(", ");
    let unknown = || format!("neither one of {names}, nor a training recipe");
    let Some(views) = load(recipe, &[])
        .with_context(unknown)?
        .remove("augmentation")
    else {
        let whole = format!("{recipe}-pretrain");
        let instead = if BUILT_IN.iter().any(|&(name, _)| name == whole) {
            format!("use {whole}, the recipe of such checkpoints")
        } else {
            "name one with an [augmentation], such as the recipe.toml of a run".to_owned()
        };
        return Err(Failure::usage(
            format!(
                "the recipe {recipe} takes its views from the checkpoint: it has no [augmentation]"
            ),
            instead,
        ));
    };
    let views: Result<Augmentation, toml::de::Error> = views.try_into();
    views.map_err(|error| {
        Failure::usage(
            format!("{recipe}: [augmentation]: {}", error.message()),
            "compare with the recipes in the folder recipes/",
        )
    })
}

/// Splits `key=value`; a value that is not TOML is taken as a string.
pub(crate) fn parse_change(text: &str) -> Result<(String, Value)> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err(Failure::usage(
            format!("--set: expected KEY=VALUE, found `{text}`"),
            "for instance --set criterion.beta=100",
        ));
    };
    Ok((key.trim().to_owned(), parse_value(value)))
}

/// A value as TOML writes it; what is not TOML is a string.
pub(crate) fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let value = parsed.and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| text.to_owned().into())
}

fn load(recipe: &str, above: &[&str]) -> Result<Table> {
    if Path::new(recipe).extension().is_none() {
        return Ok(find(recipe)?.table);
    }
    let text = fs::read_to_string(recipe).map_err(|error| {
        Failure::new(format!("cannot read the recipe {recipe}: {error}"), known())
    })?;
    extend(recipe, parse(recipe, &text)?, above)
}

/// Lays a recipe over the one that it names under `extends`, if any; `above` are those that led here.
fn extend(recipe: &str, mut table: Table, above: &[&str]) -> Result<Table> {
    let Some(extended) = table.remove("extends") else {
        return Ok(table);
    };
    let Some(name) = extended.as_str() else {
        return Err(Failure::new(
            format!("{recipe}: `extends` is {extended}, expected the name of a recipe"),
            known(),
        ));
    };
    // A file is looked for beside the recipe that names it.
    let beside = Path::new(recipe).with_file_name(name);
    let below = match Path::new(name).extension() {
        Some(_) => beside.to_str().unwrap_or(name),
        None => name,
    };
    let chain = [above, &[recipe]].concat();
    if chain.contains(&below) {
        return Err(Failure::new(
            format!("{recipe} extends {name}, which extends it"),
            "leave `extends` out of one of them",
        ));
    }
    let mut whole = load(below, &chain)?;
    overlay(&mut whole, table);
    Ok(whole)
}

fn parse(recipe: &str, text: &str) -> Result<Table> {
    text.parse::<Table>().map_err(|error| {
        Failure::new(
            format!("{recipe} is not valid TOML: {}", error.to_string().trim()),
            known(),
        )
    })
}

fn unknown(recipe: &str) -> anyhow::Error {
    Failure::usage(format!("no recipe is called `{recipe}`"), known())
}

fn known() -> String {
    let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    format!(
        "built in are {}; or give the path of a .toml file",
        names.join(", ")
    )
}

/// Lays `top` over `table`, key by key. Where both name a variant (`name = "lars"` over
/// `name = "sgd"`) and it differs, the whole table is replaced: its keys are the variant's own.
fn overlay(table: &mut Table, top: Table) {
    for (key, value) in top {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                let replaces = match (below.get("name"), above.get("name")) {
                    (Some(below), Some(above)) => below != above,
                    _ => false,
                };
                if replaces {
                    *below = above;
                } else {
                    overlay(below, above);
                }
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Sets the value at a dotted key; unknown keys are found when the table becomes a recipe. As in
/// [`overlay`], another variant's name takes the other keys of its table away.
fn set(table: &mut Table, key: &str, value: Value) -> Result<()> {
    let (folder, last) = key
        .rsplit_once('.')
        .map_or((None, key), |(a, b)| (Some(a), b));
    let mut place = table;
    for part in folder.into_iter().flat_map(|folder| folder.split('.')) {
        let entry = place
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()));
        place = match entry {
            Value::Table(table) => table,
            _ => {
                return Err(Failure::usage(
                    format!("--set {key}: `{part}` has no keys of its own"),
                    "--dry-run prints all keys",
                ));
            }
        };
    }
    if folder.is_some() && last == "name" && place.get(last).is_some_and(|name| *name != value) {
        place.clear();
    }
    // `1` for a setting that holds 1.5 means 1.0.
    let value = match (place.get(last), value) {
        (Some(Value::Float(_)), Value::Integer(whole)) => Value::Float(whole as f64),
        (_, value) => value,
    };
    place.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recipe to continue with leaves out what comes from the checkpoint.
    fn base() -> Recipe {
        resolve(None, Some("vicreg-small-pretrain"), &[]).unwrap()
    }

    /// A checkpoint's recipe that one of this name may continue.
    fn base_of(name: &str) -> Recipe {
        let parts: Vec<&str> = name.split('-').collect();
        let pretrain = format!("{}-{}-pretrain", parts[0], parts[1]);
        resolve(None, Some(&pretrain), &[]).unwrap()
    }

    #[test]
    fn every_built_in_recipe_is_valid() {
        for (name, _) in BUILT_IN {
            let recipe = resolve(Some(&base_of(name)), Some(name), &[]).unwrap();
            assert_eq!(recipe.name, name);
        }
    }

    #[test]
    fn a_recipe_survives_being_written_and_read() {
        let recipe = resolve(Some(&base()), Some("vicreg-small"), &[]).unwrap();
        let text = toml::to_string(&recipe).unwrap();
        assert_eq!(toml::from_str::<Recipe>(&text).unwrap(), recipe);
    }

    #[test]
    fn changes_reach_nested_values_and_keep_their_type() {
        let change = parse_change("criterion.beta=7").unwrap();
        let recipe = resolve(
            Some(&base_of("vicreg-imagenet")),
            Some("vicreg-imagenet"),
            &[change],
        )
        .unwrap();
        let text = toml::to_string(&recipe).unwrap();
        assert!(text.contains("beta = 7.0"), "{text}");
    }

    #[test]
    fn a_change_of_variant_drops_the_keys_of_the_old_one() {
        let change = parse_change("schedule.name=constant").unwrap();
        let recipe = resolve(None, Some("vicreg-small-pretrain"), &[change]).unwrap();
        let text = toml::to_string(&recipe.schedule).unwrap();
        assert!(text.contains("constant") && !text.contains("end"), "{text}");
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let change = parse_change("training.bacth=7").unwrap();
        let error = resolve(Some(&base()), Some("vicreg-small"), &[change]).unwrap_err();
        assert!(error.to_string().contains("bacth"), "{error}");
    }

    #[test]
    fn a_recipe_that_extends_another_holds_only_the_difference() {
        let rival = find("swav-imagenet-mmcr").unwrap().table;
        let whole = find("swav-imagenet").unwrap().table;
        assert_eq!(rival["criterion"]["name"].as_str(), Some("mmcr"));
        for key in ["method", "training", "optimizer", "augmentation"] {
            assert_eq!(rival[key], whole[key], "{key}");
        }
        assert!(!rival.contains_key("extends"));
    }

    #[test]
    fn a_recipe_extends_a_file_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(
            path("base.toml"),
            find("vicreg-small-pretrain").unwrap().text,
        )
        .unwrap();
        fs::write(path("a.toml"), "name = 'a'\nextends = 'base.toml'").unwrap();
        let recipe = resolve(None, Some(&path("a.toml")), &[]).unwrap();
        assert_eq!(
            (recipe.name.as_str(), recipe.training.epochs),
            ("a", base().training.epochs)
        );
        fs::write(path("base.toml"), "extends = 'a.toml'").unwrap();
        let error = resolve(None, Some(&path("a.toml")), &[]).unwrap_err();
        assert!(error.to_string().contains("which extends it"), "{error}");
    }

    #[test]
    fn recipes_that_extend_in_a_circle_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (name, below) in [("a.toml", path("b.toml")), ("b.toml", path("a.toml"))] {
            fs::write(path(name), format!("extends = '{below}'")).unwrap();
        }
        let error = resolve(None, Some(&path("a.toml")), &[]).unwrap_err();
        assert!(error.to_string().contains("which extends it"), "{error}");
        fs::write(path("c.toml"), "extends = 3").unwrap();
        let error = resolve(None, Some(&path("c.toml")), &[]).unwrap_err();
        assert!(error.to_string().contains("`extends` is 3"), "{error}");
        fs::write(path("d.toml"), "extends = 'swav-imagnet'").unwrap();
        let error = resolve(None, Some(&path("d.toml")), &[]).unwrap_err();
        assert_eq!(error.to_string(), "no recipe is called `swav-imagnet`");
    }

    #[test]
    fn another_criterion_comes_with_its_published_settings() {
        let wanted = |criterion, changes: &[(String, Value)]| {
            let recipe = resolve_with(criterion, &base(), Some("vicreg-small"), changes);
            recipe.unwrap().criterion
        };
        let own = resolve(Some(&base()), Some("vicreg-small"), &[])
            .unwrap()
            .criterion;
        assert_eq!(wanted(None, &[]), own);
        // The recipe has this one: its settings, not the paper's.
        assert_eq!(wanted(Some(CriterionName::E2mc), &[]), own);
        assert_eq!(
            wanted(Some(CriterionName::None), &[]),
            CriterionConfig::None
        );
        assert_eq!(
            wanted(Some(CriterionName::Mmcr), &[]),
            CriterionConfig::mmcr()
        );
        assert_eq!(
            wanted(Some(CriterionName::Vcreg), &[]),
            CriterionConfig::vcreg()
        );
        let sharp = parse_change("criterion.t=5").unwrap();
        assert_eq!(
            wanted(Some(CriterionName::Uniformity), &[sharp]),
            CriterionConfig::Uniformity {
                weight: 0.5,
                t: 5.0
            }
        );
        // A base without a criterion gets its method's.
        let mut plain = base();
        plain.criterion = CriterionConfig::None;
        let recipe = resolve_with(Some(CriterionName::E2mc), &plain, None, &[]).unwrap();
        assert_eq!(recipe.criterion, CriterionConfig::e2mc("vicreg"));
    }

    #[test]
    fn another_variant_replaces_the_whole_table() {
        let mut table: Table = "[o]\nname = 'lars'\neta = 0.001".parse().unwrap();
        overlay(
            &mut table,
            "[o]\nname = 'sgd'\nmomentum = 0.9".parse().unwrap(),
        );
        assert_eq!(table, "[o]\nname = 'sgd'\nmomentum = 0.9".parse().unwrap());
    }
}
