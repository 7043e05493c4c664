//! NumPy arrays as matrices, and matrices as NumPy arrays. Values are copied on neither way.

use e2mc::{Matrix, MatrixView};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::raise;

/// A float32 array `(n, d)` in C order; the Python side has converted all others.
pub(crate) type Array<'py> = PyReadonlyArray2<'py, f32>;

/// The array's values where they are.
pub(crate) fn view<'a>(array: &'a Array<'_>) -> PyResult<MatrixView<'a>> {
    let values = array
        .as_slice()
        .map_err(|_| PyValueError::new_err("expected an array in C order"))?;
    MatrixView::new(values, array.shape()[0], array.shape()[1]).map_err(raise)
}

/// A copy of the array's values.
pub(crate) fn matrix(array: &Array<'_>) -> PyResult<Matrix> {
    let view = view(array)?;
    Matrix::new(view.data().to_vec(), view.rows(), view.cols()).map_err(raise)
}

/// A new array `(n, d)` that takes the values over.
pub(crate) fn array(
    py: Python<'_>,
    values: Vec<f32>,
    (rows, cols): (usize, usize),
) -> PyResult<Bound<'_, PyArray2<f32>>> {
    values.into_pyarray(py).reshape([rows, cols])
}

/// A new array of one dimension that takes the values over.
pub(crate) fn vector<T: numpy::Element>(py: Python<'_>, values: Vec<T>) -> Bound<'_, PyArray1<T>> {
    values.into_pyarray(py)
}

/// Class numbers, which the Python side has checked to be at least 0.
pub(crate) fn classes(labels: &numpy::PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    let labels = labels
        .as_slice()
        .map_err(|_| PyValueError::new_err("expected labels in one piece"))?;
    let number = |(row, &label): (usize, &i64)| {
        usize::try_from(label).map_err(|_| {
            PyValueError::new_err(format!(
                "label {label} at row {row}, expected a class number from 0"
            ))
        })
    };
    labels.iter().enumerate().map(number).collect()
}
