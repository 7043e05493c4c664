//! What is done to an image, as data: read from a recipe file, checked, written beside the results.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The interpolation of a resize; both widen their support when they shrink (antialias).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Pillow's `BILINEAR`.
    #[default]
    Bilinear,
    /// Pillow's `BICUBIC` (a = -0.5).
    Bicubic,
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        })
    }
}

/// Random changes of brightness, contrast, saturation and hue, in random order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jitter {
    /// Probability of any change, in `[0, 1]`.
    pub probability: f32,
    /// The factor is uniform in `[max(0, 1 - b), 1 + b]`; at least 0.
    pub brightness: f32,
    /// The factor is uniform in `[max(0, 1 - c), 1 + c]`; at least 0.
    pub contrast: f32,
    /// The factor is uniform in `[max(0, 1 - s), 1 + s]`; at least 0.
    pub saturation: f32,
    /// The turn is uniform in `[-h, h]` of the whole circle; in `[0, 0.5]`.
    pub hue: f32,
}

/// Gaussian blur of random width.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blur {
    /// Probability, in `[0, 1]`.
    pub probability: f32,
    /// The standard deviation is uniform between the two, in pixels of the view.
    pub sigma: [f32; 2],
}

impl Default for Blur {
    fn default() -> Self {
        Self {
            probability: 0.0,
            sigma: [0.1, 2.0],
        }
    }
}

/// How one view is made, or several alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewRecipe {
    /// How many views are made this way, 1 to 64.
    #[serde(default = "one")]
    pub count: usize,
    /// Height and width of the view in pixels.
    pub size: usize,
    /// The crop's area is uniform between these fractions of the image's, in `(0, 1]`.
    #[serde(default = "default_scale")]
    pub scale: [f32; 2],
    /// The crop's width over its height is log-uniform between these.
    #[serde(default = "default_ratio")]
    pub ratio: [f32; 2],
    /// How the crop is resized.
    #[serde(default)]
    pub filter: Filter,
    /// Probability of a left-right flip.
    #[serde(default)]
    pub flip: f32,
    /// Colour jitter.
    #[serde(default)]
    pub jitter: Jitter,
    /// Probability that all colour is taken out.
    #[serde(default)]
    pub grey: f32,
    /// Blur.
    #[serde(default)]
    pub blur: Blur,
    /// Probability that all samples from 128 up are inverted.
    #[serde(default)]
    pub solarize: f32,
}

fn one() -> usize {
    1
}

fn default_scale() -> [f32; 2] {
    [0.08, 1.0]
}

fn default_ratio() -> [f32; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

impl ViewRecipe {
    /// A random crop of 8% to 100% of the area, resized to `size` x `size`, and nothing else.
    pub fn crop(size: usize) -> Self {
        Self {
            count: 1,
            size,
            scale: default_scale(),
            ratio: default_ratio(),
            filter: Filter::Bilinear,
            flip: 0.0,
            jitter: Jitter::default(),
            grey: 0.0,
            blur: Blur::default(),
            solarize: 0.0,
        }
    }
}

/// The views of an image that a method learns from, and their normalisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Channels of the views: 1 (colour images become their luma) or 3 (grey ones are repeated).
    pub channels: usize,
    /// Mean of each channel, of samples in `[0, 1]`.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, of samples in `[0, 1]`.
    pub std: Vec<f32>,
    /// The recipes of the views.
    pub views: Vec<ViewRecipe>,
}

/// ImageNet's channel means and the standard deviations that go with them in most code.
pub(crate) const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
pub(crate) const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// SwAV and all the authors' evaluations have .228 for red.
pub(crate) const AUTHORS_STD: [f32; 3] = [0.228, 0.224, 0.225];

/// The most views that are made alike; SwAV has six.
const MOST_VIEWS: usize = 64;

impl Augmentation {
    /// The names of the recipes that are built in.
    pub const NAMES: [&'static str; 6] =
        ["vicreg", "swav", "simsiam", "dino", "probe", "small-grey"];

    /// A built-in recipe by its name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "vicreg" => Self::vicreg(),
            "swav" => Self::swav(),
            "simsiam" => Self::simsiam(),
            "dino" => Self::dino(),
            "probe" => Self::crop_and_flip(),
            "small-grey" => Self::small_grey(),
            _ => return None,
        })
    }

    /// A view of BYOL's, which VICReg and DINO take over, of `size` pixels.
    fn byol(size: usize, blur: f32, solarize: f32) -> ViewRecipe {
        ViewRecipe {
            filter: Filter::Bicubic,
            flip: 0.5,
            jitter: Jitter {
                probability: 0.8,
                brightness: 0.4,
                contrast: 0.4,
                saturation: 0.2,
                hue: 0.1,
            },
            grey: 0.2,
            blur: Blur {
                probability: blur,
                sigma: [0.1, 2.0],
            },
            solarize,
            ..ViewRecipe::crop(size)
        }
    }

    /// VICReg's two views, which differ in blur and solarize (paper, Appendix B.1).
    pub fn vicreg() -> Self {
        let views = vec![Self::byol(224, 1.0, 0.0), Self::byol(224, 0.1, 0.2)];
        Self::imagenet(IMAGENET_STD, views)
    }

    /// SwAV's two large and six small crops (paper, Appendix B.1).
    pub fn swav() -> Self {
        let view = |count, size, scale| ViewRecipe {
            count,
            scale,
            flip: 0.5,
            jitter: Jitter {
                probability: 0.8,
                brightness: 0.8,
                contrast: 0.8,
                saturation: 0.8,
                hue: 0.2,
            },
            grey: 0.2,
            blur: Blur {
                probability: 0.5,
                sigma: [0.1, 2.0],
            },
            ..ViewRecipe::crop(size)
        };
        Self::imagenet(
            AUTHORS_STD,
            vec![view(2, 224, [0.14, 1.0]), view(6, 96, [0.05, 0.14])],
        )
    }

    /// DINO's two large and eight small crops: the defaults of its public code, whose large ones
    /// are made as BYOL's two views.
    pub fn dino() -> Self {
        let view = |count, size, scale, blur, solarize| ViewRecipe {
            count,
            scale,
            ..Self::byol(size, blur, solarize)
        };
        let large = [0.4, 1.0];
        Self::imagenet(
            IMAGENET_STD,
            vec![
                view(1, 224, large, 1.0, 0.0),
                view(1, 224, large, 0.1, 0.2),
                view(8, 96, [0.05, 0.4], 0.5, 0.0),
            ],
        )
    }

    /// SimSiam's two views, made alike (paper, Appendix B.1).
    pub fn simsiam() -> Self {
        let view = ViewRecipe {
            count: 2,
            scale: [0.2, 1.0],
            flip: 0.5,
            jitter: Jitter {
                probability: 0.8,
                brightness: 0.4,
                contrast: 0.4,
                saturation: 0.4,
                hue: 0.1,
            },
            grey: 0.2,
            blur: Blur {
                probability: 0.5,
                sigma: [0.1, 2.0],
            },
            ..ViewRecipe::crop(224)
        };
        Self::imagenet(IMAGENET_STD, vec![view])
    }

    /// VICReg's two views for small grey images of 28 x 28, such as Fashion-MNIST, whose mean and
    /// standard deviation it has.
    pub fn small_grey() -> Self {
        let view = |blur, solarize| ViewRecipe {
            scale: [0.2, 1.0],
            filter: Filter::Bicubic,
            flip: 0.5,
            jitter: Jitter {
                probability: 0.8,
                brightness: 0.4,
                contrast: 0.4,
                saturation: 0.0,
                hue: 0.0,
            },
            blur: Blur {
                probability: blur,
                sigma: [0.1, 1.0],
            },
            solarize,
            ..ViewRecipe::crop(28)
        };
        Self {
            channels: 1,
            mean: vec![0.286],
            std: vec![0.353],
            views: vec![view(0.5, 0.0), view(0.1, 0.2)],
        }
    }

    /// A random crop and a flip, the training view of a supervised probe (paper, Appendix B.2).
    pub fn crop_and_flip() -> Self {
        Self::imagenet(
            AUTHORS_STD,
            vec![ViewRecipe {
                flip: 0.5,
                ..ViewRecipe::crop(224)
            }],
        )
    }

    fn imagenet(std: [f32; 3], views: Vec<ViewRecipe>) -> Self {
        Self {
            channels: 3,
            mean: IMAGENET_MEAN.to_vec(),
            std: std.to_vec(),
            views,
        }
    }

    /// Number of views of an image, counts included.
    pub fn view_count(&self) -> usize {
        let counts = self.views.iter().map(|view| view.count);
        counts.fold(0, usize::saturating_add)
    }

    /// The shape of each view: channels, height, width.
    pub fn shapes(&self) -> Vec<[usize; 3]> {
        self.recipes()
            .map(|view| [self.channels, view.size, view.size])
            .collect()
    }

    /// The recipe of each view, repeated by its count.
    pub(crate) fn recipes(&self) -> impl Iterator<Item = &ViewRecipe> {
        self.views
            .iter()
            .flat_map(|view| std::iter::repeat_n(view, view.count))
    }

    /// Checks every field's range.
    ///
    /// # Errors
    /// A field is out of range; the error names it.
    pub fn check(&self) -> Result<(), Error> {
        check_normalisation(self.channels, &self.mean, &self.std)?;
        demand(!self.views.is_empty(), "views", "at least one view", "none")?;
        for (index, view) in self.views.iter().enumerate() {
            view.check(&format!("views[{index}]"))?;
        }
        Ok(())
    }
}

impl ViewRecipe {
    fn check(&self, place: &str) -> Result<(), Error> {
        let field = |name: &str| format!("{place}.{name}");
        let count = (1..=MOST_VIEWS).contains(&self.count);
        demand(
            count,
            &field("count"),
            &format!("1 to {MOST_VIEWS}"),
            self.count,
        )?;
        check_size(&field("size"), self.size)?;
        let [low, high] = self.scale;
        demand(
            0.0 < low && low <= high && high <= 1.0,
            &field("scale"),
            "two rising numbers above 0 and at most 1",
            format!("{:?}", self.scale),
        )?;
        let [low, high] = self.ratio;
        demand(
            0.0 < low && low <= high && high.is_finite(),
            &field("ratio"),
            "two rising numbers above 0",
            format!("{:?}", self.ratio),
        )?;
        let probabilities = [
            ("flip", self.flip),
            ("jitter.probability", self.jitter.probability),
            ("grey", self.grey),
            ("blur.probability", self.blur.probability),
            ("solarize", self.solarize),
        ];
        for (name, value) in probabilities {
            demand(
                (0.0..=1.0).contains(&value),
                &field(name),
                "a probability from 0 to 1",
                value,
            )?;
        }
        let strengths = [
            ("jitter.brightness", self.jitter.brightness),
            ("jitter.contrast", self.jitter.contrast),
            ("jitter.saturation", self.jitter.saturation),
        ];
        for (name, value) in strengths {
            let valid = value >= 0.0 && value.is_finite();
            demand(valid, &field(name), "a number from 0 up", value)?;
        }
        let hue = self.jitter.hue;
        demand(
            (0.0..=0.5).contains(&hue),
            &field("jitter.hue"),
            "a number from 0 to 0.5",
            hue,
        )?;
        let [low, high] = self.blur.sigma;
        demand(
            0.0 <= low && low <= high && high <= 100.0,
            &field("blur.sigma"),
            "two rising numbers from 0 to 100",
            format!("{:?}", self.blur.sigma),
        )
    }
}

/// Checks what augmentation and preprocessing have in common.
pub(crate) fn check_normalisation(channels: usize, mean: &[f32], std: &[f32]) -> Result<(), Error> {
    demand(matches!(channels, 1 | 3), "channels", "1 or 3", channels)?;
    for (field, values) in [("mean", mean), ("std", std)] {
        let expected = format!("{channels} numbers, one a channel");
        demand(
            values.len() == channels,
            field,
            &expected,
            format!("{values:?}"),
        )?;
    }
    demand(
        mean.iter().all(|value| value.is_finite()),
        "mean",
        "finite numbers",
        format!("{mean:?}"),
    )?;
    let valid = std.iter().all(|&value| value > 0.0 && value.is_finite());
    demand(valid, "std", "numbers above 0", format!("{std:?}"))
}

/// Checks a side length.
pub(crate) fn check_size(field: &str, size: usize) -> Result<(), Error> {
    demand((1..=4096).contains(&size), field, "1 to 4096 pixels", size)
}

pub(crate) fn demand(
    valid: bool,
    field: &str,
    expected: &str,
    found: impl ToString,
) -> Result<(), Error> {
    if valid {
        return Ok(());
    }
    Err(Error::Recipe {
        field: field.to_owned(),
        expected: expected.to_owned(),
        found: found.to_string(),
    })
}
