//! The family of residual networks, with torchvision's parameter names.

mod config;
mod names;
mod network;

pub use config::{Architecture, ResnetConfig, Stem};
pub(super) use names::Resnet;
