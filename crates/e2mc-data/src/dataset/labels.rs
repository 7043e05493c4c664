//! Labels that are given as text.

use std::collections::BTreeSet;

/// The most classes that numbers may stand for.
const MOST: u32 = 1 << 20;

/// The label of each text, and the names of the classes. If all texts are whole numbers from 0 on,
/// these are the labels, as in an IDX file; else the different texts, sorted, are the classes.
pub(super) fn from_texts<S: AsRef<str>>(texts: &[S]) -> (Vec<u32>, Vec<String>) {
    let number = |text: &S| {
        text.as_ref()
            .parse()
            .ok()
            .filter(|&number: &u32| number < MOST)
    };
    let numbers: Option<Vec<u32>> = texts.iter().map(number).collect();
    if let Some(labels) = numbers {
        let classes = labels.iter().max().map_or(0, |&highest| highest + 1);
        return (
            labels,
            (0..classes).map(|class| class.to_string()).collect(),
        );
    }
    let classes: BTreeSet<&str> = texts.iter().map(AsRef::as_ref).collect();
    let classes: Vec<&str> = classes.into_iter().collect();
    let place = |text: &S| {
        let found = classes.binary_search(&text.as_ref());
        found.expect("every text is in the set of all texts") as u32
    };
    let labels = texts.iter().map(place).collect();
    (labels, classes.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_labels_and_other_texts_are_sorted() {
        let (labels, classes) = from_texts(&["2", "0", "10"]);
        assert_eq!(
            (labels, classes.len(), classes[10].as_str()),
            (vec![2, 0, 10], 11, "10")
        );
        let (labels, classes) = from_texts(&["dog", "cat", "dog", "7"]);
        assert_eq!(
            (labels, classes),
            (
                vec![2, 1, 2, 0],
                vec!["7".into(), "cat".into(), "dog".into()]
            )
        );
    }
}
