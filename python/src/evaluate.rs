//! The evaluations of labelled embeddings; each gives the command's own result as JSON.

use std::path::PathBuf;

use e2mc_eval::protocol::{
    Error, Labelled, MachineData, MachinePlan, NeighbourData, NeighbourPlan, ProbeKind, ProbePlan,
    Scale, Subsets, evaluate_machines, evaluate_neighbours, evaluate_probes,
};
use e2mc_eval::{Interpolation, KnnConfig, MultiLabels, Presence, Targets, Vote};
use e2mc_record::{EvaluationResult, Protocol, ResultFolder};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::{Array, classes, matrix, view};
use crate::error::raise;
use crate::pool;
use crate::runs::with_rows;

type Labels<'py> = PyReadonlyArray1<'py, i64>;

/// Where the result is written, and what it is called there.
struct Place {
    folder: ResultFolder,
    model: String,
}

impl Place {
    fn new(folder: PathBuf, overwrite: bool, model: String) -> PyResult<Self> {
        let folder = ResultFolder::create(&folder, overwrite).map_err(raise)?;
        Ok(Self { folder, model })
    }

    /// Evaluates, writes the result and gives it as JSON.
    fn fill(
        mut self,
        py: Python<'_>,
        (command, protocol): (&str, Protocol),
        work: impl FnOnce(EvaluationResult, &mut ResultFolder) -> Result<EvaluationResult, Error> + Send,
    ) -> PyResult<String> {
        let result = EvaluationResult::new(command, self.model, protocol);
        let done = pool::run(py, || -> Result<EvaluationResult, Error> {
            let result = work(result, &mut self.folder)?;
            self.folder.write(&result)?;
            Ok(result)
        })?;
        Ok(with_rows(&done.map_err(raise)?).to_string())
    }
}

/// As many classes as the largest label asks for.
fn class_count(train: &[usize], test: &[usize]) -> usize {
    let largest = train.iter().chain(test).max().copied().unwrap_or(0);
    largest.saturating_add(1)
}

/// Nearest neighbours.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each setting")]
pub(crate) fn knn<'py>(
    py: Python<'py>,
    train: Array<'py>,
    train_labels: Labels<'py>,
    test: Array<'py>,
    test_labels: Labels<'py>,
    ks: Vec<usize>,
    vote: &str,
    temperature: f64,
    memory: Option<usize>,
    folder: PathBuf,
    overwrite: bool,
    model: String,
) -> PyResult<String> {
    let votes = match vote {
        "majority" => vec![Vote::Majority],
        "weighted" => vec![Vote::Weighted],
        "both" => vec![Vote::Weighted, Vote::Majority],
        other => {
            return Err(PyValueError::new_err(format!(
                "vote is '{other}', expected 'majority', 'weighted' or 'both'"
            )));
        }
    };
    let (train_labels, test_labels) = (classes(&train_labels)?, classes(&test_labels)?);
    let plan = NeighbourPlan {
        config: KnnConfig {
            ks,
            votes,
            temperature,
        },
        memory,
    };
    let data = NeighbourData {
        train: &view(&train)?,
        train_labels: &train_labels,
        test: &view(&test)?,
        test_labels: &test_labels,
        classes: class_count(&train_labels, &test_labels),
    };
    let place = Place::new(folder, overwrite, model)?;
    place.fill(py, ("knn", Protocol::Knn), |result, folder| {
        evaluate_neighbours(result, &data, &plan, folder)
    })
}

/// Logistic regression over fractions of the labels and seeds.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each setting")]
pub(crate) fn logistic<'py>(
    py: Python<'py>,
    train: Array<'py>,
    train_labels: Labels<'py>,
    test: Array<'py>,
    test_labels: Labels<'py>,
    fractions: Vec<f64>,
    seeds: Vec<u64>,
    k: usize,
    folder: PathBuf,
    overwrite: bool,
    model: String,
) -> PyResult<String> {
    let (train_labels, test_labels) = (classes(&train_labels)?, classes(&test_labels)?);
    let plan = ProbePlan {
        subsets: Subsets::of_fractions(&fractions).map_err(raise)?,
        seeds,
        probes: vec![ProbeKind::Logistic],
        k,
        ..ProbePlan::default()
    };
    let data = Labelled {
        classes: class_count(&train_labels, &test_labels),
        train: matrix(&train)?,
        train_labels,
        test: matrix(&test)?,
        test_labels,
    };
    let place = Place::new(folder, overwrite, model)?;
    place.fill(py, ("probe", Protocol::Linear), |result, folder| {
        evaluate_probes(result, &data, &plan, folder)
    })
}

/// Class numbers, or columns of 1, 0 and -1.
#[derive(FromPyObject)]
pub(crate) enum AnyLabels<'py> {
    /// One class a row.
    Classes(Labels<'py>),
    /// One column a label.
    Columns(PyReadonlyArray2<'py, i64>),
}

impl AnyLabels<'_> {
    fn targets(&self) -> PyResult<Targets> {
        let columns = match self {
            Self::Classes(labels) => return Ok(Targets::Classes(classes(labels)?)),
            Self::Columns(columns) => columns,
        };
        let width = columns.shape()[1];
        let values = columns.as_array();
        let presence = |(at, &value): (usize, &i64)| match value {
            0 => Ok(Presence::Absent),
            1 => Ok(Presence::Present),
            -1 => Ok(Presence::Ignored),
            _ => Err(PyValueError::new_err(format!(
                "label {value} at row {}, column {}, expected 1 (present), 0 (absent) or -1 \
                 (ignored)",
                at / width,
                at % width
            ))),
        };
        let values = values.iter().enumerate().map(presence);
        let labels = MultiLabels::new(values.collect::<PyResult<_>>()?, width).map_err(raise)?;
        Ok(Targets::Multi(labels))
    }
}

/// Support vector machines, one against the rest.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one for each setting")]
pub(crate) fn svm<'py>(
    py: Python<'py>,
    train: Array<'py>,
    train_labels: AnyLabels<'py>,
    test: Array<'py>,
    test_labels: AnyLabels<'py>,
    costs: Vec<f64>,
    folds: usize,
    positive_weight: f64,
    scale: &str,
    average_precision: &str,
    tolerance: f64,
    max_epochs: usize,
    seed: u64,
    folder: PathBuf,
    overwrite: bool,
    model: String,
) -> PyResult<String> {
    let plan = MachinePlan {
        costs,
        folds,
        positive_weight,
        scale: match scale {
            "raw" => Scale::Raw,
            "unit" => Scale::Unit,
            "standard" => Scale::Standard,
            other => {
                return Err(PyValueError::new_err(format!(
                    "scale is '{other}', expected 'raw', 'unit' or 'standard'"
                )));
            }
        },
        interpolation: match average_precision {
            "area" => Interpolation::Area,
            "voc07" => Interpolation::ElevenPoint,
            other => {
                return Err(PyValueError::new_err(format!(
                    "average_precision is '{other}', expected 'area' or 'voc07'"
                )));
            }
        },
        tolerance,
        max_epochs,
        seed,
    };
    let train = (matrix(&train)?, train_labels.targets()?);
    let test = (matrix(&test)?, test_labels.targets()?);
    let data = MachineData::new(train, test).map_err(raise)?;
    let place = Place::new(folder, overwrite, model)?;
    place.fill(py, ("svm", Protocol::Svm), |result, folder| {
        evaluate_machines(result, data, &plan, folder)
    })
}
