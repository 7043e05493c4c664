//! What a user can do about an error: the one place where errors meet the names of options.
//!
//! Libraries say what was expected and what was found, and what helps whoever calls them; which option
//! sets it is known here. The engine adds the errors of the libraries with a network and falls back on
//! [`of`].

use std::error::Error;

use crate::failure::Failure;

/// A hint for an error, if there is one.
pub type Hints = fn(&(dyn Error + 'static)) -> Option<String>;

/// The hint for an error of a command, or of a library without a network.
pub fn of(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Some(failure.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<e2mc_recipe::Error>() {
        return Some(of_recipe(error));
    }
    if let Some(error) = error.downcast_ref::<e2mc_record::Error>() {
        return of_record(error);
    }
    if let Some(error) = error.downcast_ref::<e2mc_data::Error>() {
        return of_data(error);
    }
    if let Some(error) = error.downcast_ref::<e2mc_eval::Error>() {
        return error.hint();
    }
    error.downcast_ref::<e2mc::Error>()?.hint()
}

fn of_recipe(error: &e2mc_recipe::Error) -> String {
    use e2mc_recipe::Error;
    match error {
        Error::Change { .. } => "for instance --set criterion.beta=100".into(),
        Error::NoKeys { .. } => "--dry-run prints all keys".into(),
        Error::ExtendsItself { .. } => "leave `extends` out of one of them".into(),
        Error::NoAugmentation { whole, .. } => match whole {
            Some(whole) => format!("use {whole}, the recipe of such checkpoints"),
            None => "name one with an [augmentation], such as the recipe.toml of a run".into(),
        },
        Error::Augmentation { .. } => "compare with the recipes in the folder recipes/".into(),
        _ => {
            let names: Vec<_> = e2mc_recipe::names().collect();
            format!("built in are {}; or give the path of a .toml file", names.join(", "))
        }
    }
}

fn of_data(error: &e2mc_data::Error) -> Option<String> {
    use e2mc_data::Error;
    let hint = match error {
        Error::MissingSplit { .. } => {
            "point to the folder of images itself, add the missing split, or have one held out \
             (--val-fraction)"
        }
        Error::TooManyBad { .. } => {
            "replace or remove the files, or allow for more of them (--max-bad-images)"
        }
        _ => return error.hint(),
    };
    Some(hint.to_owned())
}
