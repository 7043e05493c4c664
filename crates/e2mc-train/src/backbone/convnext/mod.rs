//! The family of ConvNeXts, v1 (Liu et al. 2022) and v2 (Woo et al. 2023), with timm's parameter
//! names.

mod config;
mod family;
mod given;
mod infer;
mod names;
mod network;

pub use config::ConvnextConfig;
pub(super) use family::Convnext;
