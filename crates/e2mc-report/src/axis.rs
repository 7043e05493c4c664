//! Axes: the interval of values drawn, where its ticks lie, and what they are called.
//!
//! Everything here holds for any finite interval, from neighbouring floating-point numbers to the
//! whole range of `f64`: differences are formed from halves, because `hi - lo` may overflow.

mod domain;
mod ticks;

pub(crate) use domain::Domain;
pub(crate) use ticks::Ticks;
