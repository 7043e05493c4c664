//! Small things that every crate shares, each in its one place.

mod file;

pub use file::{write_atomically, write_atomically_with};
