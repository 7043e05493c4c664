//! Whether two results differ beyond chance, as JSON.

use std::path::{Path, PathBuf};

use e2mc_eval::CompareConfig;
use e2mc_eval::protocol::{
    ComparedLine, Error, Judged, MatchedLine, Unmatched, compare_lines, match_fits,
};
use e2mc_record::{EvaluationResult, FitKey, Protocol, RESULT};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::array::classes;
use crate::error::raise;
use crate::pool;

fn lines(compared: &[ComparedLine], level: f64) -> Vec<Value> {
    let line = |line: &ComparedLine| {
        let d = &line.difference;
        json!({
            "name": line.key.row_name(),
            "seeds": line.seeds,
            "samples": d.samples,
            "accuracy_a": d.accuracy_a,
            "accuracy_b": d.accuracy_b,
            "difference": d.mean_difference,
            "interval": [d.interval.0, d.interval.1],
            "confidence": line.confidence,
            "p": d.p,
            "p_corrected": line.p_corrected,
            "differs": line.differs(level),
        })
    };
    compared.iter().map(line).collect()
}

fn config(bootstraps: usize, seed: u64) -> CompareConfig {
    CompareConfig {
        bootstraps,
        seed,
        ..CompareConfig::default()
    }
}

/// Compares the results in two folders, fit by fit. With `common`, fits without a partner are left
/// out.
#[pyfunction]
pub(crate) fn compare_results(
    py: Python<'_>,
    first: PathBuf,
    second: PathBuf,
    common: bool,
    level: f64,
    bootstraps: usize,
    seed: u64,
) -> PyResult<String> {
    let work = || -> Result<(Vec<ComparedLine>, Vec<Unmatched>), Error> {
        let read = |folder: &Path| EvaluationResult::read(&folder.join(RESULT));
        let (a, b) = (read(&first)?, read(&second)?);
        let judged = |folder, result| Judged { folder, result };
        let matches = match_fits(judged(&first, &a), judged(&second, &b))?;
        let unmatched = matches.unmatched.clone();
        let found = match common {
            true => matches.common()?,
            false => matches.all()?,
        };
        let compared = compare_lines(&found, level, &config(bootstraps, seed))?;
        Ok((compared, unmatched))
    };
    let (compared, unmatched) = pool::run(py, work)?.map_err(raise)?;
    let unmatched: Vec<String> = unmatched.iter().map(ToString::to_string).collect();
    let result = json!({ "lines": lines(&compared, level), "unmatched": unmatched });
    Ok(result.to_string())
}

/// Compares two lists of predictions of the same rows.
#[pyfunction]
pub(crate) fn compare_predictions<'py>(
    py: Python<'py>,
    first: PyReadonlyArray1<'py, i64>,
    second: PyReadonlyArray1<'py, i64>,
    labels: PyReadonlyArray1<'py, i64>,
    level: f64,
    bootstraps: usize,
    seed: u64,
) -> PyResult<String> {
    let line = MatchedLine {
        key: FitKey::new(Protocol::Knn, "predictions", 1.0, 0),
        seeds: vec![0],
        labels: classes(&labels)?,
        first: vec![classes(&first)?],
        second: vec![classes(&second)?],
    };
    let work = || compare_lines(&[line], level, &config(bootstraps, seed));
    let compared = pool::run(py, work)?.map_err(raise)?;
    Ok(json!({ "lines": lines(&compared, level), "unmatched": [] }).to_string())
}
