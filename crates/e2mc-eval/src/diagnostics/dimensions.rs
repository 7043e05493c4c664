//! What single dimensions and pairs of them are worth: dead ones, copies of each other, covariance
//! and correlation.
//!
//! From the moments of all rows. A dimension is dead if its standard deviation is under 1 % of the
//! root mean square of all; a constant one always is. Two live dimensions are copies if their
//! correlation is beyond 0.999, of either sign.

use super::moments::Moments;

/// Dead is less than this share of the root mean square standard deviation.
const DEAD: f64 = 0.01;
/// Copies have at least this correlation, of either sign.
const COPY: f64 = 0.999;

/// A pair of dimensions, the lower first, with their correlation.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct CorrelatedPair {
    /// Zero-based.
    pub first: usize,
    /// Zero-based, above `first`.
    pub second: usize,
    /// Pearson's, -1 to 1.
    pub correlation: f64,
}

/// The dimensions one by one and two by two.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Dimensions {
    /// The mean of each dimension.
    pub mean: Vec<f64>,
    /// The standard deviation of each dimension, of the population.
    pub deviation: Vec<f64>,
    /// The root mean square of the standard deviations.
    pub rms_deviation: f64,
    /// Dimensions that are nearly constant, zero-based.
    pub dead: Vec<usize>,
    /// Groups of at least two live dimensions that are copies of each other.
    pub duplicates: Vec<Vec<usize>>,
    /// Sum of the squared off-diagonal covariances over `d`, of the values as they are (VICReg's
    /// covariance term, with the population's `1/n`).
    pub covariance: f64,
    /// Mean of the absolute correlation over all pairs of live dimensions; of independent ones
    /// about `0.8 / sqrt n`.
    pub mean_absolute_correlation: f64,
    /// Root mean square of the correlation over all pairs of live dimensions.
    pub rms_correlation: f64,
    /// The pair with the largest absolute correlation; none if fewer than two dimensions live.
    pub most_correlated: Option<CorrelatedPair>,
    /// How many pairs have an absolute correlation in `[0, 0.02)`, `[0.02, 0.04)`, ...,
    /// `[0.98, 1]`.
    pub correlation_histogram: Vec<u64>,
}

impl Dimensions {
    /// Dimensions that carry nothing of their own beyond another live one.
    pub fn redundant(&self) -> usize {
        self.duplicates.iter().map(|group| group.len() - 1).sum()
    }

    /// Those that are not nearly constant.
    pub(super) fn live(&self) -> Vec<usize> {
        let dead = |j: &usize| self.dead.binary_search(j).is_ok();
        (0..self.deviation.len()).filter(|j| !dead(j)).collect()
    }

    pub(super) fn measure(moments: &Moments) -> Self {
        const BINS: usize = 50;
        let d = moments.dims();
        let deviation = moments.deviations();
        let rms_deviation = (deviation.iter().map(|s| s * s).sum::<f64>() / d as f64).sqrt();
        let alive: Vec<bool> = deviation
            .iter()
            .map(|&s| s > 0.0 && s >= DEAD * rms_deviation)
            .collect();
        let mut copies = Groups::new(d);
        let (mut squares, mut absolute, mut correlations) = (0.0, 0.0, 0.0);
        let mut pairs = 0_usize;
        let mut most: Option<CorrelatedPair> = None;
        let mut histogram = vec![0; BINS];
        for i in 0..d {
            let line = &moments.covariance[i * d..][..d];
            for j in 0..i {
                squares += 2.0 * line[j] * line[j];
                if !(alive[i] && alive[j]) {
                    continue;
                }
                let r = (line[j] / (deviation[i] * deviation[j])).clamp(-1.0, 1.0);
                pairs += 1;
                absolute += r.abs();
                correlations += r * r;
                histogram[((r.abs() * BINS as f64) as usize).min(BINS - 1)] += 1;
                if most.is_none_or(|most| r.abs() > most.correlation.abs()) {
                    most = Some(CorrelatedPair {
                        first: j,
                        second: i,
                        correlation: r,
                    });
                }
                if r.abs() >= COPY {
                    copies.join(i, j);
                }
            }
        }
        let of_pairs = |sum: f64| if pairs > 0 { sum / pairs as f64 } else { 0.0 };
        Self {
            mean: moments.mean.clone(),
            rms_deviation,
            dead: (0..d).filter(|&j| !alive[j]).collect(),
            duplicates: copies.into_groups(),
            covariance: squares / d as f64,
            mean_absolute_correlation: of_pairs(absolute),
            rms_correlation: of_pairs(correlations).sqrt(),
            most_correlated: most,
            correlation_histogram: histogram,
            deviation,
        }
    }
}

/// Sets that grow together.
struct Groups {
    leader: Vec<usize>,
}

impl Groups {
    fn new(len: usize) -> Self {
        Self {
            leader: (0..len).collect(),
        }
    }

    fn find(&mut self, mut of: usize) -> usize {
        while self.leader[of] != of {
            self.leader[of] = self.leader[self.leader[of]];
            of = self.leader[of];
        }
        of
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        // The lowest member leads.
        self.leader[a.max(b)] = a.min(b);
    }

    /// The groups of at least two, by their lowest member.
    fn into_groups(mut self) -> Vec<Vec<usize>> {
        let mut groups: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
        for member in 0..self.leader.len() {
            groups.entry(self.find(member)).or_default().push(member);
        }
        groups
            .into_values()
            .filter(|group| group.len() > 1)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SplitMix;
    use e2mc::Matrix;

    #[test]
    fn dead_and_copied_dimensions_are_named() {
        let mut random = SplitMix(4);
        let data: Vec<f32> = (0..3000)
            .flat_map(|_| {
                let [a, b, c] = [random.normal(), random.normal(), random.normal()];
                // Constant, a faint one, a copy, a negated scaled copy with an offset, a half
                // mixture.
                [a, 7.0, b, 1e-3 * c, a, 5.0 - 3.0 * a, c, 0.6 * b + 0.8 * c]
            })
            .collect();
        let z = Matrix::new(data, 3000, 8).unwrap();
        let (moments, _) = Moments::measure(&z.view(), &[]).unwrap();
        let found = Dimensions::measure(&moments);
        assert_eq!(found.dead, [1, 3]);
        assert_eq!(found.duplicates, [[0, 4, 5]]);
        assert_eq!(found.redundant(), 2);
        let most = found.most_correlated.unwrap();
        assert_eq!((most.first, most.second), (0, 4));
        assert!((most.correlation - 1.0).abs() < 1e-12);
        // Of the 15 pairs: 3 copies at 1, b-mix 0.6, c-mix 0.8, the others about 0.
        assert!((found.mean_absolute_correlation - 4.4 / 15.0).abs() < 0.02);
        assert!((found.rms_correlation - (4.0_f64 / 15.0).sqrt()).abs() < 0.01);
        assert_eq!(found.correlation_histogram.iter().sum::<u64>(), 15);
        assert_eq!(found.correlation_histogram[49], 3);
    }

    #[test]
    fn the_covariance_is_that_of_two_loops() {
        let mut random = SplitMix(5);
        let mut z = Matrix::zeros(40, 3);
        z.data_mut().iter_mut().for_each(|v| *v = random.normal());
        let (moments, _) = Moments::measure(&z.view(), &[]).unwrap();
        let column = |j: usize| z.data().iter().skip(j).step_by(3).map(|&v| f64::from(v));
        let mean = |j: usize| column(j).sum::<f64>() / 40.0;
        let mut expected = 0.0;
        for i in 0..3 {
            for j in (0..3).filter(|&j| j != i) {
                let c = column(i)
                    .zip(column(j))
                    .map(|(a, b)| (a - mean(i)) * (b - mean(j)))
                    .sum::<f64>()
                    / 40.0;
                expected += c * c / 3.0;
            }
        }
        assert!((Dimensions::measure(&moments).covariance - expected).abs() < 1e-12);
    }

    #[test]
    fn where_everything_is_constant_everything_is_dead() {
        let z = Matrix::new(vec![0.1; 30], 10, 3).unwrap();
        let (moments, _) = Moments::measure(&z.view(), &[]).unwrap();
        let found = Dimensions::measure(&moments);
        assert_eq!(found.dead, [0, 1, 2]);
        assert!(found.most_correlated.is_none() && found.duplicates.is_empty());
        assert_eq!(
            (found.covariance, found.mean_absolute_correlation),
            (0.0, 0.0)
        );
    }
}
