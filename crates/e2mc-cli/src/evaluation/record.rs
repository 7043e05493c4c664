//! What every evaluation leaves behind with `--out`: its predictions, sample by sample, and how they
//! came about.
//!
//! `DIR/result.json` holds settings, seeds, the checkpoint's hash and figures; it lists each
//! evaluation with the place of its `predictions.npz` (`label`, `prediction`, and `scores` or, of
//! k-NN, `ranked`). The first is in DIR itself, further ones in folders of their own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2mc::Matrix;
use e2mc_cli::options::RecordOptions;
use e2mc_eval::{Column, Confusion, KnnResult, MultiLabels, top_k, top1, write_npz};
use e2mc_train::checkpoint::write_atomically;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The name of the predictions' file.
pub(crate) const PREDICTIONS: &str = "predictions.npz";
/// The name of the result's file.
pub(crate) const RESULT: &str = "result.json";
/// With more classes the confusion matrix is left out: it can be counted from the predictions.
const MOST_CONFUSED: usize = 100;

/// How good predictions are, in percent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) top1: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top5: Option<f64>,
    /// Mean of the classes' accuracies.
    pub(crate) mean_per_class: f64,
    /// Accuracy of each class; none for a class without test rows.
    pub(crate) per_class: Vec<Option<f64>>,
    /// Test rows of each class (outer) by predicted class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confusion: Option<Vec<Vec<usize>>>,
}

impl Figures {
    /// Of predictions whose scores, if any, say what else came near.
    pub(crate) fn new(
        predictions: &[usize],
        labels: &[usize],
        classes: usize,
        scores: Option<&Matrix>,
    ) -> Result<Self> {
        let top5 = scores.map(|scores| top_k(scores.view(), labels, 5));
        let confusion = Confusion::of(predictions, labels, classes)?;
        let percent = |fraction: f64| 100.0 * fraction;
        let per_class = confusion.per_class().into_iter();
        Ok(Self {
            top1: percent(top1(predictions, labels)?),
            top5: top5.transpose()?.map(percent),
            mean_per_class: percent(confusion.mean_per_class()),
            per_class: per_class.map(|accuracy| accuracy.map(percent)).collect(),
            confusion: (classes <= MOST_CONFUSED)
                .then(|| (0..classes).map(|c| confusion.row(c).to_vec()).collect()),
        })
    }
}

/// Writes to the folder of `--out`, if there is one.
pub(crate) struct Recorder {
    out: Option<PathBuf>,
    scores: bool,
    /// The evaluation that goes to the folder itself.
    first: Option<String>,
}

impl Recorder {
    /// Makes the folder and sees that it can be written to: to be called before the work, not after hours of it.
    pub(crate) fn new(options: &RecordOptions) -> Result<Self> {
        if let Some(out) = &options.out {
            let place = out.display();
            fs::create_dir_all(out).with_context(|| format!("cannot make {place}"))?;
            tempfile::tempfile_in(out).with_context(|| format!("cannot write to {place}"))?;
        }
        Ok(Self {
            out: options.out.clone(),
            scores: !options.no_scores,
            first: None,
        })
    }

    /// Names the evaluation whose predictions go to the folder itself.
    pub(crate) fn first(&mut self, name: String) {
        self.first = Some(name);
    }

    /// Writes nothing.
    pub(crate) fn nowhere() -> Self {
        Self {
            out: None,
            scores: false,
            first: None,
        }
    }

    /// Writes the predictions of one evaluation; gives their place within the folder.
    pub(crate) fn predictions(
        &self,
        name: &str,
        labels: &[usize],
        predictions: &[usize],
        scores: Option<&Matrix>,
    ) -> Result<Option<PathBuf>> {
        let mut columns = vec![
            ("label", Column::Classes(labels)),
            ("prediction", Column::Classes(predictions)),
        ];
        if let Some(scores) = scores.filter(|_| self.scores) {
            columns.push(("scores", Column::Floats(scores.data(), scores.cols())));
        }
        self.write(name, &columns)
    }

    /// The same for neighbours' votes.
    pub(crate) fn votes(
        &self,
        name: &str,
        labels: &[usize],
        result: &KnnResult,
    ) -> Result<Option<PathBuf>> {
        let number = |label: &Option<usize>| label.map_or(-1, |label| label as i64);
        let ranked: Vec<i64> = result.ranked.iter().flatten().map(number).collect();
        let columns = [
            ("label", Column::Classes(labels)),
            ("prediction", Column::Classes(&result.predictions)),
            ("ranked", Column::Integers(&ranked, e2mc_eval::RANKED)),
        ];
        self.write(name, &columns)
    }

    /// The same for several labels a row, of which the scores are all there is.
    pub(crate) fn labels(
        &self,
        name: &str,
        labels: &MultiLabels,
        scores: &Matrix,
    ) -> Result<Option<PathBuf>> {
        let integers = labels.to_integers();
        let columns = [
            ("label", Column::Integers(&integers, labels.labels())),
            ("scores", Column::Floats(scores.data(), scores.cols())),
        ];
        self.write(name, &columns)
    }

    fn write(&self, name: &str, columns: &[(&str, Column<'_>)]) -> Result<Option<PathBuf>> {
        let Some(out) = &self.out else {
            return Ok(None);
        };
        let place = if self.first.as_deref() == Some(name) {
            PathBuf::from(PREDICTIONS)
        } else {
            Path::new(name).join(PREDICTIONS)
        };
        let path = out.join(&place);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        write_npz(&path, columns)?;
        Ok(Some(place))
    }

    /// Writes `result.json`.
    pub(crate) fn result(&self, result: &Value) -> Result<()> {
        let Some(out) = &self.out else {
            return Ok(());
        };
        let text = serde_json::to_string_pretty(result)?;
        Ok(write_atomically(&out.join(RESULT), text.as_bytes())?)
    }
}

/// The result of a command: what it is, of which model, with which settings, then its own entries.
pub(crate) fn result(
    command: &str,
    model: String,
    origin: Value,
    settings: Value,
    entries: Value,
) -> Value {
    let mut result = Map::new();
    result.insert("e2mc".into(), json!(env!("CARGO_PKG_VERSION")));
    result.insert("command".into(), json!(command));
    result.insert("model".into(), json!(model));
    for part in [origin, json!({ "settings": settings }), entries] {
        if let Value::Object(part) = part {
            result.extend(part);
        }
    }
    result.into()
}
