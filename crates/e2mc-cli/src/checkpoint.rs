//! Checkpoints as commands take them: any format, whoever wrote it.

use std::path::Path;

use anyhow::Result;
use e2mc_train::backbone::Stem;
use e2mc_train::checkpoint::{Checkpoint, Layout, ReadOptions};
use e2mc_train::layer::Precision;
use e2mc_train::{Device, Model, Output};

pub(crate) use e2mc_cli::options::CheckpointOptions;

use crate::failure::Failure;
use crate::output;

/// Reading a checkpoint as the options say.
pub(crate) trait Reading {
    /// Opens a checkpoint, and says what was found in one that others wrote.
    fn read(&self, path: &Path) -> Result<Checkpoint>;
    /// A checkpoint and its network on `device`.
    fn open(&self, path: &Path, device: Device) -> Result<(Checkpoint, Model)>;
}

/// The output of that name.
pub(crate) fn output_named(name: &str) -> Output {
    match name.parse() {
        Ok(output) => output,
    }
}

impl Reading for CheckpointOptions {
    fn read(&self, path: &Path) -> Result<Checkpoint> {
        let options = ReadOptions {
            layout: self.layout.as_deref().map(str::parse).transpose()?,
            allow_missing: self.allow_missing.clone(),
            allow_unexpected: self.allow_unexpected.clone(),
        };
        let checkpoint = Checkpoint::read_with(path, options)?;
        if let Some(found) = describe(&checkpoint) {
            output::note(&found);
        }
        Ok(checkpoint)
    }

    fn open(&self, path: &Path, device: Device) -> Result<(Checkpoint, Model)> {
        let mut checkpoint = self.read(path)?;
        // Whatever it was trained in, it is judged as others are.
        checkpoint.recipe.training.precision = Precision::F32;
        let model = Model::new(&checkpoint.recipe, device, 0)?;
        checkpoint.apply_to(&model)?;
        Ok((checkpoint, model))
    }
}

/// Checks that a checkpoint has an output: without heads there is none beyond the backbone.
pub(crate) fn check_output(output: &Output, checkpoint: &Checkpoint) -> Result<()> {
    let of_head = matches!(
        output,
        Output::Projector | Output::Predictor | Output::Prototypes
    );
    if of_head && checkpoint.is_headless() {
        return Err(Failure::new(
            format!(
                "{}: no {output}, the checkpoint has a backbone alone",
                checkpoint.path.display()
            ),
            "take --output backbone, or a checkpoint with its heads",
        ));
    }
    Ok(())
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
    if recipe.backbone.stem == Stem::Small {
        line.push_str("; stride 1 is taken for the 3 x 3 stem, for the file does not say");
    }
    Some(line)
}
