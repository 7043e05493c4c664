//! The gain of a map over none, with its interval: paired over images and over label subsets.
//!
//! `d_ri` is right with the map less right without it, for image `i` after learning from label
//! subset `r`. Both are crossed and random: the mean's variance has a part from images, measured on
//! the means over subsets, and a part from subsets, measured on the means over images. Their sum
//! counts the interaction twice and so errs to the wide side. Images that are nearly the same count
//! as one draw. The interval is Student's t with Satterthwaite's degrees of freedom.
//!
//! Where few images differ the t interval is too sure: a gain also has to pass a permutation test
//! that flips the sign of each image's difference.

use rayon::prelude::*;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::random::{Purpose, Stream};

/// The chance of finding the smallest detectable gain.
const POWER: f64 = 0.8;
/// Sign flips of the permutation test.
const FLIPS: u64 = 4999;

/// A mean difference of accuracies, as fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Gain {
    pub(super) mean: f64,
    pub(super) standard_error: f64,
    /// Degrees of freedom of the standard error.
    pub(super) freedom: f64,
}

impl Gain {
    /// The gain in `differences[r][i]`, with image `i` in group `groups[i]`; at least one of each.
    pub(super) fn of(differences: &[Vec<f64>], groups: &[usize]) -> Self {
        let (subsets, images) = (differences.len() as f64, groups.len() as f64);
        let means = over_subsets(differences);
        let mean = means.iter().sum::<f64>() / images;
        let sums = over_groups(&means, groups, mean);
        let count = sums.len() as f64;
        let of_images = if count > 1.0 {
            count / (count - 1.0) * sums.iter().map(|s| s * s).sum::<f64>() / (images * images)
        } else {
            f64::INFINITY
        };
        let of_subsets = if subsets > 1.0 {
            let squares = differences.iter().map(|d| {
                let of_one = d.iter().sum::<f64>() / images;
                (of_one - mean).powi(2)
            });
            squares.sum::<f64>() / (subsets - 1.0) / subsets
        } else {
            0.0
        };
        let variance = of_images + of_subsets;
        let parts = of_images.powi(2) / (count - 1.0).max(1.0)
            + of_subsets.powi(2) / (subsets - 1.0).max(1.0);
        let freedom = if parts > 0.0 && variance.is_finite() {
            variance * variance / parts
        } else {
            (count - 1.0).max(1.0)
        };
        Self {
            mean,
            standard_error: variance.sqrt(),
            freedom,
        }
    }

    /// The interval that covers the true mean with probability `confidence`.
    pub(super) fn interval(&self, confidence: f64) -> (f64, f64) {
        let half = self.quantile(confidence) * self.standard_error;
        (self.mean - half, self.mean + half)
    }

    /// The smallest true gain whose interval excludes zero with probability 80 %, on a set with
    /// `ratio` times the variance of this one.
    pub(super) fn detectable(&self, confidence: f64, ratio: f64) -> f64 {
        let normal = Normal::new(0.0, 1.0).expect("a deviation of 1");
        (self.quantile(confidence) + normal.inverse_cdf(POWER)) * self.standard_error * ratio.sqrt()
    }

    fn quantile(&self, confidence: f64) -> f64 {
        let t = StudentsT::new(0.0, 1.0, self.freedom).expect("at least one degree of freedom");
        t.inverse_cdf(0.5 + confidence / 2.0)
    }
}

/// How often the mean difference is at least as large when the sign of each group's sum is random;
/// the observed signs count as one of the draws, so that the p-value is valid and never 0.
pub(super) fn permutation(differences: &[Vec<f64>], groups: &[usize], seed: u64) -> f64 {
    let mut sums = over_groups(&over_subsets(differences), groups, 0.0);
    sums.retain(|&sum| sum != 0.0);
    let observed: f64 = sums.iter().sum();
    // Sums of fractions: equal ones may differ by rounding.
    let least = observed - 1e-9 * sums.iter().map(|s| s.abs()).sum::<f64>();
    let as_large = (0..FLIPS)
        .into_par_iter()
        .filter(|&draw| {
            let mut stream = Stream::new(seed, Purpose::Permutation, draw);
            let flipped: f64 = sums
                .chunks(64)
                .map(|chunk| {
                    let bits = stream.bits();
                    let signed = chunk
                        .iter()
                        .enumerate()
                        .map(|(i, s)| if bits >> i & 1 == 1 { *s } else { -s });
                    signed.sum::<f64>()
                })
                .sum();
            flipped >= least
        })
        .count();
    (as_large + 1) as f64 / (FLIPS + 1) as f64
}

/// The mean over subsets of each image's difference.
fn over_subsets(differences: &[Vec<f64>]) -> Vec<f64> {
    let images = differences[0].len();
    (0..images)
        .map(|i| differences.iter().map(|d| d[i]).sum::<f64>() / differences.len() as f64)
        .collect()
}

/// The sum over each group's images of their value less `centre`.
fn over_groups(values: &[f64], groups: &[usize], centre: f64) -> Vec<f64> {
    let mut sums = std::collections::BTreeMap::new();
    for (value, &group) in values.iter().zip(groups) {
        *sums.entry(group).or_insert(0.0) += value - centre;
    }
    sums.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SplitMix;

    #[test]
    fn one_subset_of_single_images_is_the_paired_t_interval() {
        let d = vec![1.0, 0.0, 1.0, -1.0, 0.0, 1.0, 0.0, 0.0];
        let gain = Gain::of(&[d], &[0, 1, 2, 3, 4, 5, 6, 7]);
        // mean 1/4, unbiased variance (4 - 8/16) / 7 = 1/2, t_7(0.975) = 2.364624
        assert!((gain.mean - 0.25).abs() < 1e-12);
        assert!((gain.standard_error - 0.25).abs() < 1e-12);
        assert!((gain.freedom - 7.0).abs() < 1e-9);
        let (low, high) = gain.interval(0.95);
        assert!((low - (0.25 - 2.364_624 * 0.25)).abs() < 1e-5);
        assert!((high - (0.25 + 2.364_624 * 0.25)).abs() < 1e-5);
        // z(0.8) = 0.841621
        let detectable = gain.detectable(0.95, 4.0);
        assert!((detectable - (2.364_624 + 0.841_621) * 0.5).abs() < 1e-5);
    }

    #[test]
    fn copies_of_an_image_count_once() {
        let d = [1.0, 0.0, -1.0, 1.0, 0.0, 1.0];
        let alone = Gain::of(&[d.to_vec()], &[0, 1, 2, 3, 4, 5]);
        let twice: Vec<f64> = d.iter().flat_map(|&d| [d, d]).collect();
        let pairs: Vec<usize> = (0..12).map(|i| i / 2).collect();
        let copied = Gain::of(std::slice::from_ref(&twice), &pairs);
        assert!((alone.standard_error - copied.standard_error).abs() < 1e-12);
        assert_eq!(alone.mean, copied.mean);
        let naive = Gain::of(&[twice], &(0..12).collect::<Vec<_>>());
        assert!(naive.standard_error < 0.8 * copied.standard_error);
    }

    /// Images and subsets each with an effect of their own, and noise of both.
    #[test]
    fn intervals_cover_the_truth_as_often_as_they_say() {
        let mut random = SplitMix(1);
        let (subsets, images, trials) = (5, 60, 2000);
        let groups: Vec<usize> = (0..images).collect();
        let mut covered = 0;
        for _ in 0..trials {
            let of_image: Vec<f64> = (0..images).map(|_| f64::from(random.normal())).collect();
            let d: Vec<Vec<f64>> = (0..subsets)
                .map(|_| {
                    let of_subset = 0.2 * f64::from(random.normal());
                    let noise = |v: &f64| v + of_subset + f64::from(random.normal());
                    of_image.iter().map(noise).collect()
                })
                .collect();
            let (low, high) = Gain::of(&d, &groups).interval(0.9);
            covered += usize::from(low <= 0.0 && 0.0 <= high);
        }
        let share = covered as f64 / f64::from(trials);
        // A standard error of 0.007; the interaction counted twice makes it wide, not narrow.
        assert!((0.885..0.96).contains(&share), "{share}");
    }

    #[test]
    fn few_differences_are_not_enough_for_the_permutation_test() {
        let mut d = vec![0.0; 300];
        d[..5].fill(1.0);
        let groups: Vec<usize> = (0..300).collect();
        let differences = [d];
        let (low, _) = Gain::of(&differences, &groups).interval(0.95);
        assert!(low > 0.0, "the t interval alone would claim a gain");
        // All five signs alike: 1/32.
        let p = permutation(&differences, &groups, 0);
        assert!((p - 1.0 / 32.0).abs() < 0.008, "{p}");
        assert_eq!(permutation(&[vec![0.0; 9]], &groups[..9], 0), 1.0);
    }

    #[test]
    fn nothing_known_is_an_interval_without_end() {
        let gain = Gain::of(&[vec![1.0, 0.0]], &[3, 3]);
        assert_eq!(gain.interval(0.95).0, f64::NEG_INFINITY);
    }
}
