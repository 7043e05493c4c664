//! What the crate promises, from outside.
//!
//! `golden`: agreement with torchvision and Pillow, and files that must be refused. `formats`:
//! files of every kind. `jpeg_matrix`: what `cjpeg` makes. `datasets` and `sources`: what `open`
//! makes of files and folders. `layouts`: data sets as people have them. `bad_images`: what a
//! loader makes of files that cannot be used. `distributions`: what is left to chance. `loader`:
//! batches, their order, and what they may not depend on. `recipes`: recipe files and their checks.

mod bad_images;
mod datasets;
mod distributions;
mod formats;
mod golden;
mod jpeg_matrix;
mod layouts;
mod loader;
mod recipes;
mod sources;
