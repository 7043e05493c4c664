//! Runs and results that were written down, as JSON.

use std::path::PathBuf;

use e2mc_record::{EvaluationResult, Run};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::error::raise;
use crate::pool;

/// Everything in the folder of a run.
#[pyfunction]
pub(crate) fn read_run(py: Python<'_>, folder: PathBuf) -> PyResult<String> {
    let run = pool::run(py, || Run::read(&folder))?.map_err(raise)?;
    let results = run.results.results.iter();
    let results = results.map(|found| {
        let mut json = with_rows(&found.result);
        json["folder"] = json!(found.folder());
        json
    });
    let text = json!({
        "name": run.log.name,
        "settings": run.settings,
        "recipe": run.log.recipe,
        "recipe_text": run.recipe,
        "terms": run.log.terms(),
        "steps": run.log.steps,
        "epochs": run.log.epochs,
        "guard": run.log.guard,
        "end": run.log.end,
        "results": results.collect::<Vec<_>>(),
        "unread": run.results.unread,
    });
    Ok(text.to_string())
}

/// A result, and its rows as tables have them.
pub(crate) fn with_rows(result: &EvaluationResult) -> Value {
    let rows = result.rows().map(|row| {
        json!({
            "name": row.key.row_name(),
            "mean": row.mean,
            "measure": row.measure,
            "standard_error": row.standard_error,
            "values": row.values,
        })
    });
    json!({ "rows": rows.collect::<Vec<_>>(), "result": result })
}
