//! What a user can do about an error: the one place where errors meet the names of options.
//!
//! Libraries say what was expected and what was found; which option sets it is known here. The engine
//! adds the errors of the libraries with a network and falls back on [`of`].

use std::error::Error;

use crate::failure::Failure;

/// A hint for an error, if there is one.
pub type Hints = fn(&(dyn Error + 'static)) -> Option<String>;

/// The hint for an error of a command, or of a library without a network.
pub fn of(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Some(failure.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<e2mc_data::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<e2mc_eval::Error>() {
        return error.hint();
    }
    error.downcast_ref::<e2mc::Error>()?.hint()
}
