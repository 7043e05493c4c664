//! Random numbers by position: a stream of its own for every position, four numbers such as (seed,
//! epoch, index, view).
//!
//! Nothing is shared between streams, so what is drawn at a position does not depend on which
//! thread draws, or when. ChaCha8 is keyed by the four numbers themselves; the mappings to floats
//! and ranges are our own, so that no library update changes them. Which position is used for what
//! is decided by the crate that draws.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// An endless sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a position, from its start.
    #[inline]
    pub fn at(position: [u64; 4]) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip(position) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 64 fair coins.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `bytes` with fair coins, four bytes a draw.
    #[inline(always)]
    pub fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A multiple of 2^-24, uniform in `[0, 1)`.
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// A multiple of 2^-32, uniform in `[0, 1)`.
    #[inline]
    pub fn uniform_f64(&mut self) -> f64 {
        f64::from(self.0.next_u32()) * 2.0_f64.powi(-32)
    }

    /// Uniform between `low` and `high`.
    #[inline]
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// True with this probability: never for 0, always for 1.
    #[inline]
    pub fn bernoulli(&mut self, probability: f32) -> bool {
        self.uniform() < probability
    }

    /// Uniform in `0..n`, without bias, as [`Range::Product`] maps it. `n` must not be 0.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        Range::Product.below(self, n as u64) as usize
    }

    /// Uniform in `0..n` up to a bias of `n / 2^32`, for orders that are drawn in inner loops.
    #[inline]
    pub fn pick(&mut self, n: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(n)) >> 32) as u32
    }

    /// The numbers `0..n` in random order, as [`Range::Product`] draws it.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// Puts the items in random order, every order equally likely, as [`Range::Product`] draws it.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        Range::Product.shuffle(self, items);
    }

    /// Fills `values` with normal numbers of mean 0 and the given standard deviation (Box-Muller).
    pub fn fill_normal(&mut self, values: &mut [f32], deviation: f64) {
        for pair in values.chunks_mut(2) {
            // (0, 1], so that the logarithm is finite
            let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt() * deviation;
            let (sin, cos) = (std::f64::consts::TAU * self.uniform_f64()).sin_cos();
            for (value, direction) in pair.iter_mut().zip([cos, sin]) {
                *value = (radius * direction) as f32;
            }
        }
    }
}

/// How 64 random bits become a number below a bound. Both ways are without bias; published numbers
/// were drawn in either, so both stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The high half of the product of bits and bound: one multiplication. Images are drawn so.
    Product,
    /// The remainder of the bits: one division. Evaluations are drawn so.
    Remainder,
}

impl Range {
    /// Uniform in `0..bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    #[inline]
    pub fn below(self, stream: &mut Stream, bound: u64) -> u64 {
        assert!(bound > 0, "no number below 0");
        match self {
            // The few products that would make low numbers likelier are redrawn.
            Self::Product => loop {
                let product = u128::from(stream.bits()) * u128::from(bound);
                if product as u64 >= bound.wrapping_neg() % bound {
                    return (product >> 64) as u64;
                }
            },
            // Draws beyond the last whole multiple of the bound are taken again.
            Self::Remainder => {
                let zone = u64::MAX - u64::MAX % bound;
                loop {
                    let draw = stream.bits();
                    if draw < zone {
                        return draw % bound;
                    }
                }
            }
        }
    }

    /// Puts the items in random order, every order equally likely (Fisher-Yates).
    pub fn shuffle<T>(self, stream: &mut Stream, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(stream, last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_never_change() {
        // Results of earlier versions can only be had again while these hold.
        let mut numbers = Stream::at([1, 2, 3, 4]);
        let words: [u32; 4] = std::array::from_fn(|_| numbers.0.next_u32());
        assert_eq!(words, [2921608188, 284948456, 2826778254, 1482866815]);
        let mut bytes = [0; 16];
        Stream::at([1, 2, 3, 4]).fill_bytes(&mut bytes);
        assert_eq!(bytes.as_chunks::<4>().0, words.map(u32::to_le_bytes));
        let order = Stream::at([1, 2, 3, 4]).permutation(8);
        assert_eq!(order, [4, 6, 3, 7, 5, 1, 2, 0]);
        let mut s = Stream::at([7, 3, 11, 1]);
        let uniform = [s.uniform(), s.uniform(), s.range(-2.0, 3.0)].map(f32::to_bits);
        assert_eq!(uniform, [1064994780, 1048150492, 1070574188]);
        assert_eq!(
            [s.below(10), s.below(3_000_000_000_000)],
            [1, 2728208355877]
        );
        let mut s = Stream::at([7, 6, 3, 0]);
        let remainder = [1000, u64::MAX / 2 + 2].map(|n| Range::Remainder.below(&mut s, n));
        assert_eq!(remainder, [280, 4965929598800179418]);
        assert_eq!((s.bits(), s.pick(1000)), (14310521319477422064, 753));
        assert_eq!(s.uniform_f64().to_bits(), 4601351221809250304);
        let mut items = [0, 1, 2, 3, 4, 5, 6, 7];
        Range::Remainder.shuffle(&mut Stream::at([7, 6, 3, 0]), &mut items);
        assert_eq!(items, [5, 2, 1, 4, 6, 7, 3, 0]);
    }

    #[test]
    fn every_position_has_its_own_stream() {
        let positions = [
            [0, 0, 0, 0],
            [1, 0, 0, 0],
            [0, 1, 0, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 1],
        ];
        let firsts = positions.map(|position| Stream::at(position).bits());
        for (number, first) in firsts.iter().enumerate() {
            assert!(!firsts[..number].contains(first));
        }
        assert_eq!(Stream::at([1, 0, 0, 0]).bits(), firsts[1]);
    }

    #[test]
    fn uniform_fills_the_unit_interval_evenly() {
        let mut stream = Stream::at([0, 0, 0, 0]);
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
        for range in [Range::Product, Range::Remainder] {
            let mut stream = Stream::at([0, 0, 0, 1]);
            let mut counts = [0_i32; 7];
            for _ in 0..70_000 {
                counts[range.below(&mut stream, 7) as usize] += 1;
            }
            // Chi-square with 6 degrees of freedom, the quantile of 0.9999.
            let chi: f64 = counts
                .iter()
                .map(|&count| f64::from((count - 10_000).pow(2)) / 1e4)
                .sum();
            assert!(chi < 27.9, "{range:?}: {chi}: {counts:?}");
            assert_eq!(range.below(&mut stream, 1), 0);
        }
    }

    #[test]
    fn certainties_are_certain() {
        let mut stream = Stream::at([0, 0, 0, 2]);
        assert!((0..10_000).all(|_| stream.bernoulli(1.0)));
        assert!(!(0..10_000).any(|_| stream.bernoulli(0.0)));
        assert_eq!(stream.range(2.5, 2.5), 2.5);
    }

    #[test]
    fn orders_are_permutations_and_even() {
        for range in [Range::Product, Range::Remainder] {
            let mut counts = [[0_i32; 5]; 5];
            for index in 0..20_000 {
                let mut order = [0, 1, 2, 3, 4];
                range.shuffle(&mut Stream::at([0, 0, index, 0]), &mut order);
                for (place, &number) in order.iter().enumerate() {
                    counts[place][number] += 1;
                }
            }
            for row in counts {
                assert_eq!(row.iter().sum::<i32>(), 20_000);
                // Each cell is binomial (20000, 1/5): 4000, standard deviation 57.
                let even = row.iter().all(|count| (count - 4000).abs() < 290);
                assert!(even, "{range:?}: {counts:?}");
            }
        }
    }

    #[test]
    fn normal_numbers_have_the_moments_of_a_normal_distribution() {
        let mut values = vec![0.0_f32; 100_001];
        Stream::at([1, 1, 0, 0]).fill_normal(&mut values, 0.01);
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
