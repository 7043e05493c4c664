//! Results of `e2mc probe --json` that were put into a run's folder as `probe*.json`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::failure::Failure;

/// What a file of results holds, as far as a report needs it.
#[derive(Deserialize)]
pub(super) struct Probes {
    /// The file's name without its extension.
    #[serde(skip)]
    pub(super) name: String,
    pub(super) k: u64,
    /// In percent.
    pub(super) knn: f64,
    pub(super) probes: Vec<Row>,
}

/// One probe at one label fraction.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) probe: String,
    pub(super) fraction: f64,
    pub(super) accuracy: f64,
    pub(super) standard_error: Option<f64>,
    #[serde(default)]
    pub(super) accuracies: Vec<f64>,
}

/// The results in `folder`, by name of their file.
pub(super) fn read(folder: &Path) -> Result<Vec<Probes>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot read {}", folder.display()))?
            .path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
            continue;
        };
        if !name.starts_with("probe") || path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut probes: Probes = serde_json::from_str(&text).map_err(|error| {
            Failure::new(
                format!(
                    "{}: expected the output of `e2mc probe --json`: {error}",
                    path.display()
                ),
                "write it again, or give the file another name",
            )
        })?;
        probes.name = name.to_owned();
        found.push(probes);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
