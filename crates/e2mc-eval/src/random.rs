//! Random numbers by position: one stream for each (seed, purpose, index), so that no draw depends
//! on another's order.

use e2mc_base::random::{self, Range};

/// What a stream is for; streams of different purposes never overlap.
#[derive(Clone, Copy, Debug)]
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

/// The random numbers of one (seed, purpose, index); ranges are drawn as remainders.
pub(crate) struct Stream(random::Stream);

impl Stream {
    /// Opens the stream.
    pub(crate) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self(random::Stream::at([seed, purpose as u64, index, 0]))
    }

    /// Uniform in `0..bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        Range::Remainder.below(&mut self.0, bound)
    }

    /// Uniform in `0..bound` up to a bias of `bound / 2^32`.
    #[inline]
    pub(crate) fn pick(&mut self, bound: u32) -> u32 {
        self.0.pick(bound)
    }

    /// 64 fair coins.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.bits()
    }

    /// Puts `items` in a uniformly random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        Range::Remainder.shuffle(&mut self.0, items);
    }

    /// Uniform in [0, 1) with 32 random bits.
    #[cfg(test)]
    pub(crate) fn unit(&mut self) -> f64 {
        self.0.uniform_f64()
    }

    /// Fills `values` with normal numbers of mean 0 and the given standard deviation.
    pub(crate) fn fill_normal(&mut self, values: &mut [f32], deviation: f64) {
        self.0.fill_normal(values, deviation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_every_purpose_never_change() {
        // Results of earlier versions can only be had again while these hold.
        use Purpose::*;
        for (purpose, order, below, bits, pick) in [
            (
                Weights,
                [0, 3, 2, 4, 6, 1, 5, 7],
                [47, 247185762604199647],
                9985422694221729661,
                13,
            ),
            (
                Order,
                [6, 0, 3, 2, 1, 4, 7, 5],
                [589, 94272803084660086],
                8290557055218759026,
                45,
            ),
            (
                Folds,
                [4, 3, 2, 5, 0, 7, 1, 6],
                [38, 6981340430878094870],
                15343337332706263987,
                518,
            ),
            (
                Sample,
                [6, 3, 5, 7, 0, 1, 4, 2],
                [418, 2178364580190596197],
                9606590871824869855,
                847,
            ),
            (
                Ties,
                [6, 7, 3, 0, 4, 5, 2, 1],
                [993, 1780999770465201687],
                17646268710351706193,
                962,
            ),
            (
                Permutation,
                [5, 2, 1, 4, 6, 7, 3, 0],
                [280, 4965929598800179418],
                14310521319477422064,
                753,
            ),
            (
                Bootstrap,
                [4, 6, 1, 7, 0, 2, 5, 3],
                [603, 2816442628887722119],
                17577544609266518996,
                83,
            ),
            (
                Coordinates,
                [3, 1, 5, 4, 2, 0, 7, 6],
                [406, 4937725616342002116],
                3304099629677950397,
                340,
            ),
        ] {
            let mut items = [0, 1, 2, 3, 4, 5, 6, 7];
            Stream::new(7, purpose, 3).shuffle(&mut items);
            assert_eq!(items, order, "{purpose:?}");
            let mut stream = Stream::new(7, purpose, 3);
            let found = [stream.below(1000), stream.below(u64::MAX / 2 + 2)];
            assert_eq!(found, below, "{purpose:?}");
            assert_eq!(
                (stream.bits(), stream.pick(1000)),
                (bits, pick),
                "{purpose:?}"
            );
        }
    }

    #[test]
    fn the_first_weights_never_change() {
        let mut values = [0.0_f32; 5];
        Stream::new(7, Purpose::Weights, 3).fill_normal(&mut values, 0.01);
        let expected = [3151057451, 1013508233, 1009255710, 3165824685, 1004517283];
        // Logarithm, sine and cosine are the system's: they may differ in the last digit.
        for (value, bits) in values.iter().zip(expected) {
            let expected = f32::from_bits(bits);
            assert!(
                (value - expected).abs() <= 1e-6 * expected.abs(),
                "{values:?}"
            );
        }
    }
}
