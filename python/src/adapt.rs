//! Maps fitted on frozen embeddings.

use std::path::PathBuf;
use std::str::FromStr;

use e2mc_eval::adapt::{AutoConfig, Evidence, Map, MapChoice, Method, Use, Whiten, auto, fit};
use numpy::{PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;

use crate::array::{Array, array, classes, vector, view};
use crate::error::raise;
use crate::pool;

/// A fitted map of embeddings of `d` dimensions: `y = W (x - m)`, then unit length if asked.
#[pyclass(frozen, module = "e2mc._native", name = "Map")]
pub(crate) struct NativeMap(Map);

#[pymethods]
impl NativeMap {
    /// The mapped rows `(n, d_out)`.
    fn apply<'py>(&self, py: Python<'py>, rows: Array<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let rows = view(&rows)?;
        let mapped = pool::run(py, || self.0.apply(rows))?.map_err(raise)?;
        let size = (mapped.rows(), mapped.cols());
        array(py, mapped.into_data(), size)
    }

    /// Writes the map to a file, whole or not at all.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.0.save(path).map_err(raise)
    }

    /// Reads a map from a file.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Map::load(path).map(Self).map_err(raise)
    }

    /// What [`NativeMap::save`] would write.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("map.safetensors");
        self.0.save(&path).map_err(raise)?;
        Ok(PyBytes::new(py, &std::fs::read(path)?))
    }

    /// A map from what [`NativeMap::to_bytes`] gave.
    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("map.safetensors");
        std::fs::write(&path, bytes)?;
        Self::load(path)
    }

    /// Pickles by the file's own format.
    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let make = py.get_type::<Self>().getattr("from_bytes")?;
        Ok((make, (self.to_bytes(py)?,)))
    }

    /// `W` `(d_out, d)`.
    #[getter]
    fn weight<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let weight = self.0.weight();
        let size = (weight.rows(), weight.cols());
        array(py, weight.into_data(), size)
    }

    /// `-W m` `(d_out,)`.
    #[getter]
    fn bias<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        vector(py, self.0.bias())
    }

    #[getter]
    fn input_dims(&self) -> usize {
        self.0.input_dims()
    }

    #[getter]
    fn output_dims(&self) -> usize {
        self.0.output_dims()
    }

    /// The method with what sets it apart.
    #[getter]
    fn method(&self) -> String {
        self.0.method().to_string()
    }

    /// Of whitening alone.
    #[getter]
    fn strength(&self) -> Option<f64> {
        match self.0.method() {
            Method::Whiten(whiten) => Some(whiten.strength),
            _ => None,
        }
    }

    #[getter]
    fn unit_length(&self) -> bool {
        self.0.unit_length()
    }

    #[getter]
    fn is_identity(&self) -> bool {
        self.0.is_identity()
    }
}

/// The use by its name.
fn usage(name: &str) -> PyResult<Use> {
    Use::from_str(name).map_err(raise)
}

/// Checks the settings of an adapter.
#[pyfunction]
pub(crate) fn check_adapter(method: &str, use_for: &str) -> PyResult<()> {
    usage(use_for)?;
    if method == "auto" || Method::from_name(method).is_some() {
        return Ok(());
    }
    let names: Vec<String> = Method::NAMES
        .iter()
        .map(|name| format!("'{name}'"))
        .collect();
    Err(PyValueError::new_err(format!(
        "method is '{method}', expected 'auto', {}",
        names.join(", ")
    )))
}

/// Fits the method of that name; `strength` is of whitening alone.
#[pyfunction]
pub(crate) fn fit_map<'py>(
    py: Python<'py>,
    rows: Array<'py>,
    method: &str,
    strength: f64,
    unit_length: bool,
    seed: u64,
) -> PyResult<NativeMap> {
    let found = Method::from_name(method);
    let mut found = found.ok_or_else(|| PyValueError::new_err(format!("no method '{method}'")))?;
    if let Method::Whiten(whiten) = &mut found {
        *whiten = Whiten {
            strength,
            ..*whiten
        };
    }
    let rows = view(&rows)?;
    let map = pool::run(py, || fit(&rows, &found, unit_length, seed))?;
    map.map(NativeMap).map_err(raise)
}

/// Chooses a map on held-out rows and verifies it on others; the second value says how that went,
/// as JSON.
#[pyfunction]
#[pyo3(signature = (rows, labels, second_view, use_for, seed, looks))]
pub(crate) fn auto_map<'py>(
    py: Python<'py>,
    rows: Array<'py>,
    labels: Option<PyReadonlyArray1<'py, i64>>,
    second_view: Option<Array<'py>>,
    use_for: &str,
    seed: u64,
    looks: Option<PathBuf>,
) -> PyResult<(NativeMap, String)> {
    let config = AutoConfig {
        uses: vec![usage(use_for)?],
        seed,
        looks,
        ..AutoConfig::default()
    };
    let labels = labels.as_ref().map(classes).transpose()?;
    let second = second_view.as_ref().map(view).transpose()?;
    let rows = view(&rows)?;
    let found = pool::run(py, || {
        let evidence = match (&labels, &second) {
            (Some(labels), _) => Evidence::Labels(labels),
            (None, Some(second)) => Evidence::SecondView(second),
            (None, None) => Evidence::Nothing,
        };
        auto(&rows, evidence, &config)
    })?;
    let mut found = found.map_err(raise)?;
    // One use was asked for.
    let outcome = found.swap_remove(0);
    let text = describe(&outcome);
    Ok((NativeMap(outcome.map), text))
}

fn describe(outcome: &MapChoice) -> String {
    let candidates = outcome.candidates.iter().map(|candidate| {
        json!({
            "method": candidate.method.to_string(),
            "unit_length": candidate.unit_length,
            "accuracy": candidate.accuracy,
        })
    });
    let text = json!({
        "use": outcome.usage.name(),
        "verdict": outcome.verdict,
        "candidates": candidates.collect::<Vec<_>>(),
        "chosen": outcome.chosen,
        "verified": outcome.verified,
        "detectable": outcome.detectable,
        "parts": outcome.parts,
        "copies": outcome.copies,
        "fingerprint": outcome.fingerprint,
    });
    text.to_string()
}
