//! Deterministic preprocessing: resize, centre crop, normalise.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::augment::recipe::{
    AUTHORS_STD, IMAGENET_MEAN, IMAGENET_STD, check_normalisation, check_size, demand,
};
use crate::augment::resize::{Resizer, Target};
use crate::augment::{Filter, Normaliser};
use crate::decode::PIXEL_LIMIT;
use crate::geometry::Region;
use crate::{Error, Image};

/// How an image is prepared when a model is evaluated.
///
/// ```
/// use e2mc_data::Preprocessing;
/// let small = Preprocessing::imagenet().at_side(112);
/// assert_eq!((small.resize, small.crop), (Some(128), 112));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Channels: 1 (colour images become their luma) or 3 (grey ones are repeated).
    pub channels: usize,
    /// Mean of each channel, of samples in `[0, 1]`.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, of samples in `[0, 1]`.
    pub std: Vec<f32>,
    /// The shorter side is resized to this many pixels; `None` takes images as they are, which
    /// must then be `crop` x `crop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// Side of the centre crop in pixels.
    pub crop: usize,
    /// How images are resized.
    #[serde(default, skip_serializing_if = "is_default")]
    pub filter: Filter,
    /// Whether both sides are resized to `resize`, whatever their proportion, and not the shorter
    /// one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub squash: bool,
}

impl fmt::Display for Preprocessing {
    /// In one line:
    /// `shorter side to 256 pixels (bicubic), centre 224 x 224, mean 0.485 0.456 0.406, std …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = self.crop;
        match (self.resize, self.squash) {
            (None, _) => write!(f, "as they are, {side} x {side}")?,
            (Some(resize), squash) => {
                let what = if squash { "both sides" } else { "shorter side" };
                write!(f, "{what} to {resize} pixels ({}), ", self.filter)?;
                write!(f, "centre {side} x {side}")?;
            }
        }
        for (name, numbers) in [("mean", &self.mean), ("std", &self.std)] {
            let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
            write!(f, ", {name} {}", numbers.join(" "))?;
        }
        Ok(())
    }
}

/// Whether a setting need not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Preprocessing {
    /// Resize to 256, crop 224, ImageNet's statistics with the deviations that torchvision, timm
    /// and most code have.
    pub fn imagenet() -> Self {
        Self {
            std: IMAGENET_STD.to_vec(),
            ..Self::authors()
        }
    }

    /// The same with the deviations in the evaluation code of the paper's authors, SwAV's and
    /// VICReg's: .228 for red (paper, Appendix B.2).
    pub fn authors() -> Self {
        Self {
            channels: 3,
            mean: IMAGENET_MEAN.to_vec(),
            std: AUTHORS_STD.to_vec(),
            resize: Some(256),
            crop: 224,
            filter: Filter::Bilinear,
            squash: false,
        }
    }

    /// The same for grey images, with one mean and deviation: the grey of ImageNet's.
    #[must_use]
    pub fn grey(self) -> Self {
        Self {
            channels: 1,
            mean: vec![0.449],
            std: vec![0.226],
            ..self
        }
    }

    /// The same for images of another size: the crop is `side`, and what is resized keeps its
    /// proportion to it.
    #[must_use]
    pub fn at_side(self, side: usize) -> Self {
        let scaled = |length: usize| (length * side).div_ceil(self.crop.max(1));
        Self {
            resize: self.resize.map(scaled),
            crop: side,
            ..self
        }
    }

    /// Grey images of 28 x 28 as they are, with Fashion-MNIST's statistics.
    pub fn small_grey() -> Self {
        Self {
            channels: 1,
            mean: vec![0.286],
            std: vec![0.353],
            resize: None,
            crop: 28,
            filter: Filter::Bilinear,
            squash: false,
        }
    }

    /// The shape of the result: channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.crop, self.crop]
    }

    /// Checks every field's range.
    ///
    /// # Errors
    /// A field is out of range; the error names it.
    pub fn check(&self) -> Result<(), Error> {
        check_normalisation(self.channels, &self.mean, &self.std)?;
        check_size("crop", self.crop)?;
        if self.squash {
            demand(
                self.resize.is_some(),
                "squash",
                "false without resize",
                true,
            )?;
        }
        if let Some(resize) = self.resize {
            check_size("resize", resize)?;
            demand(
                resize >= self.crop,
                "resize",
                &format!("at least crop = {}", self.crop),
                resize,
            )?;
        }
        Ok(())
    }
}

/// What is to be otherwise than a checkpoint or a recipe says; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PreprocessingChanges {
    /// Height and width of the images that the network sees, in pixels: [`Preprocessing::at_side`].
    pub image_size: Option<usize>,
    /// [`Preprocessing::resize`], after that.
    pub resize: Option<usize>,
    /// [`Preprocessing::crop`], after that.
    pub crop: Option<usize>,
    /// [`Preprocessing::mean`].
    pub mean: Option<Vec<f32>>,
    /// [`Preprocessing::std`].
    pub std: Option<Vec<f32>>,
}

impl PreprocessingChanges {
    /// Whether everything stays.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A preparation with the changes, checked.
    ///
    /// # Errors
    /// A field is out of range, or there is another number of channels; the error names it.
    pub fn applied(&self, to: &Preprocessing) -> Result<Preprocessing, Error> {
        let mut changed = to.clone();
        if let Some(side) = self.image_size {
            check_size("image size", side)?;
            changed = changed.at_side(side);
        }
        changed.resize = self.resize.or(changed.resize);
        changed.crop = self.crop.unwrap_or(changed.crop);
        if let Some(mean) = &self.mean {
            changed.mean.clone_from(mean);
        }
        if let Some(std) = &self.std {
            changed.std.clone_from(std);
        }
        changed.check()?;
        Ok(changed)
    }
}

/// Prepares images. Each thread has its own, for it keeps its buffers.
#[derive(Debug)]
pub struct Preprocessor {
    preprocessing: Preprocessing,
    normaliser: Normaliser,
    resizer: Resizer,
    cropped: Image,
}

impl Preprocessor {
    /// For a recipe.
    ///
    /// # Errors
    /// The recipe is out of range.
    pub fn new(preprocessing: &Preprocessing) -> Result<Self, Error> {
        preprocessing.check()?;
        Ok(Self {
            normaliser: Normaliser::new(&preprocessing.mean, &preprocessing.std),
            preprocessing: preprocessing.clone(),
            resizer: Resizer::default(),
            cropped: Image::default(),
        })
    }

    /// Prepares an image and writes it as `(channels, crop, crop)` into `out`, which has exactly
    /// that size. The image has the recipe's channels, or one, which is then repeated. `name` says
    /// what an error calls the image.
    ///
    /// # Errors
    /// Nothing is to be resized and the image is not `crop` x `crop`, or an image is so long that
    /// it would exceed [`PIXEL_LIMIT`] when resized.
    pub fn view(
        &mut self,
        image: &Image,
        name: impl Fn() -> String,
        out: &mut [f32],
    ) -> Result<(), Error> {
        let side = self.preprocessing.crop;
        let Some(shorter) = self.preprocessing.resize else {
            if (image.width, image.height) != (side, side) {
                let (expected, found) = ((side, side), (image.width, image.height));
                return Err(Error::ImageSize {
                    name: name(),
                    expected,
                    found,
                });
            }
            self.normaliser.normalise(image, out);
            return Ok(());
        };
        let target = match self.preprocessing.squash {
            true => middle(shorter, shorter, side),
            false => centre_crop(image, shorter, side, name)?,
        };
        let (whole, filter) = (Region::whole(image), self.preprocessing.filter);
        self.resizer
            .resize(image, whole, filter, target, &mut self.cropped);
        self.normaliser.normalise(&self.cropped, out);
        Ok(())
    }
}

/// The middle, `side` x `side`, of an image whose shorter side is resized to `shorter`, which is no
/// less. Only what remains of the crop is made.
///
/// # Errors
/// The image is so long that it would exceed [`PIXEL_LIMIT`] when resized.
pub(crate) fn centre_crop(
    image: &Image,
    shorter: usize,
    side: usize,
    name: impl Fn() -> String,
) -> Result<Target, Error> {
    let (width, height) = resized_size(image.width, image.height, shorter);
    if width * height > PIXEL_LIMIT {
        let name = format!("{} at {shorter} pixels for its shorter side", name());
        return Err(Error::ImageTooLarge {
            name,
            width,
            height,
            limit: PIXEL_LIMIT,
        });
    }
    Ok(middle(width, height, side))
}

/// The middle, `side` x `side`, of a result of so many pixels, which are no fewer.
fn middle(width: usize, height: usize, side: usize) -> Target {
    // torchvision rounds half pixels to even.
    let start = |length: usize| ((length - side) as f64 / 2.0).round_ties_even() as usize;
    let region = Region {
        left: start(width),
        top: start(height),
        width: side,
        height: side,
    };
    Target {
        region,
        ..Target::whole(width, height)
    }
}

/// Width and height with the shorter side at `shorter` and the longer in proportion, cut off to
/// whole pixels.
fn resized_size(width: usize, height: usize, shorter: usize) -> (usize, usize) {
    if width <= height {
        (shorter, shorter * height / width)
    } else {
        (shorter * width / height, shorter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ramp from left to right, 8 wide and 4 high, in grey.
    fn ramp() -> Image {
        let mut image = Image::black(8, 4, 1);
        for (place, pixel) in image.pixels.iter_mut().enumerate() {
            *pixel = 16 * (place % 8) as u8;
        }
        image
    }

    fn prepared(preprocessing: &Preprocessing) -> Vec<f32> {
        let mut out = vec![0.0; preprocessing.crop * preprocessing.crop];
        let mut preprocessor = Preprocessor::new(preprocessing).unwrap();
        let name = || "ramp".to_owned();
        preprocessor.view(&ramp(), name, &mut out).unwrap();
        out.iter().map(|value| (value * 255.0).round()).collect()
    }

    #[test]
    fn both_sides_or_the_shorter_one() {
        let cropped = Preprocessing {
            channels: 1,
            mean: vec![0.0],
            std: vec![1.0],
            resize: Some(4),
            crop: 4,
            filter: Filter::Bilinear,
            squash: false,
        };
        // The middle of the ramp as it is, or all of it at half the width.
        assert_eq!(prepared(&cropped)[..4], [32.0, 48.0, 64.0, 80.0]);
        let squashed = Preprocessing {
            squash: true,
            ..cropped.clone()
        };
        let row = &prepared(&squashed)[..4];
        assert!(row[0] < 16.0 && row[3] > 96.0, "{row:?}");
        let cubic = Preprocessing {
            filter: Filter::Bicubic,
            ..squashed.clone()
        };
        assert_ne!(prepared(&cubic), prepared(&squashed));
        let untouched = Preprocessing {
            resize: None,
            ..squashed
        };
        assert!(untouched.check().is_err());
    }

    #[test]
    fn changes_are_made_in_order_and_checked() {
        let changes = PreprocessingChanges {
            image_size: Some(96),
            std: Some(vec![0.2; 3]),
            ..PreprocessingChanges::default()
        };
        let changed = changes.applied(&Preprocessing::imagenet()).unwrap();
        assert_eq!((changed.resize, changed.crop), (Some(110), 96));
        assert_eq!(changes.applied(&changed).unwrap(), changed);
        let text = "shorter side to 110 pixels (bilinear), centre 96 x 96, mean 0.485 0.456 0.406, \
                    std 0.2 0.2 0.2";
        assert_eq!(changed.to_string(), text);
        for wrong in [
            PreprocessingChanges {
                mean: Some(vec![0.5]),
                ..PreprocessingChanges::default()
            },
            PreprocessingChanges {
                crop: Some(300),
                ..PreprocessingChanges::default()
            },
            PreprocessingChanges {
                image_size: Some(0),
                ..PreprocessingChanges::default()
            },
        ] {
            assert!(wrong.applied(&Preprocessing::imagenet()).is_err());
        }
    }
}
