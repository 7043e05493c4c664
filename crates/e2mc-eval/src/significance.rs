//! Whether two models differ beyond chance on the same samples (paper, table D.1).
//!
//! McNemar's test looks at the samples on which one model is right and the other wrong: `n01` that
//! A gets wrong and B right, `n10` the other way round. If the models were equally good, `n01`
//! would be binomial with probability 1/2 among them: exactly, or approximately
//! `chi2 = (n01 - n10)^2 / (n01 + n10)` with one degree of freedom, without continuity correction.
//! The paired permutation test exchanges the two models' results at random, sample by sample.
//! Cohen's d is the difference of the two accuracies over `sqrt((s_A^2 + s_B^2) / 2)`, with
//! unbiased variances of right (1) and wrong (0). The interval is the percentile bootstrap's, over
//! samples drawn with replacement.
//!
//! None of this knows of training: another seed would give other models. A test here says whether
//! these two models differ.

mod crossed;

use rayon::prelude::*;
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF};

use crate::random::{Purpose, Stream};
use crate::{Error, accuracy};

pub use crossed::{CrossedComparison, compare_crossed};

/// The settings of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareConfig {
    /// Random exchanges of the permutation test, at least 1; its p-value is at least
    /// `1 / (permutations + 1)`.
    pub permutations: usize,
    /// Bootstrap samples, at least 1.
    pub bootstraps: usize,
    /// The probability that the interval covers the difference, above 0 and below 1.
    pub confidence: f64,
    /// Seed of both.
    pub seed: u64,
}

impl Default for CompareConfig {
    /// 10,000 of both, 95 %.
    fn default() -> Self {
        Self {
            permutations: 10_000,
            bootstraps: 10_000,
            confidence: 0.95,
            seed: 0,
        }
    }
}

/// How two models differ on the same samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Number of samples.
    pub samples: usize,
    /// Fraction that A gets right.
    pub accuracy_a: f64,
    /// Fraction that B gets right.
    pub accuracy_b: f64,
    /// Samples that A gets wrong and B right.
    pub n01: usize,
    /// Samples that A gets right and B wrong.
    pub n10: usize,
    /// McNemar's statistic without continuity correction; 0 if no sample is discordant.
    pub chi2: f64,
    /// Its p-value, one degree of freedom.
    pub p_chi2: f64,
    /// McNemar's exact two-sided p-value.
    pub p_exact: f64,
    /// The paired permutation test's two-sided p-value.
    pub p_permutation: f64,
    /// Accuracy of B minus that of A, from -1 to 1.
    pub mean_difference: f64,
    /// Cohen's d of that difference; 0 without any difference, infinite without any spread.
    pub cohens_d: f64,
    /// The bootstrap interval of the difference.
    pub interval: (f64, f64),
}

/// Compares the predictions `a` and `b` of two models for the same samples.
///
/// # Errors
/// [`Error::Nothing`] without labels; [`Error::Length`] if the lists differ in length; a setting
/// out of its range.
pub fn compare(
    a: &[usize],
    b: &[usize],
    labels: &[usize],
    config: &CompareConfig,
) -> Result<Comparison, Error> {
    validate(config)?;
    let drop = accuracy::paired_drop(a, b, labels)?;
    let (n01, n10, n) = (drop.gained, drop.lost, drop.count);
    let discordant = n01 + n10;
    let chi2 = drop.z().powi(2);
    let right = |predictions: &[usize]| accuracy::top1(predictions, labels);
    let (accuracy_a, accuracy_b) = (right(a)?, right(b)?);
    let mean_difference = -drop.drop;
    Ok(Comparison {
        samples: n,
        accuracy_a,
        accuracy_b,
        n01,
        n10,
        chi2,
        p_chi2: if discordant == 0 {
            1.0
        } else {
            ChiSquared::new(1.0)
                .expect("one degree of freedom")
                .sf(chi2)
        },
        p_exact: exact(n01, n10),
        p_permutation: permutation(n01, n10, config),
        mean_difference,
        cohens_d: cohens_d(mean_difference, accuracy_a, accuracy_b, n),
        interval: interval((n01, n10, n), config),
    })
}

fn validate(config: &CompareConfig) -> Result<(), Error> {
    let wrong = |name, value: String, expected| Error::Setting {
        name,
        value,
        expected,
    };
    for (name, value) in [
        ("number of permutations", config.permutations),
        ("number of bootstrap samples", config.bootstraps),
    ] {
        if value == 0 {
            return Err(wrong(name, "0".into(), "at least 1"));
        }
    }
    if !(0.0 < config.confidence && config.confidence < 1.0) {
        let expected = "a number above 0 and below 1";
        return Err(wrong(
            "confidence of the interval",
            config.confidence.to_string(),
            expected,
        ));
    }
    Ok(())
}

/// Twice the probability of a split at least as uneven on the one side, at most 1.
fn exact(n01: usize, n10: usize) -> f64 {
    let n = (n01 + n10) as u64;
    let smaller = n01.min(n10) as u64;
    let binomial = Binomial::new(0.5, n).expect("a probability of one half");
    (2.0 * binomial.cdf(smaller)).min(1.0)
}

/// How often the difference of right answers is at least as large when each discordant sample goes
/// to either model; the observed assignment counts as one of the draws (Phipson and Smyth 2010), so
/// that the p-value is valid and never 0.
fn permutation(n01: usize, n10: usize, config: &CompareConfig) -> f64 {
    let (n, observed) = (n01 + n10, n01.abs_diff(n10));
    let as_large = (0..config.permutations as u64)
        .into_par_iter()
        .filter(|&draw| {
            let mut stream = Stream::new(config.seed, Purpose::Permutation, draw);
            let words = (0..n).step_by(64).map(|start| {
                let kept = (n - start).min(64) as u32;
                (stream.bits() & (u64::MAX >> (64 - kept))).count_ones() as usize
            });
            let ones: usize = words.sum();
            ones.abs_diff(n - ones) >= observed
        })
        .count();
    (as_large + 1) as f64 / (config.permutations + 1) as f64
}

/// The percentiles of the mean of `n` differences drawn with replacement from `n01` ones, `n10`
/// minus ones and zeros.
fn interval((n01, n10, n): (usize, usize, usize), config: &CompareConfig) -> (f64, f64) {
    let mut sums: Vec<i64> = (0..config.bootstraps as u64)
        .into_par_iter()
        .map(|draw| {
            let mut stream = Stream::new(config.seed, Purpose::Bootstrap, draw);
            let draws = (0..n).map(|_| {
                let place = stream.below(n as u64) as usize;
                i64::from(place < n01) - i64::from(place >= n01 && place < n01 + n10)
            });
            draws.sum()
        })
        .collect();
    sums.sort_unstable();
    let tail = (1.0 - config.confidence) / 2.0;
    // Between the two nearest ranks, as NumPy's percentile.
    let at = |quantile: f64| {
        let place = quantile * (sums.len() - 1) as f64;
        let (low, high) = (sums[place.floor() as usize], sums[place.ceil() as usize]);
        (low as f64 + (high - low) as f64 * place.fract()) / n as f64
    };
    (at(tail), at(1.0 - tail))
}

fn cohens_d(difference: f64, accuracy_a: f64, accuracy_b: f64, n: usize) -> f64 {
    if difference == 0.0 {
        return 0.0;
    }
    let n = n as f64;
    // Unbiased; a single sample has no spread.
    let variance = |p: f64| p * (1.0 - p) * n / (n - 1.0).max(1.0);
    difference / ((variance(accuracy_a) + variance(accuracy_b)) / 2.0).sqrt()
}

/// Holm's adjustment of the p-values of several comparisons: each may be compared with the level
/// that one test would be.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &place) in order.iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        largest = largest.max((left * p_values[place]).min(1.0));
        adjusted[place] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_labels;
    use crate::testing::{golden, in_pool};

    fn near(found: f64, expected: f64, relative: f64) {
        assert!(
            (found - expected).abs() <= relative * expected.abs(),
            "{found} {expected}"
        );
    }

    fn paired() -> [Vec<usize>; 3] {
        ["base", "new", "label"]
            .map(|name| read_labels(format!("{}:{name}", golden("paired.npz").display())).unwrap())
    }

    #[test]
    fn agrees_with_the_golden_statistics() {
        let [base, new, labels] = paired();
        let c = compare(&base, &new, &labels, &CompareConfig::default()).unwrap();
        assert_eq!((c.n01, c.n10, c.samples), (77, 0, 4000));
        near(c.chi2, 77.0, 1e-12);
        near(c.p_chi2, 1.709_579_587_599_125_6e-18, 1e-6);
        near(c.p_exact, 1.323_488_980_084_844_3e-23, 1e-6);
        near(c.mean_difference, 0.01925, 1e-12);
        near(c.cohens_d, 0.043_220_664_363_234_58, 1e-6);
        // 77 samples never all go one way in 10,000 draws.
        near(c.p_permutation, 1.0 / 10_001.0, 1e-12);
        // Nearly normal: 0.01925 +- 1.96 sqrt(77) / 4000
        let half = 1.96 * 77.0_f64.sqrt() / 4000.0;
        near(c.interval.0, 0.01925 - half, 0.03);
        near(c.interval.1, 0.01925 + half, 0.03);
    }

    #[test]
    fn the_permutation_test_estimates_the_exact_one() {
        for (n01, n10) in [(5, 1), (30, 20), (100, 130), (7, 7), (1, 0), (0, 0)] {
            let config = CompareConfig {
                permutations: 40_000,
                ..CompareConfig::default()
            };
            let (found, expected) = (permutation(n01, n10, &config), exact(n01, n10));
            let error = (expected * (1.0 - expected) / 4e4).sqrt();
            assert!(
                (found - expected).abs() <= 4.0 * error + 1e-4,
                "{n01} {n10}: {found} {expected}"
            );
        }
    }

    #[test]
    fn the_exact_test_is_the_binomial_sum() {
        // 2 (1 + 6) / 2^6 and 2 (1 + 7 + 21) / 2^7
        near(exact(5, 1), 14.0 / 64.0, 1e-9);
        near(exact(2, 5), 58.0 / 128.0, 1e-9);
        assert_eq!((exact(3, 3), exact(0, 0)), (1.0, 1.0));
    }

    #[test]
    fn exchanging_the_models_changes_signs_only() {
        let [base, new, labels] = paired();
        let config = CompareConfig::default();
        let one = compare(&base, &new, &labels, &config).unwrap();
        let other = compare(&new, &base, &labels, &config).unwrap();
        assert_eq!((one.n01, one.chi2), (other.n10, other.chi2));
        assert_eq!(one.p_permutation, other.p_permutation);
        near(one.cohens_d, -other.cohens_d, 1e-12);
        near(one.interval.0, -other.interval.1, 0.1);
    }

    #[test]
    fn the_interval_covers_the_truth_as_often_as_it_says() {
        // Equal models: a sample is discordant with probability 0.2, either way as often.
        let mut random = crate::testing::SplitMix(8);
        let covered = (0..400)
            .filter(|&seed| {
                let sides: Vec<u64> = (0..300).map(|_| random.next() % 10).collect();
                let count = |side| sides.iter().filter(|&&s| s == side).count();
                let config = CompareConfig {
                    bootstraps: 400,
                    confidence: 0.9,
                    seed,
                    ..CompareConfig::default()
                };
                let (low, high) = interval((count(0), count(1), 300), &config);
                low <= 0.0 && 0.0 <= high
            })
            .count();
        // 360 expected, standard deviation 6; the percentile interval is a little narrow
        assert!((335..=382).contains(&covered), "{covered}");
    }

    #[test]
    fn equal_predictions_differ_in_nothing() {
        let c = compare(&[1, 2], &[1, 2], &[1, 0], &CompareConfig::default()).unwrap();
        assert_eq!((c.n01, c.n10, c.chi2, c.cohens_d), (0, 0, 0.0, 0.0));
        assert_eq!((c.p_chi2, c.p_exact, c.p_permutation), (1.0, 1.0, 1.0));
        assert_eq!(c.interval, (0.0, 0.0));
    }

    #[test]
    fn one_sample_is_compared_without_dividing_by_zero() {
        let c = compare(&[0], &[1], &[1], &CompareConfig::default()).unwrap();
        assert_eq!((c.n01, c.p_permutation), (1, 1.0));
        near(c.p_exact, 1.0, 1e-9);
        assert!(c.cohens_d.is_infinite() && c.interval == (1.0, 1.0));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let [base, new, labels] = paired();
        let run = |threads| {
            in_pool(threads, || {
                compare(&base, &new, &labels, &CompareConfig::default()).unwrap()
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn holm_steps_down() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.5]);
        for (found, expected) in adjusted.iter().zip([0.04, 0.09, 0.09, 0.5]) {
            near(*found, expected, 1e-12);
        }
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn bad_settings_are_named() {
        let config = CompareConfig {
            confidence: 1.0,
            ..CompareConfig::default()
        };
        let error = compare(&[0], &[0], &[0], &config).unwrap_err().to_string();
        assert_eq!(
            error,
            "confidence of the interval is 1, expected a number above 0 and below 1"
        );
        let config = CompareConfig {
            permutations: 0,
            ..CompareConfig::default()
        };
        assert!(compare(&[0], &[0], &[0], &config).is_err());
    }
}
