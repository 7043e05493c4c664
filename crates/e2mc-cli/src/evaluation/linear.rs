//! Linear probes on cached features, over parts of the labels and seeds.

use std::path::PathBuf;

use anyhow::Result;
use e2mc::{Matrix, MatrixView};
use e2mc_eval::{
    Estimate, Fit, FitReport, L2, LinearConfig, LinearOptimizer, LinearPreset, LogisticConfig,
    Probe, Schedule, predictions,
};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::parts::Parts;
use super::percent;
use super::record::{Figures, Recorder};
use super::source::Labelled;
use e2mc_cli::options::ProbeName;

/// The logistic probe's penalty where there are too few labels to choose one.
const FIXED_L2: f64 = 0.01;

/// The SGD probe's settings: whose, and what is different.
#[derive(Clone, Debug)]
pub(crate) struct ProbeSettings {
    pub(crate) preset: LinearPreset,
    pub(crate) epochs: Option<usize>,
    pub(crate) learning_rate: Option<f64>,
    pub(crate) batch: Option<usize>,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) optimizer: Option<LinearOptimizer>,
    pub(crate) schedule: Option<Schedule>,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            preset: LinearPreset::Vicreg,
            epochs: None,
            learning_rate: None,
            batch: None,
            weight_decay: None,
            optimizer: None,
            schedule: None,
        }
    }
}

impl ProbeSettings {
    /// The settings for a part of the labels.
    pub(crate) fn config(&self, fraction: f64) -> LinearConfig {
        let base = self.preset.config(fraction);
        LinearConfig {
            epochs: self.epochs.unwrap_or(base.epochs),
            learning_rate: self.learning_rate.unwrap_or(base.learning_rate),
            batch: self.batch.unwrap_or(base.batch),
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            optimizer: self.optimizer.unwrap_or(base.optimizer),
            schedule: self.schedule.clone().unwrap_or(base.schedule),
            ..base
        }
    }

    /// The settings for a part of the labels, for a result.
    pub(crate) fn describe(&self, fraction: f64) -> Value {
        let config = self.config(fraction);
        json!({
            "fraction": fraction, "epochs": config.epochs, "batch": config.batch,
            "learning_rate": config.learning_rate, "momentum": config.momentum,
            "weight_decay": config.weight_decay, "batch_norm": config.batch_norm,
            "schedule": match config.schedule {
                Schedule::Cosine => json!("cosine"),
                Schedule::Constant => json!("constant"),
                Schedule::Step { milestones, factor } => {
                    json!({ "milestones": milestones, "factor": factor })
                }
            },
            "optimizer": match config.optimizer {
                LinearOptimizer::Sgd => json!("sgd"),
                LinearOptimizer::Larc { trust } => json!({ "larc": { "trust": trust } }),
            },
        })
    }
}

/// The logistic probe's settings, for a result.
pub(crate) fn describe_logistic() -> Value {
    let LogisticConfig {
        l2,
        max_iterations,
        tolerance,
    } = LogisticConfig::default();
    let (values, folds) = match l2 {
        L2::Grid { values, folds } => (values, folds),
        L2::Fixed(value) => (vec![value], 0),
    };
    json!({
        "l2": values, "folds": folds, "max_iterations": max_iterations, "tolerance": tolerance,
        "standardised": true,
    })
}

/// The classifiers' names.
pub(crate) fn names(probe: ProbeName) -> &'static [&'static str] {
    match probe {
        ProbeName::Logistic => &["logistic"],
        ProbeName::Sgd => &["sgd"],
        ProbeName::Both => &["logistic", "sgd"],
    }
}

/// What to fit.
#[derive(Clone, Debug)]
pub(crate) struct LinearPlan {
    pub(crate) parts: Parts,
    pub(crate) seeds: Vec<u64>,
    pub(crate) probe: ProbeName,
    pub(crate) settings: ProbeSettings,
}

/// One probe at one label fraction.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) probe: &'static str,
    pub(crate) fraction: f64,
    /// Labelled images that the probe saw.
    pub(crate) images: usize,
    /// Top-1 accuracy in percent, mean over the seeds.
    pub(crate) accuracy: f64,
    /// Of that mean, in percentage points; absent for a single seed.
    pub(crate) standard_error: Option<f64>,
    /// In percent, one a seed.
    pub(crate) accuracies: Vec<f64>,
    /// Top-5 accuracy in percent, mean over the seeds.
    pub(crate) top5: Option<f64>,
    /// One a seed.
    pub(crate) runs: Vec<Run>,
}

/// One fit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// The logistic probe's penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) l2: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) converged: Option<bool>,
    /// The SGD probe's cross-entropy over the last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loss: Option<f64>,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// Where the predictions are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) predictions: Option<PathBuf>,
    #[serde(skip)]
    pub(crate) missing: usize,
}

impl Run {
    /// What the scores of the test rows are worth, recorded under `place`; how the fit ended is for the
    /// caller to fill in.
    pub(crate) fn new(
        seed: u64,
        scores: &Matrix,
        (labels, classes): (&[usize], usize),
        (recorder, place): (&Recorder, &str),
    ) -> Result<Self> {
        let predictions = predictions(scores.view());
        Ok(Self {
            seed,
            l2: None,
            converged: None,
            loss: None,
            figures: Figures::new(&predictions, labels, classes, Some(scores))?,
            predictions: recorder.predictions(place, labels, &predictions, Some(scores))?,
            missing: 0,
        })
    }
}

/// How many classes none of the training labels has; an error if all are of one class.
pub(crate) fn check_classes(
    labels: impl ExactSizeIterator<Item = usize> + Clone,
    classes: usize,
) -> Result<usize> {
    let mut present = vec![false; classes];
    labels.clone().for_each(|label| present[label] = true);
    let missing = present.iter().filter(|present| !**present).count();
    let rows = labels.len();
    match labels.into_iter().next() {
        Some(class) if missing + 1 == classes => {
            Err(e2mc_eval::Error::OneClass { class, rows }.into())
        }
        _ => Ok(missing),
    }
}

impl Row {
    /// The row of `runs`, at least one.
    pub(crate) fn new(
        probe: &'static str,
        fraction: f64,
        images: usize,
        runs: Vec<Run>,
    ) -> Result<Self> {
        let accuracies: Vec<f64> = runs.iter().map(|run| run.figures.top1).collect();
        let Estimate {
            mean,
            standard_error,
            ..
        } = Estimate::of(&accuracies)?;
        let top5: Vec<f64> = runs.iter().filter_map(|run| run.figures.top5).collect();
        Ok(Self {
            probe,
            fraction,
            images,
            accuracy: mean,
            standard_error,
            accuracies,
            top5: Estimate::of(&top5).ok().map(|estimate| estimate.mean),
            runs,
        })
    }
}

/// The name of one fit's folder.
pub(crate) fn place(probe: &str, fraction: f64, seed: u64) -> String {
    format!("{probe}-{}pct-seed{seed}", percent(fraction))
}

/// The fractions of a plan, and the name of the fit that goes to the folder itself: the first.
pub(crate) fn first(plan: &LinearPlan, train_rows: usize) -> String {
    let fraction = plan.parts.fractions(train_rows)[0];
    let seed = plan.seeds.first().copied().unwrap_or(0);
    place(names(plan.probe)[0], fraction, seed)
}

/// Fits every probe of the plan; the second list is what the user should be warned of.
pub(crate) fn run(
    data: &Labelled,
    plan: &LinearPlan,
    recorder: &Recorder,
) -> Result<(Vec<Row>, Vec<String>)> {
    let (mut rows, mut warnings) = (Vec::new(), Vec::new());
    for fraction in plan.parts.fractions(data.train_labels.len()) {
        for &name in names(plan.probe) {
            let probe = match name {
                "logistic" => Probe::Logistic(LogisticConfig::default()),
                _ => Probe::Sgd(plan.settings.config(fraction)),
            };
            // With the same labels every subset is the same; the seed still moves SGD's order.
            let same = fraction >= 1.0 || matches!(plan.parts, Parts::List(_));
            let seeds = if same && name == "logistic" {
                &plan.seeds[..1]
            } else {
                &plan.seeds[..]
            };
            let results: Vec<Result<(Run, usize)>> = seeds
                .into_par_iter()
                .map(|&seed| {
                    let indices = plan.parts.rows(&data.train_labels, fraction, seed)?;
                    let place = place(name, fraction, seed);
                    let run = fit(data, &indices, &probe, &place, seed, recorder)?;
                    Ok((run, indices.len()))
                })
                .collect();
            let results = results.into_iter().collect::<Result<Vec<_>>>()?;
            let images = results[0].1;
            let runs: Vec<Run> = results.into_iter().map(|(run, _)| run).collect();
            warnings.extend(missing(&runs, data.classes, fraction));
            let slow = runs
                .iter()
                .filter(|run| run.converged == Some(false))
                .count();
            if slow > 0 {
                warnings.push(format!(
                    "{slow} of {} logistic fits ended before they converged",
                    runs.len()
                ));
            }
            rows.push(Row::new(name, fraction, images, runs)?);
        }
    }
    warnings.dedup();
    Ok((rows, warnings))
}

/// A warning where subsets lack a class.
pub(crate) fn missing(runs: &[Run], classes: usize, fraction: f64) -> Option<String> {
    let missing = runs.iter().map(|run| run.missing).max().unwrap_or(0);
    (missing > 0).then(|| {
        format!(
            "{missing} of {classes} classes have no image among {} % of the labels",
            percent(fraction)
        )
    })
}

fn fit(
    data: &Labelled,
    indices: &[usize],
    probe: &Probe,
    place: &str,
    seed: u64,
    recorder: &Recorder,
) -> Result<Run> {
    let labels: Vec<_> = indices
        .iter()
        .map(|&index| data.train_labels[index])
        .collect();
    let features = rows(data.train.view(), indices)?;
    let probe = fit_for(probe, &labels, data.classes);
    let Fit {
        classifier,
        report,
        missing_classes,
    } = probe.fit(features.view(), &labels, data.classes, seed)?;
    let scores = classifier.scores(data.test.view())?;
    let judged = (data.test_labels.as_slice(), data.classes);
    let mut run = Run::new(seed, &scores, judged, (recorder, place))?;
    run.missing = missing_classes.len();
    match report {
        FitReport::Logistic(report) => {
            (run.l2, run.converged) = (Some(report.l2), Some(report.converged));
        }
        FitReport::Sgd { loss } => run.loss = Some(loss),
    }
    Ok(run)
}

/// A cross-validated penalty needs two classes of two images; with fewer it is fixed.
fn fit_for(probe: &Probe, labels: &[usize], classes: usize) -> Probe {
    let mut counts = vec![0; classes];
    for &label in labels {
        // A label out of range is the probe's to report.
        if let Some(count) = counts.get_mut(label) {
            *count += 1;
        }
    }
    match probe {
        Probe::Logistic(config) if counts.iter().filter(|&&count| count > 1).count() < 2 => {
            Probe::Logistic(LogisticConfig {
                l2: L2::Fixed(FIXED_L2),
                ..config.clone()
            })
        }
        other => other.clone(),
    }
}

fn rows(matrix: MatrixView<'_>, indices: &[usize]) -> Result<Matrix> {
    let data = indices
        .iter()
        .flat_map(|&index| matrix.row(index))
        .copied()
        .collect();
    Ok(Matrix::new(data, indices.len(), matrix.cols())?)
}
