//! What came out of each fit. Accuracies and average precisions are in percent.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::number::or_nan;

/// How good predictions are, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Fraction of the test rows that are right.
    pub top1: f64,
    /// Fraction of the test rows whose class is among the first five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Mean of the classes' accuracies.
    pub mean_per_class: f64,
    /// Accuracy of each class; none for a class without test rows.
    #[serde(default)]
    pub per_class: Vec<Option<f64>>,
    /// Test rows of each class (outer) by predicted class; left out where there are many classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Vec<Vec<usize>>>,
}

/// What `k` neighbours say with one way to vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourFit {
    /// The number of neighbours.
    pub k: usize,
    /// `majority` or `weighted`.
    pub vote: String,
    /// How good that is.
    #[serde(flatten)]
    pub figures: Figures,
    /// Where the predictions are, relative to the folder of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<PathBuf>,
}

/// What the standard error beside a mean is the spread of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Spans {
    /// Label subsets drawn anew for each seed, and what else a seed decides of the fit.
    LabelSubsets,
    /// What a seed decides of a fit on the same labels: first weights and order.
    FitSeeds,
}

/// One classifier at one fraction of the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeRow {
    /// `logistic`, `sgd` or `finetune`.
    pub probe: String,
    /// The fraction of the training labels, in (0, 1].
    pub fraction: f64,
    /// Labelled images that the classifier saw.
    #[serde(default)]
    pub images: usize,
    /// Top-1 accuracy in percent, mean over the runs.
    pub accuracy: f64,
    /// Standard error of the mean, in percentage points; `None` for a single run.
    #[serde(default)]
    pub standard_error: Option<f64>,
    /// What the standard error spans; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spans: Option<Spans>,
    /// Top-1 in percent, one a run.
    #[serde(default)]
    pub accuracies: Vec<f64>,
    /// Top-5 accuracy in percent, mean over the runs.
    #[serde(default)]
    pub top5: Option<f64>,
    /// One fit a seed.
    #[serde(default)]
    pub runs: Vec<ProbeFit>,
}

impl ProbeRow {
    /// The standard error where it says how well the mean is known: over label subsets. On the same
    /// labels it is the spread of the fit's first weights and order alone, and means nothing beside
    /// them.
    pub fn noise(&self) -> Option<f64> {
        noise(self.standard_error, self.spans, self.fraction)
    }
}

/// See [`ProbeRow::noise`]. Earlier results do not say what was spanned: below all labels it was
/// subsets.
pub(super) fn noise(error: Option<f64>, spans: Option<Spans>, fraction: f64) -> Option<f64> {
    error.filter(|_| match spans {
        Some(spans) => spans == Spans::LabelSubsets,
        None => fraction < 1.0,
    })
}

/// One fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeFit {
    /// Seed of the label subset and of the fit.
    pub seed: u64,
    /// The [fingerprint](crate::subset_fingerprint) of the labels that were learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    /// The logistic probe's penalty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<f64>,
    /// Whether the logistic probe met its tolerance, and whether the loss of what is trained by SGD
    /// no longer fell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converged: Option<bool>,
    /// Mean cross-entropy over the last epoch, of what is trained by SGD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// How good it is.
    #[serde(flatten)]
    pub figures: Figures,
    /// Where the predictions are, relative to the folder of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<PathBuf>,
    /// Classes without a training row; a warning speaks of them.
    #[serde(skip)]
    pub missing: usize,
}

/// Support vector machines, one against the rest: figures of one class a row, or precisions of
/// several labels a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SvmResult {
    /// How each machine was fitted.
    pub svms: Vec<SvmUnit>,
    /// Figures for one class a row.
    #[serde(flatten)]
    pub figures: Option<Figures>,
    /// Figures for several labels a row.
    #[serde(flatten)]
    pub precisions: Option<Precisions>,
    /// Where the predictions are, relative to the folder of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<PathBuf>,
}

/// How the machine of one class was fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SvmUnit {
    /// The class or label.
    pub class: usize,
    /// `C`, chosen or given.
    pub cost: f64,
    /// Accuracy or average precision of that `C` on held-out folds, as a fraction, if it was
    /// chosen.
    #[serde(default)]
    pub held_out: Option<f64>,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Whether the tolerance was met.
    pub converged: bool,
}

/// Average precisions of several labels a row, in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Precisions {
    /// Mean over the labels that some test row has.
    #[serde(deserialize_with = "or_nan")]
    pub mean_average_precision: f64,
    /// Average precision of each label; `None` for a label that no test row has.
    pub average_precision: Vec<Option<f64>>,
    /// `area` under the steps, or `voc07`'s eleven points.
    pub interpolation: String,
}
