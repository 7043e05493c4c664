//! Code that the programs `e2mc` and `e2mc-engine` share: options, output and failures.
//!
//! `e2mc` starts at once and works on files. What needs a network is done by `e2mc-engine`, which
//! `e2mc` executes with the same arguments. Both parse with [`options`], print with [`output`] and
//! end with [`failure`].

pub mod adaptation;
pub mod failure;
pub mod hint;
pub mod inspection;
pub mod launch;
pub mod output;
pub mod signals;

pub use e2mc_options as options;
