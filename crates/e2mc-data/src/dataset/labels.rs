//! Labels that are given as text.

use std::collections::BTreeSet;

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
            format!("a whole number below {MOST} as the label, as other lines have")
        } else {
            "a name as the label and no number, as other lines have".to_owned()
        }
    }
}

/// The label of each text, and the names of the classes. If the texts are whole numbers from 0 on,
/// these are the labels, as in an IDX file; else the different texts, sorted, are the classes.
///
/// # Errors
/// Some are numbers and some are not.
pub(super) fn from_texts<S: AsRef<str>>(texts: &[S]) -> Result<(Vec<u32>, Vec<String>), Mix> {
    let number = |text: &S| {
        let number = text.as_ref().parse().ok();
        number.filter(|&number: &u32| number < MOST)
    };
    let numbers = texts.first().is_some_and(|text| number(text).is_some());
    let other = |text: &S| number(text).is_some() != numbers;
    if let Some(place) = texts.iter().position(other) {
        // Where the first alone differs, a header perhaps, it is the odd one.
        let first = texts.len() > 2 && texts[1..].iter().all(other);
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
    let classes: Vec<&str> = classes.into_iter().collect();
    let place = |text: &S| {
        let found = classes.binary_search(&text.as_ref());
        found.expect("every text is in the set of all texts") as u32
    };
    let labels = texts.iter().map(place).collect();
    Ok((labels, classes.into_iter().map(str::to_owned).collect()))
}

/// Takes over the classes of another part of the data set as far as they are more, so that a label
/// means the same in both: numbers count up to the highest of either; names are taken over where they
/// include all of one's own. (Whoever compares the parts will tell of a class that only one of them has.)
pub(super) fn widen(labels: &mut [u32], classes: &mut Vec<String>, other: &[String]) {
    let are_numbers = |classes: &[String]| {
        let mut classes = classes.iter().enumerate();
        classes.all(|(place, class)| class.parse() == Ok(place))
    };
    let fits = match (are_numbers(classes), are_numbers(other)) {
        (true, true) => true,
        (false, false) => classes
            .iter()
            .all(|class| other.binary_search(class).is_ok()),
        _ => false,
    };
    if classes.is_empty() || other.len() <= classes.len() || !fits {
        return;
    }
    // Numbers keep their places, and so do names that come first.
    if !other.starts_with(classes) {
        let place = |label: u32| other.binary_search(&classes[label as usize]);
        for label in labels {
            *label = place(*label).expect("the others include these") as u32;
        }
    }
    *classes = other.to_vec();
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
        for odd in ["label", "-1", "1.0", "4000000000"] {
            let found = mix(&["3", odd, "2"]);
            assert!(found.place == 1 && found.numbers, "{odd}");
        }
    }

    #[test]
    fn classes_are_those_of_both_parts() {
        let list =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let widened = |own: &[&str], other: &[&str]| {
            let (mut labels, mut classes) = (vec![0, own.len() as u32 - 1], list(own));
            widen(&mut labels, &mut classes, &list(other));
            (labels, classes)
        };
        let (numbers, names) = (["0", "1", "2"], ["a", "b", "c"]);
        assert_eq!(widened(&["0", "1"], &numbers), (vec![0, 1], list(&numbers)));
        assert_eq!(widened(&numbers, &["0", "1"]), (vec![0, 2], list(&numbers)));
        assert_eq!(widened(&["a", "c"], &names), (vec![0, 2], list(&names)));
        assert_eq!(
            widened(&["a", "x"], &names),
            (vec![0, 1], list(&["a", "x"]))
        );
        assert_eq!(widened(&["0"], &names), (vec![0, 0], list(&["0"])));
    }
}
