//! What can be wrong with an input, in one line each.

/// An input that the criterion cannot judge.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The number of values is not `rows * cols`.
    #[error(
        "a matrix of {rows} x {cols} needs {} values, found {found}",
        expected_len(*rows, *cols)
    )]
    Shape {
        /// The rows asked for.
        rows: usize,
        /// The columns asked for.
        cols: usize,
        /// The length of the slice given.
        found: usize,
    },

    /// Fewer than two rows: no spacing and no covariance exists.
    #[error("embedding has {rows} row(s), expected at least 2")]
    TooFewRows {
        /// The rows found.
        rows: usize,
    },

    /// No columns.
    #[error("embedding of {rows} rows has no columns, expected at least 1")]
    NoColumns {
        /// The rows found.
        rows: usize,
    },

    /// More rows than a 32-bit index can name.
    #[error("embedding has {rows} rows, expected at most {limit}")]
    TooManyRows {
        /// The rows found.
        rows: usize,
        /// The most that are supported.
        limit: usize,
    },

    /// A value is NaN or infinite.
    #[error("embedding holds {value} at row {row}, column {column}, expected a finite number")]
    NotFinite {
        /// Zero-based row of the first such value in row-major order.
        row: usize,
        /// Its zero-based column.
        column: usize,
        /// The value.
        value: f32,
    },

    /// The gradient's buffer does not have the embedding's size.
    #[error("gradient buffer holds {found} values, expected {expected} for {rows} x {cols}")]
    GradientLength {
        /// The embedding's rows.
        rows: usize,
        /// The embedding's columns.
        cols: usize,
        /// `rows * cols`.
        expected: usize,
        /// The buffer's length.
        found: usize,
    },

    /// A coefficient of the criterion is out of its range.
    #[error("criterion has {name} = {value}, expected {expected}")]
    Coefficient {
        /// For instance `beta`, `gamma` or `epsilon`.
        name: &'static str,
        /// The value found.
        value: f64,
        /// The valid range in words.
        expected: &'static str,
    },

    /// A criterion over several views was given none.
    #[error("no view was given, expected at least 1")]
    NoViews,

    /// The views, or their gradients, do not belong together.
    #[error(
        "view {view} has {rows} x {cols} embeddings, expected {expected_rows} x {expected_cols} as \
         view 0"
    )]
    ViewShape {
        /// Zero-based index of the first view that differs.
        view: usize,
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
        /// The first view's rows.
        expected_rows: usize,
        /// The first view's columns.
        expected_cols: usize,
    },

    /// Not one gradient buffer a view.
    #[error("{found} gradient buffers were given for {expected} views")]
    ViewGradients {
        /// The number of views.
        expected: usize,
        /// The number of buffers.
        found: usize,
    },

    /// Random directions of another width than the embedding's.
    #[error("directions have {found} coordinates, expected {expected} as the embedding")]
    Directions {
        /// The embedding's columns.
        expected: usize,
        /// The directions' coordinates.
        found: usize,
    },

    /// The eigenvalues of a Gram matrix were not found.
    #[error("eigenvalues of a {order} x {order} Gram matrix did not converge")]
    Eigenvalues {
        /// Rows of the matrix.
        order: usize,
    },
}

impl Error {
    /// What the user can do about it, in one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Shape { .. } => {
                Some("pass one value per row and column, in row-major order".into())
            }
            Self::TooFewRows { .. } => {
                Some("score a batch of embeddings, one row per image".into())
            }
            Self::NoColumns { .. } => None,
            Self::TooManyRows { .. } => Some("score the rows in several batches".into()),
            Self::NotFinite { .. } => Some(
                "check for a diverged model (lower the learning rate) or a damaged \
                      file"
                    .into(),
            ),
            Self::GradientLength { .. } => {
                Some("the gradient has the shape of the embedding, row-major".into())
            }
            Self::Coefficient { name, .. } => match *name {
                "beta" | "gamma" | "epsilon" => {
                    Some("the published settings are vicreg, swav and simsiam".into())
                }
                _ => Some("the published settings are the criterion's defaults".into()),
            },
            Self::NoViews => None,
            Self::ViewShape { .. } => {
                Some("all views embed the same images in the same space, row by row".into())
            }
            Self::ViewGradients { .. } => Some("pass one gradient buffer for each view".into()),
            Self::Directions { .. } => {
                Some("draw the directions for the embedding's number of columns".into())
            }
            Self::Eigenvalues { .. } => {
                Some("check for a diverged model: its embeddings are degenerate".into())
            }
        }
    }
}

/// `rows * cols` in words, also where the product overflows.
fn expected_len(rows: usize, cols: usize) -> String {
    rows.checked_mul(cols)
        .map_or_else(|| "more than addressable".into(), |n| n.to_string())
}
