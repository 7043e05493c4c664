//! Deterministic preprocessing: resize, centre crop, normalise.

use serde::{Deserialize, Serialize};

use crate::augment::recipe::{check_normalisation, check_size, demand};
use crate::augment::resize::{Resizer, Target};
use crate::augment::{Filter, Normaliser};
use crate::decode::PIXEL_LIMIT;
use crate::geometry::Region;
use crate::{Error, Image};

/// How an image is prepared when a model is judged.
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
}

impl Preprocessing {
    /// Resize to 256, crop 224, ImageNet's statistics (paper, Appendix B.2).
    pub fn imagenet() -> Self {
        Self {
            channels: 3,
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.228, 0.224, 0.225],
            resize: Some(256),
            crop: 224,
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

    /// Prepares an image and writes it as `(channels, crop, crop)` into `out`, which has exactly that
    /// size. The image has the recipe's channels, or one, which is then repeated. `name` says what an
    /// error calls the image.
    ///
    /// # Errors
    /// Nothing is to be resized and the image is not `crop` x `crop`, or an image is so long that it
    /// would exceed [`PIXEL_LIMIT`] when resized.
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
        let target = centre_crop(image, shorter, side, name)?;
        let whole = Region::whole(image);
        self.resizer
            .resize(image, whole, Filter::Bilinear, target, &mut self.cropped);
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
    // torchvision rounds half pixels to even.
    let middle = |length: usize| ((length - side) as f64 / 2.0).round_ties_even() as usize;
    let region = Region {
        left: middle(width),
        top: middle(height),
        width: side,
        height: side,
    };
    Ok(Target {
        region,
        ..Target::whole(width, height)
    })
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
