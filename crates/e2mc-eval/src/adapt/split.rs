//! Three parts of the rows: one to fit maps on, A to choose on, B to verify on.

use serde::Serialize;

use super::duplicates::Groups;
use crate::random::{Purpose, Stream};

/// The share of the rows in A, and in B.
const SHARE: f64 = 0.2;
/// A group with a larger share of the rows is fitted on, so that it fills no other part.
const LARGE: f64 = 0.02;

/// How many rows each part has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Rows that maps are fitted on while they are compared.
    pub train: usize,
    /// Held-out rows A, on which a map is chosen. It is then fitted again on these and the first.
    pub choose: usize,
    /// Held-out rows B, on which the choice is verified.
    pub verify: usize,
    /// Groups of nearly equal rows in all three; no group is in two parts.
    pub groups: usize,
}

/// The rows of each part, increasing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) train: Vec<usize>,
    pub(super) choose: Vec<usize>,
    pub(super) verify: Vec<usize>,
    groups: usize,
}

impl Split {
    /// Deals whole groups, in an order drawn with `seed`, first to B, then to A, then to the rest.
    pub(super) fn draw(groups: &Groups, seed: u64) -> Self {
        let rows = groups.of_row.len();
        let mut members = vec![Vec::new(); groups.count];
        for (row, &group) in groups.of_row.iter().enumerate() {
            members[group].push(row);
        }
        let mut order: Vec<usize> = (0..groups.count).collect();
        // Folds of classes have their stream by class; this one is beyond any class.
        Stream::new(seed, Purpose::Folds, u64::MAX).shuffle(&mut order);
        let wanted = (SHARE * rows as f64).round() as usize;
        let large = (LARGE * rows as f64).max(8.0);
        let [mut train, mut choose, mut verify] = [const { Vec::new() }; 3];
        for group in order {
            let members = &members[group];
            let part = if members.len() as f64 > large {
                &mut train
            } else if verify.len() < wanted {
                &mut verify
            } else if choose.len() < wanted {
                &mut choose
            } else {
                &mut train
            };
            part.extend_from_slice(members);
        }
        for part in [&mut train, &mut choose, &mut verify] {
            part.sort_unstable();
        }
        Self {
            train,
            choose,
            verify,
            groups: groups.count,
        }
    }

    pub(super) fn parts(&self) -> Parts {
        Parts {
            train: self.train.len(),
            choose: self.choose.len(),
            verify: self.verify.len(),
            groups: self.groups,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part_and_every_group_too() {
        // Pairs, triples, single rows, and a group of 40.
        let of_row: Vec<usize> = (0..500)
            .map(|row| match row {
                0..200 => row / 2,
                200..260 => 100 + (row - 200) / 3,
                260..300 => 120,
                _ => row - 179,
            })
            .collect();
        let count = of_row[499] + 1;
        let groups = Groups {
            of_row: of_row.clone(),
            count,
            threshold: Some(0.99),
        };
        let split = Split::draw(&groups, 3);
        let mut part = vec![9; 500];
        for (number, rows) in [&split.train, &split.choose, &split.verify]
            .into_iter()
            .enumerate()
        {
            assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
            for &row in rows {
                assert_eq!(part[row], 9);
                part[row] = number;
            }
        }
        assert!(part.iter().all(|&p| p < 3));
        for group in 0..count {
            let mut parts = (0..500).filter(|&r| of_row[r] == group).map(|r| part[r]);
            let first = parts.next().unwrap();
            assert!(parts.all(|p| p == first));
        }
        assert_eq!(part[270], 0, "a large group is fitted on");
        let parts = split.parts();
        assert!((100..=102).contains(&parts.choose) && (100..=102).contains(&parts.verify));
        assert_eq!(split, Split::draw(&groups, 3));
        assert_ne!(split, Split::draw(&groups, 4));
    }
}
