//! Effective entropy maximisation (E2MC) on plain float32 matrices: the criterion's value and its
//! analytic gradient.
//!
//! ```
//! use e2mc::{Criterion, MatrixView};
//!
//! let z = [0.3, -1.2, 0.1, 0.8, -0.5, 1.9, 2.2, -0.4_f32]; // 4 embeddings of 2 dimensions
//! let mut gradient = [0.0; 8];
//! let value = Criterion::vicreg().value_and_gradient(MatrixView::new(&z, 4, 2)?, &mut gradient)?;
//! assert!(value.entropy < 0.5);
//! # Ok::<(), e2mc::Error>(())
//! ```

// Kernels walk several rows of sixteen lanes side by side; an index names the lane in all of them.
#![allow(clippy::needless_range_loop)]

mod columns;
mod covariance;
mod criterion;
mod elementary;
mod error;
mod gradient;
mod gram;
mod marginals;
mod matrix;
mod panels;
mod product;
#[cfg(test)]
mod reference;
pub mod rival;
mod shape;
mod sort;
mod spacings;
mod transform;

pub use columns::{Part, Whole};
pub use criterion::{Criterion, Value, Workspace};
pub use error::Error;
pub use matrix::{Matrix, MatrixView};
pub use shape::{Shape, mean_deviation, rescaled, rescaled_like};
pub use transform::Transform;
