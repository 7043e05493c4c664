//! Numbers into text: fixed decimals, significant digits, powers of ten, mean and error.
//!
//! A true minus sign (U+2212) is as wide as a plus or a digit, so columns stay aligned.

/// `value` with `decimals` digits after the point, and commas from 10,000 up.
#[must_use]
pub fn fixed(value: f64, decimals: usize) -> String {
    if let Some(words) = not_finite(value) {
        return words.to_owned();
    }
    let digits = format!("{:.*}", decimals, value.abs());
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits.as_str(), None),
    };
    let mut out = String::with_capacity(digits.len() + 4);
    // What rounds to zero has no sign.
    if value < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('−');
    }
    for (i, c) in whole.chars().enumerate() {
        if whole.len() > 4 && i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A change, with its sign also where it is a rise.
#[must_use]
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

/// `value` with `decimals` digits after the point, or in significant digits where those would all
/// be zero, or lie behind six digits or more.
#[must_use]
pub fn legible(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let is_lost = value != 0.0 && !text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    // A count is written whole, whatever its size.
    let is_long = decimals > 0 && value.abs() >= 1e5;
    if value.is_finite() && (is_lost || is_long) {
        significant(value)
    } else {
        text
    }
}

/// `value` with four significant digits; as a power of ten below 0.0001 and from ten million up.
#[must_use]
pub fn significant(value: f64) -> String {
    const DIGITS: i32 = 4;
    if value == 0.0 {
        return "0".to_owned();
    }
    if let Some(words) = not_finite(value) {
        return words.to_owned();
    }
    let exponent = exponent(value, 3);
    if (-4..7).contains(&exponent) {
        return fixed(value, (DIGITS - 1 - exponent).max(0) as usize);
    }
    let text = format!("{:.3e}", value.abs());
    let mantissa = text.split_once('e').map_or(text.as_str(), |(m, _)| m);
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{mantissa}×{}", power(exponent))
}

/// `value ± error` with the same decimals in both, or the value alone where the error is unknown.
pub(crate) fn with_error(value: f64, error: Option<f64>, decimals: usize) -> String {
    match error {
        Some(error) if error.is_finite() && value.is_finite() => {
            format!("{} ± {}", fixed(value, decimals), fixed(error, decimals))
        }
        _ => fixed(value, decimals),
    }
}

/// `79.31 ± 0.22`, or `79.31` where there is one value, as texts for the terminal write it.
#[must_use]
pub fn plus_minus(mean: f64, standard_error: Option<f64>) -> String {
    match standard_error {
        Some(error) => format!("{mean:.2} ± {error:.2}"),
        None => format!("{mean:.2}"),
    }
}

/// A position such as a step or an epoch: whole numbers without a point, others to four digits.
pub(crate) fn position(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        fixed(value, 0)
    } else {
        significant(value)
    }
}

/// Ten to the power `exponent`, in superscript digits.
pub(crate) fn power(exponent: i32) -> String {
    let mut out = String::from("10");
    for c in exponent.to_string().chars() {
        out.push(match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            _ => '⁰',
        });
    }
    out
}

/// The decimal exponent of `value` after rounding it to `decimals` digits after the first; zero
/// has exponent zero.
pub(crate) fn exponent(value: f64, decimals: usize) -> i32 {
    // The formatter rounds exactly where log10 would be off by one near powers of ten.
    let text = format!("{value:.decimals$e}");
    text.split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0)
}

fn not_finite(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("not a number")
    } else if value == f64::INFINITY {
        Some("∞")
    } else if value == f64::NEG_INFINITY {
        Some("−∞")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_has_true_minus_commas_and_no_negative_zero() {
        assert_eq!(fixed(-0.214, 2), "−0.21");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(9999.0, 0), "9999");
        assert_eq!(fixed(10_000.0, 0), "10,000");
        assert_eq!(fixed(-1_234_567.891, 1), "−1,234,567.9");
        assert_eq!(fixed(f64::NAN, 2), "not a number");
        assert_eq!(fixed(f64::NEG_INFINITY, 2), "−∞");
    }

    #[test]
    fn legible_never_turns_a_small_value_into_zero() {
        assert_eq!(legible(0.123_45, 3), "0.123");
        assert_eq!(legible(-3.4e-5, 4), "−3.400×10⁻⁵");
        assert_eq!(legible(0.0, 4), "0.0000");
        assert_eq!(legible(f64::NAN, 4), "not a number");
    }

    #[test]
    fn legible_keeps_huge_values_short() {
        assert_eq!(legible(12_345_678.9, 6), "1.235×10⁷");
        assert_eq!(legible(-123_456.789, 4), "−123,457");
        assert_eq!(legible(9_876.543_21, 4), "9876.5432");
        assert_eq!(legible(12_345_678.0, 0), "12,345,678");
        assert_eq!(legible(f64::INFINITY, 4), "∞");
    }

    #[test]
    fn changes_carry_their_sign() {
        assert_eq!(
            [0.5, -0.5, 0.0].map(|value| signed(value, 1)),
            ["+0.5", "−0.5", "0.0"]
        );
    }

    #[test]
    fn significant_keeps_four_digits_at_every_size() {
        assert_eq!(significant(0.0), "0");
        assert_eq!(significant(12.3456), "12.35");
        assert_eq!(significant(9.99996), "10.00");
        assert_eq!(significant(123_456.0), "123,456");
        assert_eq!(significant(0.000_123_45), "0.0001234");
        assert_eq!(significant(0.000_012_345), "1.234×10⁻⁵");
        assert_eq!(significant(-3.0e12), "−3.000×10¹²");
        assert_eq!(significant(5e-324), "4.941×10⁻³²⁴");
        assert_eq!(significant(f64::INFINITY), "∞");
    }

    #[test]
    fn error_is_left_out_where_it_is_unknown() {
        assert_eq!(with_error(79.34, Some(0.284), 2), "79.34 ± 0.28");
        assert_eq!(with_error(79.34, None, 1), "79.3");
        assert_eq!(with_error(79.34, Some(f64::NAN), 1), "79.3");
        assert_eq!(with_error(f64::NAN, Some(0.1), 1), "not a number");
    }

    #[test]
    fn positions_are_whole_where_they_can_be() {
        assert_eq!(position(390.0), "390");
        assert_eq!(position(0.25), "0.2500");
        assert_eq!(position(12_500.0), "12,500");
    }
}
