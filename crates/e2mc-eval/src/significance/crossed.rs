//! Two models evaluated on the same images after learning from the same label subsets: how far they
//! differ, and how far other images and other subsets could move that.
//!
//! `D[s][i]` is 1 where only B is right about image `i` after learning from subset `s`, -1 where
//! only A is, else 0; the difference is its mean. The crossed bootstrap (Owen 2007, "The pigeonhole
//! bootstrap") draws images and subsets with replacement, each image with all of its subsets and
//! each subset with all of its images; the interval is the percentile's. It counts the interaction
//! of both more than once, so it is rather too wide than too narrow.
//!
//! Subsets are few, and a bootstrap of few is too narrow by itself. The part of each draw that is
//! the subsets' alone is therefore widened by `t / z sqrt(S / (S - 1))`, with the quantiles of
//! Student's distribution (`S - 1` degrees of freedom) and the normal one at the interval's level,
//! after the expanded percentile interval of Hesterberg (2015). With two or three subsets that
//! alone may reach beyond what a difference of accuracies can be: draws end at -1 and 1, between
//! which the true difference lies, so that the interval covers it as often as before.
//!
//! The p-value is McNemar's exact one for a single subset. For several it is of
//! `t = difference / sqrt(V_s + V_i)`, with the variances of the mean over subsets and over images,
//! and degrees of freedom by Satterthwaite; the interaction is counted twice here, too.

use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{CompareConfig, exact, validate};
use crate::accuracy::same_length;
use crate::random::{Purpose, Stream};
use crate::{Error, top1};

/// How two models differ over images and label subsets.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossedComparison {
    /// Number of label subsets.
    pub subsets: usize,
    /// Number of images.
    pub samples: usize,
    /// Fraction that A gets right, mean over the subsets.
    pub accuracy_a: f64,
    /// Fraction that B gets right, mean over the subsets.
    pub accuracy_b: f64,
    /// Accuracy of B minus that of A, from -1 to 1.
    pub mean_difference: f64,
    /// The interval of that difference, within -1 and 1.
    pub interval: (f64, f64),
    /// The two-sided p-value.
    pub p: f64,
}

/// Compares the predictions of two models, one list a label subset, on the same images. Of `config`
/// the permutations are not used.
///
/// # Errors
/// [`Error::Nothing`] without labels or subsets; [`Error::Length`] if lists differ in length; a
/// setting out of its range.
pub fn compare_crossed(
    a: &[Vec<usize>],
    b: &[Vec<usize>],
    labels: &[usize],
    config: &CompareConfig,
) -> Result<CrossedComparison, Error> {
    validate(config)?;
    if a.is_empty() {
        return Err(Error::Nothing {
            what: "label subset",
        });
    }
    if a.len() != b.len() {
        return Err(Error::Length {
            what: "list of B's label subsets",
            found: b.len(),
            expected: a.len(),
        });
    }
    for predictions in a.iter().chain(b) {
        same_length("list of predictions", predictions, labels)?;
    }
    let mean_accuracy = |model: &[Vec<usize>]| -> Result<f64, Error> {
        let right: Result<Vec<f64>, Error> = model.iter().map(|p| top1(p, labels)).collect();
        Ok(right?.iter().sum::<f64>() / model.len() as f64)
    };
    let (accuracy_a, accuracy_b) = (mean_accuracy(a)?, mean_accuracy(b)?);
    let differences = Differences::new(a, b, labels);
    let mean = differences.mean();
    Ok(CrossedComparison {
        subsets: a.len(),
        samples: labels.len(),
        accuracy_a,
        accuracy_b,
        mean_difference: mean,
        interval: differences.interval(config),
        p: differences.p(),
    })
}

/// `D[s][i]`.
struct Differences {
    rows: Vec<Vec<i8>>,
    /// The sum of each row.
    sums: Vec<i64>,
    samples: usize,
}

impl Differences {
    fn new(a: &[Vec<usize>], b: &[Vec<usize>], labels: &[usize]) -> Self {
        let row = |(a, b): (&Vec<usize>, &Vec<usize>)| -> Vec<i8> {
            let pairs = a.iter().zip(b).zip(labels);
            pairs
                .map(|((a, b), label)| i8::from(b == label) - i8::from(a == label))
                .collect()
        };
        let rows: Vec<Vec<i8>> = a.iter().zip(b).map(row).collect();
        let sum = |row: &Vec<i8>| row.iter().map(|&d| i64::from(d)).sum();
        Self {
            sums: rows.iter().map(sum).collect(),
            rows,
            samples: labels.len(),
        }
    }

    fn cells(&self) -> f64 {
        (self.rows.len() * self.samples) as f64
    }

    fn mean(&self) -> f64 {
        self.sums.iter().sum::<i64>() as f64 / self.cells()
    }

    fn interval(&self, config: &CompareConfig) -> (f64, f64) {
        let subsets = self.rows.len();
        let widen = widening(subsets, config.confidence) - 1.0;
        let mean = self.mean();
        let mut draws: Vec<f64> = (0..config.bootstraps as u64)
            .into_par_iter()
            .map_init(
                || vec![0_i32; self.samples],
                |of_image, draw| {
                    let mut stream = Stream::new(config.seed, Purpose::Bootstrap, draw);
                    let times = self.draw_subsets(&mut stream);
                    of_image.fill(0);
                    let mut sum_of_subsets = 0;
                    for ((row, &times), sum) in self.rows.iter().zip(&times).zip(&self.sums) {
                        if times == 0 {
                            continue;
                        }
                        sum_of_subsets += i64::from(times) * sum;
                        for (total, &d) in of_image.iter_mut().zip(row) {
                            *total += times * i32::from(d);
                        }
                    }
                    let images = (0..self.samples).map(|_| {
                        let image = stream.below(self.samples as u64) as usize;
                        i64::from(of_image[image])
                    });
                    let total = images.sum::<i64>() as f64 / self.cells();
                    let by_subsets = sum_of_subsets as f64 / self.cells() - mean;
                    (total + widen * by_subsets).clamp(-1.0, 1.0)
                },
            )
            .collect();
        draws.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - config.confidence) / 2.0;
        (percentile(&draws, tail), percentile(&draws, 1.0 - tail))
    }

    /// How often each subset is drawn. The only one is drawn without a random number.
    fn draw_subsets(&self, stream: &mut Stream) -> Vec<i32> {
        let subsets = self.rows.len();
        let mut times = vec![0; subsets];
        if subsets == 1 {
            return vec![1];
        }
        for _ in 0..subsets {
            times[stream.below(subsets as u64) as usize] += 1;
        }
        times
    }

    fn p(&self) -> f64 {
        let (subsets, samples) = (self.rows.len(), self.samples);
        if let [row] = &self.rows[..] {
            let count = |side| row.iter().filter(|&&d| d == side).count();
            return exact(count(1), count(-1));
        }
        let mean = self.mean();
        let variance = |means: &mut dyn Iterator<Item = f64>, count: usize| {
            let squares: f64 = means.map(|value| (value - mean).powi(2)).sum();
            // A single one has no spread.
            squares / (count as f64 - 1.0).max(1.0) / count as f64
        };
        let mut of_subsets = self.sums.iter().map(|&sum| sum as f64 / samples as f64);
        let of_subsets = variance(&mut of_subsets, subsets);
        let of_image = |image: usize| {
            self.rows
                .iter()
                .map(|row| i64::from(row[image]))
                .sum::<i64>()
        };
        let mut of_images = (0..samples).map(|image| of_image(image) as f64 / subsets as f64);
        let of_images = variance(&mut of_images, samples);
        let both = of_subsets + of_images;
        if both == 0.0 {
            // All differences are alike: the images are all that can speak.
            let alike = if mean == 0.0 { 0 } else { samples };
            return exact(alike, 0);
        }
        let part = |variance: f64, count: usize| variance.powi(2) / (count as f64 - 1.0).max(1.0);
        let freedom = both.powi(2) / (part(of_subsets, subsets) + part(of_images, samples));
        let student = StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom above 0");
        (2.0 * student.sf(mean.abs() / both.sqrt())).min(1.0)
    }
}

/// What the subsets' part of a draw is multiplied with.
fn widening(subsets: usize, confidence: f64) -> f64 {
    if subsets < 2 {
        return 1.0;
    }
    let quantile = 1.0 - (1.0 - confidence) / 2.0;
    let freedom = (subsets - 1) as f64;
    let t = StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom above 0");
    let z = Normal::new(0.0, 1.0).expect("a standard normal distribution");
    t.inverse_cdf(quantile) / z.inverse_cdf(quantile) * (subsets as f64 / freedom).sqrt()
}

/// Between the two nearest ranks of sorted values, as NumPy's percentile.
fn percentile(sorted: &[f64], quantile: f64) -> f64 {
    let place = quantile * (sorted.len() - 1) as f64;
    let (low, high) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SplitMix, in_pool};

    fn config(bootstraps: usize, confidence: f64, seed: u64) -> CompareConfig {
        CompareConfig {
            bootstraps,
            confidence,
            seed,
            ..CompareConfig::default()
        }
    }

    /// Predictions of two models over subsets: label 1 is right. Differences have a part of the
    /// image, one of the subset and one of both, and a mean of zero.
    fn equal_models(
        subsets: usize,
        samples: usize,
        random: &mut SplitMix,
    ) -> (Vec<Vec<usize>>, Vec<Vec<usize>>, Vec<usize>) {
        let image: Vec<f32> = (0..samples).map(|_| random.normal()).collect();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..subsets {
            let subset = 0.2 * random.normal();
            let mut row = (Vec::new(), Vec::new());
            for &image in &image {
                let tilt = 0.5 * image + subset + random.normal();
                row.0.push(usize::from(tilt < 1.0));
                row.1.push(usize::from(tilt > -1.0));
            }
            a.push(row.0);
            b.push(row.1);
        }
        (a, b, vec![1; samples])
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        for (subsets, least) in [(2, 180), (5, 180), (12, 178)] {
            let mut random = SplitMix(subsets as u64);
            let mut covered = 0;
            let mut small = 0;
            for seed in 0..200 {
                let (a, b, labels) = equal_models(subsets, 120, &mut random);
                let found = compare_crossed(&a, &b, &labels, &config(300, 0.9, seed)).unwrap();
                let (low, high) = found.interval;
                covered += usize::from(low <= 0.0 && 0.0 <= high);
                small += usize::from(found.p < 0.1);
            }
            // 180 expected, standard deviation 4.2; too wide is allowed, too narrow is not.
            assert!(covered >= least - 10, "{subsets} subsets: {covered} of 200");
            assert!(small <= 20 + 12, "{subsets} subsets: {small} of 200");
        }
    }

    #[test]
    fn images_alone_or_subsets_alone_would_cover_less() {
        // What the interval is for: pooling all fits as if they were more images is too narrow.
        let mut random = SplitMix(77);
        let mut covered = [0, 0];
        for seed in 0..150 {
            let (a, b, labels) = equal_models(5, 400, &mut random);
            let pooled = (vec![a.concat()], vec![b.concat()], labels.repeat(5));
            let crossed = compare_crossed(&a, &b, &labels, &config(200, 0.9, seed)).unwrap();
            let pooled =
                compare_crossed(&pooled.0, &pooled.1, &pooled.2, &config(200, 0.9, seed)).unwrap();
            for (count, found) in covered.iter_mut().zip([crossed, pooled]) {
                let (low, high) = found.interval;
                *count += usize::from(low <= 0.0 && 0.0 <= high);
            }
        }
        assert!(covered[0] >= 125 && covered[1] < 120, "{covered:?}");
    }

    /// The slow twin: every cell of every draw, one by one.
    fn slow(
        a: &[Vec<usize>],
        b: &[Vec<usize>],
        labels: &[usize],
        config: &CompareConfig,
    ) -> (f64, f64) {
        let (subsets, samples) = (a.len(), labels.len());
        let d = |s: usize, i: usize| {
            f64::from(u8::from(b[s][i] == labels[i])) - f64::from(u8::from(a[s][i] == labels[i]))
        };
        let cells = (subsets * samples) as f64;
        let all = (0..subsets).flat_map(|s| (0..samples).map(move |i| (s, i)));
        let mean = all.map(|(s, i)| d(s, i)).sum::<f64>() / cells;
        let widen = widening(subsets, config.confidence);
        let mut draws = Vec::new();
        for draw in 0..config.bootstraps as u64 {
            let mut stream = Stream::new(config.seed, Purpose::Bootstrap, draw);
            let mut pick = |below: usize| stream.below(below as u64) as usize;
            let chosen: Vec<usize> = (0..subsets).map(|_| pick(subsets)).collect();
            let images: Vec<usize> = (0..samples).map(|_| pick(samples)).collect();
            let (mut total, mut whole) = (0.0, 0.0);
            for &s in &chosen {
                total += images.iter().map(|&i| d(s, i)).sum::<f64>() / cells;
                whole += (0..samples).map(|i| d(s, i)).sum::<f64>() / cells;
            }
            draws.push(total - (whole - mean) + widen * (whole - mean));
        }
        draws.sort_by(f64::total_cmp);
        let tail = (1.0 - config.confidence) / 2.0;
        (percentile(&draws, tail), percentile(&draws, 1.0 - tail))
    }

    #[test]
    fn the_interval_is_that_of_the_slow_twin() {
        for (subsets, samples) in [(2, 1), (3, 40), (7, 25)] {
            let (a, b, labels) = equal_models(subsets, samples, &mut SplitMix(3));
            let config = config(200, 0.95, 5);
            let fast = compare_crossed(&a, &b, &labels, &config).unwrap().interval;
            let slow = slow(&a, &b, &labels, &config);
            assert!((fast.0 - slow.0).abs() < 1e-12, "{fast:?} {slow:?}");
            assert!((fast.1 - slow.1).abs() < 1e-12, "{fast:?} {slow:?}");
        }
    }

    #[test]
    fn one_subset_is_compared_as_ever() {
        // In the order in which the plain bootstrap counts: gained, lost, the rest.
        let a: Vec<usize> = [vec![0; 30], vec![1; 12], vec![1; 58]].concat();
        let b: Vec<usize> = [vec![1; 30], vec![0; 12], vec![1; 58]].concat();
        let labels = vec![1; 100];
        let config = config(500, 0.95, 2);
        let plain = super::super::compare(&a, &b, &labels, &config).unwrap();
        let found = compare_crossed(&[a], &[b], &labels, &config).unwrap();
        assert_eq!(found.p, plain.p_exact);
        assert_eq!(found.mean_difference, 0.18);
        let (low, high) = (
            found.interval.0 - plain.interval.0,
            found.interval.1 - plain.interval.1,
        );
        assert!(
            low.abs() < 1e-12 && high.abs() < 1e-12,
            "{found:?} {plain:?}"
        );
    }

    #[test]
    fn equal_and_opposite_models_have_their_p_values() {
        let right = vec![vec![1; 10]; 3];
        let wrong = vec![vec![0; 10]; 3];
        let labels = vec![1; 10];
        let same = compare_crossed(&right, &right, &labels, &config(50, 0.9, 0)).unwrap();
        assert_eq!((same.p, same.interval), (1.0, (0.0, 0.0)));
        let all = compare_crossed(&wrong, &right, &labels, &config(50, 0.9, 0)).unwrap();
        assert!((all.p - 2.0 * 0.5_f64.powi(10)).abs() < 1e-12, "{}", all.p);
        assert_eq!(
            (all.accuracy_a, all.accuracy_b, all.interval),
            (0.0, 1.0, (1.0, 1.0))
        );
    }

    #[test]
    fn widening_is_that_of_the_tables() {
        // t(0.975, 4) = 2.776445, z(0.975) = 1.959964
        let expected = 2.776_445 / 1.959_964 * (5.0_f64 / 4.0).sqrt();
        assert!((widening(5, 0.95) - expected).abs() < 1e-5);
        assert_eq!(widening(1, 0.95), 1.0);
        assert!(widening(1000, 0.95) < 1.01);
    }

    #[test]
    fn the_number_of_threads_changes_nothing_and_bad_input_is_named() {
        let (a, b, labels) = equal_models(4, 50, &mut SplitMix(9));
        let run = |threads| {
            in_pool(threads, || {
                compare_crossed(&a, &b, &labels, &config(100, 0.9, 0)).unwrap()
            })
        };
        assert_eq!(run(1), run(3));
        let error = |a: &[Vec<usize>], b: &[Vec<usize>]| {
            compare_crossed(a, b, &labels, &config(9, 0.9, 0))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(&[], &[]),
            "no label subset given, expected at least 1"
        );
        assert!(error(&a, &b[..3]).contains("label subsets has 3 entries, expected 4"));
        assert!(error(&[vec![1]], &[vec![1]]).contains("list of predictions has 1 entries"));
    }

    #[test]
    fn an_interval_ends_where_a_difference_can_end() {
        let labels = vec![0; 40];
        let right =
            |count: usize| -> Vec<usize> { (0..40).map(|i| usize::from(i >= count)).collect() };
        let (a, b) = ([right(10), right(12)], [right(12), right(30)]);
        // As of 24 lines that hold at once.
        let strict = config(300, 1.0 - 0.05 / 24.0, 0);
        let (low, high) = compare_crossed(&a, &b, &labels, &strict).unwrap().interval;
        assert_eq!((low, high), (-1.0, 1.0), "two subsets say next to nothing");
        let usual = config(300, 0.5, 0);
        let (low, high) = compare_crossed(&a, &b, &labels, &usual).unwrap().interval;
        assert!(-1.0 < low && low < high && high < 1.0, "{low} to {high}");
    }
}
