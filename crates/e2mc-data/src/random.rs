//! Random numbers by position: a stream for every (seed, epoch, index, view), and for what belongs
//! to no view.

pub use e2mc_base::random::Stream;

/// What a stream is for when it belongs to no view; takes the place of the index.
pub(crate) mod purpose {
    /// The order of an epoch.
    pub(crate) const ORDER: u64 = u64::MAX;
    // The next two are those of label subsets and hold-outs: `e2mc_base::subset`.
    /// What takes the place of a bad image, one stream an image.
    pub(crate) const SUBSTITUTE: u64 = u64::MAX - 3;
}

/// The stream of (seed, epoch, index, view), from its start.
pub fn stream(seed: u64, epoch: u64, index: u64, view: u64) -> Stream {
    Stream::at([seed, epoch, index, view])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_view_never_change() {
        // Results of earlier versions can only be had again while these hold.
        let mut numbers = stream(7, 3, 11, 1);
        let uniform = [numbers.uniform(), numbers.uniform()].map(f32::to_bits);
        assert_eq!(uniform, [1064994780, 1048150492]);
        assert_eq!(numbers.range(-2.0, 3.0).to_bits(), 1070574188);
        let below = [numbers.below(10), numbers.below(3_000_000_000_000)];
        assert_eq!(below, [1, 2728208355877]);
        assert_eq!(stream(1, 2, 3, 4).permutation(8), [4, 6, 3, 7, 5, 1, 2, 0]);
    }

    #[test]
    fn the_numbers_of_every_purpose_never_change() {
        for (purpose, order, below) in [
            (purpose::ORDER, [7, 5, 4, 1, 3, 6, 2, 0], [47, 292, 491]),
            (
                purpose::SUBSTITUTE,
                [0, 5, 2, 1, 3, 4, 6, 7],
                [956, 910, 674],
            ),
        ] {
            let mut numbers = stream(7, 3, purpose, 5);
            assert_eq!(numbers.clone().permutation(8), order);
            assert_eq!(below.map(|_| numbers.below(1000)), below);
        }
    }
}
