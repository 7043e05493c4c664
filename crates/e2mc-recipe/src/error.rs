//! What can be wrong with the text of a recipe, or with a change to it.

/// A recipe that cannot be read, or a change that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No built-in recipe has that name.
    #[error("no recipe is called `{recipe}`")]
    Unknown {
        /// What was asked for.
        recipe: String,
        /// The recipe that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The file of a recipe cannot be read.
    #[error("cannot read the recipe {recipe}")]
    Read {
        /// The file.
        recipe: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{recipe} is not valid TOML: {message}")]
    Syntax {
        /// The recipe's name or file.
        recipe: String,
        /// Where, and what was expected there.
        message: String,
    },
    /// `extends` does not name a recipe.
    #[error("{recipe}: `extends` is {found}, expected the name of a recipe")]
    Extends {
        /// The recipe's name or file.
        recipe: String,
        /// What `extends` is.
        found: String,
    },
    /// Recipes that extend each other.
    #[error("{recipe} extends {extended}, which extends it")]
    ExtendsItself {
        /// The recipe's name or file.
        recipe: String,
        /// The one it names.
        extended: String,
    },
    /// A change is not written as `key=value`.
    #[error("expected KEY=VALUE, found `{found}`")]
    Change {
        /// What was given.
        found: String,
    },
    /// A change of a key below a setting that has none.
    #[error("{key}: `{part}` has no keys of its own")]
    NoKeys {
        /// The dotted key.
        key: String,
        /// The setting that is no table.
        part: String,
    },
    /// A change of an element that a list does not have.
    #[error("{key}: `{list}` is a list of {length}, numbered from 0")]
    NoElement {
        /// The dotted key.
        key: String,
        /// The list.
        list: String,
        /// How many elements it has.
        length: usize,
    },
    /// Neither a built-in augmentation nor a recipe that can be read.
    #[error("neither one of {names}, nor a training recipe")]
    NotAnAugmentation {
        /// The built-in augmentations.
        names: String,
        /// Why it is no recipe.
        source: Box<Error>,
    },
    /// The recipe leaves its views to the checkpoint.
    #[error("the recipe {recipe} takes its views from the checkpoint: it has no [augmentation]")]
    NoAugmentation {
        /// The recipe's name or file.
        recipe: String,
        /// The built-in recipe of such checkpoints, if there is one.
        whole: Option<String>,
    },
    /// The recipe's augmentation has a setting that is missing, unknown or of another type.
    #[error("{recipe}: [augmentation]: {message}")]
    Augmentation {
        /// The recipe's name or file.
        recipe: String,
        /// Which setting, and what was expected.
        message: String,
    },
}
