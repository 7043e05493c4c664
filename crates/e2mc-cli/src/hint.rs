//! What a user can do about an error: the one place where errors meet the names of options.
//!
//! Libraries say what was expected and what was found, and what helps whoever calls them; which
//! option sets it is known here. The engine adds the errors of the libraries with a network and
//! falls back on [`of`].

use std::error::Error;
use std::io;

use e2mc_base::FileThere;
use e2mc_base::lock::LockError;
use e2mc_data::Augmentation;
use e2mc_eval::protocol;

use crate::failure::Failure;
use crate::options::WrongUse;

/// A hint for an error, if there is one.
pub type Hints = fn(&(dyn Error + 'static)) -> Option<String>;

/// The hint for an error of a command, or of a library without a network.
pub fn of(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Some(failure.hint().to_owned()).filter(|hint| !hint.is_empty());
    }
    if let Some(error) = error.downcast_ref::<WrongUse>() {
        return Some(error.hint.clone());
    }
    if error.is::<FileThere>() {
        return Some("write to another file, or add --overwrite to replace this one".into());
    }
    if let Some(error) = error.downcast_ref::<e2mc_recipe::Error>() {
        return Some(of_recipe(error));
    }
    if let Some(error) = error.downcast_ref::<e2mc_record::Error>() {
        return of_record(error);
    }
    if let Some(error) = error.downcast_ref::<e2mc_report::Error>() {
        return of_report(error);
    }
    if let Some(error) = error.downcast_ref::<protocol::Error>() {
        return of_protocol(error);
    }
    if let Some(error) = error.downcast_ref::<e2mc_data::Error>() {
        return of_data(error);
    }
    if let Some(error) = error.downcast_ref::<e2mc_eval::Error>() {
        return of_evaluation(error);
    }
    error.downcast_ref::<e2mc::Error>()?.hint()
}

/// Whether arguments are wrong rather than the work: the exit code is then 2.
pub fn is_usage(error: &(dyn Error + 'static)) -> bool {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.is_usage();
    }
    if error.is::<WrongUse>() {
        return true;
    }
    if let Some(error) = error.downcast_ref::<protocol::Error>() {
        use protocol::Error;
        return matches!(
            error,
            Error::SameFraction { .. } | Error::SeveralLabels { .. } | Error::NeedsTokens
        );
    }
    let recipe = error.downcast_ref::<e2mc_recipe::Error>();
    recipe.is_some_and(is_usage_of_recipe)
}

fn is_usage_of_recipe(error: &e2mc_recipe::Error) -> bool {
    use e2mc_recipe::Error;
    match error {
        Error::NotAnAugmentation { source, .. } => is_usage_of_recipe(source),
        Error::Unknown { .. }
        | Error::Change { .. }
        | Error::NoKeys { .. }
        | Error::NoElement { .. }
        | Error::NoAugmentation { .. }
        | Error::Augmentation { .. } => true,
        _ => false,
    }
}

fn of_protocol(error: &protocol::Error) -> Option<String> {
    use protocol::Error;
    let hint = match error {
        Error::Evaluation(error) => return of(error),
        Error::Matrix(error) => return of(error),
        Error::Record(error) => return of(error),
        Error::SameFraction { .. } => "give each fraction once",
        Error::NeedsTokens => "give --checkpoint and --data",
        Error::Subset(_) => "ask for another fraction of the labels",
        Error::ListedRow { .. } => "give one training row a line, counted from 0",
        Error::EmptyList { .. } => "name at least one training row",
        Error::RowsAndLabels { .. } => "give one label for each row, in the order of the rows",
        Error::SeveralLabels { .. } => {
            "use `e2mc svm` for several labels a row, or flatten the class numbers with .ravel()"
        }
        Error::KindsOfLabels { .. } => {
            "give class numbers for both, or the same 0/1 columns for both"
        }
        Error::Unmatched { common: 0, .. } => {
            "evaluate both on the same data, with the same --fractions and --seeds"
        }
        Error::Unmatched { .. } => {
            "evaluate both on the same data, with the same --fractions and --seeds, or add \
             --common to compare only the fits that both have"
        }
        Error::NoLabelPresent => "give test labels with at least one 1 (label present)",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_evaluation(error: &e2mc_eval::Error) -> Option<String> {
    use e2mc_eval::Error;
    let hint = match error {
        Error::NoVariance { .. } => {
            "check for a collapsed model or a damaged file; --method center needs no variance"
        }
        Error::FewerRowsThanDimensions { .. } => {
            "omit --floor 0, give a --floor above 0, or embed more images"
        }
        Error::MapWidth { .. } => {
            "give a map that was fitted to embeddings of this model, or fit one with `e2mc adapt`"
        }
        Error::NeedsLabels { .. } => "give --labels, or only --for neighbours",
        Error::Setting { .. } => "change that option; --help lists them with their defaults",
        Error::MapDiverged { .. } => "choose another --method, such as whiten",
        _ => return error.hint(),
    };
    Some(hint.to_owned())
}

fn of_report(error: &e2mc_report::Error) -> Option<String> {
    use e2mc_report::Error;
    match error {
        Error::Write { source, .. } | Error::MakeFolder { source, .. } => of_file("write", source),
        Error::Listen { .. } => Some("choose another port, or --serve 0 for a free one".into()),
        Error::Record(error) => of(error),
        _ => None,
    }
}

fn of_recipe(error: &e2mc_recipe::Error) -> String {
    use e2mc_recipe::Error;
    match error {
        Error::Change { .. } => "for instance --set criterion.beta=100".into(),
        Error::NoKeys { .. } | Error::NoElement { .. } => "--dry-run prints all keys".into(),
        Error::ExtendsItself { .. } => "remove `extends` from one of them".into(),
        Error::NoAugmentation { whole, .. } => match whole {
            Some(whole) => format!("use {whole}, the recipe of such checkpoints"),
            None => "give one with an [augmentation], such as the recipe.toml of a run".into(),
        },
        Error::Augmentation { .. } => "compare it with the recipes in the folder recipes/".into(),
        _ => {
            let names: Vec<_> = e2mc_recipe::names().collect();
            let meant = match error {
                Error::Unknown { recipe, nearest } => meant(recipe, *nearest),
                _ => None,
            };
            format!(
                "{}the built-in recipes are {}; or give the path of a .toml file",
                meant.unwrap_or_default(),
                names.join(", ")
            )
        }
    }
}

/// The recipes that were probably meant, and what else has that name.
fn meant(recipe: &str, nearest: Option<&str>) -> Option<String> {
    let longer = || e2mc_recipe::names().filter(|name| name.starts_with(recipe));
    let names: Vec<_> = match nearest {
        Some(name) => vec![name],
        None if recipe.is_empty() => Vec::new(),
        None => longer().collect(),
    };
    let views = Augmentation::NAMES
        .contains(&recipe)
        .then(|| format!("`{recipe}` names only views, for `augment` and `throughput`; "));
    let question = (!names.is_empty()).then(|| format!("did you mean {}? ", names.join(", ")));
    match (views, question) {
        (None, None) => None,
        (views, question) => Some(views.unwrap_or_default() + &question.unwrap_or_default()),
    }
}

fn of_data(error: &e2mc_data::Error) -> Option<String> {
    use e2mc_data::Error;
    let hint = match error {
        Error::MissingSplit { .. } => {
            "give the folder of images itself, add the missing split, or hold one out with \
             --val-fraction"
        }
        Error::Decode { .. } => {
            "replace or remove the file, or let other images take the place of a few: \
             --max-bad-images 0.01"
        }
        Error::TooManyBad { count, images, .. } => {
            // A quarter more than were met so far, and in a round number.
            let enough = (1250.0 * *count as f64 / (*images).max(1) as f64).ceil() / 1000.0;
            return Some(format!(
                "remove the files, or allow more, each replaced by another image of its class, \
                 with --max-bad-images {}",
                enough.min(1.0)
            ));
        }
        _ => return error.hint(),
    };
    Some(hint.to_owned())
}

fn of_record(error: &e2mc_record::Error) -> Option<String> {
    use e2mc_record::Error;
    let hint = match error {
        Error::Io { action, source, .. } => return of_file(action, source),
        Error::Format { .. } => "give another file, or restore this one from a backup",
        Error::Newer { .. } => "update e2mc: a later version wrote the file",
        Error::Line { .. } => {
            "the file is damaged: remove that line, or restore the run from a backup"
        }
        Error::NoRun { .. } => {
            "give the folder from `pretrain --out` or `continue --out`, or that of one run of a \
             sweep (runs/NAME in its folder) or of `improve` (search/NAME in its folder)"
        }
        Error::RunThere {
            checkpoint: true, ..
        } => "choose another --out, or add --resume to continue that run",
        Error::RunThere { .. } => {
            "it has no checkpoint to resume from: choose another --out, or remove the folder"
        }
        Error::Lock(LockError::Busy { .. }) => {
            "wait until that process ends, or choose another --out"
        }
        Error::Lock(LockError::Io { source, .. }) => return of_file("write", source),
        Error::ResultThere { .. } => {
            "choose another --out, or add --overwrite to replace the result"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The hint for what the system said of a file or folder.
fn of_file(action: &str, source: &io::Error) -> Option<String> {
    use io::ErrorKind;
    let hint = match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "check the path",
        ErrorKind::PermissionDenied if action == "read" => "check the permissions",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "check the permissions, or choose another --out"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free some space, or choose another --out; files saved earlier are intact"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_in_the_way_can_be_replaced() {
        let error = e2mc_record::Error::ResultThere { folder: "a".into() };
        assert!(of(&error).unwrap().contains("--overwrite"));
    }

    #[test]
    fn hints_of_libraries_pass_through() {
        let error = e2mc_data::Error::MaxBad { found: 2.0 };
        assert_eq!(of(&error), error.hint());
        let error = e2mc_recipe::find("no-such-recipe").unwrap_err();
        assert!(of(&error).unwrap().contains("vicreg-small"));
        assert!(is_usage(&error) && is_usage(&e2mc_recipe::augmentation("byol").unwrap_err()));
        assert_eq!(of(&io::Error::other("unknown")), None);
    }

    #[test]
    fn errors_of_maps_name_the_option_that_helps() {
        use e2mc_eval::Error;
        let (rows, cols) = (4, 9);
        for (error, part) in [
            (Error::NoVariance { rows, cols }, "--method center"),
            (Error::FewerRowsThanDimensions { rows, cols }, "--floor"),
            (Error::MapWidth { map: 3, rows }, "`e2mc adapt`"),
            (Error::NeedsLabels { usage: "sgd-head" }, "--labels"),
            (
                Error::MapDiverged {
                    step: 1,
                    learning_rate: 9.0,
                },
                "--method",
            ),
        ] {
            let hint = of(&error).unwrap();
            assert!(hint.contains(part), "{hint}");
            // Libraries know of no options.
            assert!(!error.hint().unwrap().contains("--"), "{error}");
        }
    }

    #[test]
    fn a_full_disk_is_told_from_a_wrong_path() {
        let said = |kind| of_file("write", &kind).unwrap();
        assert!(said(io::ErrorKind::StorageFull.into()).starts_with("free some space"));
        assert_eq!(said(io::ErrorKind::NotFound.into()), "check the path");
    }
}
