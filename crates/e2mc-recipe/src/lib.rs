//! Recipes as text: built-in recipes, files, and a user's changes.
//!
//! A recipe is a TOML table of the settings of a run. It may name another one under `extends` and
//! hold only the difference. What a setting means, and whether its value is in range, is known
//! where a run is made of it; here nothing needs a network.
//!
//! ```
//! let mut table = e2mc_recipe::load("vicreg-small")?;
//! let (key, value) = e2mc_recipe::parse_change("training.epochs=3")?;
//! e2mc_recipe::set(&mut table, &key, value)?;
//! assert_eq!(table["training"]["epochs"].as_integer(), Some(3));
//! # Ok::<(), e2mc_recipe::Error>(())
//! ```

mod built_in;
mod error;
mod layers;
mod nearest;

pub use built_in::{BuiltIn, augmentation, built_in, find, load, names};
pub use error::Error;
pub use layers::{Change, overlay, parse_change, parse_value, set};
pub use nearest::nearest;
