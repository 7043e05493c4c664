//! A classifier on every label subset, for those that the matrices' own protocols do not fit.

use e2mc_eval::protocol::{
    Labelled, ProbeKind, ProbePlan, missing_warning, probe_row, unfinished_warning,
};
use e2mc_record::{ProbeFit, ProbeRow};

use crate::error::Error;

/// Fits `kind` for every fraction of the labels and every seed, by `fit`, which is told the
/// fraction, the seed and the labelled rows; the second list is what the user should be warned of.
///
/// # Errors
/// As `fit`, or where a fraction makes no subset.
pub(super) fn every_subset(
    kind: ProbeKind,
    data: &Labelled,
    plan: &ProbePlan,
    fit: impl Fn(f64, u64, &[usize]) -> Result<ProbeFit, Error>,
) -> Result<(Vec<ProbeRow>, Vec<String>), Error> {
    let (mut rows, mut warnings) = (Vec::new(), Vec::new());
    for fraction in plan.subsets.fractions(data.train_labels.len()) {
        let (mut runs, mut images) = (Vec::new(), 0);
        for &seed in &plan.seeds {
            let indices = plan.subsets.rows(&data.train_labels, fraction, seed)?;
            images = indices.len();
            runs.push(fit(fraction, seed, &indices)?);
        }
        let missing = runs.iter().map(|run| run.missing).max().unwrap_or(0);
        warnings.extend(missing_warning(missing, data.classes, fraction));
        warnings.extend(unfinished_warning(kind, &runs, fraction));
        rows.push(probe_row(
            kind.name(),
            fraction,
            images,
            &plan.subsets,
            runs,
        )?);
    }
    Ok((rows, warnings))
}
