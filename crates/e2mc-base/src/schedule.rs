//! How a rate goes over a run: linear warm-up, then constant, half a cosine or steps.
//!
//! Times are in steps or in epochs, whichever the caller counts in. Every function takes the base
//! rate and returns the rate.

use std::f64::consts::PI;

/// The rate at `step`, counted from 0, of a linear warm-up of `steps` steps:
/// `base (step + 1) / (steps + 1)`.
///
/// The first step is already above 0, and the base rate is reached one step after the last.
pub fn warm_up(base: f64, step: f64, steps: f64) -> f64 {
    base * (step + 1.0) / (steps + 1.0)
}

/// Half a cosine from `base` at progress 0 to `end` times it at progress 1.
pub fn cosine(base: f64, end: f64, progress: f64) -> f64 {
    base * (end + (1.0 - end) * 0.5 * (1.0 + (PI * progress).cos()))
}

/// The base rate times `factor` for every milestone that `at` has reached; the milestones are the
/// times from which the rate has fallen.
pub fn steps<T: PartialOrd>(base: f64, factor: f64, milestones: &[T], at: T) -> f64 {
    let passed = milestones.iter().filter(|&milestone| *milestone <= at);
    base * factor.powi(passed.count() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_meets_the_base_rate() {
        assert_eq!(warm_up(0.5, 0.0, 4.0), 0.1);
        assert_eq!(warm_up(0.5, 4.0, 4.0), 0.5);
    }

    #[test]
    fn a_cosine_goes_from_the_base_rate_to_its_end() {
        assert_eq!(cosine(0.3, 0.1, 0.0), 0.3);
        assert!((cosine(0.3, 0.1, 0.5) - 0.3 * 0.55).abs() < 1e-15);
        assert!((cosine(0.3, 0.1, 1.0) - 0.03).abs() < 1e-15);
        // With nothing left at the end, the rate is that of PyTorch's schedule, bit for bit.
        for epoch in 0..100 {
            let progress = f64::from(epoch) / 100.0;
            let other = 0.5 * 0.37 * (1.0 + (PI * progress).cos());
            assert_eq!(cosine(0.37, 0.0, progress), other, "{epoch}");
        }
    }

    #[test]
    fn steps_count_the_milestones_that_are_reached() {
        let rate = |at: u64| steps(1.0, 0.5, &[2, 5], at);
        assert_eq!(
            [0, 1, 2, 4, 5, 9].map(rate),
            [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
        );
        assert_eq!(steps(1.0, 0.5, &[], 3_usize), 1.0);
    }
}
