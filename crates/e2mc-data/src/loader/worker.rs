//! What one thread does with one image.

use super::assembly::Assembly;
use super::config::Pipeline;
use super::{BadImage, Source};
use crate::augment::{Augmenter, ViewParameters};
use crate::geometry::Region;
use crate::preprocess::Preprocessor;
use crate::random::{purpose, stream};
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
    /// Images that had to be replaced since they were last asked for.
    bad: Vec<BadImage>,
}

enum Maker {
    Augment(Augmenter),
    Preprocess(Preprocessor),
}

impl<'a> Worker<'a> {
    pub(super) fn new(source: &'a Source, epoch: u64) -> Self {
        let checked = "the loader checked the recipe";
        let maker = match &source.pipeline {
            Pipeline::Augment(augmentation) => {
                Maker::Augment(Augmenter::new(augmentation).expect(checked))
            }
            Pipeline::Preprocess(preprocessing) => {
                Maker::Preprocess(Preprocessor::new(preprocessing).expect(checked))
            }
        };
        Self {
            source,
            epoch,
            maker,
            stored: Image::default(),
            converted: Image::default(),
            parameters: Vec::new(),
            bad: Vec::new(),
        }
    }

    /// The images that had to be replaced since the last call.
    pub(super) fn take_bad(&mut self) -> Vec<BadImage> {
        std::mem::take(&mut self.bad)
    }

    /// Makes all views of the sample at `position`, of another image if its own is bad and bad ones
    /// are allowed.
    ///
    /// # Safety
    /// No other thread works on this sample, and the assembly is not finished.
    pub(super) unsafe fn make(
        &mut self,
        assembly: &Assembly,
        position: usize,
    ) -> Result<(), Error> {
        let own = assembly.indices[position];
        // SAFETY: the caller's promise.
        match unsafe { self.make_of(own, own, assembly, position) } {
            Err(error) if error.is_bad_image() && self.source.dataset.bad_allowed() > 0 => {
                // SAFETY: the caller's promise.
                unsafe { self.make_of_another(own, error, assembly, position) }
            }
            result => result,
        }
    }

    /// Makes all views of the sample at `position` of another image than its `own`, for which there
    /// was an `error`: from a random place on, the next good one of the same class. The place is
    /// drawn without the epoch, so that the same image takes the place in each.
    ///
    /// # Safety
    /// As [`make`](Self::make).
    #[cold]
    unsafe fn make_of_another(
        &mut self,
        own: usize,
        error: Error,
        assembly: &Assembly,
        position: usize,
    ) -> Result<(), Error> {
        let source = self.source;
        let (dataset, allowed) = (&source.dataset, source.dataset.bad_allowed());
        let count = dataset.len();
        let label = dataset.label(own);
        let start = stream(source.config.seed, 0, purpose::SUBSTITUTE, own as u64).below(count);
        let others = (0..count)
            .map(|step| (start + step) % count)
            .filter(|&index| index != own && dataset.label(index) == label);
        let mut last = error.to_string();
        self.note_bad(own, &last);
        let mut bad = 1;
        for index in others {
            if bad > allowed {
                break;
            }
            // SAFETY: the caller's promise.
            match unsafe { self.make_of(index, own, assembly, position) } {
                Err(error) if error.is_bad_image() => {
                    last = error.to_string();
                    self.note_bad(index, &last);
                    bad += 1;
                }
                result => return result,
            }
        }
        Err(if bad > allowed {
            Error::TooManyBad {
                count: bad,
                images: count,
                allowed,
                last,
            }
        } else {
            Error::NoSubstitute {
                name: dataset.name(own),
                others: bad - 1,
                last,
            }
        })
    }

    fn note_bad(&mut self, index: usize, reason: &str) {
        self.bad.push(BadImage {
            index,
            reason: reason.to_owned(),
        });
    }

    /// Makes all views of image `index`, with the draws of image `own`.
    ///
    /// # Safety
    /// As [`make`](Self::make).
    unsafe fn make_of(
        &mut self,
        index: usize,
        own: usize,
        assembly: &Assembly,
        position: usize,
    ) -> Result<(), Error> {
        let Source {
            dataset,
            config,
            shapes,
            ..
        } = self.source;
        // The draws come first: they tell what has to be decoded.
        let mut wanted = |width: usize, height: usize| match &self.maker {
            Maker::Augment(augmenter) => {
                let stream = |view| stream(config.seed, self.epoch, own as u64, view);
                augmenter.draw(width, height, stream, &mut self.parameters)
            }
            Maker::Preprocess(_) => Region::of_size(width, height),
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
                Maker::Preprocess(preprocessor) => {
                    preprocessor.view(image, || dataset.name(index), out)?
                }
            }
        }
        Ok(())
    }
}
