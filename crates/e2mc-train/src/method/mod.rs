//! The self-supervised methods behind one trait: an encoder in, an objective with named terms out.
//!
//! The training loop knows nothing of a method but [`Method`], a recipe nothing but
//! [`MethodSettings`]. A new method is one file here and one line in the list of `config.rs`, or
//! [`register_method`] in a program of one's own.

mod config;
mod contract;
mod dino;
mod none;
mod objective;
mod queue;
mod simsiam;
mod sinkhorn;
mod swav;
mod vicreg;

pub use config::{MethodConfig, register_method};
pub use contract::{Method, MethodKind, MethodSettings};
pub use dino::{Dino, DinoConfig, DinoHead, Temperatures as DinoTemperatures, loss as dino_loss};
pub use objective::{Objective, StepContext, Term};
pub use queue::Queue;
pub use simsiam::{Simsiam, SimsiamConfig, loss as simsiam_loss};
pub use sinkhorn::codes as sinkhorn_codes;
pub use swav::{Swav, SwavConfig, loss as swav_loss};
pub use vicreg::{Vicreg, VicregConfig, loss as vicreg_loss};
