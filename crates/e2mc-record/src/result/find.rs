//! Finding the results below a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::EvaluationResult;
use super::folder::RESULT;
use crate::Error;

/// A result and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundResult {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub result: EvaluationResult,
}

impl FoundResult {
    /// The folder of the result, to which the places of predictions are relative.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

/// The results below a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundResults {
    /// Those that could be read, by path.
    pub results: Vec<FoundResult>,
    /// A warning for each `result.json` that is something else, or of a later version, by path.
    pub unread: Vec<String>,
}

/// Reads every `result.json` in `folder` and below. Links are not followed: they could lead back.
///
/// # Errors
/// Where a folder cannot be read.
pub fn find_results(folder: &Path) -> Result<FoundResults, Error> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    let mut found = FoundResults::default();
    for path in paths {
        match EvaluationResult::read(&path) {
            Ok(result) => found.results.push(FoundResult { path, result }),
            Err(error) => found.unread.push(error.to_string()),
        }
    }
    Ok(found)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = || Error::io("read", folder);
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let kind = entry.file_type().map_err(failed())?;
        if kind.is_dir() {
            collect(&entry.path(), paths)?;
        } else if kind.is_file() && entry.file_name() == RESULT {
            paths.push(entry.path());
        }
    }
    Ok(())
}
