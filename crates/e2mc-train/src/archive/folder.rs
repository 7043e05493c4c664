//! The folder of a model: its weights in one file, or in several and an index.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::contents::Archive;
use super::problem::{Problem, brief};
use crate::Error;
use crate::advice::Advice;

/// The weights in a folder, the best first.
const WHOLE: [&str; 4] = [
    "model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "pytorch_model.bin",
    "model.pth",
];
/// The lists of files that the weights are dealt out to.
const INDEXES: [&str; 2] = [
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
];

/// Whether a file has the name of the weights in a folder of timm's or Hugging Face's.
pub(crate) fn is_weights_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    WHOLE.contains(&&*name) || INDEXES.contains(&&*name)
}

/// The files that hold the weights at `path`: itself, or those in the folder, an index first.
///
/// # Errors
/// Where the folder has none, or an index names others than files beside it.
pub fn weights(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let place = |names: &[&str]| {
        let mut all = names.iter().map(|name| path.join(name));
        all.find(|file| file.is_file())
    };
    let named_index = INDEXES.iter().any(|name| path.ends_with(name));
    let index = match path.is_dir() {
        true => match place(&WHOLE) {
            Some(file) => return Ok(vec![file]),
            None => place(&INDEXES),
        },
        false if named_index => Some(path.to_owned()),
        false => return Ok(vec![path.to_owned()]),
    };
    let Some(index) = index else {
        return Err(Problem {
            expected: format!("weights in the folder: {}", WHOLE.join(", ")),
            found: "none of them".into(),
            advice: Advice::words("give the file of the weights itself"),
        }
        .of(path));
    };
    let mut files = vec![index.clone()];
    files.extend(listed(&index).map_err(|problem| problem.of(&index))?);
    Ok(files)
}

/// The files that an index names.
fn listed(index: &Path) -> Result<Vec<PathBuf>, Problem> {
    let whole = "an index of files of weights";
    let text = fs::read(index).map_err(|error| Problem::again(whole, error.to_string()))?;
    let value: Value = serde_json::from_slice(&text)
        .map_err(|error| Problem::again(whole, brief(&error.to_string())))?;
    let map = value.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| Problem::again(whole, "no `weight_map`"))?;
    let names: BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
    let folder = index.parent().unwrap_or(Path::new(""));
    names
        .into_iter()
        .map(|name| match Path::new(name).file_name() {
            // A name with folders could be any file of the machine.
            Some(file) if file == name => Ok(folder.join(name)),
            _ => Err(Problem::again(
                "names of files beside the index",
                brief(name),
            )),
        })
        .collect()
}

/// Which of how many files that a network was dealt out to this is, by its name
/// (`model-00001-of-00002.safetensors`).
pub(crate) fn place_among_files(path: &Path) -> Option<(u32, u32)> {
    let stem = path.file_stem()?.to_str()?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (_, number) = rest.rsplit_once('-')?;
    let (number, count) = (number.parse().ok()?, count.parse().ok()?);
    (count > 1).then_some((number, count))
}

/// Puts the files of one network together.
pub(super) fn joined(path: &Path, parts: Vec<Archive>) -> Result<Archive, Error> {
    let mut whole = Archive {
        folded: None,
        header: None,
        epoch: None,
        tensors: Default::default(),
        passed_over: Vec::new(),
    };
    for part in parts {
        for (name, tensor) in part.tensors {
            if whole.tensors.insert(name.clone(), tensor).is_some() {
                let found = format!("`{}` in two", brief(&name));
                return Err(Problem::again("each tensor in one file", found).of(path));
            }
        }
        whole.folded = whole.folded.or(part.folded);
        whole.passed_over.extend(part.passed_over);
    }
    Ok(whole)
}
