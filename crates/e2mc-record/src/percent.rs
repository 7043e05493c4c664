//! How a fraction of the labels is named.

/// A fraction in percent, to three digits that count: ImageNet's list of 12,811 images of 1,281,167
/// is 1 %, as its name says.
pub fn rounded_percent(fraction: f64) -> f64 {
    let percent = 100.0 * fraction;
    if percent == 0.0 || !percent.is_finite() {
        return percent;
    }
    let scale = 10f64.powi(2 - percent.abs().log10().floor() as i32);
    (percent * scale).round() / scale
}

/// The same as text: `1`, `0.1`, `12.5`.
pub fn percent(fraction: f64) -> String {
    rounded_percent(fraction).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_named_as_a_person_would() {
        for (fraction, expected) in [
            (12_811.0 / 1_281_167.0, "1"),
            (0.01, "1"),
            (128_116.0 / 1_281_167.0, "10"),
            (1.0, "100"),
            (0.125, "12.5"),
            (1.0 / 3.0, "33.3"),
            (0.0995, "9.95"),
            (0.001, "0.1"),
            (2.5e-6, "0.00025"),
            (0.0, "0"),
        ] {
            assert_eq!(percent(fraction), expected);
        }
        assert!(rounded_percent(f64::NAN).is_nan());
    }
}
