//! Features and classes, and what their user should be warned of.

use e2mc::{Matrix, MatrixView};
use e2mc_record::percent;

use super::Error;
use crate::{Rows, equal_rows};

/// Features and classes in memory, ready to be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// Training features `(n, d)`.
    pub train: Matrix,
    /// One class number a training row.
    pub train_labels: Vec<usize>,
    /// Test features `(n_test, d)`.
    pub test: Matrix,
    /// One class number a test row.
    pub test_labels: Vec<usize>,
    /// All labels are below it.
    pub classes: usize,
}

impl Labelled {
    /// Checks that labels fit rows and classes.
    ///
    /// # Errors
    /// Not one label a row, or a label that is no class.
    pub fn check(&self) -> Result<(), Error> {
        for (matrix, labels, set) in [
            (&self.train, &self.train_labels, crate::check::TRAINING),
            (&self.test, &self.test_labels, crate::check::TEST),
        ] {
            crate::check::label_count(matrix.rows(), labels, set)?;
            crate::check::labels(labels, self.classes, set)?;
        }
        Ok(())
    }
}

/// These rows of a matrix, in the order asked for; a row may be taken twice.
///
/// # Panics
/// If a row is not there.
pub fn rows_of(matrix: MatrixView<'_>, indices: &[usize]) -> Matrix {
    let values = indices.iter().flat_map(|&index| matrix.row(index));
    let values = values.copied().collect();
    Matrix::new(values, indices.len(), matrix.cols()).expect("whole rows fill a matrix")
}

/// All rows in memory.
///
/// # Errors
/// Where rows cannot be read.
pub fn all_rows(rows: &dyn Rows) -> Result<Matrix, Error> {
    let values = rows.read(0..rows.rows())?.into_owned();
    Ok(Matrix::new(values, rows.rows(), rows.cols())?)
}

/// What the user should be warned of before anything is fitted: test rows that are training rows
/// too, and test rows of classes without training rows.
///
/// # Errors
/// Where rows cannot be read.
pub fn data_warnings(
    (train, train_labels): (&dyn Rows, &[usize]),
    (test, test_labels): (&dyn Rows, &[usize]),
    classes: usize,
) -> Result<Vec<String>, Error> {
    let overlap = overlap_warning(equal_rows(train, test)?, test.rows());
    let unseen = unseen_warning(train_labels, test_labels, classes);
    Ok(overlap.into_iter().chain(unseen).collect())
}

/// A warning where `equal` of `tests` test rows are training rows too.
pub fn overlap_warning(equal: usize, tests: usize) -> Option<String> {
    (equal > 0).then(|| {
        format!(
            "{equal} of {tests} test rows equal a training row: test images are among the training \
             images"
        )
    })
}

/// A warning where test rows are of classes without training rows. Labels are below `classes`.
pub fn unseen_warning(train: &[usize], test: &[usize], classes: usize) -> Option<String> {
    let mut seen = vec![false; classes];
    train.iter().for_each(|&label| seen[label] = true);
    let lost = test.iter().filter(|&&label| !seen[label]).count();
    (lost > 0).then(|| {
        format!(
            "{lost} of {} test rows are of classes without training rows and are always wrong",
            test.len()
        )
    })
}

/// A warning where `missing` of `classes` classes have no row among a fraction of the labels.
pub fn missing_warning(missing: usize, classes: usize, fraction: f64) -> Option<String> {
    (missing > 0).then(|| {
        format!(
            "{missing} of {classes} classes have no image among {} % of the labels",
            percent(fraction)
        )
    })
}

/// How many classes none of the training labels has. Labels are below `classes`.
///
/// # Errors
/// [`OneClass`](crate::Error::OneClass) if all are of one class.
pub fn check_classes(
    labels: impl ExactSizeIterator<Item = usize> + Clone,
    classes: usize,
) -> Result<usize, Error> {
    let mut present = vec![false; classes];
    labels.clone().for_each(|label| present[label] = true);
    let missing = present.iter().filter(|present| !**present).count();
    let rows = labels.len();
    match labels.into_iter().next() {
        Some(class) if missing + 1 == classes => Err(crate::Error::OneClass { class, rows }.into()),
        _ => Ok(missing),
    }
}
