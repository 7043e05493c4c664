//! Small things that every crate shares, each in its one place.

mod file;
pub mod random;
pub mod subset;

pub use file::{write_atomically, write_atomically_with};
