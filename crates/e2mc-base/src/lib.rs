//! Small things that every crate shares, each in its one place.
//!
//! - [`write_atomically`]: files that are whole or not there;
//! - [`random`]: random numbers by position, which no thread and no order changes;
//! - [`schedule`]: how a rate goes over a run;
//! - [`subset`]: label subsets and hold-outs by labels alone;
//! - [`simd`] and [`vectorised!`]: work compiled for several instruction sets, the best of which runs.

mod file;
pub mod random;
pub mod schedule;
pub mod simd;
pub mod subset;

pub use file::{write_atomically, write_atomically_with};
