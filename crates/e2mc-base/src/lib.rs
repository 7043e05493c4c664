//! Small things that every crate shares, each in its one place.
//!
//! - [`write_atomically`]: files that are whole or not there;
//! - [`lock`]: folders and files that one process alone writes to;
//! - [`stop`], [`unfinished`]: ending early, and what has to go where the process does;
//! - [`cgroup`]: what a container or a scheduler's job may use;
//! - [`process`]: what this process takes;
//! - [`counted`]: `1 epoch`, `2 epochs`;
//! - [`random`]: random numbers by position, which no thread and no order changes;
//! - [`schedule`]: how a rate goes over a run;
//! - [`subset`]: label subsets and hold-outs by labels alone;
//! - [`simd`] and [`vectorised!`]: work compiled for several instruction sets, the best of which
//!   runs.

pub mod cgroup;
mod count;
mod file;
pub mod lock;
pub mod process;
pub mod random;
pub mod schedule;
pub mod simd;
pub mod stop;
pub mod subset;
pub mod unfinished;

pub use count::counted;
pub use file::{write_atomically, write_atomically_with};
