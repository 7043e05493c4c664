//! What embeddings look like: the figures and the page.

use std::path::PathBuf;

use e2mc_eval::diagnostics::Config;
use e2mc_report::pages::embedding::{self, Subject};
use e2mc_report::save_figures;
use pyo3::prelude::*;

use crate::array::{Array, matrix, view};
use crate::criterion;
use crate::error::raise;
use crate::pool;

/// Embeddings that were measured.
#[pyclass(frozen, module = "e2mc._native", name = "Measured")]
pub(crate) struct Measured(Vec<Subject>);

const COMMAND: &str = "e2mc.inspect";

#[pymethods]
impl Measured {
    /// All figures, as the command's JSON.
    fn json(&self) -> String {
        let findings = embedding::findings(&self.0);
        embedding::json(&self.0, &findings).to_string()
    }

    /// The page.
    fn html(&self, py: Python<'_>) -> PyResult<String> {
        pool::run(py, || embedding::report(&self.0, COMMAND).to_html())
    }

    /// Writes each chart into a folder; gives what should be known of them.
    fn save_figures(&self, py: Python<'_>, folder: PathBuf) -> PyResult<Vec<String>> {
        let saved = pool::run(py, || {
            save_figures(&embedding::report(&self.0, COMMAND), &folder)
        })?;
        let saved = saved.map_err(raise)?;
        Ok(saved.remarks.iter().map(ToString::to_string).collect())
    }
}

/// Measures embeddings, and others of the same images or other views of them.
#[pyfunction]
pub(crate) fn measure<'py>(
    py: Python<'py>,
    embeddings: Vec<(String, Array<'py>)>,
    views: Vec<Array<'py>>,
    transform: &str,
    queries: usize,
    seed: u64,
) -> PyResult<Measured> {
    let transform = criterion::transform(transform)?;
    let mut subjects = Vec::new();
    for (name, array) in &embeddings {
        let rows = view(array)?;
        let config = Config {
            seed,
            queries,
            ..Config::new(transform, rows.cols())
        };
        let subject = pool::run(py, || Subject::measure(name, name, &rows, &config))?;
        subjects.push(subject.map_err(raise)?);
    }
    if !views.is_empty()
        && let (Some(subject), Some((_, first))) = (subjects.first_mut(), embeddings.first())
    {
        let all = std::iter::once(first).chain(&views);
        let all = all.map(matrix).collect::<PyResult<Vec<_>>>()?;
        pool::run(py, || subject.add_views(&all))?.map_err(raise)?;
    }
    Ok(Measured(subjects))
}
