//! What a user can do about an error of the libraries with a network: where their errors meet the
//! names of options. Errors of the other libraries have their hints in `e2mc_cli::hint`.

use std::error::Error;

use e2mc_cli::hint;
use e2mc_lab::run::Difference;
use e2mc_lab::{Error as LabError, ImproveError, ProtocolError, RecipeError, RunError, SweepError};
use e2mc_train::Advice;

/// Whether the arguments, rather than the work, were wrong.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(is_usage_itself)
}

fn is_usage_itself(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<LabError>() {
        return match error {
            LabError::Recipe(error) => is_usage_itself(error),
            LabError::Sweep(error) => is_usage_itself(error),
            LabError::Evaluation(error) => hint::is_usage(error),
            LabError::Run(RunError::OtherSettings { .. }) => true,
            LabError::Improve(_)
            | LabError::Protocol(_)
            | LabError::Checkpoints { .. }
            | LabError::OneView => true,
            _ => false,
        };
    }
    if let Some(error) = error.downcast_ref::<SweepError>() {
        return match error {
            SweepError::Axis { .. } | SweepError::SettingTwice { .. } => true,
            SweepError::Settings { source, .. } => is_usage_itself(&**source),
            _ => false,
        };
    }
    match error.downcast_ref::<RecipeError>() {
        Some(RecipeError::Text(error)) => hint::is_usage(error),
        Some(error) => matches!(
            error,
            RecipeError::Settings { .. } | RecipeError::Change { .. }
        ),
        None => hint::is_usage(error),
    }
}

/// The hint for one error of the chain, if there is one.
pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<LabError>() {
        return of_lab(error);
    }
    if let Some(error) = error.downcast_ref::<RecipeError>() {
        return of_recipe(error);
    }
    if let Some(error) = error.downcast_ref::<SweepError>() {
        return of_sweep(error);
    }
    if let Some(error) = error.downcast_ref::<ImproveError>() {
        return of_improve(error);
    }
    if let Some(error) = error.downcast_ref::<e2mc_train::Error>() {
        return of_train(error);
    }
    hint::of(error)
}

fn of_train(error: &e2mc_train::Error) -> Option<String> {
    use e2mc_train::Error;
    match error {
        Error::Data(error) => hint::of(error),
        Error::Criterion(error) => hint::of(error),
        _ => error.advice().and_then(|advice| in_words(&advice)),
    }
}

fn in_words(advice: &Advice) -> Option<String> {
    let words = match advice {
        Advice::Words(words) => &**words,
        Advice::ChangeSetting(field) if field == "training.head_warmup_steps" => {
            "train for more steps (--epochs, or a smaller --batch), or give new heads fewer steps \
             alone with --head-warmup"
        }
        Advice::ChangeSetting(field) => {
            return Some(format!("change it in the recipe or with --set {field}=…"));
        }
        Advice::ChangeArgument("names") => {
            "choose another of --names e2mc, torchvision, timm and hf; e2mc has every network"
        }
        Advice::ChangeArgument(name) => {
            return Some(format!("change it with --{}", name.replace(' ', "-")));
        }
        Advice::AllowDifferences => {
            "if the heads differ, take the encoder alone with --layout backbone; otherwise give the \
             recipe of its training or the file's --layout; allow intended differences with \
             --allow-missing PREFIX and --allow-unexpected PREFIX"
        }
        Advice::LeaveHeadsOut => "add --layout backbone to leave the heads out and train new ones",
        Advice::ChooseNetwork => "choose one with --network NAME, by a word in its name",
        Advice::StartFromWeights => {
            "resume from the run's checkpoint.safetensors, or start with `e2mc continue \
             --checkpoint`"
        }
        Advice::WriteElsewhere => "check the permissions, or choose another --out",
        Advice::FreeSpace => {
            "free some space, or choose another --out; files saved earlier are intact"
        }
        Advice::LowerRates => "lower the learning rate or beta, then continue with --resume",
        Advice::LessMemory => {
            "give a smaller --batch, or in training more slices with --accumulate"
        }
        Advice::OtherDevice => {
            "use --device cpu, or a libtorch for CUDA: from source `make gpu`; beside wheels, a \
             PyTorch 2.11 built for CUDA, as PyPI's for Linux are"
        }
        _ => return None,
    };
    Some(words.to_owned())
}

fn of_lab(error: &LabError) -> Option<String> {
    let hint = match error {
        LabError::Recipe(error) => return of_recipe(error),
        LabError::Sweep(error) => return of_sweep(error),
        LabError::Run(error) => return Some(of_run(error)),
        LabError::Improve(error) => return of_improve(error),
        LabError::Protocol(error) => return Some(of_protocol(error)),
        LabError::Process(_) => "run the command again; training continues with --resume",
        LabError::Train(error) => return of_train(error),
        LabError::Data(error) => return hint::of(error),
        LabError::Eval(error) => return hint::of(error),
        LabError::Evaluation(error) => return hint::of(error),
        LabError::Criterion(error) => return hint::of(error),
        LabError::Record(error) => return hint::of(error),
        LabError::Report(error) => return hint::of(error),
        LabError::Measure { source, .. } => return hint::of(source),
        LabError::TestImageListed { .. } => {
            "remove it from the list: test images must not be used for training"
        }
        LabError::NotListed { .. } => "give file names as in the training folder",
        LabError::AmbiguousName { .. } => "give the name with its folder",
        LabError::NoHeads { .. } => "use --output backbone, or a checkpoint with heads",
        LabError::FileThere(error) => return hint::of(error),
        LabError::Folded { .. } => {
            "use the checkpoint from before the map was folded in, and fit a new map to the result"
        }
        LabError::MapWidth { .. } => {
            "give a map that was fitted to these features, or fit one with `e2mc adapt`"
        }
        LabError::Shapes { .. } => {
            "embed the same images in the same order with both models, or inspect them separately"
        }
        LabError::Checkpoints { .. } => "give one checkpoint, or two to compare",
        LabError::OneView => "give at least --views 2",
        LabError::NoSample { .. } => "run the demo in the source folder, or give --sample DIR",
        LabError::NoDemo { .. } => "choose another --out",
        LabError::Io { source, .. } => return of_io(source),
        LabError::Json { .. } => "the file is damaged; restore it from a backup, or start anew",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_recipe(error: &RecipeError) -> Option<String> {
    match error {
        RecipeError::Text(error) => hint::of(error),
        RecipeError::Settings { .. } => Some(
            "compare it with the recipes in the folder recipes/; --dry-run prints the resolved \
             recipe"
                .into(),
        ),
        RecipeError::Change { nearest, .. } => Some(match nearest {
            Some(key) => format!("did you mean {key}? --dry-run prints all settings"),
            None => "--dry-run prints all settings with their values".into(),
        }),
        RecipeError::Range(error) => of_train(error),
        _ => None,
    }
}

fn of_sweep(error: &SweepError) -> Option<String> {
    let hint = match error {
        SweepError::Axis { .. } => "for instance --grid criterion.beta=1,10,100",
        SweepError::SettingTwice { .. } => {
            "give all values of a setting in one list, separated by commas"
        }
        SweepError::Settings { source, .. } => return of_recipe(source),
        SweepError::Run { source, .. } => return of_lab(source),
        SweepError::Other { .. } => "restore it, or start a new sweep in another --out",
        SweepError::SweepThere { .. } => {
            "choose another --out, add --resume to continue that sweep, or add --overwrite to \
             replace it"
        }
        SweepError::NothingToResume { .. } => "start the sweep without --resume",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_improve(error: &ImproveError) -> Option<String> {
    let hint = match error {
        ImproveError::Other { .. } => "repeat the original command, or choose another --out",
        ImproveError::Taken { .. } | ImproveError::OverInput { .. } => "choose another --out",
        ImproveError::SeveralLabels { .. } => "give images in class folders, or without labels",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_run(error: &RunError) -> String {
    match error {
        RunError::NothingToResume { .. } => {
            "start the run without --resume, in an empty folder".into()
        }
        RunError::OtherSettings { differences, .. } => of_differences(differences),
        RunError::OtherImages { .. } => {
            "resume with the original images, or start a new run on others with `continue`".into()
        }
        RunError::LargeBatch {
            images, held_out, ..
        } => format!(
            "give --batch {} or fewer, or more images",
            images - held_out
        ),
        _ => "use a recipe without [backbone] and [method], to take both from the checkpoint; or \
              add --layout backbone to train new heads"
            .into(),
    }
}

/// The options that settings come from.
fn of_differences(differences: &[Difference]) -> String {
    let mut options: Vec<String> = Vec::new();
    for difference in differences {
        let option = option_of(&difference.key);
        if !options.contains(&option) {
            options.push(option);
        }
    }
    format!(
        "give {} as in the original run, or choose another --out; only --epochs, --guard, \
         --log-every, --save-every, --half, --data, --device and --max-bad-images may change",
        options.join(", ")
    )
}

/// The option that sets what a run or a sweep keeps under that key.
fn option_of(key: &str) -> String {
    let key = key.strip_prefix("recipe.").unwrap_or(key);
    let key = key.strip_prefix("settings.").unwrap_or(key);
    let option = match key {
        "training.epochs" => "--epochs",
        "training.batch" => "--batch",
        "training.accumulate" => "--accumulate",
        "training.head_warmup_steps" => "--head-warmup",
        "seed" => "--seed",
        "base" | "base.sha256" => "--checkpoint",
        "data.max_images" => "--max-images",
        "data.held_out" => "--held-out",
        "data.knn_every" => "--knn-every",
        "data.data_options.val_fraction" => "--val-fraction",
        "data.data_options.val_seed" => "--val-seed",
        "name" | "description" => "--recipe",
        "grid" => "--grid",
        "probe.fractions" => "--fractions",
        "probe.seeds" => "--seeds",
        "probe.probe" => "--probe",
        "probe.k" => "--k",
        "probe.sgd_epochs" => "--sgd-epochs",
        "probe.sgd_rate" => "--sgd-rate",
        "guard" => "--guard",
        "log_every" => "--log-every",
        "save_every" => "--save-every",
        "half" => "--half",
        "data.data_options.max_bad_images" => "--max-bad-images",
        _ if key.starts_with("reading.") => "--layout, --network or --allow-…",
        _ if key.starts_with("criterion.") => return format!("--criterion or --set {key}"),
        _ => return format!("--recipe or --set {key}"),
    };
    option.to_owned()
}

fn of_protocol(error: &ProtocolError) -> String {
    match error {
        ProtocolError::TokensTooLarge { .. } => {
            "use fewer images with --max-images, or smaller ones with --image-size".into()
        }
        ProtocolError::SeveralLabels { .. } => "use `e2mc svm` for several labels an image".into(),
        _ => "add --output map6x6".into(),
    }
}

fn of_io(error: &std::io::Error) -> Option<String> {
    use std::io::ErrorKind::{
        FileTooLarge, NotFound, PermissionDenied, QuotaExceeded, StorageFull,
    };
    match error.kind() {
        NotFound => Some("check the path".into()),
        PermissionDenied => Some("check the permissions, or choose another --out".into()),
        StorageFull | QuotaExceeded | FileTooLarge => {
            Some("free some space, or choose another --out; files saved earlier are intact".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use e2mc_lab::recipe::resolve;

    use super::*;

    /// The hint for an error, and whether the arguments were wrong.
    fn of_error(error: impl Error + Send + Sync + 'static) -> (Option<String>, bool) {
        let error = anyhow::Error::new(error);
        (error.chain().find_map(of), is_usage(&error))
    }

    fn unknown_setting() -> RecipeError {
        let change = e2mc_recipe::parse_change("training.bacth=1").unwrap();
        resolve(None, Some("vicreg-small-pretrain"), &[change]).unwrap_err()
    }

    #[test]
    fn wrong_settings_are_wrong_arguments_wherever_they_are_found() {
        assert!(of_error(unknown_setting()).1);
        let settings = "beta 1".to_owned();
        let source = Box::new(unknown_setting());
        let (hint, usage) = of_error(LabError::from(SweepError::Settings { settings, source }));
        assert!(usage && hint.unwrap().contains("--dry-run"));
        let (hint, usage) = of_error(LabError::from(
            resolve(None, Some("nonsense"), &[]).unwrap_err(),
        ));
        assert!(usage && hint.unwrap().contains("vicreg-small"));
    }

    #[test]
    fn a_setting_out_of_range_is_named_and_is_no_wrong_argument() {
        let change = e2mc_recipe::parse_change("training.epochs=0").unwrap();
        let error = resolve(None, Some("vicreg-small-pretrain"), &[change]).unwrap_err();
        let (hint, usage) = of_error(error);
        assert_eq!(
            (hint.unwrap().as_str(), usage),
            (
                "change it in the recipe or with --set training.epochs=…",
                false
            )
        );
    }

    #[test]
    fn errors_of_libraries_below_keep_their_hints() {
        let there = e2mc_record::Error::RunThere {
            folder: "run".into(),
            checkpoint: true,
        };
        assert!(
            of_error(LabError::from(there))
                .0
                .unwrap()
                .contains("--resume")
        );
        let large = RunError::LargeBatch {
            data: "data".into(),
            batch: 16,
            images: 10,
            held_out: 1,
        };
        assert!(
            of_error(LabError::from(large))
                .0
                .unwrap()
                .contains("--batch 9")
        );
    }
}
