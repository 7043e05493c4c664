//! The criteria that the paper compares with, and one that came later: value and analytic gradient.
//!
//! | criterion | acts on | statistic |
//! |---|---|---|
//! | [`Vcreg`] | one view, on the hypersphere or as it is | standard deviations and covariances (Zhu et al. 2023; Bardes et al. 2022) |
//! | [`Uniformity`] | one view, on the hypersphere | mean of a Gaussian kernel over pairs (Wang and Isola 2020) |
//! | [`Mmcr`] | all views, on the hypersphere | nuclear norm of the mean view (Yerxa et al. 2023) |
//! | [`Sigreg`] | one view, as it is | Epps-Pulley normality test on random directions (Balestriero and LeCun 2025) |
//!
//! Where a criterion acts on the hypersphere, each row is divided by its Euclidean length first. A
//! row shorter than 1e-12 has no direction: it counts as zero, and so does its gradient.
//!
//! No result depends on the number of threads. Sums over many terms are kept in float64.

mod mmcr;
mod sigreg;
#[cfg(test)]
mod tests;
mod uniformity;
mod unit;
mod vcreg;

pub use mmcr::Mmcr;
pub use sigreg::{Directions, Sigreg};
pub use uniformity::Uniformity;
pub use vcreg::{Space, Vcreg, VcregValue};

use crate::Error;

/// Checks that a coefficient is finite and positive, or at least 0 where `zero` is allowed.
fn check_coefficient(name: &'static str, value: f64, zero: bool) -> Result<(), Error> {
    if value.is_finite() && (value > 0.0 || zero && value == 0.0) {
        return Ok(());
    }
    Err(Error::Coefficient {
        name,
        value,
        expected: if zero {
            "a number of at least 0"
        } else {
            "a number above 0"
        },
    })
}
