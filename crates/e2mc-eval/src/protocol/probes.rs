//! Linear probes on cached features, over fractions of the labels and seeds.

use std::collections::HashSet;

use e2mc_record::{EvaluationResult, ProbeFit, ProbeRow, ResultFolder, percent};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::{
    Error, Labelled, Subsets, better_rate, data_warnings, fit_name, missing_warning, nearest,
    probe_fit, probe_row, rows_of,
};
use crate::{
    Fit, FitReport, L2, LinearConfig, LinearOptimizer, LinearPreset, LogisticConfig, Probe,
    Schedule,
};

/// The logistic probe's penalty where there are too few labels to choose one.
const FIXED_L2: f64 = 0.01;

/// Which classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeKind {
    /// Logistic regression by L-BFGS on standardised features, its penalty by cross-validation.
    Logistic,
    /// The paper's linear layer by SGD on the features as they are.
    Sgd,
    /// One cross-attention layer over a network's tokens, which are no features: not fitted here.
    Attentive,
}

impl ProbeKind {
    /// The name in results and folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Sgd => "sgd",
            Self::Attentive => "attentive",
        }
    }
}

/// Why the SGD probe has the preset that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PresetOrigin {
    /// It was asked for.
    Given,
    /// It is that of the method that trained the network.
    Method,
    /// Nothing is known of the method.
    #[default]
    Unknown,
}

impl PresetOrigin {
    /// In words, as results have it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Given => "as asked for",
            Self::Method => "the method of the checkpoint",
            Self::Unknown => "the default: the method is not known",
        }
    }
}

/// The SGD probe's settings: whose, and what is different.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSettings {
    /// The preset.
    pub preset: LinearPreset,
    /// Why theirs.
    pub origin: PresetOrigin,
    /// Passes over the training rows; none for the preset's, as below.
    pub epochs: Option<usize>,
    /// For a batch of 256.
    pub learning_rate: Option<f64>,
    /// Rows a step.
    pub batch: Option<usize>,
    /// A multiple of the weights.
    pub weight_decay: Option<f64>,
    /// The update rule.
    pub optimizer: Option<LinearOptimizer>,
    /// How the learning rate goes over the epochs.
    pub schedule: Option<Schedule>,
}

impl Default for ProbeSettings {
    /// VICReg's, nothing different.
    fn default() -> Self {
        Self {
            preset: LinearPreset::Vicreg,
            origin: PresetOrigin::default(),
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
    /// The preset that was asked for, else that of the method of this name, else VICReg's; nothing
    /// different.
    pub fn choose(asked: Option<LinearPreset>, method: Option<&str>) -> Self {
        let of_method = method.and_then(LinearPreset::of_method);
        let (preset, origin) = match (asked, of_method) {
            (Some(preset), _) => (preset, PresetOrigin::Given),
            (None, Some(preset)) => (preset, PresetOrigin::Method),
            (None, None) => (LinearPreset::Vicreg, PresetOrigin::Unknown),
        };
        Self {
            preset,
            origin,
            ..Self::default()
        }
    }

    /// The settings for a fraction of the labels.
    pub fn config(&self, fraction: f64) -> LinearConfig {
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

    /// The settings for a fraction of the labels, as a result has them.
    pub fn describe(&self, fraction: f64) -> Value {
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

/// The logistic probe's settings, as a result has them.
pub fn describe_logistic() -> Value {
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

/// What to fit.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbePlan {
    /// The labels that may be learned from.
    pub subsets: Subsets,
    /// One label subset and fit each.
    pub seeds: Vec<u64>,
    /// One row each at every fraction.
    pub probes: Vec<ProbeKind>,
    /// The SGD probe's.
    pub settings: ProbeSettings,
    /// Neighbours of the vote beside the probes.
    pub k: usize,
}

impl Default for ProbePlan {
    /// 1, 10 and 100 % of the labels, five seeds, both probes by VICReg's settings, 20 neighbours.
    fn default() -> Self {
        Self {
            subsets: Subsets::Fractions(vec![0.01, 0.1, 1.0]),
            seeds: (0..5).collect(),
            probes: vec![ProbeKind::Logistic, ProbeKind::Sgd],
            settings: ProbeSettings::default(),
            k: 20,
        }
    }
}

impl ProbePlan {
    /// The fit whose predictions go to the result's folder itself: the first.
    pub fn first_fit(&self, train_rows: usize) -> Option<String> {
        let fraction = *self.subsets.fractions(train_rows).first()?;
        Some(fit_name(
            self.probes.first()?.name(),
            fraction,
            *self.seeds.first()?,
        ))
    }

    /// Writes settings and label subsets into `result`; `rows` have been fitted.
    pub fn describe(&self, result: &mut EvaluationResult, train_rows: usize, rows: &[ProbeRow]) {
        let fractions = self.subsets.fractions(train_rows);
        let images = |fraction: &f64| {
            let row = rows.iter().find(|row| row.fraction == *fraction);
            row.map_or(0, |row| row.images)
        };
        let subsets = self.subsets.record(
            train_rows,
            &self.seeds,
            fractions.iter().map(images).collect(),
        );
        let sgd = fractions.iter().map(|&f| self.settings.describe(f));
        for (key, value) in [
            (
                "preset",
                json!(format!("{:?}", self.settings.preset).to_lowercase()),
            ),
            ("preset_from", json!(self.settings.origin.words())),
            ("list", json!(subsets.list)),
            ("sgd", sgd.collect()),
            ("logistic", describe_logistic()),
        ] {
            result.settings.insert(key.into(), value);
        }
        result.label_subsets = Some(subsets);
    }
}

/// Judges features by neighbours with all labels, then by every probe of the plan, and fills
/// `result` in: settings, `results`, `probes`, sizes and warnings.
///
/// # Errors
/// Labels that do not fit the rows; as [`knn`](crate::knn()) and [`Probe::fit`]; where predictions
/// cannot be written.
pub fn evaluate_probes(
    mut result: EvaluationResult,
    data: &Labelled,
    plan: &ProbePlan,
    folder: &mut ResultFolder,
) -> Result<EvaluationResult, Error> {
    data.check()?;
    if let Some(first) = plan.first_fit(data.train.rows()) {
        folder.set_first(first);
    }
    let train = (&data.train.view() as _, data.train_labels.as_slice());
    let test = (&data.test.view() as _, data.test_labels.as_slice());
    let mut warnings = data_warnings(train, test, data.classes)?;
    let (neighbours, surroundings) = nearest(data, plan.k, folder)?;
    let (rows, more) = fit_probes(data, plan, folder)?;
    warnings.extend(more);
    once_each(&mut warnings);
    plan.describe(&mut result, data.train.rows(), &rows);
    result.train_images = data.train.rows();
    result.test_images = data.test.rows();
    result.classes = data.classes;
    result.k = Some(neighbours.k);
    result.knn = Some(neighbours.figures.top1);
    result.results.push(neighbours);
    result.surroundings = surroundings;
    result.probes.extend(rows);
    result.warnings.extend(warnings);
    Ok(result)
}

/// Fits every probe of the plan; the second list is what the user should be warned of. The first
/// seed's subset also tells whether [another rate](better_rate) would suit the SGD probe better.
///
/// # Errors
/// As [`Probe::fit`]; where predictions cannot be written.
pub fn fit_probes(
    data: &Labelled,
    plan: &ProbePlan,
    folder: &ResultFolder,
) -> Result<(Vec<ProbeRow>, Vec<String>), Error> {
    let (mut rows, mut warnings) = (Vec::new(), Vec::new());
    for fraction in plan.subsets.fractions(data.train_labels.len()) {
        for &kind in &plan.probes {
            let probe = match kind {
                ProbeKind::Logistic => Probe::Logistic(LogisticConfig::default()),
                ProbeKind::Sgd => Probe::Sgd(plan.settings.config(fraction)),
                ProbeKind::Attentive => return Err(Error::NeedsTokens),
            };
            // With the same labels every subset is the same; the seed still moves SGD's order.
            let same = plan.subsets.is_same_for_all_seeds(fraction);
            let seeds = match (same, kind) {
                (true, ProbeKind::Logistic) => &plan.seeds[..plan.seeds.len().min(1)],
                _ => &plan.seeds[..],
            };
            let results: Vec<Result<(ProbeFit, usize), Error>> = seeds
                .into_par_iter()
                .map(|&seed| {
                    let indices = plan.subsets.rows(&data.train_labels, fraction, seed)?;
                    let name = fit_name(kind.name(), fraction, seed);
                    let run = fit(data, &indices, &probe, (&name, seed), folder)?;
                    Ok((run, indices.len()))
                })
                .collect();
            let results = results.into_iter().collect::<Result<Vec<_>, _>>()?;
            let images = results.first().map_or(0, |(_, images)| *images);
            let runs: Vec<ProbeFit> = results.into_iter().map(|(run, _)| run).collect();
            warnings.extend(fit_warnings(kind, &runs, data.classes, fraction));
            if let (Probe::Sgd(config), Some(&seed)) = (&probe, plan.seeds.first()) {
                let indices = plan.subsets.rows(&data.train_labels, fraction, seed)?;
                let better = better_rate(data, &indices, config, seed)?;
                warnings.extend(better.map(|better| better.warning(fraction)));
            }
            rows.push(probe_row(
                kind.name(),
                fraction,
                images,
                &plan.subsets,
                runs,
            )?);
        }
    }
    once_each(&mut warnings);
    Ok((rows, warnings))
}

/// Keeps the first of sentences that are the same.
pub fn once_each(sentences: &mut Vec<String>) {
    let mut seen = HashSet::new();
    sentences.retain(|sentence| seen.insert(sentence.clone()));
}

/// Warnings of fits on a fraction of the labels: classes without an image, and fits that had not converged
/// when they ended.
pub fn fit_warnings(
    kind: ProbeKind,
    runs: &[ProbeFit],
    classes: usize,
    fraction: f64,
) -> impl Iterator<Item = String> {
    let missing = runs.iter().map(|run| run.missing).max().unwrap_or(0);
    let missing = missing_warning(missing, classes, fraction);
    let unfinished = unfinished_warning(kind, runs, fraction);
    missing.into_iter().chain(unfinished)
}

fn unfinished_warning(kind: ProbeKind, runs: &[ProbeFit], fraction: f64) -> Option<String> {
    let unfinished = runs.iter().filter(|run| run.converged == Some(false));
    let (slow, all) = (unfinished.count(), runs.len());
    (slow > 0).then(|| match kind {
        ProbeKind::Logistic | ProbeKind::Attentive => format!(
            "{slow} of {all} {} fits on {} % of the labels did not converge",
            kind.name(),
            percent(fraction)
        ),
        ProbeKind::Sgd => format!(
            "{slow} of {all} sgd fits on {} % of the labels ended while the loss was still falling \
             (by more than 2 % over the last fifth of the epochs): their accuracy is too low; \
             train longer, or at a higher rate",
            percent(fraction)
        ),
    })
}

fn fit(
    data: &Labelled,
    indices: &[usize],
    probe: &Probe,
    (name, seed): (&str, u64),
    folder: &ResultFolder,
) -> Result<ProbeFit, Error> {
    let labels = indices.iter().map(|&index| data.train_labels[index]);
    let labels: Vec<usize> = labels.collect();
    let features = rows_of(data.train.view(), indices);
    let probe = fit_for(probe, &labels, data.classes);
    let Fit {
        classifier,
        report,
        missing_classes,
    } = probe.fit(features.view(), &labels, data.classes, seed)?;
    let scores = classifier.scores(data.test.view())?;
    let judged = (data.test_labels.as_slice(), data.classes);
    let learned = (indices, data.train_labels.len());
    let mut run = probe_fit((name, seed), &scores, judged, learned, folder)?;
    run.missing = missing_classes.len();
    match report {
        FitReport::Logistic(report) => {
            (run.l2, run.converged) = (Some(report.l2), Some(report.converged));
        }
        FitReport::Sgd { loss, falling } => {
            (run.loss, run.converged) = (Some(loss), Some(!falling));
        }
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
