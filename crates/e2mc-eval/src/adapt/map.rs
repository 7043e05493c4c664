//! A fitted map and its use on rows: `y = W (x - m)`, then unit length if asked.
//!
//! The mean is subtracted in float64 before the product, not folded into a bias after it: features
//! far from zero lose nothing that way. [`Map::bias`] folds it where a linear layer is wanted.

use std::borrow::Cow;
use std::ops::Range;

use e2mc::{Matrix, MatrixView};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Method;
use crate::diagnostics::rows::{check_finite, each_block};
use crate::product::{Operand, multiply};
use crate::standardise::inverse_norm;
use crate::{Error, Rows};

/// Rows that one task maps.
const ROWS: usize = 128;

/// A map of embeddings of `d` dimensions, fitted by a [`Method`].
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// `m`, subtracted first; one for each dimension that the map takes.
    pub(super) shift: Vec<f64>,
    pub(super) linear: Linear,
    pub(super) unit_length: bool,
    pub(super) method: Method,
    pub(super) fitted: Fitted,
}

/// The linear part `W`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Linear {
    Identity,
    Diagonal(Vec<f32>),
    /// `(d_out, d_in)`, row-major.
    Dense(Vec<f32>),
}

/// What a map was fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The number of rows.
    pub rows: usize,
    /// [`Statistics::fingerprint`](super::Statistics::fingerprint) of the rows.
    pub fingerprint: String,
}

impl Map {
    /// The dimensions of the embeddings that the map takes.
    pub fn input_dims(&self) -> usize {
        self.shift.len()
    }

    /// The dimensions of the embeddings that it gives.
    pub fn output_dims(&self) -> usize {
        match &self.linear {
            Linear::Identity | Linear::Diagonal(_) => self.shift.len(),
            Linear::Dense(weight) => weight.len() / self.shift.len(),
        }
    }

    /// How it was fitted.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether mapped rows are brought to length 1 as the last step. Rows of zeros stay.
    pub fn unit_length(&self) -> bool {
        self.unit_length
    }

    /// The same map, with mapped rows brought to length 1 as the last step or not.
    #[must_use]
    pub fn with_unit_length(self, unit_length: bool) -> Self {
        Self {
            unit_length,
            ..self
        }
    }

    /// What it was fitted to.
    pub fn fitted(&self) -> &Fitted {
        &self.fitted
    }

    /// Whether it returns the embeddings as they are, bit for bit.
    pub fn is_identity(&self) -> bool {
        let still = self.shift.iter().all(|&m| m == 0.0);
        still && self.linear == Linear::Identity && !self.unit_length
    }

    /// The linear layer's weight `W` `(d_out, d_in)`, row-major, whatever the map's form.
    pub fn weight(&self) -> Matrix {
        let dims = self.input_dims();
        let diagonal = |value: &dyn Fn(usize) -> f32| {
            let mut weight = Matrix::zeros(dims, dims);
            for (i, w) in weight.data_mut().iter_mut().step_by(dims + 1).enumerate() {
                *w = value(i);
            }
            weight
        };
        match &self.linear {
            Linear::Identity => diagonal(&|_| 1.0),
            Linear::Diagonal(scale) => diagonal(&|i| scale[i]),
            Linear::Dense(weight) => {
                let rows = self.output_dims();
                Matrix::new(weight.clone(), rows, dims).expect("whole rows")
            }
        }
    }

    /// The linear layer's bias `-W m`, one for each output dimension: `y = W x + bias`, before unit
    /// length.
    pub fn bias(&self) -> Vec<f64> {
        match &self.linear {
            Linear::Identity => self.shift.iter().map(|m| 0.0 - m).collect(),
            Linear::Diagonal(scale) => {
                let scaled = self.shift.iter().zip(scale);
                scaled.map(|(m, &w)| 0.0 - m * f64::from(w)).collect()
            }
            Linear::Dense(weight) => weight
                .chunks_exact(self.input_dims())
                .map(|line| {
                    let products = line.iter().zip(&self.shift);
                    0.0 - products.map(|(&w, m)| f64::from(w) * m).sum::<f64>()
                })
                .collect(),
        }
    }

    /// The mapped rows `(n, d_out)` of `rows` `(n, d_in)`.
    ///
    /// # Errors
    /// Rows of another width, a value that is not finite.
    pub fn apply(&self, rows: MatrixView<'_>) -> Result<Matrix, Error> {
        self.apply_from(0, rows)
    }

    /// As [`Map::apply`], for rows that come piece by piece: an error counts them from `first`, the
    /// index of this piece's first row.
    ///
    /// # Errors
    /// As [`Map::apply`].
    pub fn apply_from(&self, first: usize, rows: MatrixView<'_>) -> Result<Matrix, Error> {
        self.check_width(rows.cols())?;
        check_finite(first, rows)?;
        Ok(self.mapped(rows))
    }

    /// Maps `rows` a block at a time, in order, and shows each block to `visit` with the index of
    /// its first row: memory for a block, whatever the number of rows.
    ///
    /// # Errors
    /// As [`Map::apply`], a file that cannot be read, and what `visit` returns, which ends the
    /// pass.
    pub fn stream(
        &self,
        rows: &dyn Rows,
        mut visit: impl FnMut(usize, MatrixView<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.check_width(rows.cols())?;
        each_block(rows, |first, block| {
            check_finite(first, block)?;
            visit(first, self.mapped(block).view())
        })
    }

    /// The mapped rows as a source of their own: each range is mapped when it is read, so that
    /// whatever reads rows reads mapped ones.
    ///
    /// # Errors
    /// Rows of another width.
    pub fn over<'a>(&'a self, rows: &'a dyn Rows) -> Result<Mapped<'a>, Error> {
        self.check_width(rows.cols())?;
        Ok(Mapped { map: self, rows })
    }

    fn check_width(&self, cols: usize) -> Result<(), Error> {
        if cols != self.input_dims() {
            return Err(Error::MapWidth {
                map: self.input_dims(),
                rows: cols,
            });
        }
        Ok(())
    }

    /// [`Map::apply`] on what has been checked.
    pub(super) fn mapped(&self, rows: MatrixView<'_>) -> Matrix {
        let (dims, width) = (self.input_dims(), self.output_dims());
        let mut out = Matrix::zeros(rows.rows(), width);
        out.data_mut()
            .par_chunks_mut(ROWS * width)
            .zip(rows.data().par_chunks(ROWS * dims))
            .for_each_init(Vec::new, |centred, (out, rows)| {
                match &self.linear {
                    Linear::Identity => self.shifted(rows, out),
                    Linear::Diagonal(scale) => {
                        self.shifted(rows, out);
                        for line in out.chunks_exact_mut(dims) {
                            line.iter_mut().zip(scale).for_each(|(y, w)| *y *= w);
                        }
                    }
                    Linear::Dense(weight) => {
                        centred.resize(rows.len(), 0.0);
                        self.shifted(rows, centred);
                        let weight = Operand::new(weight, width, dims).transposed();
                        let count = rows.len() / dims;
                        multiply(out, Operand::new(centred, count, dims), weight);
                    }
                }
                if self.unit_length {
                    for line in out.chunks_exact_mut(width) {
                        let scale = inverse_norm(line);
                        line.iter_mut()
                            .for_each(|y| *y = (f64::from(*y) * scale) as f32);
                    }
                }
            });
        out
    }

    /// `x - m`.
    fn shifted(&self, rows: &[f32], out: &mut [f32]) {
        let dims = self.input_dims();
        for (out, row) in out.chunks_exact_mut(dims).zip(rows.chunks_exact(dims)) {
            for ((out, &value), m) in out.iter_mut().zip(row).zip(&self.shift) {
                *out = (f64::from(value) - m) as f32;
            }
        }
    }
}

/// Rows seen through a map; see [`Map::over`].
#[derive(Clone, Copy)]
pub struct Mapped<'a> {
    map: &'a Map,
    rows: &'a dyn Rows,
}

impl std::fmt::Debug for Mapped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapped")
            .field("map", &self.map.method)
            .field("rows", &self.rows.rows())
            .finish_non_exhaustive()
    }
}

impl Rows for Mapped<'_> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn cols(&self) -> usize {
        self.map.output_dims()
    }

    fn read(&self, rows: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        let first = rows.start;
        let values = self.rows.read(rows.clone())?;
        if self.map.is_identity() {
            return Ok(values);
        }
        let view = MatrixView::new(&values, rows.len(), self.rows.cols()).expect("whole rows");
        check_finite(first, view)?;
        Ok(Cow::Owned(self.map.mapped(view).into_data()))
    }

    fn copies(&self) -> bool {
        !self.map.is_identity() || self.rows.copies()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::{Whiten, fit};
    use crate::testing::{embeddings_and_labels, in_pool};

    fn toy() -> Map {
        Map {
            shift: vec![1.0, -2.0, 0.5],
            linear: Linear::Dense(vec![1.0, 0.0, 2.0, 0.0, 3.0, -1.0]),
            unit_length: false,
            method: Method::Center,
            fitted: Fitted {
                rows: 0,
                fingerprint: String::new(),
            },
        }
    }

    #[test]
    fn rows_are_shifted_and_multiplied_and_folding_gives_the_same() {
        let map = toy();
        assert_eq!((map.input_dims(), map.output_dims()), (3, 2));
        let x = [2.0, 0.0, 1.5, 1.0, -2.0, 0.5_f32];
        let y = map.apply(MatrixView::new(&x, 2, 3).unwrap()).unwrap();
        assert_eq!(y.data(), [3.0, 5.0, 0.0, 0.0]);
        assert_eq!(map.bias(), [-2.0, 6.5]);
        assert_eq!(map.weight().data(), [1.0, 0.0, 2.0, 0.0, 3.0, -1.0]);
        let folded = |row: &[f32], o: usize| -> f64 {
            let line = &map.weight().data()[3 * o..][..3].to_vec();
            let products = line.iter().zip(row);
            products.map(|(w, x)| f64::from(w * x)).sum::<f64>() + map.bias()[o]
        };
        assert_eq!(folded(&x[..3], 1), 5.0);
    }

    #[test]
    fn every_form_folds_to_what_it_does() {
        let (z, _) = embeddings_and_labels(60, 5, 3, 1);
        for name in Method::NAMES {
            let method = Method::from_name(name).unwrap();
            let map = fit(&z.view(), &method, false, 0).unwrap();
            let (weight, bias) = (map.weight(), map.bias());
            let mapped = map.apply(z.view()).unwrap();
            for (row, mapped) in z.data().chunks(5).zip(mapped.data().chunks(5)) {
                for (o, &mapped) in mapped.iter().enumerate() {
                    let line = weight.view().row(o).iter().zip(row);
                    let sum: f64 = line.map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                    let error = (sum + bias[o] - f64::from(mapped)).abs();
                    assert!(error < 1e-5, "{name}: {error}");
                }
            }
            assert_eq!(map.is_identity(), name == "none");
            assert!(name != "none" || mapped == z);
        }
    }

    #[test]
    fn blocks_ranges_and_threads_give_the_same_rows_as_the_whole() {
        let (z, _) = embeddings_and_labels(9000, 7, 3, 2);
        let whiten = Method::Whiten(Whiten::default());
        let map = fit(&z.view(), &whiten, true, 0).unwrap();
        let whole = in_pool(1, || map.apply(z.view()).unwrap());
        let mut streamed = Vec::new();
        in_pool(3, || {
            map.stream(&z.view(), |first, block| {
                assert_eq!(first * 7, streamed.len());
                streamed.extend_from_slice(block.data());
                Ok(())
            })
        })
        .unwrap();
        assert_eq!(streamed, whole.data());
        let view = z.view();
        let seen = map.over(&view).unwrap();
        assert_eq!((seen.rows(), seen.cols(), seen.copies()), (9000, 7, true));
        assert_eq!(
            *seen.read(17..5000).unwrap(),
            whole.data()[17 * 7..5000 * 7]
        );
        for row in whole.data().chunks(7) {
            let square: f32 = row.iter().map(|v| v * v).sum();
            assert!((square - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn other_widths_and_what_is_not_finite_are_refused() {
        let map = toy();
        let x = [1.0_f32; 4];
        let error = map.apply(MatrixView::new(&x, 1, 4).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the map takes embeddings of 3 dimensions, found 4"
        );
        let view = MatrixView::new(&x, 1, 4).unwrap();
        assert!(map.over(&view).is_err());
        assert!(map.stream(&view, |_, _| Ok(())).is_err());
        let x = [1.0, 2.0, 0.0, 1.0, f32::INFINITY, 0.0];
        let error = map.apply(MatrixView::new(&x, 2, 3).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the embeddings hold inf at row 1, column 1, expected a finite number"
        );
    }
}
