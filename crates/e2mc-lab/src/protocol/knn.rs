//! Nearest neighbours on what a network makes of images.

use e2mc_eval::protocol::{NeighbourData, NeighbourPlan, evaluate_neighbours};
use e2mc_record::{EvaluationResult, Protocol, ResultFolder};

use super::network::Network;
use crate::error::Error;

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
    network.record_batch(&mut result);
    let data = network.features()?;
    let data = NeighbourData {
        train: &data.train.view(),
        train_labels: &data.train_labels,
        test: &data.test.view(),
        test_labels: &data.test_labels,
        classes: data.classes,
    };
    Ok(evaluate_neighbours(result, &data, plan, folder)?)
}
