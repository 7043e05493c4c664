//! Figures of predictions, and rows of fits, as a result has them.

use e2mc::Matrix;
use e2mc_record::{Figures, ProbeFit, ProbeRow, ResultFolder, Spans, percent, subset_fingerprint};

use super::{Error, Subsets, write_predictions};
use crate::{Confusion, Estimate, predictions, top_k, top1};

/// With more classes the confusion matrix is left out: it can be counted from the predictions.
const MOST_CONFUSED: usize = 100;

/// How good predictions are, in percent; scores, if any, say what else came near.
///
/// # Errors
/// Lists of different lengths, or a label or prediction that is no class.
pub fn figures(
    predictions: &[usize],
    labels: &[usize],
    classes: usize,
    scores: Option<&Matrix>,
) -> Result<Figures, Error> {
    let top5 = scores.map(|scores| top_k(scores.view(), labels, 5));
    let confusion = Confusion::of(predictions, labels, classes)?;
    let percent = |fraction: f64| 100.0 * fraction;
    let per_class = confusion.per_class().into_iter();
    Ok(Figures {
        top1: percent(top1(predictions, labels)?),
        top5: top5.transpose()?.map(percent),
        mean_per_class: percent(confusion.mean_per_class()),
        per_class: per_class.map(|accuracy| accuracy.map(percent)).collect(),
        confusion: (classes <= MOST_CONFUSED)
            .then(|| (0..classes).map(|c| confusion.row(c).to_vec()).collect()),
    })
}

/// The name of one fit's folder, such as `logistic-1pct-seed0`.
pub fn fit_name(probe: &str, fraction: f64, seed: u64) -> String {
    format!("{probe}-{}pct-seed{seed}", percent(fraction))
}

/// A fit by the scores `(n_test, classes)` of the test rows, whose predictions are written to the
/// folder as `name`; how the fit ended is for the caller to fill in. It learned from `rows` of
/// `train_rows`.
///
/// # Errors
/// Scores and labels that do not go together; where predictions cannot be written.
pub fn probe_fit(
    (name, seed): (&str, u64),
    scores: &Matrix,
    (labels, classes): (&[usize], usize),
    (rows, train_rows): (&[usize], usize),
    folder: &ResultFolder,
) -> Result<ProbeFit, Error> {
    let predictions = predictions(scores.view());
    Ok(ProbeFit {
        seed,
        subset: Some(subset_fingerprint(train_rows, rows)),
        l2: None,
        converged: None,
        loss: None,
        figures: figures(&predictions, labels, classes, Some(scores))?,
        predictions: write_predictions(folder, name, labels, &predictions, Some(scores))?,
        missing: 0,
    })
}

/// The row of `runs`, at least one, each learned from `images` images of a fraction.
///
/// # Errors
/// [`Nothing`](crate::Error::Nothing) without runs.
pub fn probe_row(
    probe: &str,
    fraction: f64,
    images: usize,
    subsets: &Subsets,
    runs: Vec<ProbeFit>,
) -> Result<ProbeRow, Error> {
    let accuracies: Vec<f64> = runs.iter().map(|run| run.figures.top1).collect();
    let Estimate {
        mean,
        standard_error,
        ..
    } = Estimate::of(&accuracies)?;
    let top5: Vec<f64> = runs.iter().filter_map(|run| run.figures.top5).collect();
    let spans = match subsets.is_same_for_all_seeds(fraction) {
        true => Spans::FitSeeds,
        false => Spans::LabelSubsets,
    };
    Ok(ProbeRow {
        probe: probe.to_owned(),
        fraction,
        images,
        accuracy: mean,
        standard_error,
        spans: standard_error.map(|_| spans),
        accuracies,
        top5: Estimate::of(&top5).ok().map(|estimate| estimate.mean),
        runs,
    })
}
