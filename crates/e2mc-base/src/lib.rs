//! Utilities that every crate shares.
//!
//! - [`write_atomically`], [`refuse_to_replace`]: files that are written whole or not at all, and
//!   not over others;
//! - [`lock`]: folders and files with a single writing process;
//! - [`stop`], [`unfinished`]: ending early, and the files to remove when the process ends;
//! - [`affinity`]: which processors threads run on;
//! - [`cgroup`]: limits of a container or a scheduler's job;
//! - [`process`]: what this process takes;
//! - [`counted`] and [`duration`]: `1 epoch`, `2 epochs`, `1 min 04 s`;
//! - [`random`]: random numbers by position, which no thread and no order changes;
//! - [`schedule`]: how a rate goes over a run;
//! - [`subset`]: label subsets and hold-outs by labels alone;
//! - [`simd`] and [`vectorised!`]: work compiled for several instruction sets, the best of which
//!   runs.

pub mod affinity;
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

pub use count::{counted, duration};
pub use file::{FileThere, refuse_to_replace, write_atomically, write_atomically_with};
