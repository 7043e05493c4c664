//! What can be wrong with embeddings, labels, settings and files, in one line each.

use std::io;
use std::path::PathBuf;

/// An evaluation that cannot be done, or a file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A set of embeddings without rows.
    #[error("{set} embeddings have no rows, expected at least 1")]
    NoSamples {
        /// `training` or `test`.
        set: &'static str,
    },

    /// A set of embeddings without columns.
    #[error("{set} embeddings have {rows} rows of 0 dimensions, expected at least 1")]
    NoColumns {
        /// `training` or `test`.
        set: &'static str,
        /// The rows found.
        rows: usize,
    },

    /// A value is NaN or infinite.
    #[error(
        "{set} embeddings hold {value} at row {row}, column {column}, expected a finite number"
    )]
    NotFinite {
        /// `training` or `test`.
        set: &'static str,
        /// Zero-based row of the first such value.
        row: usize,
        /// Its zero-based column.
        column: usize,
        /// The value.
        value: f32,
    },

    /// Training and test embeddings differ in width.
    #[error("test embeddings have {test} dimensions, expected {train} as the training embeddings")]
    DimensionMismatch {
        /// Dimensions of the training embeddings.
        train: usize,
        /// Dimensions of the test embeddings.
        test: usize,
    },

    /// More training rows than a neighbour's index can name.
    #[error("training embeddings have {rows} rows, expected at most {limit}")]
    TooManyRows {
        /// The rows found.
        rows: usize,
        /// The most that are supported.
        limit: usize,
    },

    /// Not one label for each row.
    #[error("{set} embeddings have {rows} rows, but {labels} labels were given")]
    LabelCount {
        /// `training` or `test`.
        set: &'static str,
        /// The rows of the embeddings.
        rows: usize,
        /// The number of labels.
        labels: usize,
    },

    /// A label names a class that does not exist.
    #[error("{set} label {label} at row {row} is out of range for {classes} classes")]
    LabelOutOfRange {
        /// `training`, `test` or `predicted`.
        set: &'static str,
        /// Zero-based row.
        row: usize,
        /// The label found.
        label: usize,
        /// The number of classes.
        classes: usize,
    },

    /// More classes than a probe supports.
    #[error("{classes} classes, expected at most {limit}")]
    TooManyClasses {
        /// The number of classes.
        classes: usize,
        /// The most that are supported.
        limit: usize,
    },

    /// Nothing to tell apart.
    #[error("all {rows} training labels are class {class}, expected at least 2 classes")]
    OneClass {
        /// The only class.
        class: usize,
        /// The number of training rows.
        rows: usize,
    },

    /// Too few rows in each class to hold some out.
    #[error("{classes} class(es) have at least 2 training rows, expected 2 for cross-validation")]
    TooFewToHoldOut {
        /// Classes with at least two rows.
        classes: usize,
    },

    /// Predictions and labels, or two lists of predictions, differ in length.
    #[error("{what} has {found} entries, expected {expected}")]
    Length {
        /// The list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of the labels.
        expected: usize,
    },

    /// Fewer rows than a statement about their distribution needs.
    #[error("the embeddings have {rows} row(s), expected at least 2")]
    TooFewRows {
        /// The rows found.
        rows: usize,
    },

    /// A single column.
    #[error("the embeddings have {cols} column(s) in {rows} rows, expected at least 2")]
    TooFewColumns {
        /// The rows found.
        rows: usize,
        /// The columns found.
        cols: usize,
    },

    /// More columns than a matrix of their covariances may have.
    #[error("the embeddings have {cols} columns, expected at most {limit}")]
    TooManyColumns {
        /// The columns found.
        cols: usize,
        /// The most that are supported.
        limit: usize,
    },

    /// A spectrum that cannot be found.
    #[error(
        "cannot compute the eigenvalues of a {order} x {order} matrix: its values are too \
             large"
    )]
    Eigenvalues {
        /// The matrix's rows.
        order: usize,
    },

    /// All rows are equal, where a map divides by their variance.
    #[error(
        "the embeddings have {rows} equal rows of {cols} dimensions, expected rows that differ"
    )]
    NoVariance {
        /// The rows found.
        rows: usize,
        /// Their dimensions.
        cols: usize,
    },

    /// No more rows than dimensions, where every direction's variance is divided by as it is.
    #[error(
        "the embeddings have {rows} rows of {cols} dimensions, expected at least {} rows to whiten \
         without a bound",
        cols + 1
    )]
    FewerRowsThanDimensions {
        /// The rows found.
        rows: usize,
        /// Their dimensions.
        cols: usize,
    },

    /// Embeddings of another width than a map takes.
    #[error("the map takes embeddings of {map} dimensions, found {rows}")]
    MapWidth {
        /// The dimensions that the map takes.
        map: usize,
        /// The dimensions of the embeddings.
        rows: usize,
    },

    /// A gain that a second view cannot show.
    #[error("expected labels to verify a gain for {usage}: a second view shows retrieval only")]
    NeedsLabels {
        /// The use that was asked for.
        usage: &'static str,
    },

    /// Views of the same images that do not match.
    #[error(
        "view {view} has {rows} rows of {cols} dimensions, expected {expected_rows} of \
         {expected_cols}"
    )]
    ViewShape {
        /// Which view, counted from 0.
        view: usize,
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
        /// The rows of the first view.
        expected_rows: usize,
        /// The columns of the first view.
        expected_cols: usize,
    },

    /// A list of results is empty.
    #[error("no {what} given, expected at least 1")]
    Nothing {
        /// What is missing.
        what: &'static str,
    },

    /// More neighbours than training rows.
    #[error("k-NN asks for {k} neighbours, but there are {rows} training rows")]
    NeighbourCount {
        /// The neighbours asked for.
        k: usize,
        /// The training rows.
        rows: usize,
    },

    /// A setting outside its range.
    #[error("{name} is {value}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value found.
        value: String,
        /// The valid range in words.
        expected: &'static str,
    },

    /// A limit on memory that no block fits in.
    #[error("the memory limit is {found} bytes, expected at least {needed}")]
    Memory {
        /// The limit.
        found: usize,
        /// The least that one block of each set takes.
        needed: usize,
    },

    /// The linear probe left the finite numbers.
    #[error("linear probe diverged in epoch {epoch} at learning rate {learning_rate}")]
    Diverged {
        /// Zero-based epoch.
        epoch: usize,
        /// The learning rate in that epoch, after scaling and schedule.
        learning_rate: f64,
    },

    /// The training of a map left the finite numbers.
    #[error("the trained map diverged in step {step} at learning rate {learning_rate}")]
    MapDiverged {
        /// Zero-based step.
        step: usize,
        /// The learning rate at the start.
        learning_rate: f64,
    },

    /// A file cannot be opened, read or written.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// `open`, `read`, `write`, ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },

    /// A file is not what it should be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
        /// What the user can do.
        hint: &'static str,
    },

    /// A safetensors file does not have the tensor asked for.
    #[error("{} has no tensor {name:?}; it has {available}", path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The tensor asked for.
        name: String,
        /// The tensors there are, as a list.
        available: String,
    },

    /// A float64 value beyond the range of float32.
    #[error("{} holds {value:e} at row {row}, column {column}, beyond the range of \
             float32", path.display())]
    Overflow {
        /// The file.
        path: PathBuf,
        /// Zero-based row.
        row: usize,
        /// Zero-based column.
        column: usize,
        /// The value.
        value: f64,
    },

    /// A value beyond the range of float16.
    #[error("{}: {value} at row {row}, column {column}, beyond the range of \
             float16", path.display())]
    TooLargeForHalf {
        /// The file.
        path: PathBuf,
        /// Zero-based row.
        row: usize,
        /// Zero-based column.
        column: usize,
        /// The value.
        value: f32,
    },

    /// A label that is no class number.
    #[error("{} holds label {value} at row {row}, expected a class number from 0", path.display())]
    BadLabel {
        /// The file.
        path: PathBuf,
        /// Zero-based row.
        row: usize,
        /// The value.
        value: i128,
    },

    /// A label beyond the classes that are supported.
    #[error("{} holds label {label} at row {row}, expected a class number below \
             {limit}", path.display())]
    LabelTooLarge {
        /// The file.
        path: PathBuf,
        /// Zero-based row.
        row: usize,
        /// The label found.
        label: usize,
        /// The most classes that are supported.
        limit: usize,
    },

    /// Another writer is at work on the same file.
    #[error("{}: another run is writing this file", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// What the user can do about it, in one line.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoSamples { .. } => "check that the images or the subset are not empty",
            Self::NoColumns { .. } => "embed the images again; the file holds no features",
            Self::NotFinite { .. } => {
                "check for a diverged model (lower the learning rate) or a damaged file"
            }
            Self::DimensionMismatch { .. } => "embed both sets with the same model",
            Self::TooManyRows { .. } => "use a subset of the training embeddings",
            Self::LabelCount { .. } => "give one label for each row, in the order of the rows",
            Self::LabelOutOfRange { classes, .. } => {
                return Some(format!(
                    "labels run from 0 to {}",
                    classes.saturating_sub(1)
                ));
            }
            Self::TooManyClasses { .. } | Self::LabelTooLarge { .. } => {
                "number the classes 0, 1, 2, ... without gaps"
            }
            Self::OneClass { .. } => "use a larger or a stratified subset",
            Self::TooFewToHoldOut { .. } => {
                "use a larger subset, or one fixed penalty instead of a grid"
            }
            Self::Length { .. } => "evaluate both on the same rows in the same order",
            Self::TooFewRows { .. } => "embed more images; one row per image",
            Self::TooFewColumns { .. } => {
                "save one row per image; is the matrix transposed or one of labels?"
            }
            Self::TooManyColumns { .. } => "use a part of the columns, or project them first",
            Self::Eigenvalues { .. } => "rescale the embeddings",
            Self::NoVariance { .. } => "check for a collapsed model or a damaged file",
            Self::FewerRowsThanDimensions { .. } => {
                "use shrinkage or a floor, or embed more images"
            }
            Self::MapWidth { .. } => "fit the map to embeddings of the same model",
            Self::NeedsLabels { .. } => "give labels, or ask only for neighbours",
            Self::ViewShape { .. } => "embed the same images in the same order for every view",
            Self::Nothing { .. } => return None,
            Self::NeighbourCount { rows, .. } => {
                return Some(format!("choose k at most {rows}, or add training rows"));
            }
            Self::Setting { .. } => return None,
            Self::Memory { .. } => "raise the limit or use fewer neighbours",
            Self::Diverged { .. } => {
                "lower the learning rate or standardise the features (the logistic probe does)"
            }
            Self::MapDiverged { .. } => "lower the learning rate of the trained map",
            Self::Io { cause, action, .. } => match cause.kind() {
                io::ErrorKind::NotFound if ["open", "read"].contains(action) => "check the path",
                io::ErrorKind::NotFound => "check the path; folders are not created",
                io::ErrorKind::PermissionDenied => "check the permissions of the file and folder",
                io::ErrorKind::StorageFull => "free some space or write to another disk",
                _ => return None,
            },
            Self::Format { hint, .. } => hint,
            Self::NoTensor { .. } => "name one of them as FILE:tensor",
            Self::Overflow { .. } => "rescale the embeddings before saving them",
            Self::TooLargeForHalf { .. } => "store float32 instead",
            Self::Busy { .. } => "wait until it ends, or write to another file",
            Self::BadLabel { .. } => "number the classes 0, 1, 2, ...; drop unlabelled rows first",
        };
        Some(hint.into())
    }
}
