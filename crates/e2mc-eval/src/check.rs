//! The checks that every evaluation makes of its input before it computes.

use e2mc::MatrixView;

use crate::Error;

/// The name of the training embeddings in messages.
pub(crate) const TRAINING: &str = "training";
/// The name of the test embeddings in messages.
pub(crate) const TEST: &str = "test";

/// At least one row and one column, and finite values only.
pub(crate) fn matrix(view: MatrixView<'_>, set: &'static str) -> Result<(), Error> {
    if view.rows() == 0 {
        return Err(Error::NoSamples { set });
    }
    if view.cols() == 0 {
        return Err(Error::NoColumns {
            set,
            rows: view.rows(),
        });
    }
    match view.data().iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite {
            set,
            row: at / view.cols(),
            column: at % view.cols(),
            value: view.data()[at],
        }),
    }
}

/// A training and a test matrix, each valid and of the same width.
pub(crate) fn pair(train: MatrixView<'_>, test: MatrixView<'_>) -> Result<(), Error> {
    matrix(train, TRAINING)?;
    matrix(test, TEST)?;
    width(train.cols(), test)
}

/// The test embeddings have as many dimensions as those trained on.
pub(crate) fn width(expected: usize, test: MatrixView<'_>) -> Result<(), Error> {
    if test.cols() != expected {
        return Err(Error::DimensionMismatch {
            train: expected,
            test: test.cols(),
        });
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

/// The most classes of a probe, several times those of the largest labelled sets of images. A label such as 10^15 is a
/// mistake in a file, and must not become a request for that much memory.
const MOST_CLASSES: usize = 100_000;

/// Labels of a probe's training set: one a row, all below `classes`, at least two different ones.
/// Returns how many rows each class has.
pub(crate) fn class_counts(
    rows: usize,
    labels: &[usize],
    classes: usize,
) -> Result<Vec<usize>, Error> {
    label_count(rows, labels, TRAINING)?;
    if classes > MOST_CLASSES {
        return Err(Error::TooManyClasses {
            classes,
            limit: MOST_CLASSES,
        });
    }
    if let Some(row) = labels.iter().position(|&label| label >= classes) {
        return Err(Error::LabelOutOfRange {
            row,
            label: labels[row],
            classes,
        });
    }
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
