//! The family of vision transformers (Dosovitskiy et al. 2021), with timm's parameter names: those
//! of DINO, DINOv2, DINOv3, MAE, MoCo v3 and iBOT among them.

mod block;
mod config;
mod family;
mod given;
mod infer;
mod names;
mod network;
mod positions;
mod tokens;

pub use config::{Activation, Mlp, Pool, Positions, Resize, VitConfig};
pub(super) use family::Vit;
