//! Numbers that need not be finite: JSON has no word for those, and writes `null`.

use serde::{Deserialize, Deserializer};

/// Reads a number; `null` is what was not finite.
pub(crate) fn or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
