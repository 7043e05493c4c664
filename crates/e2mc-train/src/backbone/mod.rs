//! Backbones: images `(n, c, h, w)` in, pooled features `(n, features)` out.
//!
//! A [`Family`] owns its configuration, its network, its layers' names and what files call them;
//! everything else knows [`Backbone`] and [`BackboneConfig`]. A new family is new files and one
//! line: in the list of `config.rs`, or [`register_family`] in a program of one's own. The ResNet
//! (`resnet/`) is the first, in every depth and width of the paper and of the public VICReg, SwAV
//! and SimSiam checkpoints.

mod allocator;
mod config;
mod convnext;
mod family;
mod found;
mod hints;
mod naming;
mod network;
mod processor;
mod recompute;
mod resnet;
mod table;
mod tap;
mod vit;

pub(crate) use config::families;
pub use config::{BackboneConfig, register_family};
pub use convnext::ConvnextConfig;
pub use family::{Chain, Companions, Family, Features, Local, Network, NetworkConfig};
pub use found::Found;
pub(crate) use found::is_float;
pub use hints::Hints;
pub use naming::{Naming, Pieces};
pub use network::Backbone;
pub use recompute::Kept;
pub use resnet::{Architecture, ResnetConfig, Stem};
pub use tap::Tap;
pub use vit::{Activation, Mlp, Pool, Positions, Resize, VitConfig};
