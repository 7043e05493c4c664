//! Small things that every crate shares.
