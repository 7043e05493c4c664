//! Which vision transformer: sizes, tokens, positions and what its blocks are made of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which vision transformer: everything that decides its parameters' shapes, and what no shape
/// tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VitConfig {
    /// Height and width of a patch in pixels.
    pub patch: usize,
    /// Height and width in pixels of the images that the position embeddings are for; those of
    /// other sizes are interpolated.
    pub image_size: usize,
    /// Channels of the images: 1 or 3.
    pub channels: usize,
    /// Numbers per token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads of a block; they divide the width.
    pub heads: usize,
    /// Numbers between a block's two linear layers; of a gated one, behind the gate.
    pub hidden: usize,
    /// The two linear layers of a block.
    pub mlp: Mlp,
    /// What is between them.
    pub activation: Activation,
    /// Whether there is a class token.
    pub class_token: bool,
    /// Register tokens (Darcet et al. 2024), which are never pooled.
    pub registers: usize,
    /// How tokens know their places.
    pub positions: Positions,
    /// Tokens before the patches that have learned positions too: the class token's is one, the
    /// registers' come behind it.
    pub placed: usize,
    /// How learned positions are resized for images of another size.
    pub resize: Resize,
    /// The base of the periods of rotary positions.
    pub rope_base: f64,
    /// What becomes the features.
    pub pool: Pool,
    /// Whether tokens are pooled before the last layer norm (timm's `fc_norm`), and not behind it.
    pub norm_after_pool: bool,
    /// Whether there is a layer norm before the first block.
    pub pre_norm: bool,
    /// Whether queries and keys are normalised.
    pub qk_norm: bool,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether those of keys are among them; otherwise they are and stay 0 (DINOv3).
    pub key_bias: bool,
    /// Whether the embedding of patches has a bias.
    pub patch_bias: bool,
    /// Whether each residual branch has a scale a channel.
    pub layer_scale: bool,
    /// What layer norms add to the variance.
    pub epsilon: f64,
    /// What was assumed where this was read off tensors, in words.
    #[serde(skip)]
    pub(super) assumed: Option<String>,
}

/// The two linear layers of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mlp {
    /// An activation between two layers.
    #[default]
    Plain,
    /// The first layer has two halves; the second half is multiplied by the SiLU of the first.
    Swiglu,
}

/// An activation between two linear layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// GELU by the error function.
    #[default]
    Gelu,
    /// GELU by its approximation with tanh.
    GeluTanh,
    /// `x * sigmoid(1.702 x)`, as CLIP has it.
    QuickGelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// `max(0, x)`.
    Relu,
}

impl Activation {
    /// By Hugging Face's name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_tanh" => Self::GeluTanh,
            "quick_gelu" => Self::QuickGelu,
            "silu" | "swish" => Self::Silu,
            "relu" => Self::Relu,
            _ => return None,
        })
    }

    /// Hugging Face's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_pytorch_tanh",
            Self::QuickGelu => "quick_gelu",
            Self::Silu => "silu",
            Self::Relu => "relu",
        }
    }
}

/// How tokens know their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// A vector that is added to each token.
    #[default]
    Learned,
    /// Queries and keys are turned by angles that depend on the place (DINOv3).
    Rope,
    /// They do not.
    None,
}

/// How learned positions are resized to another grid of patches: bicubic, but libraries differ in
/// the rest. A network gives its library's features only with its library's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// With antialias (a = -0.5), as timm and DINOv2 with registers do.
    #[default]
    Antialias,
    /// Without (a = -0.75), as Hugging Face's ViT and its DINOv2 without registers do.
    Plain,
    /// As `Plain`, from a scale that is 0.1 patches too large, as the authors' code of DINO, iBOT
    /// and DINOv2 without registers does.
    Offset,
}

/// What becomes the features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// The class token.
    #[default]
    Class,
    /// The mean of the patches' tokens.
    Mean,
    /// The class token, then that mean: twice as many features.
    ClassAndMean,
}

impl Default for VitConfig {
    /// ViT-S/16 for colour images of 224 pixels, as DINO has it.
    fn default() -> Self {
        Self {
            patch: 16,
            image_size: 224,
            channels: 3,
            width: 384,
            depth: 12,
            heads: 6,
            hidden: 1536,
            mlp: Mlp::Plain,
            activation: Activation::Gelu,
            class_token: true,
            registers: 0,
            positions: Positions::Learned,
            placed: 1,
            resize: Resize::Antialias,
            rope_base: Self::ROPE_BASE,
            pool: Pool::Class,
            norm_after_pool: false,
            pre_norm: false,
            qk_norm: false,
            qkv_bias: true,
            key_bias: true,
            patch_bias: true,
            layer_scale: false,
            epsilon: Self::EPSILON,
            assumed: None,
        }
    }
}

impl VitConfig {
    /// timm's, DINO's, DINOv2's and torchvision's.
    pub(super) const EPSILON: f64 = 1e-6;
    /// DINOv3's.
    pub(super) const ROPE_BASE: f64 = 100.0;
    /// Numbers of an attention head in nearly all public networks.
    pub(super) const HEAD: usize = 64;
    /// Where LayerScale starts in a network from scratch (DINOv2).
    pub(super) const LAYER_SCALE: f64 = 1e-5;

    /// Patches along a side of an image, at most: DINOv3's of 16 pixels at 4096 pixels. The time of
    /// attention grows with the fourth power of this number.
    pub(super) const GRID: usize = 256;

    /// Tokens before the patches.
    pub(super) fn prefix(&self) -> usize {
        usize::from(self.class_token) + self.registers
    }

    /// Patches along a side of an image of the usual size.
    pub(super) fn grid(&self) -> usize {
        self.image_size / self.patch.max(1)
    }

    /// Numbers that come out of a block's first linear layer.
    pub(super) fn first_hidden(&self) -> usize {
        match self.mlp {
            Mlp::Plain => self.hidden,
            Mlp::Swiglu => 2 * self.hidden,
        }
    }

    /// Numbers in the matrices of the blocks: nearly all of the network's.
    pub(super) fn weights(&self) -> u64 {
        let [width, first, hidden] =
            [self.width, self.first_hidden(), self.hidden].map(|size| size as u64);
        self.depth as u64 * width * (4 * width + first + hidden)
    }
}

/// Names of the usual sizes, by width and depth.
const SIZES: [(&str, usize, usize); 6] = [
    ("tiny", 192, 12),
    ("small", 384, 12),
    ("base", 768, 12),
    ("large", 1024, 24),
    ("huge", 1280, 32),
    ("giant", 1536, 40),
];

impl fmt::Display for VitConfig {
    /// The short name: `vit-small/16`, `vit-base/14 with 4 registers`,
    /// `vit/7 of width 128 and depth 6`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, depth, .. } = *self;
        let size = SIZES.iter().find(|&&(_, w, d)| (w, d) == (width, depth));
        match size {
            Some((name, ..)) => write!(f, "vit-{name}/{}", self.patch)?,
            None => write!(f, "vit/{} of width {width} and depth {depth}", self.patch)?,
        }
        match self.registers {
            0 => Ok(()),
            1 => f.write_str(" with a register"),
            count => write!(f, " with {count} registers"),
        }
    }
}
