//! Self-supervised training with effective entropy maximisation, on libtorch.
//!
//! A [`Recipe`] says everything about a run. [`Model`] is a backbone with a method's heads,
//! [`Trainer`] the one loop that trains it, whatever the method, and [`checkpoint`] how both come
//! from and go to disk. The loop knows a method as "an encoder in, named loss terms out"
//! ([`method::Method`]) and adds the criterion at one place ([`criterion::Criterion`]).
//!
//! New backbones and methods come in through two doors: [`backbone::Family`] and
//! [`method::MethodSettings`].
//!
//! This crate prints nothing: an [`Observer`] is told what happens.

// On tensors `a += b` works in place, where autograd may still need `a`; `a = a + b` does not.
#![allow(clippy::assign_op_pattern)]

mod advice;
mod archive;
pub mod attentive;
pub mod backbone;
mod budget;
pub mod checkpoint;
mod collapse;
mod covariance;
pub mod criterion;
mod device;
mod draw;
mod embed;
mod encoder;
mod error;
pub mod finetune;
pub mod head;
mod images;
pub mod layer;
mod meter;
pub mod method;
mod model;
pub mod optim;
mod progress;
mod range;
mod recipe;
mod registry;
mod settings;
mod statistics;
mod together;
mod train;
mod trainer;
mod warmup;
pub mod world;

pub use advice::Advice;
pub use collapse::Collapse;
pub use device::device;
pub use embed::{
    EmbedOptions, Output, embed, embed_batches, embed_images, embed_rows, embed_until, embed_views,
};
pub use encoder::Encoder;
pub use error::Error;
pub use meter::{EpochSummary, StepLog};
pub use model::Model;
pub use recipe::{Recipe, TrainingConfig};
pub use settings::{Settings, read_settings, settings_of};
pub use tch::Device;
pub use train::{Control, Ending, Observer, RunOptions};
pub use trainer::Trainer;
pub use warmup::DEFAULT_HEAD_WARMUP;
pub use world::World;
