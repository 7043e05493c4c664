//! Making views.

use std::fmt;

use super::blur::Blurrer;
use super::colour::{self, Change};
use super::normalise::Normaliser;
use super::recipe::{Augmentation, ViewRecipe};
use super::resize::{Resizer, Target};
use super::solarize::{self, solarize};
use crate::geometry::Region;
use crate::{Error, Image, Stream};

/// What chance has decided for a view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewParameters {
    /// What is cut out of the image.
    pub region: Region,
    /// Whether left and right are exchanged.
    pub flipped: bool,
    /// Changes of colour, in this order.
    pub changes: [Option<Change>; 4],
    /// Whether all colour is taken out.
    pub grey: bool,
    /// The standard deviation of the blur in pixels, if there is one.
    pub blur: Option<f32>,
    /// Whether samples from 128 up are inverted.
    pub solarized: bool,
}

impl ViewRecipe {
    /// Draws the parameters of a view of an image of this size.
    pub fn draw(&self, width: usize, height: usize, stream: &mut Stream) -> ViewParameters {
        // The order of the draws is part of every result: it must not change.
        let region = Region::random(width, height, self.scale, self.ratio, stream);
        let flipped = stream.bernoulli(self.flip);
        let changes = if stream.bernoulli(self.jitter.probability) {
            Change::draw(&self.jitter, stream)
        } else {
            [None; 4]
        };
        let grey = stream.bernoulli(self.grey);
        let [low, high] = self.blur.sigma;
        let blur = stream
            .bernoulli(self.blur.probability)
            .then(|| stream.range(low, high));
        ViewParameters {
            region,
            flipped,
            changes,
            grey,
            blur,
            solarized: stream.bernoulli(self.solarize),
        }
    }
}

impl fmt::Display for ViewParameters {
    /// One short line for each operation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Region {
            left,
            top,
            width,
            height,
        } = self.region;
        write!(f, "crop {width}x{height} at {left},{top}")?;
        if self.flipped {
            write!(f, "\nflip")?;
        }
        for change in self.changes.iter().flatten() {
            match change {
                Change::Brightness(factor) => write!(f, "\nbrightness {factor:.2}")?,
                Change::Contrast(factor) => write!(f, "\ncontrast {factor:.2}")?,
                Change::Saturation(factor) => write!(f, "\nsaturation {factor:.2}")?,
                Change::Hue(turn) => write!(f, "\nhue {turn:+.3}")?,
            }
        }
        if self.grey {
            write!(f, "\ngrey")?;
        }
        if let Some(sigma) = self.blur {
            write!(f, "\nblur {sigma:.2}")?;
        }
        if self.solarized {
            write!(f, "\nsolarize")?;
        }
        Ok(())
    }
}

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

    /// The recipes of the views.
    pub fn recipes(&self) -> &[ViewRecipe] {
        &self.views
    }

    /// Draws the parameters of all views of an image of this size into `parameters`, view number v
    /// with the stream that `stream(v)` gives; the region of the image that they need.
    pub fn draw(
        &self,
        width: usize,
        height: usize,
        stream: impl Fn(u64) -> Stream,
        parameters: &mut Vec<ViewParameters>,
    ) -> Region {
        parameters.clear();
        let views = self.views.iter().zip(0..);
        parameters
            .extend(views.map(|(view, number)| view.draw(width, height, &mut stream(number))));
        let regions = parameters.iter().map(|parameters| parameters.region);
        regions.reduce(Region::union).expect("a recipe has a view")
    }

    /// Makes view number `view` of an image, with the draws of `stream`, and writes it as
    /// `(channels, size, size)` into `out`, which has exactly that size.
    ///
    /// The image has the recipe's channels, or one, which is then repeated.
    pub fn view(&mut self, image: &Image, view: usize, stream: &mut Stream, out: &mut [f32]) {
        let parameters = self.views[view].draw(image.width, image.height, stream);
        self.view_with(image, view, &parameters, out);
    }

    /// As [`view`](Self::view), with these parameters.
    pub fn view_with(
        &mut self,
        image: &Image,
        view: usize,
        parameters: &ViewParameters,
        out: &mut [f32],
    ) {
        self.pixels(image, view, parameters);
        self.normaliser.normalise(&self.view, out);
    }

    /// The view as bytes, with the channels of the image.
    pub fn pixels(&mut self, image: &Image, view: usize, parameters: &ViewParameters) -> &Image {
        debug_assert!([1, self.channels].contains(&image.channels));
        let ViewRecipe { size, filter, .. } = self.views[view];
        let pixels = &mut self.view;
        let target = Target {
            mirrored: parameters.flipped,
            ..Target::whole(size, size)
        };
        self.resizer
            .resize(image, parameters.region, filter, target, pixels);
        let changes = parameters.changes.into_iter().flatten();
        colour::adjust(pixels, changes, parameters.grey);
        if let Some(sigma) = parameters.blur {
            self.blurrer.blur(pixels, sigma);
        }
        if parameters.solarized {
            solarize(pixels, solarize::THRESHOLD);
        }
        &self.view
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
