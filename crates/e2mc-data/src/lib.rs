//! Turns images on disk into batches of augmented views.
//!
//! One direction: a [`Dataset`] (folders of JPEG, PNG and WebP files, lists of them, tar shards, or
//! IDX files) gives [`Image`]s, a
//! [`Pipeline`] (random [`Augmentation`] or deterministic [`Preprocessing`]) makes normalised views
//! of them, and a [`Loader`] does both on several threads and hands over [`Batch`]es in order.
//!
//! Every random draw comes from a [`stream`] keyed by (seed, epoch, index, view), so that a batch
//! does not depend on the number of threads, on prefetching, or on where an epoch was resumed. The
//! operations follow torchvision on Pillow images, rounding included.
//!
//! ```no_run
//! use e2mc_data::{Augmentation, Loader, LoaderConfig, Pipeline, Split};
//!
//! let dataset = e2mc_data::open("data/fashion-mnist".as_ref(), Split::Train)?;
//! let pipeline = Pipeline::Augment(Augmentation::small_grey());
//! let loader = Loader::new(dataset, pipeline, LoaderConfig { batch: 256, ..Default::default() })?;
//! for batch in loader.epoch(0, 0) {
//!     let batch = batch?;
//!     assert_eq!(batch.views[0].shape, [256, 1, 28, 28]);
//!     loader.recycle(batch);
//! }
//! # Ok::<(), e2mc_data::Error>(())
//! ```

pub mod augment;
pub mod dataset;
pub mod decode;
pub mod geometry;
pub mod loader;
pub mod preprocess;
pub mod random;
pub mod subset;
pub mod throughput;
pub mod thumbnail;

mod error;
mod image;
mod vectorised;

pub use augment::{Augmentation, Augmented, Blur, Filter, Jitter, Operation, ViewRecipe};
pub use dataset::{Dataset, OpenOptions, Selection, Split, open, open_with};
pub use dataset::{VOC_CLASSES, VocImages, VocShown, is_voc};
pub use error::Error;
pub use image::Image;
pub use loader::{BadImage, Batch, Epoch, Loader, LoaderConfig, Pipeline, View};
pub use preprocess::{Preprocessing, PreprocessingChanges};
pub use random::{Stream, stream};
pub use thumbnail::Thumbnail;
