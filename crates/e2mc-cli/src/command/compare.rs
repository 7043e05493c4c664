//! `e2mc compare`: whether evaluations on the same test images differ beyond chance.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::CompareOptions;
use e2mc_cli::output;
use e2mc_eval::{CompareConfig, Comparison, compare, holm, npz_names, read_labels};
use e2mc_record::PREDICTIONS;
use serde_json::{Value, json};

/// One model's predictions.
struct Predictions {
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
                "several labels a row have no single prediction; compare their average precisions over seeds",
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

pub(crate) fn run(options: &CompareOptions) -> Result<ExitCode> {
    let first = Predictions::read(&options.first)?;
    let config = CompareConfig {
        permutations: options.permutations as usize,
        bootstraps: options.bootstraps as usize,
        confidence: 1.0 - options.level,
        seed: options.seed,
    };
    let mut results = Vec::new();
    for other in &options.others {
        let other = Predictions::read(other)?;
        if first.labels != other.labels {
            return Err(Failure::new(
                format!(
                    "{} and {} were not judged on the same samples: {} labels against {}, or others",
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
        results.push((other.path, comparison));
    }

    let count = options
        .comparisons
        .map_or(results.len(), |n| results.len().max(n as usize));
    let p_values: Vec<f64> = results.iter().map(|(_, c)| c.p_exact).collect();
    // Holm's method needs all p-values; of those that are not here nothing is known.
    let corrected: Vec<f64> = if count == results.len() {
        holm(&p_values)
    } else {
        p_values
            .iter()
            .map(|p| (p * count as f64).min(1.0))
            .collect()
    };
    if count > 1 {
        output::warning(&format!(
            "{count} comparisons: at the level {} one in {:.0} would differ by chance alone; judge by the \
             corrected p-values",
            options.level,
            1.0 / options.level
        ));
    }
    let entries: Vec<Value> = results
        .iter()
        .zip(&corrected)
        .map(|((path, c), &p)| entry(&first.path, path, c, (p, count), options.level))
        .collect();
    let result = match &entries[..] {
        [one] => one.clone(),
        several => json!({ "comparisons": several, "count": count }),
    };
    output::result(options.json, &result, || {
        let texts = results.iter().zip(&corrected);
        let texts =
            texts.map(|((path, c), &p)| text(&first.path, path, c, (p, count), options.level));
        texts.collect::<Vec<_>>().join("\n\n")
    });
    Ok(ExitCode::SUCCESS)
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
        "confidence": 1.0 - level, "comparisons": count, "p_corrected": corrected,
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
        return "The two models are right on the same samples: there is nothing to tell them apart.".into();
    }
    if p < level {
        return format!(
            "On these {} samples B is {direction} than A by {points:.2} points, more than chance explains \
             (p = {}); whether other training runs would show the same needs several seeds.",
            c.samples,
            small(p)
        );
    }
    format!(
        "The difference of {points:.2} points is within chance (p = {}): these {} samples do not show that \
         A and B differ, nor that they are equal.",
        small(p),
        c.samples
    )
}

fn small(p: f64) -> String {
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
            "B - A".into(),
            format!(
                "{:+.2} points, {:.0} % interval {:+.2} to {:+.2} (bootstrap)",
                100.0 * c.mean_difference,
                100.0 * (1.0 - level),
                100.0 * c.interval.0,
                100.0 * c.interval.1
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
