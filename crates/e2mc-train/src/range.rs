//! Ranges that settings have in common.

use crate::Error;

/// Refuses a value that is not a finite number of at least 0.
pub(crate) fn at_least_zero(field: &str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::config(field, "a number of at least 0", value))
}

/// Refuses a value that is not a finite number above 0.
pub(crate) fn above_zero(field: &str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::config(field, "a number above 0", value))
}

/// Refuses a decay rate that would never forget.
pub(crate) fn decay_rate(field: &str, value: f64) -> Result<(), Error> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::config(field, "a number from 0 to below 1", value))
}
