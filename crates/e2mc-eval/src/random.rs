//! Seeded randomness: one ChaCha8 stream for each (seed, purpose, index), so that no draw depends on another's order.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for; streams of different purposes never overlap.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// The initial weights of a linear probe.
    Weights = 1,
    /// The order of the samples in one epoch; the index is the epoch.
    Order = 2,
    /// The split of one class into folds; the index is the class.
    Folds = 3,
    /// The rows that a diagnostic looks at; the index is the place in the sample.
    Sample = 4,
    /// The order among equal values of one dimension; the index is the dimension.
    Ties = 5,
    /// One random exchange of two models' results; the index is the draw.
    Permutation = 6,
    /// One sample with replacement; the index is the draw.
    Bootstrap = 7,
    /// The order of the coordinates in dual coordinate descent; the index is the class.
    Coordinates = 8,
}

/// The random numbers of one (seed, purpose, index).
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    /// Opens the stream; the key is made of the three numbers themselves.
    pub(crate) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, index]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in `0..bound`, without bias: draws beyond the last whole multiple of `bound` are taken again.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let zone = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.0.next_u64();
            if draw < zone {
                return draw % bound;
            }
        }
    }

    /// Uniform in `0..bound` up to a bias of `bound / 2^32`, for orders drawn in inner loops.
    pub(crate) fn pick(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// 64 fair coins.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Puts `items` in a uniformly random order (Fisher-Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// Fills `values` with normal numbers of mean 0 and the given standard deviation (Box-Muller).
    pub(crate) fn fill_normal(&mut self, values: &mut [f32], deviation: f64) {
        for pair in values.chunks_mut(2) {
            // (0, 1], so that the logarithm is finite
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt() * deviation;
            let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
            for (value, direction) in pair.iter_mut().zip([cos, sin]) {
                *value = (radius * direction) as f32;
            }
        }
    }

    /// Uniform in [0, 1) with 32 random bits.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) * 2.0_f64.powi(-32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_each_part_of_the_key() {
        let draw = |seed, purpose, index| Stream::new(seed, purpose, index).0.next_u64();
        assert_eq!(draw(7, Purpose::Order, 3), draw(7, Purpose::Order, 3));
        let draws = [
            draw(7, Purpose::Order, 3),
            draw(8, Purpose::Order, 3),
            draw(7, Purpose::Folds, 3),
            draw(7, Purpose::Order, 4),
        ];
        for (i, a) in draws.iter().enumerate() {
            assert!(draws[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_every_place_is_as_likely() {
        let mut counts = [[0_u32; 5]; 5];
        for seed in 0..4000 {
            let mut items = [0, 1, 2, 3, 4];
            Stream::new(seed, Purpose::Order, 0).shuffle(&mut items);
            for (place, &item) in items.iter().enumerate() {
                counts[item][place] += 1;
            }
        }
        for row in counts {
            assert_eq!(row.iter().sum::<u32>(), 4000);
            // 800 expected, standard deviation 25
            assert!(row.iter().all(|&c| (675..=925).contains(&c)), "{counts:?}");
        }
    }

    #[test]
    fn normal_numbers_have_the_moments_of_a_normal_distribution() {
        let mut values = vec![0.0_f32; 100_001];
        Stream::new(1, Purpose::Weights, 0).fill_normal(&mut values, 0.01);
        let moment = |power| {
            values
                .iter()
                .map(|&v| (f64::from(v) / 0.01).powi(power))
                .sum::<f64>()
                / values.len() as f64
        };
        assert!(moment(1).abs() < 0.015);
        assert!((moment(2) - 1.0).abs() < 0.02);
        assert!((moment(4) - 3.0).abs() < 0.15);
        assert!(values.iter().all(|v| v.is_finite()));
    }
}
