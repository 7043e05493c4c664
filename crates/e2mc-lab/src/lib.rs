//! The lab: all work with networks, from the plan of a run to the last result.
//!
//! - [`recipe`]: the settings of a run, from recipes and changes;
//! - [`run`]: a training run, guarded ([`guard`]), recorded, stopped and resumed;
//! - [`continuation`]: the paper's second step, from a checkpoint that is already trained;
//! - [`protocol`]: evaluation of a checkpoint's features of images;
//! - [`sweep`]: a grid of runs from one checkpoint, all evaluated alike; [`demo`]: the job on the
//!   sample;
//! - [`improve`]: a better encoder or the old one, with proof;
//! - [`features`]: what a network makes of images, through a map where there is one; [`adapt`]:
//!   what a map is fitted to;
//! - [`embed`], [`convert`], [`inspect`]: features in files, networks for others, a look at
//!   embeddings;
//! - [`images`], [`checkpoint`], [`machine`]: what all of them take.
//!
//! Nothing here prints. What happens is told to a [`notice::Notices`], and the events of a run to a
//! [`run::RunObserver`]. Errors say what was expected and what was found; which option sets it is
//! known to the program that calls.

pub mod adapt;
pub mod checkpoint;
pub mod continuation;
pub mod convert;
mod crew;
pub mod demo;
mod difference;
pub mod embed;
mod error;
pub mod features;
pub mod guard;
pub mod images;
pub mod improve;
pub mod inspect;
pub mod machine;
pub mod notice;
pub mod processes;
pub mod protocol;
pub mod recipe;
pub mod run;
pub mod sweep;

pub use error::{
    Error, ImproveError, ProcessError, ProtocolError, RecipeError, RunError, SweepError,
};
