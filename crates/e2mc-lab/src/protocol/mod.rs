//! What a checkpoint is worth on labelled images: the protocols of [`e2mc_eval::protocol`] on features
//! that its network makes, and fine-tuning.
//!
//! Each function gives an [`EvaluationResult`] and leaves predictions in a
//! [`ResultFolder`](e2mc_record::ResultFolder); the caller writes the result there last.

mod error;
mod finetune;
mod fresh;
mod network;
mod probe;
mod settings;
mod svm;

use std::sync::Arc;

use e2mc_data::Evaluation;
use e2mc_eval::protocol::{NeighbourData, NeighbourPlan, Subsets, evaluate_neighbours};
use e2mc_record::{EvaluationResult, Protocol, ResultFolder};
use e2mc_train::Output;

use crate::error::Error;
use crate::images::named;
use crate::notice::Notices;

pub use error::ProtocolError;
pub use finetune::{FinetunePlan, finetune};
pub use network::{Judged, Network, NetworkSource};
pub use probe::{Features, probe};
pub use settings::{LinearSettings, ProbeChoice};
pub use svm::svm;

/// Images that go through a network at a time where it is judged. The last bits of a feature may
/// depend on it.
pub const BATCH: usize = 256;

/// The training images that a list names, as label subsets.
///
/// # Errors
/// Where the list cannot be read, or a name is not that of exactly one training image.
pub fn listed(network: &Network, list: &std::path::Path) -> Result<Subsets, Error> {
    Ok(Subsets::of_rows(named(list, &network.splits)?, list)?)
}

/// Classifies the test images by their neighbours among the training images; tables call the model
/// `name`.
///
/// # Errors
/// Where an image cannot be read, or as [`evaluate_neighbours`].
pub fn knn(
    network: &Network,
    plan: &NeighbourPlan,
    name: &str,
    folder: &mut ResultFolder,
) -> Result<EvaluationResult, Error> {
    let judged = network.judged();
    let mut result = EvaluationResult::new("knn", name, Protocol::Knn);
    judged.describe(Some(&network.source.output), &mut result)?;
    let data = judged.features(&network.source.output)?;
    let data = NeighbourData {
        train: &data.train.view(),
        train_labels: &data.train_labels,
        test: &data.test.view(),
        test_labels: &data.test_labels,
        classes: data.classes,
    };
    Ok(evaluate_neighbours(result, &data, plan, folder)?)
}

/// Measures a model by its backbone's features, and keeps no predictions: how the runs of a sweep and
/// the models of the demo are compared.
///
/// # Errors
/// Where an image cannot be read, a feature is not finite, or the labels are too few.
pub fn evaluate(
    command: &str,
    judged: &Judged<'_>,
    settings: &LinearSettings,
    notices: &Arc<dyn Notices>,
) -> Result<EvaluationResult, Error> {
    let name = judged.checkpoint.display().to_string();
    let mut result = EvaluationResult::new(command, name, Protocol::Linear);
    judged.describe(Some(&Output::Backbone), &mut result)?;
    let data = judged.features(&Output::Backbone)?;
    let mut folder = ResultFolder::nowhere();
    probe::on_features(result, &data, &settings.plan()?, &mut folder).inspect(|result| {
        for text in &result.warnings {
            let text = text.clone();
            notices.tell(&crate::notice::Notice::Result { text });
        }
    })
}

/// The result of a command before anything is measured.
fn begin(
    (command, protocol): (&str, Protocol),
    source: &NetworkSource,
    evaluation: &Evaluation,
    name: &str,
) -> Result<EvaluationResult, Error> {
    let mut result = EvaluationResult::new(command, name, protocol);
    let output = source.output.to_string();
    let data = (&*source.data, source.taken);
    result.origin = network::origin(&source.checkpoint, data, Some(output))?;
    result.preprocessing = Some(network::preprocessing(evaluation));
    Ok(result)
}
