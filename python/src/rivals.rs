//! The criteria that the paper compares with: values and gradients.

use e2mc::MatrixView;
use e2mc::rival::{Mmcr, Sigreg, Space, Uniformity, Vcreg};
use numpy::PyArray2;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::{Array, array, view};
use crate::error::raise;
use crate::pool;

/// Figures, and the gradient if it was asked for.
type Evaluated<'py, T> = (T, Option<Bound<'py, PyArray2<f32>>>);

/// Evaluates with a buffer for the gradient if it is wanted.
fn evaluate<'py, T: Send>(
    py: Python<'py>,
    z: MatrixView<'_>,
    gradient: bool,
    work: impl FnOnce(Option<&mut [f32]>) -> Result<T, e2mc::Error> + Send,
) -> PyResult<Evaluated<'py, T>> {
    let (value, gradient) = pool::run(py, || {
        let mut buffer = gradient.then(|| vec![0.0; z.data().len()]);
        (work(buffer.as_deref_mut()), buffer)
    })?;
    let value = value.map_err(raise)?;
    let size = (z.rows(), z.cols());
    let gradient = gradient.map(|values| array(py, values, size));
    Ok((value, gradient.transpose()?))
}

/// Variance, covariance and loss of `z` `(n, d)`.
#[pyfunction]
pub(crate) fn vcreg<'py>(
    py: Python<'py>,
    z: Array<'py>,
    space: &str,
    variance: f64,
    covariance: f64,
    gradient: bool,
) -> PyResult<Evaluated<'py, (f64, f64, f64)>> {
    let space = match space {
        "hypersphere" => Space::Hypersphere,
        "projector" => Space::Projector,
        other => {
            return Err(PyValueError::new_err(format!(
                "space is '{other}', expected 'hypersphere' or 'projector'"
            )));
        }
    };
    let settings = Vcreg {
        space,
        variance,
        covariance,
    };
    let rows = view(&z)?;
    evaluate(py, rows, gradient, |gradient| {
        let value = match gradient {
            Some(gradient) => settings.value_and_gradient(rows, gradient)?,
            None => settings.value(rows)?,
        };
        Ok((value.variance, value.covariance, value.loss))
    })
}

/// Uniformity of `z` `(n, d)`.
#[pyfunction]
pub(crate) fn uniformity<'py>(
    py: Python<'py>,
    z: Array<'py>,
    t: f64,
    gradient: bool,
) -> PyResult<Evaluated<'py, f64>> {
    let rows = view(&z)?;
    evaluate(py, rows, gradient, |gradient| match gradient {
        Some(gradient) => Uniformity { t }.value_and_gradient(rows, gradient),
        None => Uniformity { t }.value(rows),
    })
}

/// MMCR of views `(n, d)`, and one gradient a view.
#[pyfunction]
pub(crate) fn mmcr<'py>(
    py: Python<'py>,
    views: Vec<Array<'py>>,
    gradient: bool,
) -> PyResult<(f64, Vec<Bound<'py, PyArray2<f32>>>)> {
    let views: Vec<MatrixView<'_>> = views.iter().map(view).collect::<PyResult<_>>()?;
    let (value, gradients) = pool::run(py, || {
        if !gradient {
            return (Mmcr.value(&views), Vec::new());
        }
        let sizes = views.iter().map(|view| view.data().len());
        let mut gradients: Vec<Vec<f32>> = sizes.map(|size| vec![0.0; size]).collect();
        let mut buffers: Vec<&mut [f32]> = gradients.iter_mut().map(Vec::as_mut_slice).collect();
        (Mmcr.value_and_gradients(&views, &mut buffers), gradients)
    })?;
    let value = value.map_err(raise)?;
    let gradients = gradients.into_iter().zip(&views);
    let gradients = gradients.map(|(values, z)| array(py, values, (z.rows(), z.cols())));
    Ok((value, gradients.collect::<PyResult<_>>()?))
}

/// SIGReg of `z` `(n, d)` on the directions of this seed and step.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each setting")]
pub(crate) fn sigreg<'py>(
    py: Python<'py>,
    z: Array<'py>,
    slices: usize,
    knots: usize,
    t_max: f64,
    seed: u64,
    step: u64,
    gradient: bool,
) -> PyResult<Evaluated<'py, f64>> {
    let settings = Sigreg {
        slices,
        knots,
        t_max,
    };
    let rows = view(&z)?;
    evaluate(py, rows, gradient, |gradient| {
        let directions = settings.directions(rows.cols(), seed, step)?;
        match gradient {
            Some(gradient) => settings.value_and_gradient(rows, &directions, gradient),
            None => settings.value(rows, &directions),
        }
    })
}

/// The directions `(slices, d)` that [`sigreg`] looks along.
#[pyfunction]
pub(crate) fn sigreg_directions(
    py: Python<'_>,
    d: usize,
    slices: usize,
    seed: u64,
    step: u64,
) -> PyResult<Bound<'_, PyArray2<f32>>> {
    let settings = Sigreg {
        slices,
        ..Sigreg::default()
    };
    let matrix = pool::run(py, || {
        let directions = settings.directions(d, seed, step)?;
        Ok(directions.matrix().into_data())
    })?;
    array(
        py,
        matrix.map_err(|error: e2mc::Error| raise(error))?,
        (slices, d),
    )
}
