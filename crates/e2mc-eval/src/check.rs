//! The checks that every evaluation makes of its input before it computes.

use e2mc::MatrixView;

use crate::Error;

/// The name of the training embeddings in messages.
pub(crate) const TRAINING: &str = "training";
/// The name of the test embeddings in messages.
pub(crate) const TEST: &str = "test";

/// At least one row and one column, and finite values only.
pub(crate) fn matrix(view: MatrixView<'_>, set: &'static str) -> Result<(), Error> {
    shape(view.rows(), view.cols(), set)?;
    finite(view.data(), view.cols(), 0, set)
}

/// At least one row and one column.
pub(crate) fn shape(rows: usize, cols: usize, set: &'static str) -> Result<(), Error> {
    if rows == 0 {
        return Err(Error::NoSamples { set });
    }
    if cols == 0 {
        return Err(Error::NoColumns { set, rows });
    }
    Ok(())
}

/// Rows of `cols` finite values, the first of them row number `first`.
pub(crate) fn finite(
    values: &[f32],
    cols: usize,
    first: usize,
    set: &'static str,
) -> Result<(), Error> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite {
            set,
            row: first + at / cols,
            column: at % cols,
            value: values[at],
        }),
    }
}

/// A training and a test matrix, each valid and of the same width.
pub(crate) fn pair(train: MatrixView<'_>, test: MatrixView<'_>) -> Result<(), Error> {
    matrix(train, TRAINING)?;
    matrix(test, TEST)?;
    width(train.cols(), test.cols())
}

/// The test embeddings have as many dimensions as those trained on.
pub(crate) fn width(train: usize, test: usize) -> Result<(), Error> {
    if test != train {
        return Err(Error::DimensionMismatch { train, test });
    }
    Ok(())
}

/// One label for each row.
pub(crate) fn label_count(rows: usize, labels: &[usize], set: &'static str) -> Result<(), Error> {
    if labels.len() != rows {
        return Err(Error::LabelCount {
            set,
            rows,
            labels: labels.len(),
        });
    }
    Ok(())
}

/// The most classes of an evaluation, several times those of the largest labelled sets of images. A
/// label such as 10^15 is a mistake in a file, and must not become a request for that much memory.
pub const MOST_CLASSES: usize = 100_000;

/// All labels are below `classes`, and those are not too many.
pub(crate) fn labels(labels: &[usize], classes: usize, set: &'static str) -> Result<(), Error> {
    if classes > MOST_CLASSES {
        return Err(Error::TooManyClasses {
            classes,
            limit: MOST_CLASSES,
        });
    }
    match labels.iter().position(|&label| label >= classes) {
        None => Ok(()),
        Some(row) => Err(Error::LabelOutOfRange {
            set,
            row,
            label: labels[row],
            classes,
        }),
    }
}

/// Labels of a probe's training set: one a row, all below `classes`, at least two different ones.
/// Returns how many rows each class has.
pub(crate) fn class_counts(
    rows: usize,
    labels: &[usize],
    classes: usize,
) -> Result<Vec<usize>, Error> {
    label_count(rows, labels, TRAINING)?;
    self::labels(labels, classes, TRAINING)?;
    if labels.iter().all(|&label| label == labels[0]) {
        return Err(Error::OneClass {
            class: labels[0],
            rows,
        });
    }
    let mut counts = vec![0; classes];
    for &label in labels {
        counts[label] += 1;
    }
    Ok(counts)
}
