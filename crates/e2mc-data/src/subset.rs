//! Subsets of a data set: label subsets by fraction, number or name, and hold-outs.

use std::collections::HashMap;

use e2mc_base::subset::{Purpose, stratified};

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
    Ok(stratified(&labels, count, 0, seed, Purpose::Learn))
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
    let held = stratified(&labels, count, 1, seed, Purpose::HoldOut);
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
