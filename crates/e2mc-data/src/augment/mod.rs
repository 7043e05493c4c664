//! Random views of an image: the recipe, and the operations it is made of.
//!
//! Everything works on bytes, channel by channel, and rounds where Pillow rounds. A view is made in
//! this order: crop and resize, flip, colour jitter, grey, blur, solarize, normalise. (Some methods
//! flip last; a flip commutes with all the rest.)

pub mod blur;
pub mod colour;
pub mod crop;
pub mod operation;
pub mod recipe;
pub mod resize;
pub mod solarize;

mod augmenter;
mod normalise;
mod transpose;

pub use augmenter::{Augmenter, ViewParameters};
pub use normalise::Normaliser;
pub use operation::{Augmented, Operation};
pub use recipe::{Augmentation, Blur, Filter, Jitter, ViewRecipe};
