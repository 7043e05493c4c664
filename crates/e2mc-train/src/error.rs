//! What can go wrong in training, each with what was expected, what was found and what to do.

use std::path::{Path, PathBuf};

use crate::advice::Advice;
use crate::world::WorldError;

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range or does not fit the rest.
    #[error("setting `{field}`: expected {expected}, found {found}")]
    Config {
        /// The setting's dotted name, as in a recipe.
        field: String,
        /// What would be valid.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An argument of a call, which no recipe holds, is out of range.
    #[error("setting `{name}`: expected {expected}, found {found}")]
    Argument {
        /// The argument's name.
        name: &'static str,
        /// What would be valid.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A file is not a checkpoint that can be read.
    #[error("{path}: expected {expected}, found {found}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
        /// What the user can do.
        advice: Advice,
    },
    /// A checkpoint's tensors are not those of the model.
    #[error("{path}: the tensors do not fit the model ({summary})\n{table}")]
    Tensors {
        /// The file.
        path: PathBuf,
        /// How many are missing, unexpected or of another shape.
        summary: String,
        /// One line a tensor.
        table: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried: "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A loss term or an embedding is NaN or infinite.
    #[error("{term} is not finite at step {step} (epoch {epoch}): {detail}; {last_good}")]
    NonFinite {
        /// The loss term, or "embedding of view k".
        term: String,
        /// Steps done before this one.
        step: u64,
        /// The epoch, counted from 1.
        epoch: u64,
        /// The value, or where in the embedding it stands.
        detail: String,
        /// Where the last good state is saved.
        last_good: String,
    },
    /// A network's weights are more than there may be.
    #[error("the network is too large: expected at most {limit} numbers")]
    TooLarge {
        /// The numbers that there may be.
        limit: u64,
    },
    /// The device asked for is not there.
    #[error("device `{device}` is not available: {found}")]
    Device {
        /// As the user wrote it.
        device: String,
        /// What is there.
        found: String,
    },
    /// An image or data set failed.
    #[error(transparent)]
    Data(#[from] e2mc_data::Error),
    /// The criterion refused its input.
    #[error(transparent)]
    Criterion(#[from] e2mc::Error),
    /// Another process, or the way to it, failed.
    #[error(transparent)]
    World(#[from] WorldError),
    /// libtorch failed.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] tch::TchError),
    /// The caller's observer failed; the message is its own.
    #[error("{0}")]
    Observer(Box<dyn std::error::Error + Send + Sync>),
}

/// C++ errors carry a stack trace; its first line says what happened.
fn first_line(error: &tch::TchError) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

impl Error {
    /// A setting that does not fit.
    pub fn config(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Config {
            field: field.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// An argument that does not fit.
    pub fn argument(name: &'static str, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Argument {
            name,
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// What the user can do about it, as far as this crate knows: the errors of others that it
    /// passes on ([`Error::Data`], [`Error::Criterion`]) are for those to explain.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Config { field, .. } => Some(Advice::ChangeSetting(field.clone())),
            Self::Argument { name, .. } => Some(Advice::ChangeArgument(name)),
            Self::Checkpoint { advice, .. } => Some(advice.clone()),
            Self::Tensors { .. } => Some(Advice::AllowDifferences),
            Self::Io {
                action,
                path,
                source,
            } => io_advice(action, path, source),
            Self::NonFinite { .. } => Some(Advice::LowerRates),
            Self::Device { .. } => Some(Advice::OtherDevice),
            Self::World(error) => error.advice(),
            Self::Torch(error) if is_out_of_memory(error) => Some(Advice::LessMemory),
            Self::TooLarge { .. }
            | Self::Data(_)
            | Self::Criterion(_)
            | Self::Torch(_)
            | Self::Observer(_) => None,
        }
    }
}

/// Whether libtorch could not have the memory that it asked for, on a GPU or on the CPU.
pub(crate) fn is_out_of_memory(error: &tch::TchError) -> bool {
    let text = first_line(error);
    ["out of memory", "can't allocate memory"]
        .iter()
        .any(|words| text.contains(words))
}

fn io_advice(action: &str, path: &Path, error: &std::io::Error) -> Option<Advice> {
    use std::io::ErrorKind::{
        FileTooLarge, NotFound, PermissionDenied, QuotaExceeded, StorageFull,
    };
    match error.kind() {
        NotFound => Some(Advice::words(where_it_is(action, path))),
        PermissionDenied => Some(Advice::WriteElsewhere),
        StorageFull | QuotaExceeded | FileTooLarge => Some(Advice::FreeSpace),
        _ => None,
    }
}

/// Where to look for a file that is not there, or what its place lacks.
fn where_it_is(action: &str, path: &Path) -> String {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if action == "write" && !folder.exists() => {
            format!("make the folder {} first", folder.display())
        }
        // A run that has not ended holds the one and not the other.
        Some(folder) if path.ends_with("model.safetensors") => {
            let whole = folder.join("checkpoint.safetensors");
            match whole.exists() {
                true => format!(
                    "the run there has not ended: resume it, or take {}",
                    whole.display()
                ),
                false => "check the path".to_owned(),
            }
        }
        _ => "check the path".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let said = |action, path: &Path| {
            let error = Error::Io {
                action,
                path: path.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            };
            match error.advice() {
                Some(Advice::Words(words)) => words.into_owned(),
                other => panic!("{other:?}"),
            }
        };
        let model = folder.path().join("model.safetensors");
        assert_eq!(said("read", &model), "check the path");
        std::fs::write(folder.path().join("checkpoint.safetensors"), "").unwrap();
        let hint = said("read", &model);
        assert!(hint.contains("has not ended") && hint.ends_with("checkpoint.safetensors"));
        let lost = folder.path().join("none/x.pth");
        assert!(said("write", &lost).starts_with("make the folder "));
        assert_eq!(said("read", &lost), "check the path");
    }

    #[test]
    fn memory_that_is_not_there_is_told_from_other_failures() {
        // More than any address.
        let huge = Tensor::f_zeros([1 << 55], (Kind::Float, Device::Cpu));
        let advice = Error::from(huge.unwrap_err()).advice();
        assert_eq!(advice, Some(Advice::LessMemory));
        let gpu = "CUDA out of memory. Tried to allocate 20.00 GiB.\nException raised from malloc";
        let advice = Error::from(tch::TchError::Torch(gpu.to_owned())).advice();
        assert_eq!(advice, Some(Advice::LessMemory));
        let wrong = Tensor::f_zeros([-1], (Kind::Float, Device::Cpu));
        assert_eq!(Error::from(wrong.unwrap_err()).advice(), None);
    }
}
