//! Self-supervised training with effective entropy maximisation, on libtorch.
//!
//! A [`Recipe`] says everything about a run. [`Model`] is a backbone with a method's heads,
//! [`Trainer`] the one loop that trains it, whatever the method, and [`checkpoint`] how both come
//! from and go to disk. The loop knows a method as "views in, named loss terms out"
//! ([`method::Method`]) and adds the criterion at one place ([`criterion::Criterion`]).
//!
//! This crate prints nothing: an [`Observer`] is told what happens.

// On tensors `a += b` works in place, where autograd may still need `a`; `a = a + b` does not.
#![allow(clippy::assign_op_pattern)]

pub mod backbone;
pub mod checkpoint;
mod collapse;
pub mod criterion;
mod device;
mod draw;
mod embed;
mod error;
mod head;
pub mod layer;
mod meter;
pub mod method;
mod model;
pub mod optim;
mod pass;
pub mod probe;
mod range;
mod recipe;
mod train;
mod warmup;

pub use collapse::Collapse;
pub use device::device;
pub use embed::{EmbedOptions, Output, embed, embed_batches, embed_images, embed_views};
pub use error::Error;
pub use meter::{EpochSummary, StepLog};
pub use model::Model;
pub use recipe::{Recipe, TrainingConfig};
pub use tch::Device;
pub use train::{Control, Observer, Outcome, RunOptions, Trainer};
pub use warmup::DEFAULT_HEAD_WARMUP;
