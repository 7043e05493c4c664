//! A classifier on every label subset, for those that the matrices' own protocols do not fit.

use e2mc_eval::protocol::{Labelled, ProbeKind, ProbePlan, fit_warnings, probe_row};
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
        warnings.extend(fit_warnings(kind, &runs, data.classes, fraction));
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
