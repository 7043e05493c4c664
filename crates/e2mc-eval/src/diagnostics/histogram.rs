//! Counts in bins of equal width.

/// Counts of values in equal bins from `low` to `high`; the upper end belongs to the last bin.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    /// How many values each bin holds.
    counts: Vec<u64>,
}

impl Histogram {
    /// Counts the values, all from `low` to `high`.
    pub(super) fn of(values: &[f64], low: f64, high: f64, bins: usize) -> Self {
        let mut counts = vec![0; bins];
        for value in values {
            let share = if high > low {
                (value - low) / (high - low)
            } else {
                0.0
            };
            counts[((share * bins as f64) as usize).min(bins - 1)] += 1;
        }
        Self { counts }
    }
}

/// The area that two histograms over the same bins share, each of area 1: 0 where they are apart, 1
/// where equal.
pub(super) fn overlap(a: &Histogram, b: &Histogram) -> f64 {
    let total = |h: &Histogram| h.counts.iter().sum::<u64>().max(1) as f64;
    let (all_a, all_b) = (total(a), total(b));
    let shared = a.counts.iter().zip(&b.counts);
    shared
        .map(|(&a, &b)| (a as f64 / all_a).min(b as f64 / all_b))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_belong_to_the_outer_bins_and_the_overlap_is_known() {
        let a = Histogram::of(&[0.0, 0.1, 0.3, 1.0], 0.0, 1.0, 4);
        assert_eq!(a.counts, [2, 1, 0, 1]);
        assert_eq!(overlap(&a, &a), 1.0);
        let b = Histogram::of(&[0.3, 0.6], 0.0, 1.0, 4);
        assert_eq!(overlap(&a, &b), 0.25);
        assert_eq!(Histogram::of(&[2.0, 2.0], 2.0, 2.0, 3).counts, [2, 0, 0]);
    }
}
