//! What one thread does with one image.

use super::Source;
use super::assembly::Assembly;
use super::config::Pipeline;
use crate::augment::crop::Region;
use crate::augment::{Augmenter, ViewParameters};
use crate::evaluate::Evaluator;
use crate::random::stream;
use crate::{Error, Image};

/// A thread's tools and scratch images.
pub(super) struct Worker<'a> {
    source: &'a Source,
    epoch: u64,
    maker: Maker,
    stored: Image,
    converted: Image,
    /// What chance has decided for each view of the present image.
    parameters: Vec<ViewParameters>,
}

enum Maker {
    Augment(Augmenter),
    Evaluate(Evaluator),
}

impl<'a> Worker<'a> {
    pub(super) fn new(source: &'a Source, epoch: u64) -> Self {
        let checked = "the loader checked the recipe";
        let maker = match &source.pipeline {
            Pipeline::Augment(augmentation) => {
                Maker::Augment(Augmenter::new(augmentation).expect(checked))
            }
            Pipeline::Evaluate(evaluation) => {
                Maker::Evaluate(Evaluator::new(evaluation).expect(checked))
            }
        };
        Self {
            source,
            epoch,
            maker,
            stored: Image::default(),
            converted: Image::default(),
            parameters: Vec::new(),
        }
    }

    /// Makes all views of the sample at `position`.
    ///
    /// # Safety
    /// No other thread works on this sample, and the assembly is not finished.
    pub(super) unsafe fn make(
        &mut self,
        assembly: &Assembly,
        position: usize,
    ) -> Result<(), Error> {
        let index = assembly.indices[position];
        let Source {
            dataset,
            config,
            shapes,
            ..
        } = self.source;
        let parameters = &mut self.parameters;
        parameters.clear();
        // The draws come first: they tell what has to be decoded.
        let mut wanted = |width: usize, height: usize| {
            let Maker::Augment(augmenter) = &self.maker else {
                return Region::of_size(width, height);
            };
            for (view, recipe) in augmenter.recipes().iter().enumerate() {
                let mut stream = stream(config.seed, self.epoch, index as u64, view as u64);
                parameters.push(recipe.draw(width, height, &mut stream));
            }
            let regions = parameters.iter().map(|parameters| parameters.region);
            regions.reduce(Region::union).expect("a recipe has a view")
        };
        dataset.read_region(index, &mut wanted, &mut self.stored)?;
        // One channel is as good as three alike, and less work.
        let channels = shapes[0][0];
        let image = if [1, channels].contains(&self.stored.channels) {
            &self.stored
        } else {
            self.stored.with_channels(channels, &mut self.converted);
            &self.converted
        };
        for view in 0..shapes.len() {
            // SAFETY: the caller's promise; the reference ends with this round.
            let out = unsafe { assembly.sample(position, view) };
            match &mut self.maker {
                Maker::Augment(augmenter) => {
                    augmenter.view_with(image, view, &self.parameters[view], out);
                }
                Maker::Evaluate(evaluator) => evaluator.view(image, || dataset.name(index), out)?,
            }
        }
        Ok(())
    }
}
