//! Checkpoints as commands take them: any format, whoever wrote it.

use std::path::Path;

use e2mc_data::PreprocessingChanges;
use e2mc_record::sha256_joined;
use e2mc_train::checkpoint::{Checkpoint, Layout, ReadOptions, weights};
use e2mc_train::layer::Precision;
use e2mc_train::{Device, Model, Output};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::notice::{Notice, Notices};

/// How to take a checkpoint that is not quite what it should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Naming scheme of the tensors; detected from the names if `None`.
    pub layout: Option<Layout>,
    /// Which of several networks to take; a guess if `None`.
    #[serde(default)]
    pub network: Option<String>,
    /// Attention heads of a block, where the file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    /// How images are prepared otherwise than the checkpoint says.
    #[serde(default, skip_serializing_if = "PreprocessingChanges::is_empty")]
    pub images: PreprocessingChanges,
    /// Starts of the names of tensors that may be missing.
    pub allow_missing: Vec<String>,
    /// Starts of the names of tensors that are left out.
    pub allow_unexpected: Vec<String>,
}

impl Reading {
    /// Opens a checkpoint, and tells what was found in one that others wrote.
    ///
    /// # Errors
    /// Where it cannot be read, or holds no network that is known.
    pub fn read(&self, path: &Path, notices: &dyn Notices) -> Result<Checkpoint, Error> {
        let mut checkpoint = Checkpoint::read_with(path, self.options())?;
        if let Some(text) = describe(&checkpoint) {
            notices.tell(&Notice::Foreign { text });
        }
        if let Some(map) = &checkpoint.folded {
            notices.tell(&Notice::FoldedMap {
                path: path.to_owned(),
                method: map.note().method.clone(),
                dims: (map.input_dims(), map.output_dims()),
            });
        }
        let evaluation = &mut checkpoint.recipe.evaluation;
        *evaluation = self.images.applied(evaluation)?;
        let by = match (&checkpoint.foreign, self.images.is_empty()) {
            (_, false) => "as asked for",
            (Some(foreign), true) => foreign.prepared_as.as_str(),
            (None, true) => "the recipe in the checkpoint",
        };
        notices.tell(&Notice::Preprocessing {
            text: format!("images: {} ({by})", checkpoint.recipe.evaluation),
        });
        Ok(checkpoint)
    }

    fn options(&self) -> ReadOptions {
        ReadOptions {
            layout: self.layout,
            network: self.network.clone(),
            heads: self.heads,
            allow_missing: self.allow_missing.clone(),
            allow_unexpected: self.allow_unexpected.clone(),
        }
    }

    /// How a checkpoint is read to be trained by `method`, or by its own if `None`: whole, where it
    /// holds all that the method continues with and nothing else was asked for.
    ///
    /// # Errors
    /// Where it cannot be read, or holds no network that is known.
    pub fn to_train(&self, path: &Path, method: Option<&str>) -> Result<Self, Error> {
        let mut reading = self.clone();
        if self.layout.is_none() && self.network.is_none() {
            let found = Checkpoint::read_with(path, self.options())?.foreign;
            reading.layout = found
                .and_then(|foreign| foreign.whole)
                .filter(|layout| method.is_none_or(|method| method == layout.name()));
        }
        Ok(reading)
    }

    /// A checkpoint and its network on `device`, in float32 whatever it was trained in: it is
    /// evaluated as others are.
    ///
    /// # Errors
    /// As [`Reading::read`], and where the tensors or the size of the images do not fit the network.
    pub fn open(
        &self,
        path: &Path,
        device: Device,
        notices: &dyn Notices,
    ) -> Result<(Checkpoint, Model), Error> {
        let mut checkpoint = self.read(path, notices)?;
        let side = checkpoint.recipe.evaluation.crop;
        if let Some(expected) = checkpoint.recipe.backbone.side_expected(side) {
            let name = match self.images.crop {
                Some(_) => "crop",
                None => "image size",
            };
            return Err(e2mc_train::Error::argument(name, expected, side).into());
        }
        checkpoint.recipe.training.precision = Precision::F32;
        let mut model = checkpoint.to_model(device)?;
        if let Some(map) = &checkpoint.folded {
            model.fold(map)?;
        }
        Ok((checkpoint, model))
    }
}

/// The SHA-256 of a checkpoint, in hexadecimal: of its file, or of the files of its folder.
///
/// # Errors
/// Where a file cannot be read.
pub fn digest(path: &Path) -> Result<String, Error> {
    Ok(sha256_joined(&weights(path)?)?)
}

/// Checks that a checkpoint has an output: without heads there is none beyond the backbone.
///
/// # Errors
/// Where it has not.
pub fn check_output(output: &Output, checkpoint: &Checkpoint) -> Result<(), Error> {
    let of_head = matches!(
        output,
        Output::Projector | Output::Predictor | Output::Prototypes
    );
    if of_head && checkpoint.is_headless() {
        return Err(Error::NoHeads {
            checkpoint: checkpoint.path.clone(),
            output: output.clone(),
        });
    }
    Ok(())
}

/// Checks that a checkpoint's features are the backbone's own: training knows no map behind them.
///
/// # Errors
/// Where a map is folded into it.
pub fn check_unfolded(checkpoint: &Checkpoint) -> Result<(), Error> {
    match checkpoint.folded {
        None => Ok(()),
        Some(_) => Err(Error::Folded {
            checkpoint: checkpoint.path.clone(),
        }),
    }
}

/// What was found in a file that others wrote, in one line.
fn describe(checkpoint: &Checkpoint) -> Option<String> {
    let foreign = checkpoint.foreign.as_ref()?;
    let recipe = &checkpoint.recipe;
    let mut line = format!(
        "{}: {} in the layout `{}`",
        checkpoint.path.display(),
        recipe.backbone,
        foreign.layout
    );
    match checkpoint.is_headless() {
        true => line.push_str(", without heads"),
        false => line.push_str(&format!(", with the heads of {}", recipe.method.name())),
    }
    if !checkpoint.optimizer.is_empty() {
        line.push_str(" and momentum");
    }
    if let Some(epoch) = foreign.epoch {
        line.push_str(&format!(", after epoch {epoch}"));
    }
    if !foreign.ignored.is_empty() {
        line.push_str(&format!("; not used: {}", foreign.ignored.join(", ")));
    }
    if let Some(chosen) = &foreign.chosen {
        line.push_str(&format!("; {chosen}"));
    }
    if let Some(assumed) = &foreign.assumed {
        line.push_str(&format!("; {assumed}"));
    }
    let used = checkpoint.model.keys();
    let used = used.filter(|name| name.starts_with("backbone.")).count();
    line.push_str(&format!(
        "; {used} of {} tensors of the backbone are used",
        foreign.of_backbone
    ));
    Some(line)
}
