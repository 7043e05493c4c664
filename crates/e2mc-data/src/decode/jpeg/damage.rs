//! What is wrong with a JPEG file.

use std::borrow::Cow;

use super::super::failure::Failure;

/// What was expected and found, or what is missing.
pub(super) type Damage = Cow<'static, str>;

pub(super) const UNSOUND: &str = "the compressed data is damaged";

impl From<Damage> for Failure {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage.into_owned())
    }
}
