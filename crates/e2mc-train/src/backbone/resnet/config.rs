//! Which ResNet: depth, width, stem and input channels, and their short names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The depth of a residual network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 8 basic blocks.
    Resnet18,
    /// 8 bottleneck blocks.
    Resnet26,
    /// 16 basic blocks.
    Resnet34,
    /// 16 bottleneck blocks.
    #[default]
    Resnet50,
    /// 33 bottleneck blocks.
    Resnet101,
    /// 50 bottleneck blocks.
    Resnet152,
    /// 66 bottleneck blocks.
    Resnet200,
}

impl Architecture {
    /// Every architecture, shallow to deep.
    pub const ALL: [Self; 7] = [
        Self::Resnet18,
        Self::Resnet26,
        Self::Resnet34,
        Self::Resnet50,
        Self::Resnet101,
        Self::Resnet152,
        Self::Resnet200,
    ];

    /// Blocks in each of the four stages.
    pub(crate) fn blocks(self) -> [usize; 4] {
        match self {
            Self::Resnet18 | Self::Resnet26 => [2, 2, 2, 2],
            Self::Resnet34 | Self::Resnet50 => [3, 4, 6, 3],
            Self::Resnet101 => [3, 4, 23, 3],
            Self::Resnet152 => [3, 8, 36, 3],
            Self::Resnet200 => [3, 24, 36, 3],
        }
    }

    /// Whether blocks narrow to a quarter of their outputs in between.
    pub(crate) fn bottleneck(self) -> bool {
        !matches!(self, Self::Resnet18 | Self::Resnet34)
    }

    /// The lower-case name: `resnet50`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resnet18 => "resnet18",
            Self::Resnet26 => "resnet26",
            Self::Resnet34 => "resnet34",
            Self::Resnet50 => "resnet50",
            Self::Resnet101 => "resnet101",
            Self::Resnet152 => "resnet152",
            Self::Resnet200 => "resnet200",
        }
    }
}

/// What comes before the first stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// A 7 x 7 convolution of stride 2 and a max pool: a quarter of the size.
    #[default]
    Imagenet,
    /// A 3 x 3 convolution of stride 1: the full size, for images of about 32 pixels.
    Small,
    /// A 3 x 3 convolution of stride 2: half the size, four times cheaper than `small`.
    SmallStride2,
}

/// Which ResNet: everything that decides its parameters' shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResnetConfig {
    /// The depth.
    pub architecture: Architecture,
    /// Channels after the stem: 64 is standard, 128 is "x2", any number from 1 on.
    pub width: usize,
    /// What comes before the first stage.
    pub stem: Stem,
    /// Channels of the images: 1 or 3.
    pub channels: usize,
}

impl Default for ResnetConfig {
    /// The paper's ResNet-50 for colour images.
    fn default() -> Self {
        Self {
            architecture: Architecture::Resnet50,
            width: Self::STANDARD_WIDTH,
            stem: Stem::Imagenet,
            channels: 3,
        }
    }
}

impl ResnetConfig {
    /// Channels after the stem of a network that is not widened.
    pub const STANDARD_WIDTH: usize = 64;
    /// Wider than any network in use ("x16"): a typing error.
    pub(super) const MAX_WIDTH: usize = 16 * Self::STANDARD_WIDTH;

    /// A stage's output channels over its inner width.
    pub(crate) fn expansion(&self) -> usize {
        if self.architecture.bottleneck() { 4 } else { 1 }
    }
}

impl fmt::Display for ResnetConfig {
    /// The short name: `resnet50`, `resnet50x2`, or `resnet18 of width 16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.architecture.name();
        match (
            self.width / Self::STANDARD_WIDTH,
            self.width % Self::STANDARD_WIDTH,
        ) {
            (1, 0) => f.write_str(name),
            (times, 0) => write!(f, "{name}x{times}"),
            _ => write!(f, "{name} of width {}", self.width),
        }
    }
}

impl FromStr for ResnetConfig {
    type Err = Error;

    /// Reads a short name: `resnet50`, and for wider ones `resnet50x2` or SwAV's `resnet50w2`.
    fn from_str(name: &str) -> Result<Self, Error> {
        let unknown = || {
            let names = Architecture::ALL.map(Architecture::name).join(", ");
            let expected = format!("one of {names}, with x2 to x16 behind it if wider");
            Error::config("backbone.architecture", expected, format!("`{name}`"))
        };
        let depth = name.strip_prefix("resnet").ok_or_else(unknown)?;
        let (depth, times) = match depth.split_once(['x', 'w']) {
            Some((depth, times)) => (depth, times.parse().map_err(|_| unknown())?),
            None => (depth, 1),
        };
        let architecture = Architecture::ALL
            .into_iter()
            .find(|architecture| architecture.name().strip_prefix("resnet") == Some(depth))
            .ok_or_else(unknown)?;
        if !(1..=Self::MAX_WIDTH / Self::STANDARD_WIDTH).contains(&times) {
            return Err(unknown());
        }
        Ok(Self {
            architecture,
            width: times * Self::STANDARD_WIDTH,
            ..Self::default()
        })
    }
}
