//! Label subsets and hold-outs by labels alone: which rows of a labelled set are chosen, each class
//! in proportion.
//!
//! The number is exact. Every class is kept if there are rows enough for all. With the same seed a
//! larger subset of a class holds its smaller ones. What is chosen depends on the labels, the
//! number and the seed, on nothing else: images and embeddings of the same labels give the same
//! rows.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::random::Stream;

/// What rows are chosen for; choices for different purposes do not depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A subset to learn from.
    Learn,
    /// A hold-out to test on.
    HoldOut,
}

impl Purpose {
    /// Takes the place of an image's index, far beyond all of those.
    fn index(self) -> u64 {
        match self {
            Self::Learn => u64::MAX - 1,
            Self::HoldOut => u64::MAX - 2,
        }
    }
}

/// A number of rows that cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubsetError {
    /// A fraction out of range.
    #[error("a fraction of {fraction}, expected a fraction above 0 and at most 1")]
    Fraction {
        /// The fraction found.
        fraction: f64,
    },
    /// A fraction of less than one row.
    #[error("a fraction of {fraction} of {rows} rows, expected a fraction of at least one row")]
    Nothing {
        /// The fraction found.
        fraction: f64,
        /// All rows.
        rows: usize,
    },
}

/// How many rows a fraction of `rows` is, in `(0, 1]`, rounded to whole rows.
///
/// # Errors
/// A fraction that is out of range or of less than one row.
pub fn count_of(fraction: f64, rows: usize) -> Result<usize, SubsetError> {
    if !(0.0 < fraction && fraction <= 1.0) {
        return Err(SubsetError::Fraction { fraction });
    }
    match (rows as f64 * fraction).round() as usize {
        0 => Err(SubsetError::Nothing { fraction, rows }),
        count => Ok(count),
    }
}

/// The rows of a fraction of the labels, in `(0, 1]`, in rising order; see [`stratified`].
///
/// # Errors
/// As [`count_of`].
pub fn fraction(labels: &[usize], fraction: f64, seed: u64) -> Result<Vec<usize>, SubsetError> {
    let count = count_of(fraction, labels.len())?;
    Ok(stratified(labels, count, 0, seed, Purpose::Learn))
}

/// Chooses `count` rows, classes in proportion, in rising order; fewer where `spared` rows of each
/// class, or `labels`, do not allow for that many.
pub fn stratified(
    labels: &[usize],
    count: usize,
    spared: usize,
    seed: u64,
    purpose: Purpose,
) -> Vec<usize> {
    let mut members: Vec<Vec<usize>> =
        vec![Vec::new(); labels.iter().max().map_or(0, |&label| label + 1)];
    for (index, &label) in labels.iter().enumerate() {
        members[label].push(index);
    }
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let mut lots = Stream::at([seed, 0, purpose.index(), u64::MAX]);
    let count = count.min(labels.len());
    let shares = shares(&sizes, count, spared, &mut lots);
    let mut chosen = Vec::with_capacity(count);
    for (class, (mut members, share)) in members.into_iter().zip(shares).enumerate() {
        Stream::at([seed, 0, purpose.index(), class as u64]).shuffle(&mut members);
        chosen.extend_from_slice(&members[..share]);
    }
    chosen.sort_unstable();
    chosen
}

/// How many rows each class gives: its proportion of `count` cut off to whole rows, but one
/// at least where `count` allows; what is then missing goes to the largest remainders, ties by lot.
/// `spared` rows of each class stay, even if less than `count` comes together.
fn shares(sizes: &[usize], count: usize, spared: usize, stream: &mut Stream) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    let classes = sizes.iter().filter(|&&size| size > 0).count();
    let quota = |class: usize| sizes[class] as f64 * count as f64 / total as f64;
    let least = usize::from(count >= classes);
    let most = |class: usize| sizes[class].saturating_sub(spared);
    let count = count.min((0..sizes.len()).map(most).sum());
    let mut shares: Vec<usize> = (0..sizes.len())
        .map(|class| (quota(class) as usize).max(least).min(most(class)))
        .collect();
    let mut given: usize = shares.iter().sum();
    let lots = stream.permutation(sizes.len());
    let entry = |shares: &[usize], class: usize| Entry {
        below: quota(class) - shares[class] as f64,
        lot: lots[class],
        class,
    };
    let possible = "`count` lies between the least and the most that the classes can give";
    if given < count {
        let open = (0..sizes.len()).filter(|&class| shares[class] < most(class));
        let mut open: BinaryHeap<Entry> = open.map(|class| entry(&shares, class)).collect();
        while given < count {
            let class = open.pop().expect(possible).class;
            shares[class] += 1;
            given += 1;
            if shares[class] < most(class) {
                open.push(entry(&shares, class));
            }
        }
    } else {
        let open = (0..sizes.len()).filter(|&class| shares[class] > least);
        let mut open: BinaryHeap<Reverse<Entry>> =
            open.map(|class| Reverse(entry(&shares, class))).collect();
        while given > count {
            let class = open.pop().expect(possible).0.class;
            shares[class] -= 1;
            given -= 1;
            if shares[class] > least {
                open.push(Reverse(entry(&shares, class)));
            }
        }
    }
    shares
}

/// How far a class lies below its proportion, the lot deciding between equals.
struct Entry {
    below: f64,
    lot: usize,
    class: usize,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        let below = self.below.total_cmp(&other.below);
        below.then(self.lot.cmp(&other.lot))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: u64, epoch: u64, index: u64, view: u64) -> Stream {
        Stream::at([seed, epoch, index, view])
    }

    #[test]
    fn the_draws_never_change() {
        // Published results name their label subsets by fraction and seed.
        let labels: Vec<usize> = (0..300).map(|i| (i * i + i / 7) % 11 % 4).collect();
        assert_eq!(fraction(&labels, 0.01, 0).unwrap(), [91, 126, 283]);
        assert_eq!(
            fraction(&labels, 0.05, 4).unwrap(),
            [
                4, 12, 30, 49, 92, 130, 158, 168, 170, 217, 220, 237, 251, 257, 284
            ]
        );
        assert_eq!(
            stratified(&labels, 9, 1, 3, Purpose::HoldOut),
            [38, 57, 85, 136, 139, 153, 217, 242, 249]
        );
        let labels: Vec<usize> = (0..5000).map(|i| (i * 7919 + i * i) % 97).collect();
        let mut hash = 0_u64;
        for seed in 0..20 {
            for part in [0.003, 0.02, 0.3] {
                for row in fraction(&labels, part, seed).unwrap() {
                    hash = hash.wrapping_mul(6364136223846793005);
                    hash = hash.wrapping_add(row as u64 + 1);
                }
            }
        }
        assert_eq!(hash, 3383885919768441713);
    }

    #[test]
    fn fractions_out_of_range_are_named() {
        for wrong in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(matches!(
                fraction(&[0, 1], wrong, 0),
                Err(SubsetError::Fraction { .. })
            ));
        }
        let error = fraction(&[0, 1], 0.1, 0).unwrap_err().to_string();
        assert_eq!(
            error,
            "a fraction of 0.1 of 2 rows, expected a fraction of at least one row"
        );
        assert_eq!(fraction(&[1, 0], 1.0, 7).unwrap(), [0, 1]);
        assert!(stratified(&[], 3, 0, 0, Purpose::Learn).is_empty());
    }

    fn shares_of(sizes: &[usize], count: usize) -> Vec<usize> {
        shares(sizes, count, 0, &mut stream(0, 0, 0, 0))
    }

    #[test]
    fn classes_give_in_proportion() {
        assert_eq!(shares_of(&[1000; 10], 100), [10; 10]);
        assert_eq!(shares_of(&[600, 300, 100], 10), [6, 3, 1]);
        assert_eq!(shares_of(&[5, 0, 7], 12), [5, 0, 7]);
    }

    #[test]
    fn small_classes_are_kept_where_possible() {
        assert_eq!(shares_of(&[9996, 1, 1, 1, 1], 100), [96, 1, 1, 1, 1]);
        assert_eq!(shares_of(&[100, 100, 3], 3), [1, 1, 1]);
        // Two of three cannot hold all.
        assert_eq!(shares_of(&[100, 100, 3], 2), [1, 1, 0]);
    }

    #[test]
    fn the_number_is_exact_and_no_class_gives_more_than_it_has() {
        let mut random = stream(4, 0, 0, 0);
        for _ in 0..2000 {
            let sizes: Vec<usize> = (0..1 + random.below(9)).map(|_| random.below(40)).collect();
            let total: usize = sizes.iter().sum();
            if total == 0 {
                continue;
            }
            let count = 1 + random.below(total);
            let shares = shares_of(&sizes, count);
            assert_eq!(shares.iter().sum::<usize>(), count, "{sizes:?}");
            assert!(
                shares.iter().zip(&sizes).all(|(share, size)| share <= size),
                "{sizes:?}"
            );
            let classes = sizes.iter().filter(|&&size| size > 0).count();
            let kept = shares.iter().filter(|&&share| share > 0).count();
            assert!(
                count < classes || kept == classes,
                "{count} of {sizes:?}: {shares:?}"
            );
        }
    }

    /// The slow twin: for each row a search through all classes.
    fn shares_by_search(sizes: &[usize], count: usize, stream: &mut Stream) -> Vec<usize> {
        let total: usize = sizes.iter().sum();
        let quota = |class: usize| sizes[class] as f64 * count as f64 / total as f64;
        let least = usize::from(count >= sizes.iter().filter(|&&size| size > 0).count());
        let first = |class: usize| (quota(class) as usize).max(least).min(sizes[class]);
        let mut shares: Vec<usize> = (0..sizes.len()).map(first).collect();
        let lots = stream.permutation(sizes.len());
        let mut given: usize = shares.iter().sum();
        while given != count {
            let below = |class: usize| (quota(class) - shares[class] as f64, lots[class]);
            let compare = |&a: &usize, &b: &usize| below(a).partial_cmp(&below(b)).unwrap();
            let all = 0..sizes.len();
            if given < count {
                let open = all.filter(|&class| shares[class] < sizes[class]);
                let class = open.max_by(compare).unwrap();
                shares[class] += 1;
                given += 1;
            } else {
                let open = all.filter(|&class| shares[class] > least);
                let class = open.min_by(compare).unwrap();
                shares[class] -= 1;
                given -= 1;
            }
        }
        shares
    }

    #[test]
    fn shares_are_those_of_a_search() {
        let mut random = stream(5, 0, 0, 0);
        for seed in 0..1000 {
            let small = 1 + random.below(30);
            let sizes: Vec<usize> = (0..1 + random.below(20))
                .map(|class| random.below(if class == 0 { 300 } else { small }))
                .collect();
            let total: usize = sizes.iter().sum();
            if total == 0 {
                continue;
            }
            let count = 1 + random.below(total);
            assert_eq!(
                shares(&sizes, count, 0, &mut stream(seed, 0, 0, 0)),
                shares_by_search(&sizes, count, &mut stream(seed, 0, 0, 0)),
                "{count} of {sizes:?}"
            );
        }
    }

    #[test]
    fn what_is_spared_stays() {
        let spared = |sizes: &[usize], count| shares(sizes, count, 1, &mut stream(0, 0, 0, 0));
        assert_eq!(spared(&[10, 1, 10], 4), [2, 0, 2]);
        assert_eq!(spared(&[100; 4], 40), shares_of(&[100; 4], 40));
        // More than there is to spare.
        assert_eq!(spared(&[3, 1, 2], 5), [2, 0, 1]);
        assert_eq!(spared(&[1, 1, 0], 1), [0, 0, 0]);
    }

    #[test]
    fn ties_are_broken_by_lot() {
        let first = |seed| shares(&[10, 10], 1, 0, &mut stream(seed, 0, 0, 0))[0];
        let firsts: usize = (0..1000).map(first).sum();
        assert!((firsts as i32 - 500).abs() < 80, "{firsts}");
    }
}
