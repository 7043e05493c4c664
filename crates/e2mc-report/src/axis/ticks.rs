//! Ticks: round values on an axis, and what they are called.

use super::domain::Domain;
use crate::number;

/// Tick values at multiples of one, two or five times a power of ten, with their labels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ticks {
    /// Tick values in increasing order, inside the domain.
    pub(crate) values: Vec<f64>,
    /// One label a value, all different.
    pub(crate) labels: Vec<String>,
    /// What a label must be multiplied by, or added to, to give the value ("×10⁻⁵"); often nothing.
    pub(crate) note: Option<String>,
    /// The step is one, two or five times ten to this power.
    exponent: i32,
}

/// Labels need no more digits than this; where they would, their common part moves to the note.
const MOST_DIGITS: i32 = 7;

/// No axis is asked for more ticks than this to get two of them.
const FINEST: usize = 10;

impl Ticks {
    /// About `target` ticks on `domain`, and never fewer than two.
    pub(crate) fn new(domain: Domain, target: usize) -> Self {
        let (values, exponent) = tick_values(domain, target.max(2));
        let (labels, note) = tick_labels(&values, exponent);
        Self {
            values,
            labels,
            note,
            exponent,
        }
    }

    /// The same for values that are whole numbers, which need no digits after the point.
    pub(crate) fn of_counts(self) -> Self {
        Self {
            exponent: self.exponent.max(2),
            ..self
        }
    }

    /// A value beside this axis: two digits finer than its steps, the same for all values.
    pub(crate) fn precise(&self, value: f64) -> String {
        if self.note.is_some() {
            return number::significant(value);
        }
        number::fixed(value, (2 - self.exponent).max(0) as usize)
    }

    /// Ticks on a `domain` of logarithms to base ten: at whole powers, as many as fit on `length`
    /// pixels; where those are fewer than two, at 1, 2 and 5 times them.
    pub(crate) fn powers(domain: Domain, length: f64, width: impl Fn(&str) -> f64) -> Self {
        let (first, last) = (domain.lo.ceil() as i32, domain.hi.floor() as i32);
        let whole = |step: i32| (first..=last).filter(move |k| k.rem_euclid(step) == 0);
        let room = |labels: &[String], count: usize| {
            let widest = labels.iter().map(|label| width(label)).fold(0.0, f64::max);
            length / count.max(1) as f64 >= widest + 14.0
        };
        for step in 1..=(last - first).max(1) {
            let values: Vec<f64> = whole(step).map(f64::from).collect();
            let labels: Vec<String> = whole(step).map(|k| power_label(1.0, k)).collect();
            if values.len() < 2 {
                break;
            }
            if room(&labels, values.len()) {
                return Self::of_powers(values, labels);
            }
        }
        let fine: Vec<(f64, i32)> = (domain.lo.floor() as i32..=last)
            .flat_map(|k| [1.0_f64, 2.0, 5.0].map(|digit| (digit, k)))
            .filter(|(digit, k)| {
                let at = digit.log10() + f64::from(*k);
                (domain.lo..=domain.hi).contains(&at)
            })
            .collect();
        let values: Vec<f64> = fine
            .iter()
            .map(|(digit, k)| digit.log10() + f64::from(*k))
            .collect();
        let labels: Vec<String> = fine
            .iter()
            .map(|(digit, k)| power_label(*digit, *k))
            .collect();
        if values.len() >= 2 && room(&labels, values.len()) {
            return Self::of_powers(values, labels);
        }
        let ends = [domain.lo, domain.hi];
        Self::of_powers(
            ends.to_vec(),
            ends.map(|at| number::significant(10f64.powf(at))).to_vec(),
        )
    }

    fn of_powers(values: Vec<f64>, labels: Vec<String>) -> Self {
        Self {
            values,
            labels,
            note: None,
            exponent: 0,
        }
    }

    /// The largest number of ticks that fit on `length` pixels, if a label needs `width(label)` of
    /// them.
    pub(crate) fn fitting(domain: Domain, length: f64, width: impl Fn(&str) -> f64) -> Self {
        let fits = |ticks: &Self| {
            let widest = ticks
                .labels
                .iter()
                .map(|label| width(label))
                .fold(0.0, f64::max);
            ticks.values.windows(2).all(|pair| {
                (domain.fraction(pair[1]) - domain.fraction(pair[0])) * length >= widest + 20.0
            })
        };
        (3..=8)
            .rev()
            .map(|target| Self::new(domain, target))
            .find(fits)
            .unwrap_or_else(|| Self::new(domain, 2))
    }
}

/// `digit` times a power of ten, in digits where those are few.
fn power_label(digit: f64, exponent: i32) -> String {
    if (-3..=4).contains(&exponent) {
        number::fixed(digit * 10f64.powi(exponent), (-exponent).max(0) as usize)
    } else if digit == 1.0 {
        number::power(exponent)
    } else {
        format!("{digit}×{}", number::power(exponent))
    }
}

/// Tick values and the exponent of the power of ten that their step is a small multiple of.
fn tick_values(domain: Domain, target: usize) -> (Vec<f64>, i32) {
    let Domain { lo, hi } = domain;
    let raw = hi / target as f64 - lo / target as f64;
    let mut exponent = raw.log10().floor() as i32;
    let ratio = raw / 10f64.powi(exponent);
    // A hair of slack: 0.1 / 0.1 may come out as 1.0000000000000002.
    let digit = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|digit| ratio <= digit * (1.0 + 1e-9));
    let digit = digit.unwrap_or_else(|| {
        exponent += 1;
        1.0
    });
    // Dividing by an exact power of ten rounds once; multiplying by an inexact 10^-k rounds twice.
    let at = |i: f64| {
        if exponent < 0 {
            i * digit / 10f64.powi(-exponent)
        } else {
            i * digit * 10f64.powi(exponent)
        }
    };
    let step = at(1.0);
    let (first, last) = ((lo / step).ceil(), (hi / step).floor());
    let exact = first.abs().max(last.abs()) < 2f64.powi(50) && step >= f64::MIN_POSITIVE;
    if !exact || target > FINEST {
        // So few numbers lie between the ends that multiples of a step do not exist.
        return (vec![lo, hi], number::exponent(hi - lo, 0));
    }
    let count = (last - first).max(0.0) as usize + 1;
    let values: Vec<f64> = (0..count)
        .map(|i| at(first + i as f64) + 0.0)
        .filter(|value| (lo..=hi).contains(value))
        .collect();
    if values.len() < 2 {
        tick_values(domain, target + 1)
    } else {
        (values, exponent)
    }
}

fn tick_labels(values: &[f64], exponent: i32) -> (Vec<String>, Option<String>) {
    let largest = values
        .iter()
        .fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let top = number::exponent(largest, 3);
    if top - exponent >= MOST_DIGITS {
        return offset_labels(values, exponent);
    }
    if (-3..6).contains(&top) && exponent >= -6 {
        let decimals = (-exponent).max(0) as usize;
        return (
            values
                .iter()
                .map(|&value| number::fixed(value, decimals))
                .collect(),
            None,
        );
    }
    let decimals = (top - exponent).max(0) as usize;
    let labels = values
        .iter()
        .map(|&value| number::fixed(scaled(value, top), decimals))
        .collect();
    (labels, Some(format!("×{}", number::power(top))))
}

/// Labels that count from the first tick, for a short interval far from zero.
fn offset_labels(values: &[f64], exponent: i32) -> (Vec<String>, Option<String>) {
    let first = values[0];
    let labels = values
        .iter()
        .map(|&value| number::fixed(scaled(value - first, exponent), 1))
        .collect();
    // Rust prints the shortest digits that read back as the same number.
    let origin = format!("{first:e}").replace('-', "−");
    (
        labels,
        Some(format!("×{} + {origin}", number::power(exponent))),
    )
}

/// `value / 10^exponent`, also where that power of ten is out of range.
fn scaled(value: f64, exponent: i32) -> f64 {
    let half = exponent / 2;
    value / 10f64.powi(half) / 10f64.powi(exponent - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ordinary, tiny, huge, shifted and degenerate intervals.
    fn intervals() -> Vec<(f64, f64)> {
        let mut all = vec![
            (0.0, 1.0),
            (-0.21, -0.08),
            (0.0, 390.0),
            (78.3, 80.9),
            (0.0, 0.1),
            (-1e-7, 3e-7),
            (1.2e-12, 4.4e-12),
            (0.0, 5e-324),
            (1e-310, 3e-310),
            (f64::MIN, f64::MAX),
            (0.0, f64::MAX),
            (1.0, 1.0 + f64::EPSILON),
            (1e9, 1e9 + 1e-6),
            (79.123_456_7, 79.123_456_9),
            (5.0, 5.0),
            (0.0, 0.0),
            (-5e-324, -5e-324),
            (f64::MAX, f64::MAX),
        ];
        for i in 0..2000 {
            let t = f64::from(i);
            let centre = (t * 0.731).sin() * 10f64.powf((t * 0.173).sin() * 12.0);
            let span = 10f64.powf((t * 0.377).cos() * 12.0);
            all.push((centre, centre + span));
        }
        all
    }

    #[test]
    fn ticks_lie_inside_increase_and_are_labelled_apart() {
        for (lo, hi) in intervals() {
            for target in 2..8 {
                let domain = Domain::new(lo, hi);
                let ticks = Ticks::new(domain, target);
                let case = format!("{lo:e}..{hi:e} for {target}: {ticks:?}");
                assert!(ticks.values.len() >= 2, "{case}");
                assert!(ticks.values.len() <= target.max(4) + 1, "{case}");
                assert_eq!(ticks.values.len(), ticks.labels.len(), "{case}");
                for &value in &ticks.values {
                    assert!((domain.lo..=domain.hi).contains(&value), "{case}");
                    assert!((0.0..=1.0).contains(&domain.fraction(value)), "{case}");
                }
                assert!(
                    ticks.values.windows(2).all(|pair| pair[0] < pair[1]),
                    "{case}"
                );
                assert!(
                    ticks.labels.windows(2).all(|pair| pair[0] != pair[1]),
                    "{case}"
                );
                assert!(
                    ticks.labels.iter().all(|label| label.chars().count() <= 10),
                    "{case}"
                );
            }
        }
    }

    #[test]
    fn ticks_are_evenly_spaced_round_numbers() {
        let ticks = Ticks::new(Domain::new(0.0, 1.0), 5);
        assert_eq!(ticks.values, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks.labels, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(ticks.note, None);
        let ticks = Ticks::new(Domain::new(-0.21, -0.08), 4);
        assert_eq!(ticks.labels, ["−0.20", "−0.15", "−0.10"]);
        let ticks = Ticks::new(Domain::new(-3.0, 4.0), 4);
        assert_eq!(ticks.labels, ["−2", "0", "2", "4"]);
        let ticks = Ticks::new(Domain::new(0.0, 12_500.0), 5);
        assert_eq!(ticks.labels, ["0", "5000", "10,000"]);
    }

    #[test]
    fn small_and_large_values_share_a_power_of_ten() {
        let ticks = Ticks::new(Domain::new(0.0, 4.1e-5), 4);
        assert_eq!(ticks.labels, ["0", "2", "4"]);
        assert_eq!(ticks.note.as_deref(), Some("×10⁻⁵"));
        let ticks = Ticks::new(Domain::new(1.0e7, 1.5e7), 5);
        assert_eq!(ticks.labels, ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"]);
        assert_eq!(ticks.note.as_deref(), Some("×10⁷"));
    }

    #[test]
    fn a_short_interval_far_from_zero_counts_from_its_first_tick() {
        let ticks = Ticks::new(Domain::new(1e9, 1e9 + 4e-6), 4);
        assert_eq!(ticks.labels.first().map(String::as_str), Some("0.0"));
        assert_eq!(ticks.note.as_deref(), Some("×10⁻⁶ + 1e9"));
    }

    #[test]
    fn wide_labels_get_fewer_ticks() {
        let domain = Domain::new(0.0, 100_000.0);
        let narrow = Ticks::fitting(domain, 120.0, |label| 6.0 * label.len() as f64);
        let wide = Ticks::fitting(domain, 600.0, |label| 6.0 * label.len() as f64);
        assert!(narrow.values.len() < wide.values.len());
        assert!(narrow.values.len() >= 2);
    }

    #[test]
    fn domains_hold_their_values() {
        assert_eq!(Domain::of([f64::NAN, f64::INFINITY]), None);
        let domain = Domain::of([3.0, f64::NAN, -1.0]).unwrap();
        assert_eq!(domain, Domain::new(-1.0, 3.0));
        assert_eq!(domain.fraction(-1.0), 0.0);
        assert_eq!(domain.fraction(1.0), 0.5);
        assert_eq!(domain.spanning(8.0), Domain::new(-3.0, 5.0));
        assert_eq!(domain.spanning(2.0), domain);
        assert_eq!(domain.padded(0.25), Domain::new(-2.0, 4.0));
        let point = Domain::of([7.0]).unwrap();
        assert!((point.fraction(7.0) - 0.5).abs() < 1e-12);
        let whole = Domain::new(f64::MIN, f64::MAX).padded(0.1);
        assert_eq!(whole.fraction(0.0), 0.5);
    }
}
