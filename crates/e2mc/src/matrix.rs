//! Plain row-major float32 matrices: a borrowed view and an owned twin.

use crate::Error;

/// A borrowed `(n, d)` matrix of embeddings: one row per image, row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatrixView<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
}

impl<'a> MatrixView<'a> {
    /// Views `data` as `rows` rows of `cols` values each.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data.len() != rows * cols`.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Result<Self, Error> {
        if rows.checked_mul(cols) != Some(data.len()) {
            return Err(Error::Shape {
                rows,
                cols,
                found: data.len(),
            });
        }
        Ok(Self { data, rows, cols })
    }

    /// All values, row-major.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Number of rows `n`.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns `d`.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `index`, `d` values.
    ///
    /// # Panics
    /// If `index >= rows`.
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.data[index * self.cols..][..self.cols]
    }

    /// Checks the shape that every criterion needs: two rows at least, one column at least.
    pub(crate) fn check_batch(&self) -> Result<(), Error> {
        let Self { rows, cols, .. } = *self;
        if rows < 2 {
            return Err(Error::TooFewRows { rows });
        }
        if u32::try_from(rows).is_err() {
            return Err(Error::TooManyRows {
                rows,
                limit: u32::MAX as usize,
            });
        }
        if cols == 0 {
            return Err(Error::NoColumns { rows });
        }
        Ok(())
    }

    /// Checks that a gradient's buffer has the matrix's size.
    pub(crate) fn check_gradient(&self, gradient: &[f32]) -> Result<(), Error> {
        let (rows, cols, found) = (self.rows, self.cols, gradient.len());
        let expected = self.data.len();
        if found != expected {
            return Err(Error::GradientLength {
                rows,
                cols,
                expected,
                found,
            });
        }
        Ok(())
    }

    /// The error that names the first value, in row-major order, that is NaN or infinite.
    pub(crate) fn not_finite(&self) -> Error {
        let bad = self.data.iter().position(|value| !value.is_finite());
        let index = bad.unwrap_or_default();
        Error::NotFinite {
            row: index / self.cols,
            column: index % self.cols,
            value: self.data[index],
        }
    }
}

/// An owned `(n, d)` matrix, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    data: Vec<f32>,
    rows: usize,
    cols: usize,
}

impl Matrix {
    /// Takes `data` as `rows` rows of `cols` values each.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data.len() != rows * cols`.
    pub fn new(data: Vec<f32>, rows: usize, cols: usize) -> Result<Self, Error> {
        MatrixView::new(&data, rows, cols)?;
        Ok(Self { data, rows, cols })
    }

    /// A matrix of zeros.
    ///
    /// # Panics
    /// If `rows * cols` values cannot be addressed or allocated.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        let len = rows.checked_mul(cols).expect("rows * cols fits a usize");
        Self {
            data: vec![0.0; len],
            rows,
            cols,
        }
    }

    /// The borrowed view of the whole matrix.
    pub fn view(&self) -> MatrixView<'_> {
        MatrixView {
            data: &self.data,
            rows: self.rows,
            cols: self.cols,
        }
    }

    /// All values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, row-major, to write to.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values without the shape, row-major.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// Number of rows `n`.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns `d`.
    pub fn cols(&self) -> usize {
        self.cols
    }
}
