//! Checkpoints: everything a run needs to go on as if it had never stopped.
//!
//! One safetensors file holds the network's tensors under PyTorch-like names
//! (`backbone.conv1.weight`, `projector.0.weight`), the optimiser's buffers under `optimizer/`, the
//! method's own state under `method/`, and in the header, under the single metadata key `e2mc`, a
//! JSON object with the format version, the resolved recipe and the progress. Random draws depend
//! only on (seed, epoch, index, view), so the seed is all the randomness there is to save.
//!
//! A *model file* is the same without optimiser and progress: half the size or less, also in half
//! precision. Files appear whole or not at all (temporary file, then rename).

mod read;
mod save;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tch::Tensor;

pub use save::{Precision, save, save_model, write_atomically};

use crate::Error;
use crate::model::Model;
use crate::recipe::Recipe;

const FORMAT_VERSION: u32 = 1;
const METADATA_KEY: &str = "e2mc";
const OPTIMIZER_PREFIX: &str = "optimizer/";
const METHOD_PREFIX: &str = "method/";

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Epochs completed.
    pub epoch: u64,
    /// Batches done of the epoch after those.
    pub batch: u64,
    /// Optimiser steps in all.
    pub step: u64,
    /// The seed of all randomness.
    pub seed: u64,
}

/// What a file says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    recipe: Recipe,
    /// Absent in a model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where it was read.
    pub path: PathBuf,
    /// How the model was made and trained.
    pub recipe: Recipe,
    /// How far training had come; `None` in a model file.
    pub progress: Option<Progress>,
    /// The network's tensors.
    pub model: BTreeMap<String, Tensor>,
    /// The optimiser's buffers; empty in a model file.
    pub optimizer: Vec<(String, Tensor)>,
    /// The method's state beside parameters.
    pub method: Vec<(String, Tensor)>,
}

impl Checkpoint {
    /// Puts the network's tensors into `model`, all of them or none.
    ///
    /// # Errors
    /// Lists every tensor that is missing, unexpected or of another shape.
    pub fn apply_to(&self, model: &Model) -> Result<(), Error> {
        let mut lines = Vec::new();
        let mut counts = [0usize; 3];
        let own = model.tensors();
        for (name, tensor) in &own {
            match self.model.get(name) {
                None => {
                    counts[0] += 1;
                    lines.push(format!("  missing     {name} {:?}", tensor.size()));
                }
                Some(found) if found.size() != tensor.size() => {
                    counts[2] += 1;
                    lines.push(format!(
                        "  mis-shaped  {name}: model {:?}, file {:?}",
                        tensor.size(),
                        found.size()
                    ));
                }
                Some(_) => {}
            }
        }
        for (name, tensor) in self
            .model
            .iter()
            .filter(|(name, _)| !own.contains_key(*name))
        {
            counts[1] += 1;
            lines.push(format!("  unexpected  {name} {:?}", tensor.size()));
        }
        if !lines.is_empty() {
            const SHOWN: usize = 20;
            let hidden = lines.len().saturating_sub(SHOWN);
            lines.truncate(SHOWN);
            if hidden > 0 {
                lines.push(format!("  … and {hidden} more"));
            }
            let [missing, unexpected, mis_shaped] = counts;
            return Err(Error::Tensors {
                path: self.path.clone(),
                summary: format!(
                    "{missing} missing, {unexpected} unexpected, {mis_shaped} mis-shaped"
                ),
                table: lines.join("\n"),
            });
        }
        tch::no_grad(|| {
            for (name, mut tensor) in own {
                tensor.f_copy_(&self.model[&name])?;
            }
            Ok(())
        })
    }
}
