//! How the runs of a sweep are compared.

use std::sync::Arc;

use e2mc_eval::protocol::evaluate_probes;
use e2mc_record::{EvaluationResult, Protocol, ResultFolder};
use e2mc_train::Output;

use super::network::Judged;
use super::settings::LinearSettings;
use crate::error::Error;
use crate::notice::{Notice, Notices};

/// Measures a model by its backbone's features: how the runs of a sweep are compared. Predictions
/// go to `folder`; the result is the caller's to write.
///
/// # Errors
/// Where an image cannot be read, a feature is not finite, the labels are too few, or predictions
/// cannot be written.
pub fn evaluate(
    command: &str,
    judged: &Judged<'_>,
    settings: &LinearSettings,
    folder: &mut ResultFolder,
    notices: &Arc<dyn Notices>,
) -> Result<EvaluationResult, Error> {
    let name = judged.checkpoint.display().to_string();
    let mut result = EvaluationResult::new(command, name, Protocol::Linear);
    judged.describe(Some(&Output::Backbone), &mut result)?;
    let data = judged.features(&Output::Backbone)?;
    let plan = settings.plan(Some(judged.recipe.method.name()))?;
    let result = evaluate_probes(result, &data, &plan, folder)?;
    for text in &result.warnings {
        notices.tell(&Notice::Result { text: text.clone() });
    }
    Ok(result)
}
