//! The criterion: value, gradient, and the two figures without scale.

use std::sync::{Mutex, PoisonError};

use e2mc::{Criterion, MatrixView, Shape, Transform, Value, Workspace};
use numpy::{PyArray1, PyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::{Array, array, vector, view};
use crate::error::raise;
use crate::pool;

/// Entropy, covariance, loss, and the entropy of each dimension.
type Figures<'py> = (f64, f64, f64, Bound<'py, PyArray1<f32>>);

/// Memory kept between calls, so that a training loop allocates nothing but its gradient.
static KEPT: Mutex<Vec<Workspace>> = Mutex::new(Vec::new());
/// Workspaces that are kept at most.
const MOST_KEPT: usize = 2;
/// Values of an embedding whose workspace is kept, at most: 64 MiB.
const MOST_VALUES: usize = 16 << 20;

/// Evaluates in memory that an earlier call may have left.
fn evaluate(
    criterion: Criterion,
    z: MatrixView<'_>,
    gradient: Option<&mut [f32]>,
) -> Result<Value, e2mc::Error> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut workspace = kept.unwrap_or_default();
    let value = match gradient {
        Some(gradient) => criterion.value_and_gradient_in(z, gradient, &mut workspace),
        None => criterion.value_in(z, &mut workspace),
    };
    let value = value.cloned();
    if z.data().len() <= MOST_VALUES {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push(workspace);
        }
    }
    value
}

/// The criterion by the transform's name; without an epsilon the published one.
pub(crate) fn criterion(
    transform: &str,
    beta: f64,
    gamma: f64,
    epsilon: Option<f64>,
) -> PyResult<Criterion> {
    let published = match transform {
        "sigmoid" => Criterion::vicreg(),
        "gaussian" => Criterion::swav(),
        other => {
            return Err(PyValueError::new_err(format!(
                "transform is '{other}', expected 'sigmoid' or 'gaussian'"
            )));
        }
    };
    Ok(Criterion {
        beta,
        gamma,
        epsilon: epsilon.map_or(published.epsilon, |epsilon| epsilon as f32),
        ..published
    })
}

/// The published epsilon of a transform.
#[pyfunction]
pub(crate) fn default_epsilon(transform: &str) -> PyResult<f64> {
    Ok(criterion(transform, 1.0, 1.0, None)?.epsilon.into())
}

/// The transform by its name.
pub(crate) fn transform(name: &str) -> PyResult<Transform> {
    Ok(criterion(name, 1.0, 1.0, None)?.transform)
}

fn figures(py: Python<'_>, value: Value) -> Figures<'_> {
    let marginal = vector(py, value.marginal_entropy);
    (value.entropy, value.covariance, value.loss, marginal)
}

/// The value on `z` `(n, d)`, and entropy and covariance after each dimension is standardised.
#[pyfunction]
pub(crate) fn score<'py>(
    py: Python<'py>,
    z: Array<'py>,
    transform: &str,
    beta: f64,
    gamma: f64,
    epsilon: Option<f64>,
) -> PyResult<(Figures<'py>, (f64, f64))> {
    let criterion = criterion(transform, beta, gamma, epsilon)?;
    let rows = view(&z)?;
    let found = pool::run(py, || -> Result<(Value, Shape), e2mc::Error> {
        Ok((evaluate(criterion, rows, None)?, criterion.shape(rows)?))
    })?;
    let (value, shape) = found.map_err(raise)?;
    let shape = (shape.entropy_shape, shape.covariance_shape);
    Ok((figures(py, value), shape))
}

/// The value on `z` `(n, d)` and its gradient of the same shape.
#[pyfunction]
pub(crate) fn value_and_grad<'py>(
    py: Python<'py>,
    z: Array<'py>,
    transform: &str,
    beta: f64,
    gamma: f64,
    epsilon: Option<f64>,
) -> PyResult<(Figures<'py>, Bound<'py, PyArray2<f32>>)> {
    let criterion = criterion(transform, beta, gamma, epsilon)?;
    let rows = view(&z)?;
    let (value, gradient) = pool::run(py, || {
        let mut gradient = vec![0.0; rows.data().len()];
        (evaluate(criterion, rows, Some(&mut gradient)), gradient)
    })?;
    let value = value.map_err(raise)?;
    let gradient = array(py, gradient, (rows.rows(), rows.cols()))?;
    Ok((figures(py, value), gradient))
}

/// The value on `z` `(n, d)` alone, as a training loop without gradients wants it.
#[pyfunction]
pub(crate) fn value<'py>(
    py: Python<'py>,
    z: Array<'py>,
    transform: &str,
    beta: f64,
    gamma: f64,
    epsilon: Option<f64>,
) -> PyResult<Figures<'py>> {
    let criterion = criterion(transform, beta, gamma, epsilon)?;
    let rows = view(&z)?;
    let value = pool::run(py, || evaluate(criterion, rows, None))?;
    Ok(figures(py, value.map_err(raise)?))
}
