//! Subsets of a data set: label subsets by fraction, number or name, and hold-outs.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use crate::random::{Stream, purpose, stream};
use crate::{Dataset, Error};

/// The labels of all images.
///
/// # Errors
/// An image has no label.
pub fn labels(dataset: &dyn Dataset) -> Result<Vec<usize>, Error> {
    let label = |index| {
        dataset.label(index).ok_or_else(|| Error::Unlabelled {
            name: dataset.name(index),
        })
    };
    (0..dataset.len()).map(label).collect()
}

/// A fraction of a labelled data set, in `(0, 1]`, rounded to whole images: see [`count`].
///
/// # Errors
/// An image has no label, or the fraction is out of range or of less than one image.
pub fn fraction(dataset: &dyn Dataset, fraction: f64, seed: u64) -> Result<Vec<usize>, Error> {
    if !(0.0 < fraction && fraction <= 1.0) {
        return Err(refused(
            dataset,
            &fraction,
            "a fraction above 0 and at most 1",
        ));
    }
    let images = (dataset.len() as f64 * fraction).round() as usize;
    if images == 0 {
        return Err(refused(
            dataset,
            &fraction,
            "a fraction of at least one image",
        ));
    }
    count(dataset, images, seed)
}

/// This many images of a labelled data set, each class in proportion, in rising order.
///
/// The number is exact. Every class is kept if there are images enough for all. With the same seed
/// a larger subset of a class holds its smaller ones.
///
/// # Errors
/// An image has no label, or the number is 0 or more than there are.
pub fn count(dataset: &dyn Dataset, count: usize, seed: u64) -> Result<Vec<usize>, Error> {
    let labels = labels(dataset)?;
    check_count(dataset, count)?;
    Ok(stratified(&labels, count, 0, seed, purpose::SUBSET))
}

/// Sets images apart: the indices that stay and `count` that are held out, both in rising order.
/// Stratified if all images are labelled, else uniform. The last image of a class stays, for what
/// nobody has seen cannot be tested: where `count` is more than can be spared, fewer are held out.
///
/// # Errors
/// `count` is 0 or does not leave an image, or no class has two.
pub fn hold_out(
    dataset: &dyn Dataset,
    count: usize,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), Error> {
    check_count(dataset, count)?;
    if count == dataset.len() {
        return Err(refused(dataset, &count, "fewer than all"));
    }
    let labels = labels(dataset).unwrap_or_else(|_| vec![0; dataset.len()]);
    let held = stratified(&labels, count, 1, seed, purpose::HOLD_OUT);
    if held.is_empty() {
        return Err(refused(
            dataset,
            &format!("{count} apart"),
            "a class with two images, for one of each class stays",
        ));
    }
    let mut is_held = vec![false; dataset.len()];
    for &index in &held {
        is_held[index] = true;
    }
    Ok((
        (0..dataset.len())
            .filter(|&index| !is_held[index])
            .collect(),
        held,
    ))
}

/// The images that a list names, one a line, in rising order: by the file's name alone, as in
/// ImageNet's 1% and 10% files (`n01440764_10026.JPEG`), or with as much of its path as is given.
/// `list` is what an error calls the list. A name may be given twice.
///
/// # Errors
/// A name fits no image, or more than one, or there is none.
pub fn named(dataset: &dyn Dataset, names: &str, list: &str) -> Result<Vec<usize>, Error> {
    let names: Vec<&str> = names
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    // For each name how many images it fits, and the last of them.
    let mut found: HashMap<&str, (usize, usize)> =
        names.iter().map(|&name| (name, (0, 0))).collect();
    for index in 0..dataset.len() {
        let path = dataset.name(index);
        // With all of its folders, and with fewer and fewer.
        let ends = path.match_indices(['/', '\\']).map(|(place, _)| place + 1);
        for start in std::iter::once(0).chain(ends) {
            if let Some((count, last)) = found.get_mut(&path[start..]) {
                *count += 1;
                *last = index;
            }
        }
    }
    let unfit = |name: &&&str| found[**name].0 != 1;
    if let Some(first) = names.iter().find(unfit) {
        return Err(Error::Names {
            list: list.to_owned(),
            names: names.len(),
            count: names.iter().filter(unfit).count(),
            first: (*first).to_owned(),
            found: found[first].0,
        });
    }
    let mut indices: Vec<usize> = found.into_values().map(|(_, index)| index).collect();
    indices.sort_unstable();
    indices.dedup();
    if indices.is_empty() {
        return Err(refused(
            dataset,
            &format!("the names in {list}"),
            "at least one name",
        ));
    }
    Ok(indices)
}

fn check_count(dataset: &dyn Dataset, count: usize) -> Result<(), Error> {
    match count {
        0 => Err(refused(dataset, &count, "at least one")),
        _ if count > dataset.len() => Err(refused(dataset, &count, "at most all")),
        _ => Ok(()),
    }
}

fn refused(dataset: &dyn Dataset, what: &dyn ToString, expected: &'static str) -> Error {
    Error::Subset {
        what: what.to_string(),
        images: dataset.len(),
        expected,
    }
}

/// Chooses `count` indices, at most `labels.len()`, with classes in proportion; fewer where `spared`
/// images of each class do not allow for that many.
fn stratified(
    labels: &[usize],
    count: usize,
    spared: usize,
    seed: u64,
    purpose: u64,
) -> Vec<usize> {
    let mut members: Vec<Vec<usize>> =
        vec![Vec::new(); labels.iter().max().map_or(0, |&label| label + 1)];
    for (index, &label) in labels.iter().enumerate() {
        members[label].push(index);
    }
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let mut stream_of_lots = stream(seed, 0, purpose, u64::MAX);
    let shares = shares(&sizes, count, spared, &mut stream_of_lots);
    let mut chosen = Vec::with_capacity(count);
    for (class, (mut members, share)) in members.into_iter().zip(shares).enumerate() {
        stream(seed, 0, purpose, class as u64).shuffle(&mut members);
        chosen.extend_from_slice(&members[..share]);
    }
    chosen.sort_unstable();
    chosen
}

/// How many images each class gives: its proportion of `count` cut off to whole images, but one
/// at least where `count` allows; what is then missing goes to the largest remainders, ties by lot.
/// `spared` images of each class stay, even if less than `count` comes together.
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
    use crate::random::stream;

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

    /// The slow twin: for each image a search through all classes.
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
