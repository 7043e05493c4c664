//! DINO: self-distillation without labels (Caron et al., ICCV 2021, "Emerging Properties in
//! Self-Supervised Vision Transformers"), with multi-crop.
//!
//! A student sees all views, a teacher the large ones. Both end in a head of linear layers with
//! GELU, whose last output is the bottleneck; it is normalised, and its products with unit
//! prototypes are the scores. The teacher's scores less a centre, sharpened and through a softmax,
//! are what the student's are to be at every other view (Eq. 1 and 3). The teacher is the average
//! of the student's weights over the steps, the centre that of the teacher's scores (Eq. 4).
//!
//! The entropy criterion acts on the student's bottleneck before it is normalised.
//!
//! The order of things is that of the authors' public code: the teacher and the centre follow after
//! the step; views of one size go through a network together; the teacher's batch norm goes by its
//! batch. Where we differ: heads have no batch norm, networks no stochastic depth.

mod config;
mod head;
mod loss;
mod network;
#[cfg(test)]
mod tests;

pub use config::DinoConfig;
pub(super) use config::NAME;
pub use head::DinoHead;
pub use loss::{Temperatures, loss};
pub use network::Dino;
