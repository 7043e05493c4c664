//! Which ConvNeXt: depths, widths and what its blocks are made of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which ConvNeXt: everything that decides its parameters' shapes, and what no shape tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConvnextConfig {
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Channels of each stage; each but the first halves the map.
    pub widths: Vec<usize>,
    /// Height and width of the stem's patches in pixels.
    pub patch: usize,
    /// Height and width of the depthwise filters, odd.
    pub kernel: usize,
    /// How many times wider a block is between its two linear layers.
    pub expansion: usize,
    /// Channels of the images: 1 or 3.
    pub channels: usize,
    /// Whether each residual branch has a scale a channel (v1).
    pub layer_scale: bool,
    /// Whether blocks normalise the response of each channel over the map (v2).
    pub response_norm: bool,
    /// Whether there is a layer norm behind the pooling.
    pub head_norm: bool,
    /// What that one adds to the variance; all others add 1e-6.
    pub head_epsilon: f64,
    /// What was assumed where this was read off tensors, in words.
    #[serde(skip)]
    pub(super) assumed: Option<String>,
}

impl Default for ConvnextConfig {
    /// ConvNeXt-T for colour images.
    fn default() -> Self {
        Self {
            depths: vec![3, 3, 9, 3],
            widths: vec![96, 192, 384, 768],
            patch: 4,
            kernel: 7,
            expansion: 4,
            channels: 3,
            layer_scale: true,
            response_norm: false,
            head_norm: true,
            head_epsilon: Self::EPSILON,
            assumed: None,
        }
    }
}

impl ConvnextConfig {
    /// What layer norms and the response norm add.
    pub(super) const EPSILON: f64 = 1e-6;
    /// Where LayerScale starts in a network from scratch.
    pub(super) const LAYER_SCALE: f64 = 1e-6;

    /// Each stage's blocks and channels.
    pub(super) fn stages(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.depths.iter().copied().zip(self.widths.iter().copied())
    }

    /// The smallest side of an image that leaves one place, in pixels.
    pub(super) fn smallest(&self) -> usize {
        self.patch << self.depths.len().saturating_sub(1).min(16)
    }

    /// Numbers in the blocks' linear layers: nearly all of the network's.
    pub(super) fn weights(&self) -> u64 {
        let of = |(depth, width): (usize, usize)| {
            let [depth, width, times] = [depth, width, self.expansion].map(|size| size as u64);
            depth * 2 * times * width * width
        };
        self.stages().map(of).sum()
    }
}

/// Names of the usual sizes, by depths and first width.
const SIZES: [(&str, [usize; 4], usize); 10] = [
    ("atto", [2, 2, 6, 2], 40),
    ("femto", [2, 2, 6, 2], 48),
    ("pico", [2, 2, 6, 2], 64),
    ("nano", [2, 2, 8, 2], 80),
    ("tiny", [3, 3, 9, 3], 96),
    ("small", [3, 3, 27, 3], 96),
    ("base", [3, 3, 27, 3], 128),
    ("large", [3, 3, 27, 3], 192),
    ("xlarge", [3, 3, 27, 3], 256),
    ("huge", [3, 3, 27, 3], 352),
];

impl fmt::Display for ConvnextConfig {
    /// The short name: `convnext-tiny`,
    /// `convnextv2 of widths [4, 8, 16, 32] and depths [1, 1, 2, 1]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.response_norm {
            true => "convnextv2",
            false => "convnext",
        })?;
        let first = self.widths.first().copied().unwrap_or_default();
        let doubling = self.widths.windows(2).all(|pair| pair[1] == 2 * pair[0]);
        let size = SIZES
            .iter()
            .find(|(_, depths, width)| doubling && self.depths == depths && first == *width);
        match size {
            Some((name, ..)) => write!(f, "-{name}"),
            None => write!(
                f,
                " of widths {:?} and depths {:?}",
                self.widths, self.depths
            ),
        }
    }
}
