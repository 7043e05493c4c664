//! What the crate promises, from outside.
//!
//! `golden`: agreement with torchvision and Pillow, and files that must be refused. `datasets`:
//! what `open` makes of files and folders. `loader`: batches, their order, and what they may not
//! depend on. `recipes`: recipe files and their checks.

mod datasets;
mod formats;
mod golden;
mod loader;
mod recipes;
