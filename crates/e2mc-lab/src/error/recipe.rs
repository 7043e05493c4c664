//! Why no settings can be made of a recipe.

/// A recipe of which no settings can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The recipe cannot be read, or a change cannot be made.
    #[error(transparent)]
    Text(#[from] e2mc_recipe::Error),
    /// A setting is missing, unknown or of another type.
    #[error("{recipe}: {message}")]
    Settings {
        /// The recipe's name or file.
        recipe: String,
        /// Which setting, and what was expected.
        message: String,
    },
    /// A change names no setting, or gives it a value of another type.
    #[error("setting `{key}`: {message}")]
    Change {
        /// The dotted key that was given.
        key: String,
        /// What was expected, and what was found.
        message: String,
        /// The key that was probably meant, with its value where that was wrong.
        nearest: Option<String>,
    },
    /// A setting is out of range.
    #[error(transparent)]
    Range(#[from] e2mc_train::Error),
    /// Settings that TOML cannot write.
    #[error("cannot write {what} as TOML: {source}")]
    Write {
        /// The kind of settings.
        what: &'static str,
        /// What the writer said.
        source: toml::ser::Error,
    },
}
