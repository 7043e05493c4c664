//! Counter-based randomness: a stream of numbers for every (seed, epoch, index, view).
//!
//! Nothing is shared between streams, so the numbers that a view gets do not depend on which
//! thread makes it, or when. ChaCha8 keyed by the four numbers; the mappings to floats and ranges
//! are our own, so that no library update changes them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for when it belongs to no view; takes the place of the index.
pub(crate) mod purpose {
    /// The order of an epoch.
    pub(crate) const ORDER: u64 = u64::MAX;
    /// The choice of a stratified subset, one stream a class.
    pub(crate) const SUBSET: u64 = u64::MAX - 1;
    /// The choice of a hold-out, one stream a class.
    pub(crate) const HOLD_OUT: u64 = u64::MAX - 2;
    /// What takes the place of a bad image, one stream an image.
    pub(crate) const SUBSTITUTE: u64 = u64::MAX - 3;
}

/// An endless sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

/// The stream of (seed, epoch, index, view), from its start.
pub fn stream(seed: u64, epoch: u64, index: u64, view: u64) -> Stream {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, epoch, index, view]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Stream(ChaCha8Rng::from_seed(key))
}

impl Stream {
    /// A multiple of 2^-24, uniform in `[0, 1)`.
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Uniform between `low` and `high`.
    #[inline]
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in `0..n`, without bias. `n` must not be 0.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "no number below 0");
        // Multiply and shift; the few products that would make low numbers likelier are redrawn.
        let n = n as u64;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(n);
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// True with this probability: never for 0, always for 1.
    #[inline]
    pub fn bernoulli(&mut self, probability: f32) -> bool {
        self.uniform() < probability
    }

    /// The numbers `0..n` in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// Puts the items in random order, every order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_never_change() {
        // Results of earlier versions can only be had again while these hold.
        let mut numbers = stream(1, 2, 3, 4);
        let words: [u32; 4] = std::array::from_fn(|_| numbers.0.next_u32());
        assert_eq!(words, [2921608188, 284948456, 2826778254, 1482866815]);
        assert_eq!(stream(1, 2, 3, 4).permutation(8), [4, 6, 3, 7, 5, 1, 2, 0]);
    }

    #[test]
    fn every_key_has_its_own_stream() {
        let keys = [
            (0, 0, 0, 0),
            (1, 0, 0, 0),
            (0, 1, 0, 0),
            (0, 0, 1, 0),
            (0, 0, 0, 1),
        ];
        let firsts = keys.map(|(a, b, c, d)| stream(a, b, c, d).below(usize::MAX));
        for (number, first) in firsts.iter().enumerate() {
            assert!(!firsts[..number].contains(first));
        }
    }

    #[test]
    fn uniform_fills_the_unit_interval_evenly() {
        let mut stream = stream(0, 0, 0, 0);
        let numbers: Vec<f64> = (0..100_000).map(|_| f64::from(stream.uniform())).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let square = numbers.iter().map(|number| number * number).sum::<f64>() / 1e5;
        // Five standard errors.
        assert!(
            (mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / 1e5f64).sqrt(),
            "{mean}"
        );
        assert!(
            (square - 1.0 / 3.0).abs() < 5.0 * (4.0 / 45.0 / 1e5f64).sqrt(),
            "{square}"
        );
    }

    #[test]
    fn below_is_even() {
        let mut stream = stream(0, 0, 0, 1);
        let mut counts = [0_i32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7)] += 1;
        }
        // Chi-square with 6 degrees of freedom, the quantile of 0.9999.
        let chi: f64 = counts
            .iter()
            .map(|&count| f64::from((count - 10_000).pow(2)) / 1e4)
            .sum();
        assert!(chi < 27.9, "{chi}: {counts:?}");
        assert_eq!(stream.below(1), 0);
    }

    #[test]
    fn certainties_are_certain() {
        let mut stream = stream(0, 0, 0, 2);
        assert!((0..10_000).all(|_| stream.bernoulli(1.0)));
        assert!(!(0..10_000).any(|_| stream.bernoulli(0.0)));
        assert_eq!(stream.range(2.5, 2.5), 2.5);
    }

    #[test]
    fn permutations_are_even() {
        let mut counts = [[0_i32; 5]; 5];
        for index in 0..20_000 {
            let order = stream(0, 0, index, 0).permutation(5);
            for (place, &number) in order.iter().enumerate() {
                counts[place][number] += 1;
            }
        }
        // Each cell is binomial (20000, 1/5): 4000, standard deviation 57.
        assert!(
            counts
                .iter()
                .flatten()
                .all(|count| (count - 4000).abs() < 290),
            "{counts:?}"
        );
    }
}
