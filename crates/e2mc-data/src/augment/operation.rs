//! One operation with fixed parameters, as data: `{"op": "hue", "factor": 0.1}`.

use serde::{Deserialize, Serialize};

use super::blur::Blurrer;
use super::colour::{Change, adjust};
use super::crop;
use super::recipe::{Filter, check_normalisation, check_size, demand};
use super::resize::{Resizer, Target};
use super::{Normaliser, solarize};
use crate::geometry::Region;
use crate::preprocess::centre_crop;
use crate::{Error, Image};

/// An operation with its parameters. Unknown parameters are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// A region, resized to `size` (height, width).
    ResizedCrop {
        /// Rows above the region.
        top: usize,
        /// Columns to the left of it.
        left: usize,
        /// Its height.
        height: usize,
        /// Its width.
        width: usize,
        /// The new height and width.
        size: [usize; 2],
        /// How it is resized.
        filter: Filter,
    },
    /// The shorter side resized, then the middle cut out.
    ResizeCenterCrop {
        /// The shorter side's new length.
        resize: usize,
        /// The side of the region that is cut out.
        crop: usize,
        /// How it is resized.
        #[serde(default)]
        filter: Filter,
    },
    /// Left and right exchanged.
    Hflip {},
    /// Blend with black.
    Brightness {
        /// From 0 up; 1 changes nothing.
        factor: f32,
    },
    /// Blend with the mean grey.
    Contrast {
        /// From 0 up; 1 changes nothing.
        factor: f32,
    },
    /// Blend with the grey image.
    Saturation {
        /// From 0 up; 1 changes nothing.
        factor: f32,
    },
    /// A turn of the hue.
    Hue {
        /// The fraction of the circle, from -0.5 to 0.5.
        factor: f32,
    },
    /// All colour taken out; three channels stay three.
    Grayscale {},
    /// Gaussian blur.
    GaussianBlur {
        /// The standard deviation in pixels, from 0 to 100.
        sigma: f32,
    },
    /// Samples from a threshold up are inverted.
    Solarize {
        /// The first value that is inverted.
        threshold: u8,
    },
    /// Samples to floats in `[0, 1]`, minus a mean, over a standard deviation.
    Normalize {
        /// One for each channel.
        mean: Vec<f32>,
        /// One for each channel.
        std: Vec<f32>,
    },
}

/// What an operation gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Augmented {
    /// An image.
    Image(Image),
    /// Floats, `(channels, height, width)`.
    Floats {
        /// Channels, height, width.
        shape: [usize; 3],
        /// The floats.
        data: Vec<f32>,
    },
}

impl Operation {
    /// The names, as in `op`.
    pub const NAMES: [&'static str; 11] = [
        "resized_crop",
        "resize_center_crop",
        "hflip",
        "brightness",
        "contrast",
        "saturation",
        "hue",
        "grayscale",
        "gaussian_blur",
        "solarize",
        "normalize",
    ];

    /// Applies the operation.
    ///
    /// # Errors
    /// A parameter is out of range, or does not fit the image.
    pub fn apply(&self, mut image: Image) -> Result<Augmented, Error> {
        let mut out = Image::default();
        match *self {
            Self::ResizedCrop {
                top,
                left,
                height,
                width,
                size: [new_height, new_width],
                filter,
            } => {
                let inside = |start: usize, length: usize, all: usize| {
                    length > 0 && start.checked_add(length).is_some_and(|end| end <= all)
                };
                demand(
                    inside(left, width, image.width) && inside(top, height, image.height),
                    "width, height, left, top",
                    &format!("a region inside {} x {}", image.width, image.height),
                    format!("{width} x {height} at {left}, {top}"),
                )?;
                check_size("size", new_height)?;
                check_size("size", new_width)?;
                let region = Region {
                    left,
                    top,
                    width,
                    height,
                };
                let target = Target::whole(new_width, new_height);
                Resizer::default().resize(&image, region, filter, target, &mut out);
                return Ok(Augmented::Image(out));
            }
            Self::ResizeCenterCrop {
                resize,
                crop,
                filter,
            } => {
                check_size("resize", resize)?;
                check_size("crop", crop)?;
                let expected = format!("at most resize = {resize}");
                demand(crop <= resize, "crop", &expected, crop)?;
                let target = centre_crop(&image, resize, crop, || "the image".to_owned())?;
                let whole = Region::whole(&image);
                Resizer::default().resize(&image, whole, filter, target, &mut out);
                return Ok(Augmented::Image(out));
            }
            Self::Hflip {} => crop::flip(&mut image),
            Self::Brightness { factor } => change(&mut image, Change::Brightness(factor))?,
            Self::Contrast { factor } => change(&mut image, Change::Contrast(factor))?,
            Self::Saturation { factor } => change(&mut image, Change::Saturation(factor))?,
            Self::Hue { factor } => change(&mut image, Change::Hue(factor))?,
            Self::Grayscale {} => adjust(&mut image, [], true),
            Self::GaussianBlur { sigma } => {
                let valid = (0.0..=100.0).contains(&sigma);
                demand(valid, "sigma", "a number from 0 to 100", sigma)?;
                Blurrer::default().blur(&mut image, sigma);
            }
            Self::Solarize { threshold } => solarize::solarize(&mut image, threshold),
            Self::Normalize { ref mean, ref std } => {
                check_normalisation(image.channels, mean, std)?;
                let mut data = vec![0.0; image.pixels.len()];
                Normaliser::new(mean, std).normalise(&image, &mut data);
                let shape = [image.channels, image.height, image.width];
                return Ok(Augmented::Floats { shape, data });
            }
        }
        Ok(Augmented::Image(image))
    }
}

fn change(image: &mut Image, change: Change) -> Result<(), Error> {
    let (valid, expected, factor) = match change {
        Change::Hue(turn) => (turn.abs() <= 0.5, "a number from -0.5 to 0.5", turn),
        Change::Brightness(factor) | Change::Contrast(factor) | Change::Saturation(factor) => (
            factor >= 0.0 && factor.is_finite(),
            "a number from 0 up",
            factor,
        ),
    };
    demand(valid, "factor", expected, factor)?;
    adjust(image, [change], false);
    Ok(())
}
