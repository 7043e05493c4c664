//! The recipes that come with the program, and those in files; each may extend another.

use std::fs;
use std::path::Path;

use e2mc_data::Augmentation;
use toml::{Table, Value};

use crate::Error;
use crate::layers::overlay;
use crate::nearest::nearest;

/// A recipe that comes with the program, as `(name, text)`.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../recipes/", $name, ".toml")))),*]
    };
}

/// The recipes that come with the program, one line a recipe.
const BUILT_IN: [(&str, &str); 26] = built_in![
    "dino-imagenet",
    "dino-small-28",
    "photos-96",
    "resnet-vicreg-photos",
    "simsiam-imagenet",
    "simsiam-imagenet-pretrain",
    "simsiam-small",
    "simsiam-small-pretrain",
    "swav-glyphs",
    "swav-glyphs-pretrain",
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
    "vit-small-28",
    "vit-vicreg-imagenet",
];

/// A recipe as it stands, before it is laid over a checkpoint's.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    /// The name it is asked for by.
    pub name: &'static str,
    /// One sentence.
    pub description: String,
    /// The TOML text, with a source for each value.
    pub text: &'static str,
    /// Its settings, with those of the recipe that it extends.
    pub table: Table,
}

/// The names of the built-in recipes, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|&(name, _)| name)
}

/// The recipes that come with the program, by name.
///
/// # Errors
/// Where one of them is damaged; a test sees that none is.
pub fn built_in() -> Result<Vec<BuiltIn>, Error> {
    names().map(find).collect()
}

/// The built-in recipe of that name.
///
/// # Errors
/// Where there is none.
pub fn find(recipe: &str) -> Result<BuiltIn, Error> {
    let Some(&(name, text)) = BUILT_IN.iter().find(|(name, _)| *name == recipe) else {
        return Err(Error::Unknown {
            recipe: recipe.to_owned(),
            nearest: nearest(recipe, names()),
        });
    };
    let table = extend(name, parse(name, text)?, &[])?;
    let description = table.get("description").and_then(Value::as_str);
    Ok(BuiltIn {
        name,
        description: description.unwrap_or_default().to_owned(),
        text,
        table,
    })
}

/// A built-in augmentation by name, or that of a training recipe, whatever else the recipe leaves
/// to a checkpoint.
///
/// # Errors
/// Where the name is neither, the file is no recipe, or the recipe has no augmentation of its own.
pub fn augmentation(recipe: &str) -> Result<Augmentation, Error> {
    if let Some(augmentation) = Augmentation::named(recipe) {
        return Ok(augmentation);
    }
    let mut table = load(recipe).map_err(|source| Error::NotAnAugmentation {
        names: Augmentation::NAMES.join(", "),
        source: Box::new(source),
    })?;
    let Some(views) = table.remove("augmentation") else {
        let whole = format!("{recipe}-pretrain");
        return Err(Error::NoAugmentation {
            recipe: recipe.to_owned(),
            whole: names().any(|name| name == whole).then_some(whole),
        });
    };
    views
        .try_into()
        .map_err(|error: toml::de::Error| Error::Augmentation {
            recipe: recipe.to_owned(),
            message: error.message().to_owned(),
        })
}

/// The settings of a recipe, built in or in a file, with those that it extends. A name without an
/// extension is that of a built-in recipe.
///
/// # Errors
/// Where there is no such recipe or file, it is not TOML, or recipes extend each other in a circle.
pub fn load(recipe: &str) -> Result<Table, Error> {
    load_below(recipe, &[])
}

fn load_below(recipe: &str, above: &[&str]) -> Result<Table, Error> {
    if Path::new(recipe).extension().is_none() {
        return Ok(find(recipe)?.table);
    }
    let text = fs::read_to_string(recipe).map_err(|source| Error::Read {
        recipe: recipe.to_owned(),
        source,
    })?;
    extend(recipe, parse(recipe, &text)?, above)
}

/// Lays a recipe over the one that it names under `extends`, if any; `above` are those that led
/// here.
fn extend(recipe: &str, mut table: Table, above: &[&str]) -> Result<Table, Error> {
    let Some(extended) = table.remove("extends") else {
        return Ok(table);
    };
    let Some(name) = extended.as_str() else {
        return Err(Error::Extends {
            recipe: recipe.to_owned(),
            found: extended.to_string(),
        });
    };
    // A file is looked for beside the recipe that names it.
    let beside = Path::new(recipe).with_file_name(name);
    let below = match Path::new(name).extension() {
        Some(_) => beside.to_str().unwrap_or(name),
        None => name,
    };
    let chain = [above, &[recipe]].concat();
    if chain.contains(&below) {
        return Err(Error::ExtendsItself {
            recipe: recipe.to_owned(),
            extended: name.to_owned(),
        });
    }
    let mut whole = load_below(below, &chain)?;
    overlay(&mut whole, table);
    Ok(whole)
}

fn parse(recipe: &str, text: &str) -> Result<Table, Error> {
    text.parse::<Table>().map_err(|error| Error::Syntax {
        recipe: recipe.to_owned(),
        message: error.to_string().trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn recipes_that_extend_in_a_circle_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (name, below) in [("a.toml", path("b.toml")), ("b.toml", path("a.toml"))] {
            fs::write(path(name), format!("extends = '{below}'")).unwrap();
        }
        let error = load(&path("a.toml")).unwrap_err();
        assert!(error.to_string().contains("which extends it"), "{error}");
        fs::write(path("c.toml"), "extends = 3").unwrap();
        let error = load(&path("c.toml")).unwrap_err();
        assert!(error.to_string().contains("`extends` is 3"), "{error}");
        fs::write(path("d.toml"), "extends = 'swav-imagnet'").unwrap();
        let error = load(&path("d.toml")).unwrap_err();
        assert_eq!(error.to_string(), "no recipe is called `swav-imagnet`");
    }

    #[test]
    fn a_recipe_extends_a_file_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let base = find("vicreg-small-pretrain").unwrap();
        fs::write(path("base.toml"), base.text).unwrap();
        fs::write(path("a.toml"), "name = 'a'\nextends = 'base.toml'").unwrap();
        let table = load(&path("a.toml")).unwrap();
        assert_eq!(table["name"].as_str(), Some("a"));
        assert_eq!(table["training"], base.table["training"]);
    }

    #[test]
    fn every_file_in_the_folder_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = files
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        found.sort();
        assert!(names().eq(found.iter().map(String::as_str)), "{found:?}");
        for recipe in built_in().unwrap() {
            assert_eq!(recipe.table["name"].as_str(), Some(recipe.name));
            assert!(!recipe.description.is_empty(), "{}", recipe.name);
        }
    }

    #[test]
    fn an_augmentation_is_a_name_or_a_recipe_that_has_one() {
        assert!(augmentation("vicreg-small-pretrain").is_ok());
        let error = augmentation("vicreg-small").unwrap_err();
        assert!(
            matches!(&error, Error::NoAugmentation { whole: Some(whole), .. }
                if whole == "vicreg-small-pretrain"),
            "{error:?}"
        );
        let error = augmentation("nonsense").unwrap_err();
        assert!(matches!(error, Error::NotAnAugmentation { .. }));
    }
}
