//! Making views.

use super::blur::Blurrer;
use super::colour::{self, Change};
use super::crop::{self, Region, Resizer};
use super::normalise::Normaliser;
use super::recipe::{Augmentation, ViewRecipe};
use super::solarize::solarize;
use crate::{Error, Image, Stream};

/// Makes the views of an augmentation. Each thread has its own, for it keeps its buffers.
#[derive(Debug)]
pub struct Augmenter {
    channels: usize,
    views: Vec<ViewRecipe>,
    normaliser: Normaliser,
    resizer: Resizer,
    blurrer: Blurrer,
    view: Image,
}

impl Augmenter {
    /// For a recipe.
    ///
    /// # Errors
    /// The recipe is out of range.
    pub fn new(augmentation: &Augmentation) -> Result<Self, Error> {
        augmentation.check()?;
        Ok(Self {
            channels: augmentation.channels,
            views: augmentation.recipes().cloned().collect(),
            normaliser: Normaliser::new(&augmentation.mean, &augmentation.std),
            resizer: Resizer::default(),
            blurrer: Blurrer::default(),
            view: Image::default(),
        })
    }

    /// Makes view number `view` of an image that has the recipe's channels, with the draws of
    /// `stream`, and writes it as `(channels, size, size)` into `out`, which has exactly that size.
    pub fn view(&mut self, image: &Image, view: usize, stream: &mut Stream, out: &mut [f32]) {
        debug_assert_eq!(image.channels, self.channels);
        let recipe = &self.views[view];
        let pixels = &mut self.view;
        let region = Region::random(
            image.width,
            image.height,
            recipe.scale,
            recipe.ratio,
            stream,
        );
        self.resizer.resize(
            image,
            region,
            recipe.filter,
            recipe.size,
            recipe.size,
            pixels,
        );
        if stream.bernoulli(recipe.flip) {
            crop::flip(pixels);
        }
        if stream.bernoulli(recipe.jitter.probability) {
            for change in Change::draw(&recipe.jitter, stream).into_iter().flatten() {
                change.apply(pixels);
            }
        }
        if stream.bernoulli(recipe.grey) {
            colour::grey(pixels);
        }
        if stream.bernoulli(recipe.blur.probability) {
            let [low, high] = recipe.blur.sigma;
            self.blurrer.blur(pixels, stream.range(low, high));
        }
        if stream.bernoulli(recipe.solarize) {
            solarize(pixels);
        }
        self.normaliser.normalise(pixels, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Blur, Jitter, stream};

    /// How often a view with this recipe differs from the image. The crop takes everything.
    fn frequency(channels: usize, change: impl Fn(&mut ViewRecipe)) -> f64 {
        let mut recipe = ViewRecipe {
            scale: [1.0; 2],
            ratio: [1.0; 2],
            ..ViewRecipe::crop(6)
        };
        change(&mut recipe);
        let augmentation = Augmentation {
            channels,
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
            views: vec![recipe],
        };
        let mut augmenter = Augmenter::new(&augmentation).unwrap();
        let mut image = Image::black(6, 6, channels);
        for (index, sample) in image.pixels.iter_mut().enumerate() {
            *sample = (index * 37 % 251) as u8;
        }
        let mut same = vec![0.0; image.pixels.len()];
        augmenter.normaliser.normalise(&image, &mut same);
        let mut out = same.clone();
        let draws = 5000;
        let changed = (0..draws).filter(|&index| {
            augmenter.view(&image, 0, &mut stream(0, 0, index, 0), &mut out);
            out != same
        });
        changed.count() as f64 / draws as f64
    }

    #[test]
    fn every_operation_has_its_probability() {
        let blur = |probability| Blur {
            probability,
            sigma: [1.0, 2.0],
        };
        let jitter = |probability| Jitter {
            probability,
            brightness: 0.9,
            ..Jitter::default()
        };
        for p in [0.0, 0.2, 0.8, 1.0] {
            // The jitter's factor may be so near 1 that nothing changes: the last few percent.
            let frequencies = [
                (frequency(1, |recipe| recipe.flip = p), 0.0),
                (frequency(3, |recipe| recipe.grey = p), 0.0),
                (frequency(1, |recipe| recipe.solarize = p), 0.0),
                (frequency(1, |recipe| recipe.blur = blur(p)), 0.0),
                (frequency(1, |recipe| recipe.jitter = jitter(p)), 0.01),
            ];
            for (number, (frequency, slack)) in frequencies.into_iter().enumerate() {
                let p = f64::from(p);
                let error = 5.0 * (p * (1.0 - p) / 5000.0).sqrt() + slack;
                assert!(
                    (frequency - p).abs() <= error,
                    "operation {number}: {frequency} for {p}"
                );
            }
        }
        assert_eq!(frequency(1, |recipe| recipe.grey = 1.0), 0.0);
    }
}
