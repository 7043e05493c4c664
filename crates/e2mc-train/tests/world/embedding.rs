//! Rows of features that several processes make with the weights of one.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use e2mc_data::Pipeline;
use e2mc_train::{EmbedOptions, Error, Model, Output, World, embed_rows, embed_until};
use tch::Device;

use crate::common::{Bars, copies, recipe, vicreg};

const IMAGES: usize = 23;

pub(crate) fn of_one(world: &World) -> Result<(), Error> {
    let recipe = recipe(vicreg(), "sgd");
    let made = |seed: usize| Model::new(&recipe, Device::Cpu, seed as u64);
    let (model, first) = (made(world.rank())?, made(0)?);
    let before = copies(&model);
    model.share_backbone(world)?;
    let expected = copies(&first);
    for (name, tensor) in copies(&model) {
        match name.starts_with("backbone.") {
            true => assert_eq!(tensor, expected[&name], "{name}"),
            false => assert_eq!(tensor, before[&name], "{name}"),
        }
    }

    let options = |world: &World| EmbedOptions {
        batch: 4,
        world: world.clone(),
        ..EmbedOptions::new(
            Output::Backbone,
            Pipeline::Preprocess(recipe.evaluation.clone()),
        )
    };
    let rows = embed_rows(&model, Arc::new(Bars(IMAGES)), &options(world))?;
    let alone = embed_rows(&first, Arc::new(Bars(IMAGES)), &options(&World::solo()))?;
    match world.is_first() {
        true => assert_eq!((rows.rows(), rows.data()), (IMAGES, alone.data())),
        false => assert_eq!(rows.rows(), 0),
    }

    // One process alone is asked to end: all do, after the same batches.
    let stop = AtomicBool::new(world.rank() == 1);
    let mut seen = 0;
    let take = |values: &[f32], cols: usize| {
        seen += values.len() / cols;
        Ok::<(), Error>(())
    };
    let images = Arc::new(Bars(IMAGES));
    let whole = embed_until(&model, images, &options(world), Some(&stop), take)?;
    assert!(!whole);
    let expected = match world.is_first() {
        true => 4 * world.size(),
        false => 0,
    };
    assert_eq!(seen, expected);
    Ok(())
}
