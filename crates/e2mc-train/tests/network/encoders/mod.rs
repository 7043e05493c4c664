//! Encoders of public libraries: the same features and gradients as theirs, from files with their
//! names, and back. No public weights could be reached where this was made: weights follow from a
//! formula (`golden/encoders/README.md`).

mod files;
mod layouts;
mod parity;
mod recompute;
mod training;
mod written;
