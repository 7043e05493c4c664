//! Writing what a fit said of each test row: `predictions.npz`, and what is near to test rows:
//! `surroundings.npz`.

use std::path::PathBuf;

use e2mc::Matrix;
use e2mc_record::ResultFolder;

use super::Error;
use crate::diagnostics::Surroundings;
use crate::{Column, KnnResult, MultiLabels, RANKED, Rows, write_npz};

/// Writes `label`, `prediction` and, where the folder keeps them, `scores` of one fit; gives their
/// place within the folder.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_predictions(
    folder: &ResultFolder,
    fit: &str,
    labels: &[usize],
    predictions: &[usize],
    scores: Option<&Matrix>,
) -> Result<Option<PathBuf>, Error> {
    let mut columns = vec![
        ("label", Column::Classes(labels)),
        ("prediction", Column::Classes(predictions)),
    ];
    if let Some(scores) = scores.filter(|_| folder.keeps_scores()) {
        columns.push(("scores", Column::Floats(scores.data(), scores.cols())));
    }
    write(folder, fit, &columns)
}

/// Writes `label`, `prediction` and `ranked`, the classes of most votes (-1: fewer classes have
/// one).
///
/// # Errors
/// Where the file cannot be written.
pub fn write_votes(
    folder: &ResultFolder,
    fit: &str,
    labels: &[usize],
    result: &KnnResult,
) -> Result<Option<PathBuf>, Error> {
    let number = |label: &Option<usize>| label.map_or(-1, |label| label as i64);
    let ranked: Vec<i64> = result.ranked.iter().flatten().map(number).collect();
    let columns = [
        ("label", Column::Classes(labels)),
        ("prediction", Column::Classes(&result.predictions)),
        ("ranked", Column::Integers(&ranked, RANKED)),
    ];
    write(folder, fit, &columns)
}

/// Writes where test rows lie and which training rows are `nearest` to those that
/// [ask](Surroundings::asking); gives the file's place within the folder.
///
/// # Errors
/// Where rows cannot be read, or the file not written.
pub fn write_surroundings(
    folder: &ResultFolder,
    (test, test_labels): (&dyn Rows, &[usize]),
    nearest: &[Vec<usize>],
    train_labels: &[usize],
) -> Result<Option<PathBuf>, Error> {
    let Some((path, place)) = folder.surroundings()? else {
        return Ok(None);
    };
    Surroundings::of(test, Some(test_labels), nearest, Some(train_labels))?.write(&path)?;
    Ok(Some(place))
}

/// Writes `label` and `scores` of several labels a row, of which the scores are all there is.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_label_scores(
    folder: &ResultFolder,
    fit: &str,
    labels: &MultiLabels,
    scores: &Matrix,
) -> Result<Option<PathBuf>, Error> {
    let integers = labels.to_integers();
    let columns = [
        ("label", Column::Integers(&integers, labels.labels())),
        ("scores", Column::Floats(scores.data(), scores.cols())),
    ];
    write(folder, fit, &columns)
}

fn write(
    folder: &ResultFolder,
    fit: &str,
    columns: &[(&str, Column<'_>)],
) -> Result<Option<PathBuf>, Error> {
    let Some((path, place)) = folder.predictions(fit)? else {
        return Ok(None);
    };
    write_npz(&path, columns)?;
    Ok(Some(place))
}
