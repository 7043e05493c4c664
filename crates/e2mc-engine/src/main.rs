//! The part of the `e2mc` command that needs a network.

fn main() {}
