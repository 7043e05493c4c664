//! What is to be predicted: one class for each row, or any number of several labels.

use std::path::Path;

use super::{Source, integers, npy, npz, safetensors};
use crate::{Error, check};

/// Whether a row has a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does not.
    Absent,
    /// It does.
    Present,
    /// Neither counts: the row takes no part where this label is learned or evaluated (VOC's
    /// `difficult`).
    Ignored,
}

impl From<Option<bool>> for Presence {
    /// Whether it has the label; `None` where neither counts.
    fn from(shown: Option<bool>) -> Self {
        match shown {
            Some(true) => Self::Present,
            Some(false) => Self::Absent,
            None => Self::Ignored,
        }
    }
}

/// Several labels at once: who has which.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiLabels {
    values: Vec<Presence>,
    labels: usize,
}

impl MultiLabels {
    /// Takes `(n, labels)` values, row-major.
    ///
    /// # Errors
    /// [`Error::Length`] if they do not fill whole rows; [`Error::Nothing`] without labels.
    pub fn new(values: Vec<Presence>, labels: usize) -> Result<Self, Error> {
        if labels == 0 {
            return Err(Error::Nothing { what: "label" });
        }
        if !values.len().is_multiple_of(labels) {
            return Err(Error::Length {
                what: "table of labels",
                found: values.len(),
                expected: values.len().next_multiple_of(labels),
            });
        }
        Ok(Self { values, labels })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.labels
    }

    /// Number of labels.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// One label over all rows.
    pub fn column(&self, label: usize) -> Vec<Presence> {
        let of_rows = self.values.chunks_exact(self.labels);
        of_rows.map(|row| row[label]).collect()
    }

    /// Row-major `(n, labels)`: 1 present, 0 absent, -1 ignored.
    pub fn to_integers(&self) -> Vec<i64> {
        let number = |presence: &Presence| match presence {
            Presence::Absent => 0,
            Presence::Present => 1,
            Presence::Ignored => -1,
        };
        self.values.iter().map(number).collect()
    }
}

/// What is to be predicted of each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// One class number for each row.
    Classes(Vec<usize>),
    /// Any number of labels for each row.
    Multi(MultiLabels),
}

impl Targets {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.len(),
            Self::Multi(labels) => labels.rows(),
        }
    }
}

/// Reads targets. One-dimensional integers are class numbers, and so is one column `(n, 1)` of
/// whole numbers without a -1, as frames and `reshape(-1, 1)` give it. Other two-dimensional
/// integers, floats or truth values `(n, labels)` say who has which label: 1 present, 0 absent, -1
/// ignored. `.npy`, `FILE.npz:ARRAY` or `FILE.safetensors:TENSOR`; without a name, the file's only
/// array of one dimension.
///
/// # Errors
/// A file that cannot be read, or that holds other numbers; a class number of
/// [`MOST_CLASSES`](crate::MOST_CLASSES) or more.
pub fn read_targets(source: impl AsRef<Path>) -> Result<Targets, Error> {
    let parsed = Source::parse(source.as_ref())?;
    let path = parsed.path();
    let (shape, float) = match parsed {
        Source::Npy { path } => npy::shape(path)?,
        Source::Npz { path, array } => npz::shape(path, array)?,
        Source::Safetensors { path, tensor } => safetensors::shape(path, tensor)?,
    };
    if shape.len() != 2 {
        let label = |row, value| class_number(path, row, value);
        return read_integers(&parsed, 1, label).map(Targets::Classes);
    }
    let width = shape[1];
    if width == 1
        && let Some(classes) = class_column(source.as_ref(), &parsed, float)?
    {
        return Ok(Targets::Classes(classes));
    }
    let wrong = |found: String, hint| Error::Format {
        path: path.into(),
        expected: "labels of 1 (present), 0 (absent) or -1 (ignored)".into(),
        found,
        hint,
    };
    let presence = |at: usize, value: f64| match value {
        0.0 => Ok(Presence::Absent),
        1.0 => Ok(Presence::Present),
        -1.0 => Ok(Presence::Ignored),
        _ => Err(wrong(
            format!("{value} at row {}, column {}", at / width, at % width),
            "one column a label",
        )),
    };
    // Floats, as scikit-learn's indicator matrices often are, or integers.
    let values: Vec<Presence> = if float {
        let matrix = super::read_embeddings(source.as_ref())?;
        let values = matrix.data().iter().enumerate();
        values
            .map(|(at, &value)| presence(at, value.into()))
            .collect::<Result<_, _>>()?
    } else {
        read_integers(&parsed, 2, |at, value| presence(at, value as f64))?
    };
    if values.contains(&Presence::Ignored) && !values.contains(&Presence::Absent) {
        let hint = "write 0 for absent labels and -1 for ignored ones";
        return Err(wrong("-1 but no 0".into(), hint));
    }
    MultiLabels::new(values, width).map(Targets::Multi)
}

/// Class numbers in one column; `None` where they are a label that is present, absent or ignored:
/// with a -1, or fractions (which are then refused as such).
fn class_column(
    source: &Path,
    parsed: &Source<'_>,
    float: bool,
) -> Result<Option<Vec<usize>>, Error> {
    let values: Vec<i64> = if float {
        let matrix = super::read_embeddings(source)?;
        let values = matrix.data();
        if values.iter().any(|value| value.fract() != 0.0) {
            return Ok(None);
        }
        values.iter().map(|&value| value as i64).collect()
    } else {
        // What does not fit is no class number either.
        read_integers(parsed, 2, |_, value| {
            Ok(i64::try_from(value).unwrap_or(i64::MAX))
        })?
    };
    if values.contains(&-1) {
        return Ok(None);
    }
    let class = |(row, &value): (usize, &i64)| class_number(parsed.path(), row, value.into());
    values
        .iter()
        .enumerate()
        .map(class)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// One `T` for each integer that a source of `rank` dimensions names.
pub(super) fn read_integers<T>(
    source: &Source<'_>,
    rank: usize,
    convert: impl FnMut(usize, i128) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    match *source {
        Source::Npy { path } => npy::read_integers(path, rank, convert),
        Source::Npz { path, array } => npz::read_integers(path, array, rank, convert),
        Source::Safetensors { path, tensor } => {
            safetensors::read_integers(path, tensor, rank, convert)
        }
    }
}

fn class_number(path: &Path, row: usize, value: i128) -> Result<usize, Error> {
    let label = integers::label(path, row, value)?;
    if label >= check::MOST_CLASSES {
        return Err(Error::LabelTooLarge {
            path: path.into(),
            row,
            label,
            limit: check::MOST_CLASSES,
        });
    }
    Ok(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;
    use crate::{Column, write_npz};

    #[test]
    fn one_dimension_is_classes_two_are_labels() {
        let Targets::Classes(labels) = read_targets(golden("label.npy")).unwrap() else {
            panic!("labels have one dimension");
        };
        assert_eq!(labels, crate::read_labels(golden("label.npy")).unwrap());
        let source = format!("{}:y", golden("multilabel.npz").display());
        let Targets::Multi(labels) = read_targets(source).unwrap() else {
            panic!("y has two dimensions");
        };
        assert_eq!((labels.rows(), labels.labels()), (300, 4));
        assert_eq!(labels.column(0)[0], Presence::Present);
        assert_eq!(labels.to_integers()[..5], [1, 1, 1, 1, 0]);
    }

    #[test]
    fn what_is_shown_is_present_and_what_is_not_known_is_ignored() {
        let shown = [Some(true), None, Some(false), Some(true)];
        let labels = MultiLabels::new(shown.map(Presence::from).to_vec(), 2).unwrap();
        assert_eq!(labels.to_integers(), [1, -1, 0, 1]);
    }

    #[test]
    fn one_column_is_class_numbers_unless_it_ignores_rows() {
        let folder = tempfile::tempdir().unwrap();
        let read = |column: Column<'_>| {
            let path = folder.path().join("y.npz");
            write_npz(&path, &[("y", column)]).unwrap();
            read_targets(format!("{}:y", path.display()))
        };
        let classes = |values: &[i64]| read(Column::Integers(values, 1)).unwrap();
        assert_eq!(classes(&[0, 1, 2, 0]), Targets::Classes(vec![0, 1, 2, 0]));
        assert_eq!(classes(&[1, 0, 1]), Targets::Classes(vec![1, 0, 1]));
        // The only array of a file needs no name.
        let unnamed = read_targets(folder.path().join("y.npz").display().to_string());
        assert_eq!(unnamed.unwrap(), Targets::Classes(vec![1, 0, 1]));
        let Targets::Multi(label) = classes(&[1, 0, -1]) else {
            panic!("a row is ignored");
        };
        assert_eq!((label.rows(), label.labels()), (3, 1));
        let error = read(Column::Integers(&[0, -3], 1)).unwrap_err().to_string();
        assert!(error.contains("-3"), "{error}");
    }

    #[test]
    fn minus_one_is_ignored_and_other_numbers_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let read = |values: &[i64]| {
            let path = folder.path().join("y.npz");
            write_npz(&path, &[("y", Column::Integers(values, 2))]).unwrap();
            read_targets(format!("{}:y", path.display()))
        };
        let Targets::Multi(labels) = read(&[1, 0, -1, 1]).unwrap() else {
            panic!("two dimensions");
        };
        assert_eq!(labels.column(0), [Presence::Present, Presence::Ignored]);
        let text = |values: &[i64]| read(values).unwrap_err().to_string();
        assert!(text(&[1, -1, -1, 1]).contains("found -1 but no 0"));
        assert!(text(&[1, 0, 0, 7]).contains("found 7 at row 1, column 1"));
    }
}
