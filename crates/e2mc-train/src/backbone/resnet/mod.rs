//! The family of residual networks, with torchvision's parameter names.

mod config;
mod family;
mod names;
mod network;

pub use config::{Architecture, ResnetConfig, Stem};
pub(super) use family::Resnet;
