//! What is said of a network beside its tensors, and no shape tells.

use serde::{Deserialize, Serialize};

/// What the user or a file beside the weights says; `None` where nobody says it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hints {
    /// Source of the hints, for messages: `config.json`.
    pub source: Option<String>,
    /// The network's name in its library: timm's `vit_base_patch16_clip_224`.
    #[serde(default)]
    pub architecture: Option<String>,
    /// Attention heads of a block.
    pub heads: Option<usize>,
    /// What layer norms add to the variance.
    pub epsilon: Option<f64>,
    /// The activation between two linear layers, as Hugging Face calls it: `gelu`,
    /// `gelu_pytorch_tanh`.
    pub activation: Option<String>,
    /// How tokens become the features, as timm calls it: `token`, `avg`.
    pub pool: Option<String>,
    /// The base of the periods of rotary position embeddings.
    pub rope_base: Option<f64>,
    /// Height and width of the images that the network is made for, in pixels.
    pub image_size: Option<usize>,
}
