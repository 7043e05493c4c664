//! What two models say of the same test rows, looked at class by class and row by row.
//!
//! A model answers once for each label subset that it learned from. Accuracies and counts are means
//! over its answers.

use std::collections::BTreeMap;

use crate::{CompareConfig, Error, compare_crossed};

/// Bootstrap samples of a class's interval: there are many classes.
const BOOTSTRAPS: usize = 2000;
/// The level that all classes' intervals hold at together.
const LEVEL: f64 = 0.05;
/// The normal quantile at 0.975.
const Z: f64 = 1.959_963_984_540_054;

/// The answers of one model or two to the same test rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The class of each row.
    pub labels: Vec<usize>,
    /// What the first model says of each row, one list a label subset, at least one.
    pub first: Vec<Vec<usize>>,
    /// What the second says, of the same subsets; empty where there is none.
    pub second: Vec<Vec<usize>>,
}

/// A class and how many of its rows are right.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassAccuracy {
    /// The class.
    pub class: usize,
    /// Its rows.
    pub rows: usize,
    /// The fraction that the first model gets right.
    pub first: f64,
    /// The fraction that the second gets right, if there is one.
    pub second: Option<f64>,
    /// Interval of the second minus the first, at the level 0.05 for all classes together; for the
    /// first model alone, Wilson's 95 % interval of its accuracy.
    pub interval: (f64, f64),
}

impl ClassAccuracy {
    /// The second minus the first, or the first alone.
    #[must_use]
    pub fn change(&self) -> f64 {
        self.second.map_or(self.first, |second| second - self.first)
    }
}

/// Rows of a class that are taken for another.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusedPair {
    /// The class.
    pub class: usize,
    /// What its rows are taken for.
    pub taken_for: usize,
    /// Rows that the first model confuses so, mean over its answers.
    pub first: f64,
    /// The same of the second; 0 where there is none.
    pub second: f64,
}

/// A row that one model gets right more often than the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The row.
    pub row: usize,
    /// Its class.
    pub class: usize,
    /// How many of the first model's answers are right.
    pub first_right: usize,
    /// How many of the second's.
    pub second_right: usize,
    /// What the first says most often.
    pub first_says: usize,
    /// What the second says most often.
    pub second_says: Option<usize>,
}

impl Answers {
    /// Answers a model gives to each row.
    #[must_use]
    pub fn each(&self) -> usize {
        self.first.len()
    }

    /// The accuracy of every class that has rows, from the greatest gain to the greatest loss; of
    /// one model from the best class to the worst.
    ///
    /// # Errors
    /// Lists of different lengths, or none.
    pub fn by_class(&self) -> Result<Vec<ClassAccuracy>, Error> {
        let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, &label) in self.labels.iter().enumerate() {
            rows.entry(label).or_default().push(row);
        }
        let config = CompareConfig {
            bootstraps: BOOTSTRAPS,
            confidence: 1.0 - LEVEL / rows.len().max(1) as f64,
            ..CompareConfig::default()
        };
        let mut found = Vec::new();
        for (class, rows) in rows {
            let of = |model: &[Vec<usize>]| -> Vec<Vec<usize>> {
                let picked = |said: &Vec<usize>| {
                    let rows = rows.iter().filter_map(|&row| said.get(row).copied());
                    rows.collect()
                };
                model.iter().map(picked).collect()
            };
            let (first, labels) = (of(&self.first), vec![class; rows.len()]);
            let alone = self.second.is_empty();
            let second = if alone {
                first.clone()
            } else {
                of(&self.second)
            };
            let compared = compare_crossed(&first, &second, &labels, &config)?;
            found.push(ClassAccuracy {
                class,
                rows: rows.len(),
                first: compared.accuracy_a,
                second: (!alone).then_some(compared.accuracy_b),
                interval: match alone {
                    true => wilson(compared.accuracy_a, rows.len()),
                    false => compared.interval,
                },
            });
        }
        found.sort_by(|a, b| b.change().total_cmp(&a.change()));
        Ok(found)
    }

    /// Pairs of classes that are confused, from those confused more by the second model to those
    /// confused less; of one model the most confused first.
    #[must_use]
    pub fn confused(&self) -> Vec<ConfusedPair> {
        let mut counts: BTreeMap<(usize, usize), [usize; 2]> = BTreeMap::new();
        for (model, answers) in [&self.first, &self.second].into_iter().enumerate() {
            for (said, &label) in answers
                .iter()
                .flat_map(|said| said.iter().zip(&self.labels))
            {
                if *said != label {
                    counts.entry((label, *said)).or_default()[model] += 1;
                }
            }
        }
        let each = self.each().max(1) as f64;
        let pair = |((class, taken_for), [first, second]): (_, [usize; 2])| ConfusedPair {
            class,
            taken_for,
            first: first as f64 / each,
            second: second as f64 / each,
        };
        let mut pairs: Vec<ConfusedPair> = counts.into_iter().map(pair).collect();
        let alone = self.second.is_empty();
        let rank = |pair: &ConfusedPair| match alone {
            true => pair.first,
            false => pair.second - pair.first,
        };
        pairs.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
        pairs
    }

    /// Rows that the second model gets right more often than the first, the clearest first.
    #[must_use]
    pub fn gained(&self) -> Vec<Example> {
        let mut found = self.examples();
        found.retain(|example| example.second_right > example.first_right);
        found.sort_by_key(|example| example.first_right as i64 - example.second_right as i64);
        found
    }

    /// Rows that the first model gets right more often than the second, the clearest first.
    #[must_use]
    pub fn lost(&self) -> Vec<Example> {
        let mut found = self.examples();
        found.retain(|example| example.second_right < example.first_right);
        found.sort_by_key(|example| example.second_right as i64 - example.first_right as i64);
        found
    }

    /// Rows that the first model gets wrong, the most often wrong first.
    #[must_use]
    pub fn mistaken(&self) -> Vec<Example> {
        let mut found = self.examples();
        found.retain(|example| example.first_right < self.each());
        found.sort_by_key(|example| example.first_right);
        found
    }

    fn examples(&self) -> Vec<Example> {
        let said = |model: &[Vec<usize>], row: usize| -> Vec<usize> {
            let said = model.iter().filter_map(|said| said.get(row));
            said.copied().collect()
        };
        let rows = self.labels.iter().enumerate();
        let example = |(row, &class): (usize, &usize)| {
            let (first, second) = (said(&self.first, row), said(&self.second, row));
            let right = |said: &[usize]| said.iter().filter(|&&said| said == class).count();
            Example {
                row,
                class,
                first_right: right(&first),
                second_right: right(&second),
                first_says: most_frequent(&first).unwrap_or(class),
                second_says: most_frequent(&second),
            }
        };
        rows.map(example).collect()
    }
}

/// The value that comes most often; of equals the least.
fn most_frequent(values: &[usize]) -> Option<usize> {
    let count = |value: &&usize| values.iter().filter(|other| other == value).count();
    let best = values
        .iter()
        .max_by_key(|value| (count(value), std::cmp::Reverse(**value)));
    best.copied()
}

/// Wilson's score interval of a fraction of `n` rows.
fn wilson(p: f64, n: usize) -> (f64, f64) {
    let n = n.max(1) as f64;
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    ((middle - half) / scale, (middle + half) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        // Ten rows of class 0, ten of class 1, one of class 4; two subsets.
        let labels = [vec![0; 10], vec![1; 10], vec![4]].concat();
        let said = |zero_right: usize, one_right: usize, four: usize| {
            let of = |class: usize, right: usize, wrong: usize| {
                (0..10).map(move |i| if i < right { class } else { wrong })
            };
            let said = of(0, zero_right, 1).chain(of(1, one_right, 4));
            said.chain([four]).collect::<Vec<usize>>()
        };
        Answers {
            labels,
            first: vec![said(4, 8, 4), said(4, 8, 0)],
            second: vec![said(9, 6, 4), said(9, 7, 4)],
        }
    }

    #[test]
    fn classes_come_from_the_greatest_gain_to_the_greatest_loss() {
        let found = answers().by_class().unwrap();
        let order: Vec<usize> = found.iter().map(|class| class.class).collect();
        assert_eq!(order, [0, 4, 1]);
        assert_eq!(
            (found[0].rows, found[0].first, found[0].second),
            (10, 0.4, Some(0.9))
        );
        assert!((found[0].change() - 0.5).abs() < 1e-12);
        assert!(found[0].interval.0 > 0.0 && found[0].interval.1 < 1.0);
        assert!((found[2].change() + 0.15).abs() < 1e-12);
        assert!(found[2].interval.0 < 0.0 && found[2].interval.1 >= 0.0);
    }

    #[test]
    fn one_model_has_wilsons_interval() {
        let alone = Answers {
            second: Vec::new(),
            ..answers()
        };
        let found = alone.by_class().unwrap();
        assert_eq!((found[0].class, found[0].second), (1, None));
        // Wilson's interval of 8 in 10, by the formula.
        assert!((found[0].interval.0 - 0.490_16).abs() < 1e-4, "{found:?}");
        assert!((found[0].interval.1 - 0.943_31).abs() < 1e-4, "{found:?}");
        assert_eq!(alone.confused()[0].first, 6.0);
        assert_eq!(alone.mistaken()[0].first_right, 0);
        assert!(alone.gained().is_empty());
    }

    #[test]
    fn pairs_that_are_confused_more_and_less_are_told_apart() {
        let pairs = answers().confused();
        let first = &pairs[0];
        assert_eq!((first.class, first.taken_for), (1, 4));
        assert_eq!((first.first, first.second), (2.0, 3.5));
        let last = &pairs[pairs.len() - 1];
        assert_eq!((last.class, last.taken_for), (0, 1));
        assert_eq!((last.first, last.second), (6.0, 1.0));
    }

    #[test]
    fn rows_gained_and_lost_are_named_with_what_was_said() {
        let answers = answers();
        let gained = answers.gained();
        // Rows 4 to 8 by both subsets, then the last row by one of the two.
        let rows: Vec<usize> = gained.iter().map(|example| example.row).collect();
        assert_eq!(rows, [4, 5, 6, 7, 8, 20]);
        assert_eq!((gained[0].first_says, gained[0].second_says), (1, Some(0)));
        assert_eq!((gained[5].first_right, gained[5].second_right), (1, 2));
        let lost = answers.lost();
        let rows: Vec<usize> = lost.iter().map(|example| example.row).collect();
        assert_eq!(rows, [17, 16]);
        assert_eq!(lost[0].second_says, Some(4));
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        let short = Answers {
            second: vec![vec![0; 3]; 2],
            ..answers()
        };
        assert!(short.by_class().is_err());
        assert!(Answers::default().by_class().unwrap().is_empty());
    }
}
