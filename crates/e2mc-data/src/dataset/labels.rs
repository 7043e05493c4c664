//! Labels that are given as text.

use std::collections::{BTreeSet, HashMap};

/// The most classes that numbers may stand for.
const MOST: u32 = 1 << 20;

/// A label that is a number where others are names, or the other way round. Such a mixture is
/// refused: as names the numbers would get other places than they say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mix {
    /// Which text it is.
    pub(super) place: usize,
    /// Whether the others are numbers.
    numbers: bool,
}

impl Mix {
    pub(super) fn expected(&self) -> String {
        if self.numbers {
            format!("a whole number below {MOST} as the label, as on other lines")
        } else {
            "a name as the label, not a number, as on other lines".to_owned()
        }
    }
}

/// The label of each text, and the names of the classes. If the texts are whole numbers from 0 on
/// (all as `7`, or all as `7.0`, as pandas writes them), these are the labels, as in an IDX file;
/// else the different texts are the classes, sorted: by value where all are numbers.
///
/// # Errors
/// Some are whole numbers and some are not.
pub(super) fn from_texts<S: AsRef<str>>(texts: &[S]) -> Result<(Vec<u32>, Vec<String>), Mix> {
    let decimal = texts
        .first()
        .is_some_and(|text| text.as_ref().contains('.'));
    let number = |text: &S| whole_number(text.as_ref(), decimal);
    let numbers = texts.first().is_some_and(|text| number(text).is_some());
    let other = |text: &S| number(text).is_some() != numbers;
    // What is no whole number as the first is may be one of another writing.
    let odd = |text: &S| other(text) || !numbers && whole_number(text.as_ref(), false).is_some();
    if let Some(place) = texts.iter().position(odd) {
        // Where the first alone differs, a header perhaps, it is the odd one.
        let decimal = texts[1..].iter().any(|text| text.as_ref().contains('.'));
        let plain = |text: &S| whole_number(text.as_ref(), decimal).is_some();
        let first = texts.len() > 2 && texts[1..].iter().all(|text| plain(text) != numbers);
        return Err(Mix {
            place: if first { 0 } else { place },
            numbers: numbers != first,
        });
    }
    if numbers {
        let labels: Vec<u32> = texts.iter().filter_map(number).collect();
        let classes = labels.iter().max().map_or(0, |&highest| highest + 1);
        let names = (0..classes).map(|class| class.to_string());
        return Ok((labels, names.collect()));
    }
    let classes: BTreeSet<&str> = texts.iter().map(AsRef::as_ref).collect();
    let mut classes: Vec<&str> = classes.into_iter().collect();
    sort(&mut classes);
    let places: HashMap<&str, u32> = classes.iter().copied().zip(0..).collect();
    let labels = texts.iter().map(|text| places[text.as_ref()]).collect();
    Ok((labels, classes.into_iter().map(str::to_owned).collect()))
}

/// A whole number that can be a label; `decimal`: with zeros behind a point.
fn whole_number(text: &str, decimal: bool) -> Option<u32> {
    let digits = if decimal {
        let (digits, zeros) = text.split_once('.')?;
        zeros.bytes().all(|byte| byte == b'0').then_some(digits)?
    } else {
        text
    };
    digits.parse().ok().filter(|&number: &u32| number < MOST)
}

/// Puts different names of classes in their order: by value where all are numbers, else as text.
fn sort<S: AsRef<str> + Ord>(classes: &mut [S]) {
    let value = |class: &S| class.as_ref().parse::<f64>().ok().filter(|v| v.is_finite());
    let values: Option<Vec<f64>> = classes.iter().map(value).collect();
    classes.sort_unstable();
    if values.is_some() {
        let value = |class: &S| class.as_ref().parse::<f64>().unwrap_or(f64::NAN);
        classes.sort_by(|a, b| value(a).total_cmp(&value(b)));
    }
}

/// Whether classes are what whole numbers as labels give: their own places.
pub(super) fn are_numbers(classes: &[String]) -> bool {
    let mut classes = classes.iter().enumerate();
    classes.all(|(place, class)| class.parse() == Ok(place))
}

/// Takes the classes of another split of the data set into account, so that a label means the same
/// in both: numbers count up to the highest of either; names are those of both. (Whoever compares
/// the splits will tell of a class that only one of them has.) Numbers and names cannot be united.
pub(super) fn unite(labels: &mut [u32], classes: &mut Vec<String>, other: &[String]) {
    if classes.is_empty() || other.is_empty() {
        return;
    }
    match (are_numbers(classes), are_numbers(other)) {
        (true, true) if other.len() > classes.len() => *classes = other.to_vec(),
        (false, false) => unite_names(labels, classes, other, sort),
        _ => {}
    }
}

/// The same for class folders, whose names are texts even where they are numbers: `10` comes before
/// `2`, as in torchvision.
pub(super) fn unite_folders(labels: &mut [u32], classes: &mut Vec<String>, other: &[String]) {
    if !classes.is_empty() {
        unite_names(labels, classes, other, |all| all.sort_unstable());
    }
}

fn unite_names(
    labels: &mut [u32],
    classes: &mut Vec<String>,
    other: &[String],
    sort: impl Fn(&mut [String]),
) {
    let all: BTreeSet<&String> = classes.iter().chain(other).collect();
    let mut all: Vec<String> = all.into_iter().cloned().collect();
    sort(&mut all);
    if all == *classes {
        return;
    }
    let places: HashMap<&String, u32> = all.iter().zip(0..).collect();
    let places: Vec<u32> = classes.iter().map(|class| places[class]).collect();
    for label in labels {
        *label = places[*label as usize];
    }
    *classes = all;
}

/// Takes labels of a list for the folders of classes, in their order: by name where all labels are
/// such, else by number.
///
/// # Errors
/// The first label that is neither, by its place.
pub(super) fn as_folders(
    labels: &mut [u32],
    classes: &mut Vec<String>,
    folders: &[String],
) -> Result<(), usize> {
    let place = |label: u32| {
        let name = &classes[label as usize];
        folders.binary_search(name).ok().map(|place| place as u32)
    };
    if labels.iter().all(|&label| place(label).is_some()) {
        for label in labels {
            *label = place(*label).unwrap_or_default();
        }
        *classes = folders.to_vec();
    } else if are_numbers(classes) {
        let beyond = |&label: &u32| label as usize >= folders.len();
        if let Some(place) = labels.iter().position(beyond) {
            return Err(place);
        }
        *classes = folders.to_vec();
    } else {
        unite_folders(labels, classes, folders);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_labels_and_other_texts_are_sorted() {
        let (labels, classes) = from_texts(&["2", "0", "10"]).unwrap();
        assert_eq!(
            (labels, classes.len(), classes[10].as_str()),
            (vec![2, 0, 10], 11, "10")
        );
        let (labels, classes) = from_texts(&["dog", "cat", "dog", "7a"]).unwrap();
        assert_eq!(
            (labels, classes),
            (
                vec![2, 1, 2, 0],
                vec!["7a".into(), "cat".into(), "dog".into()]
            )
        );
    }

    #[test]
    fn numbers_and_names_are_not_mixed() {
        let mix = |texts: &[&str]| from_texts(texts).unwrap_err();
        assert_eq!((mix(&["cat", "dog", "7"])).place, 2);
        assert_eq!(
            mix(&["class", "3", "2"]),
            Mix {
                place: 0,
                numbers: true
            }
        );
        assert_eq!(mix(&["class", "2"]).place, 1);
        assert_eq!(
            mix(&["10.0", "9.0", "-1.0"]),
            Mix {
                place: 2,
                numbers: true
            }
        );
        for odd in ["label", "-1", "1.0", "4000000000"] {
            let found = mix(&["3", odd, "2"]);
            assert!(found.place == 1 && found.numbers, "{odd}");
        }
    }

    #[test]
    fn numbers_may_have_a_point_and_sort_by_value() {
        let texts: Vec<String> = (0..12).map(|n| format!("{n}.0")).collect();
        let (labels, classes) = from_texts(&texts).unwrap();
        assert!(labels.into_iter().eq(0..12));
        assert_eq!(classes[11], "11");
        let (labels, classes) = from_texts(&["9.5", "10.5", "-2"]).unwrap();
        assert_eq!((labels, classes[0].as_str()), (vec![1, 2, 0], "-2"));
        for odd in [&["1.0", "2"][..], &["2", "1.0"], &["1.0", "x"], &["x", "7"]] {
            assert!(from_texts(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn classes_are_those_of_both_splits() {
        let list =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let united = |own: &[&str], other: &[&str]| {
            let (mut labels, mut classes) = (vec![0, own.len() as u32 - 1], list(own));
            unite(&mut labels, &mut classes, &list(other));
            (labels, classes)
        };
        let (numbers, names) = (["0", "1", "2"], ["a", "b", "c"]);
        assert_eq!(united(&["0", "1"], &numbers), (vec![0, 1], list(&numbers)));
        assert_eq!(united(&numbers, &["0", "1"]), (vec![0, 2], list(&numbers)));
        assert_eq!(united(&["a", "c"], &names), (vec![0, 2], list(&names)));
        assert_eq!(
            united(&["a", "x"], &names),
            (vec![0, 3], list(&["a", "b", "c", "x"]))
        );
        assert_eq!(united(&["0"], &names), (vec![0, 0], list(&["0"])));
        let values = ["0.5", "9.5", "10.5"];
        assert_eq!(
            united(&["9.5", "10.5"], &values),
            (vec![1, 2], list(&values))
        );
        let (mut labels, mut classes) = (vec![0, 1], list(&["0", "2"]));
        unite_folders(&mut labels, &mut classes, &list(&["0", "10", "2"]));
        assert_eq!((labels, classes), (vec![0, 2], list(&["0", "10", "2"])));
    }

    #[test]
    fn labels_of_a_list_are_folders_by_name_or_number() {
        let list =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let taken = |texts: &[&str], folders: &[&str]| {
            let (mut labels, mut classes) = from_texts(texts).unwrap();
            as_folders(&mut labels, &mut classes, &list(folders)).map(|()| labels)
        };
        assert_eq!(taken(&["2", "0"], &["cat", "cow", "dog"]), Ok(vec![2, 0]));
        assert_eq!(taken(&["0", "3"], &["cat", "cow", "dog"]), Err(1));
        assert_eq!(taken(&["2", "10"], &["0", "1", "10", "2"]), Ok(vec![3, 2]));
        assert_eq!(
            taken(&["dog", "cat"], &["cat", "cow", "dog"]),
            Ok(vec![2, 0])
        );
        assert_eq!(taken(&["dog", "ant"], &["cat", "dog"]), Ok(vec![2, 0]));
    }
}
