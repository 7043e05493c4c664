//! Bare predictions of one fit each, compared in detail: McNemar's test, a permutation test,
//! Cohen's d.

use std::path::{Path, PathBuf};

use super::{confidence, short_names};
use anyhow::Result;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::CompareOptions;
use e2mc_eval::{CompareConfig, Comparison, CrossedComparison, compare, npz_names, read_labels};
use e2mc_record::PREDICTIONS;
use e2mc_report::pages::comparison::Line;
use e2mc_report::pages::images::Images;
use e2mc_report::signed;
use serde_json::{Value, json};

/// One model's predictions.
pub(super) struct Predictions {
    path: PathBuf,
    labels: Vec<usize>,
    predictions: Vec<usize>,
}

impl Predictions {
    fn read(path: &Path) -> Result<Self> {
        let path = if path.is_dir() {
            path.join(PREDICTIONS)
        } else {
            path.to_owned()
        };
        let names = npz_names(&path)?;
        if !names.iter().any(|name| name == "prediction") {
            return Err(Failure::new(
                format!(
                    "{}: expected the arrays label and prediction, found {}",
                    path.display(),
                    names.join(", ")
                ),
                "results with several labels a row have no single prediction: compare average \
                 precisions over seeds",
            ));
        }
        let array = |name: &str| read_labels(format!("{}:{name}", path.display()));
        let (labels, predictions) = (array("label")?, array("prediction")?);
        if labels.len() != predictions.len() {
            return Err(Failure::new(
                format!(
                    "{}: {} labels, but {} predictions",
                    path.display(),
                    labels.len(),
                    predictions.len()
                ),
                "write one prediction for each label",
            ));
        }
        Ok(Self {
            path,
            labels,
            predictions,
        })
    }
}

/// The predictions of two models, and how they differ.
pub(super) struct Compared {
    pub(super) path: PathBuf,
    pub(super) comparison: Comparison,
    pub(super) p: f64,
    predictions: Vec<usize>,
}

/// The first model's predictions, and the others' against them.
pub(super) struct Files {
    pub(super) first: Predictions,
    pub(super) others: Vec<Compared>,
    /// Comparisons that p-values and intervals are corrected for.
    pub(super) count: usize,
    level: f64,
}

/// Compares bare predictions, one fit each.
pub(super) fn compare_files(options: &CompareOptions) -> Result<Files> {
    let first = Predictions::read(&options.first)?;
    let count = options.count(options.others.len());
    let config = CompareConfig {
        confidence: 1.0 - options.level / count as f64,
        ..options.config()
    };
    let mut results = Vec::new();
    for other in &options.others {
        let other = Predictions::read(other)?;
        if first.labels != other.labels {
            return Err(Failure::new(
                format!(
                    "{} and {} have different test samples: {} labels against {}, or other labels",
                    first.path.display(),
                    other.path.display(),
                    first.labels.len(),
                    other.labels.len()
                ),
                "evaluate both on the same test images in the same order",
            ));
        }
        let comparison = compare(
            &first.predictions,
            &other.predictions,
            &first.labels,
            &config,
        )?;
        results.push((other, comparison));
    }
    let p_values: Vec<f64> = results.iter().map(|(_, c)| c.p_exact).collect();
    let others = results.into_iter().zip(options.corrected(&p_values));
    let others = others.map(|((other, comparison), p)| Compared {
        path: other.path,
        comparison,
        p,
        predictions: other.predictions,
    });
    Ok(Files {
        first,
        others: others.collect(),
        count,
        level: options.level,
    })
}

impl Files {
    /// As one JSON object.
    pub(super) fn json(&self) -> Value {
        let entry = |other: &Compared| {
            let (path, corrected) = (&other.path, (other.p, self.count));
            entry(
                &self.first.path,
                path,
                &other.comparison,
                corrected,
                self.level,
            )
        };
        let entries: Vec<Value> = self.others.iter().map(entry).collect();
        match &entries[..] {
            [one] => one.clone(),
            several => json!({ "comparisons": several, "count": self.count }),
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let text = |other: &Compared| {
            let (path, corrected) = (&other.path, (other.p, self.count));
            text(
                &self.first.path,
                path,
                &other.comparison,
                corrected,
                self.level,
            )
        };
        let texts: Vec<String> = self.others.iter().map(text).collect();
        texts.join("\n\n")
    }

    /// What the models say of single rows.
    pub(super) fn images(&self) -> Images {
        let first = (self.first.path.as_path(), self.first.predictions.as_slice());
        let others = self.others.iter();
        let others = others.map(|other| (other.path.as_path(), other.predictions.as_slice()));
        let models: Vec<_> = std::iter::once(first).chain(others).collect();
        let names = short_names(models.iter().map(|(path, _)| path));
        let said = models.iter().map(|&(_, said)| said);
        Images::of_predictions(&self.first.labels, names.into_iter().zip(said))
    }

    /// What the page shows.
    pub(super) fn others(&self) -> Vec<(PathBuf, Vec<Line>)> {
        let line = |other: &Compared| {
            let found = &other.comparison;
            let line = Line {
                name: "predictions".into(),
                difference: CrossedComparison {
                    subsets: 1,
                    samples: found.samples,
                    accuracy_a: found.accuracy_a,
                    accuracy_b: found.accuracy_b,
                    mean_difference: found.mean_difference,
                    interval: found.interval,
                    p: found.p_exact,
                },
                confidence: 1.0 - self.level / self.count as f64,
                p: other.p,
            };
            (other.path.clone(), vec![line])
        };
        self.others.iter().map(line).collect()
    }
}

fn entry(
    a: &Path,
    b: &Path,
    c: &Comparison,
    (corrected, count): (f64, usize),
    level: f64,
) -> Value {
    json!({
        "a": a, "b": b, "samples": c.samples,
        "accuracy_a": 100.0 * c.accuracy_a, "accuracy_b": 100.0 * c.accuracy_b,
        "n01": c.n01, "n10": c.n10, "chi2": c.chi2, "p_chi2": c.p_chi2, "p_exact": c.p_exact,
        "p_permutation": c.p_permutation, "mean_difference": c.mean_difference,
        "cohens_d": c.cohens_d, "interval": [c.interval.0, c.interval.1],
        "confidence": 1.0 - level / count as f64, "comparisons": count, "p_corrected": corrected,
        "conclusion": conclusion(c, corrected, level),
    })
}

/// What may be concluded, in one sentence.
fn conclusion(c: &Comparison, p: f64, level: f64) -> String {
    let points = 100.0 * c.mean_difference.abs();
    let direction = if c.mean_difference > 0.0 {
        "better"
    } else {
        "worse"
    };
    if c.n01 + c.n10 == 0 {
        return "The two models are right on the same samples: they cannot be distinguished."
            .into();
    }
    if p < level {
        return format!(
            "On these {} samples B is {direction} than A by {points:.2} points, more than chance \
             explains (p = {}). To know whether other training runs would show the same, train \
             several seeds.",
            c.samples,
            small(p)
        );
    }
    format!(
        "The difference of {points:.2} points is within chance (p = {}): these {} samples do not \
         show that A and B differ, nor that they are equal.",
        small(p),
        c.samples
    )
}

pub(super) fn small(p: f64) -> String {
    if p < 1e-4 {
        format!("{p:.1e}")
    } else {
        format!("{p:.4}")
    }
}

fn text(
    a: &Path,
    b: &Path,
    c: &Comparison,
    (corrected, count): (f64, usize),
    level: f64,
) -> String {
    let mut rows = vec![
        vec![
            "A".into(),
            format!("{:.2} %   {}", 100.0 * c.accuracy_a, a.display()),
        ],
        vec![
            "B".into(),
            format!("{:.2} %   {}", 100.0 * c.accuracy_b, b.display()),
        ],
        vec![
            "B − A".into(),
            format!(
                "{} points, {} % interval {} to {} (bootstrap)",
                signed(100.0 * c.mean_difference, 2),
                confidence(1.0 - level / count as f64),
                signed(100.0 * c.interval.0, 2),
                signed(100.0 * c.interval.1, 2)
            ),
        ],
        vec![
            "only B right / only A right".into(),
            format!("{} / {} of {}", c.n01, c.n10, c.samples),
        ],
        vec![
            "McNemar".into(),
            format!(
                "chi2 {:.3}, p = {}; exact p = {}",
                c.chi2,
                small(c.p_chi2),
                small(c.p_exact)
            ),
        ],
        vec![
            "paired permutation".into(),
            format!("p = {}", small(c.p_permutation)),
        ],
        vec!["Cohen's d".into(), format!("{:.4}", c.cohens_d)],
    ];
    if count > 1 {
        rows.push(vec![
            "corrected".into(),
            format!("exact p = {} for {count} comparisons", small(corrected)),
        ]);
    }
    let width = rows
        .iter()
        .map(|row| row[0].chars().count())
        .max()
        .unwrap_or(0);
    let lines = rows
        .iter()
        .map(|row| format!("{:<width$}   {}", row[0], row[1]));
    format!(
        "{}\n{}",
        lines.collect::<Vec<String>>().join("\n"),
        conclusion(c, corrected, level)
    )
}
