//! Where single rows lie and what is nearest to them, so that people can look at the images.
//!
//! A sample of the rows is placed in the plane of its greatest variance; a smaller one is listed
//! with its nearest rows by cosine similarity, as k-NN ranks them. Both samples depend on the
//! number of rows alone: two models that were evaluated on the same rows are looked at on the same
//! ones.

use std::path::Path;

use e2mc::Matrix;

use super::plane::Plane;
use super::rows::{pick, spread_rows};
use crate::knn::most_alike;
use crate::{Column, Error, Rows, read_embeddings, read_labels, write_npz};

/// Rows that are placed in the plane.
const PLACED: usize = 600;
/// Rows that are listed with what is nearest to them.
const ASKED: usize = 240;
/// The same where there are no predictions beside them: their neighbours answer in their place.
const ASKED_WITHIN: usize = 1000;
/// Nearest rows that are listed, at most.
pub const NEAREST: usize = 10;

/// A row in the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Which row.
    pub row: usize,
    /// Its place, around the origin.
    pub place: [f32; 2],
    /// Its class, where it is known.
    pub class: Option<usize>,
}

/// A row and what is nearest to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which row.
    pub row: usize,
    /// Its class, where it is known.
    pub class: Option<usize>,
    /// The nearest rows with their classes, nearest first, at most [`NEAREST`].
    pub nearest: Vec<(usize, Option<usize>)>,
}

impl Asked {
    /// How many of the nearest rows are of the row's own class; none if classes are not known.
    #[must_use]
    pub fn right(&self) -> Option<usize> {
        let class = self.class?;
        let known: Option<Vec<usize>> = self.nearest.iter().map(|(_, class)| *class).collect();
        Some(known?.iter().filter(|&&other| other == class).count())
    }
}

/// Where rows lie and what is nearest to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Surroundings {
    /// Rows of the map.
    pub placed: Vec<Placed>,
    /// The share of the variance along either axis of the map, 0 to 1.
    pub shares: [f64; 2],
    /// Rows with what is nearest to them.
    pub asked: Vec<Asked>,
    /// Whether the nearest are of the same rows, instead of training rows.
    pub within: bool,
}

impl Surroundings {
    /// The query rows, of `rows` rows.
    #[must_use]
    pub fn asking(rows: usize) -> Vec<usize> {
        spread_rows(rows, ASKED, 0)
    }

    /// Test rows `(n, d)` with their classes, and the training rows that are nearest to those that
    /// [ask](Self::asking): one list each, nearest first.
    ///
    /// # Errors
    /// Where rows cannot be read, or have no plane: see [`Plane::of`].
    pub fn of(
        test: &dyn Rows,
        classes: Option<&[usize]>,
        nearest: &[Vec<usize>],
        train_classes: Option<&[usize]>,
    ) -> Result<Self, Error> {
        let asking = Self::asking(test.rows());
        Self::asked_by(asking, test, classes, nearest, train_classes)
    }

    fn asked_by(
        asking: Vec<usize>,
        test: &dyn Rows,
        classes: Option<&[usize]>,
        nearest: &[Vec<usize>],
        train_classes: Option<&[usize]>,
    ) -> Result<Self, Error> {
        let class = |of: Option<&[usize]>, row: usize| of.and_then(|of| of.get(row)).copied();
        let rows = spread_rows(test.rows(), PLACED, 0);
        let plane = Plane::of(pick(test, &rows)?.view())?;
        let placed = rows.iter().zip(plane.places).map(|(&row, place)| Placed {
            row,
            place,
            class: class(classes, row),
        });
        let asked = asking.into_iter().zip(nearest);
        let asked = asked.map(|(row, nearest)| Asked {
            row,
            class: class(classes, row),
            nearest: nearest
                .iter()
                .map(|&near| (near, class(train_classes, near)))
                .collect(),
        });
        Ok(Self {
            placed: placed.collect(),
            shares: plane.shares,
            asked: asked.collect(),
            within: false,
        })
    }

    /// Rows `(n, d)`, each among all the others.
    ///
    /// # Errors
    /// Fewer than two rows, rows that cannot be read, or values that are not finite.
    pub fn within(rows: &dyn Rows, classes: Option<&[usize]>) -> Result<Self, Error> {
        if rows.rows() < 2 {
            return Err(Error::TooFewRows { rows: rows.rows() });
        }
        let asking = spread_rows(rows.rows(), ASKED_WITHIN, 0);
        let values = pick(rows, &asking)?;
        let nearest = most_alike(rows, values.view(), NEAREST + 1)?;
        // No row is its own neighbour; of many copies it may not be among the first.
        let others = asking.iter().zip(nearest).map(|(&own, nearest)| {
            let others = nearest.into_iter().filter(|&row| row != own);
            others.take(NEAREST).collect()
        });
        let others: Vec<Vec<usize>> = others.collect();
        Ok(Self {
            within: true,
            ..Self::asked_by(asking, rows, classes, &others, classes)?
        })
    }

    /// Writes the file; classes only where all are known.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let places: Vec<f32> = self.placed.iter().flat_map(|placed| placed.place).collect();
        let shares = self.shares.map(|share| share as f32);
        let rows: Vec<usize> = self.placed.iter().map(|placed| placed.row).collect();
        let asked: Vec<usize> = self.asked.iter().map(|asked| asked.row).collect();
        let near = || self.asked.iter().flat_map(|asked| &asked.nearest);
        let nearest: Vec<usize> = near().map(|(row, _)| *row).collect();
        let each = [self.asked.first().map_or(0, |asked| asked.nearest.len())];
        let of_rows: Option<Vec<usize>> = self.placed.iter().map(|p| p.class).collect();
        let of_asked: Option<Vec<usize>> = self.asked.iter().map(|a| a.class).collect();
        let of_nearest: Option<Vec<usize>> = near().map(|(_, class)| *class).collect();
        let mut columns = vec![
            ("place", Column::Floats(&places, 2)),
            ("share", Column::Floats(&shares, 2)),
            ("row", Column::Classes(&rows)),
            ("query", Column::Classes(&asked)),
            ("neighbour", Column::Classes(&nearest)),
            ("neighbours", Column::Classes(&each)),
        ];
        let classes = (&of_rows, &of_asked, &of_nearest);
        if let (Some(rows), Some(asked), Some(nearest)) = classes {
            columns.extend([
                ("row_class", Column::Classes(rows)),
                ("query_class", Column::Classes(asked)),
                ("neighbour_class", Column::Classes(nearest)),
            ]);
        }
        write_npz(path, &columns)
    }

    /// Reads what [`Surroundings::write`] wrote.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let name = |array: &str| format!("{}:{array}", path.display());
        let list = |array: &str| read_labels(name(array));
        let names = crate::npz_names(path)?;
        let classes = |array: &str| -> Result<Option<Vec<usize>>, Error> {
            let there = names.iter().any(|name| name == array);
            there.then(|| list(array)).transpose()
        };
        let (places, shares): (Matrix, Matrix) = (
            read_embeddings(name("place"))?,
            read_embeddings(name("share"))?,
        );
        let (rows, asked, nearest) = (list("row")?, list("query")?, list("neighbour")?);
        let each = list("neighbours")?.first().copied().unwrap_or(0);
        let fits = |what: &'static str, found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => Err(Error::Length {
                what,
                found,
                expected,
            }),
        };
        fits("list of places", places.data().len(), 2 * rows.len())?;
        fits("list of shares", shares.data().len(), 2)?;
        let all = asked.len().saturating_mul(each);
        fits("list of neighbours", nearest.len(), all)?;
        let of_rows = classes("row_class")?;
        let of_asked = classes("query_class")?;
        let of_nearest = classes("neighbour_class")?;
        let class = |of: &Option<Vec<usize>>, at: usize| of.as_ref()?.get(at).copied();
        let placed = rows.iter().enumerate().map(|(at, &row)| Placed {
            row,
            place: [places.data()[2 * at], places.data()[2 * at + 1]],
            class: class(&of_rows, at),
        });
        let asked = asked.iter().enumerate().map(|(at, &row)| Asked {
            row,
            class: class(&of_asked, at),
            nearest: (at * each..(at + 1) * each)
                .map(|near| (nearest[near], class(&of_nearest, near)))
                .collect(),
        });
        Ok(Self {
            placed: placed.collect(),
            shares: [0, 1].map(|axis| f64::from(shares.data()[axis])),
            asked: asked.collect(),
            within: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embeddings_and_labels;

    #[test]
    fn nearest_rows_are_the_most_alike_and_never_the_row_itself() {
        let (z, labels) = embeddings_and_labels(500, 9, 4, 3);
        let found = Surroundings::within(&z.view(), Some(&labels)).unwrap();
        assert_eq!((found.placed.len(), found.asked.len()), (500, 500));
        let cosine = |i: usize, j: usize| {
            let (a, b) = (z.view().row(i).to_vec(), z.view().row(j).to_vec());
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                let each = a.iter().zip(b);
                each.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
        };
        for asked in found.asked.iter().step_by(37) {
            let mut others: Vec<usize> = (0..500).filter(|&j| j != asked.row).collect();
            others.sort_by(|&a, &b| cosine(asked.row, b).total_cmp(&cosine(asked.row, a)));
            let nearest: Vec<usize> = asked.nearest.iter().map(|near| near.0).collect();
            assert_eq!(nearest, others[..NEAREST]);
            assert_eq!(asked.class, Some(labels[asked.row]));
            let right = nearest
                .iter()
                .filter(|&&row| labels[row] == labels[asked.row]);
            assert_eq!(asked.right(), Some(right.count()));
        }
        let bare = Surroundings::within(&z.view(), None).unwrap();
        assert!(bare.within && bare.asked.iter().all(|asked| asked.right().is_none()));
    }

    #[test]
    fn few_rows_have_fewer_neighbours_and_copies_hide_no_row() {
        let (z, _) = embeddings_and_labels(3, 4, 2, 1);
        let found = Surroundings::within(&z.view(), None).unwrap();
        assert!(found.asked.iter().all(|asked| asked.nearest.len() == 2));
        let copies = Matrix::new([1.0, 2.0].repeat(40), 40, 2).unwrap();
        let found = Surroundings::within(&copies.view(), None).unwrap();
        let whole = |asked: &Asked| {
            let other = asked.nearest.iter().all(|near| near.0 != asked.row);
            other && asked.nearest.len() == NEAREST
        };
        assert!(found.asked.iter().all(whole));
        let one = Matrix::new(vec![1.0, 2.0], 1, 2).unwrap();
        assert!(Surroundings::within(&one.view(), None).is_err());
    }

    #[test]
    fn what_is_written_comes_back_and_what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("surroundings.npz");
        let (z, labels) = embeddings_and_labels(50, 6, 3, 3);
        for classes in [Some(&labels[..]), None] {
            let found = Surroundings {
                within: false,
                ..Surroundings::within(&z.view(), classes).unwrap()
            };
            found.write(&path).unwrap();
            let read = Surroundings::read(&path).unwrap();
            assert_eq!((&read.placed, &read.asked), (&found.placed, &found.asked));
            assert!((read.shares[0] - found.shares[0]).abs() < 1e-6);
        }
        let columns = [
            ("place", Column::Floats(&[0.0, 1.0], 2)),
            ("share", Column::Floats(&[0.5, 0.25], 2)),
            ("row", Column::Classes(&[3])),
            ("query", Column::Classes(&[3])),
            ("neighbour", Column::Classes(&[1])),
            ("neighbours", Column::Classes(&[2])),
        ];
        write_npz(&path, &columns).unwrap();
        let error = Surroundings::read(&path).unwrap_err().to_string();
        assert!(error.contains("list of neighbours"), "{error}");
    }
}
