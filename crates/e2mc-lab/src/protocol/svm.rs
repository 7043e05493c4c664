//! Support vector machines on a network's features, of images with one label each or, in VOC's
//! layout, several.

use std::sync::Arc;

use e2mc::Matrix;
use e2mc_data::{Dataset, VocImages, is_voc};
use e2mc_eval::protocol::{MachineData, MachinePlan, evaluate_machines};
use e2mc_eval::{MultiLabels, Presence, Targets};
use e2mc_record::{EvaluationResult, Protocol, ResultFolder};

use super::network::{Network, NetworkSource, split};
use crate::error::Error;
use crate::features::Seen;
use crate::notice::Notices;

/// Fits one machine for each class or label on the training images, and judges them on the test
/// images; tables call the model `name`. The folder is made by `folder` once everything is opened,
/// before the work.
///
/// # Errors
/// Where the checkpoint or images cannot be opened, an image cannot be read, or as
/// [`evaluate_machines`].
pub fn svm(
    source: NetworkSource,
    plan: &MachinePlan,
    name: &str,
    folder: impl FnOnce() -> Result<ResultFolder, Error>,
    notices: &Arc<dyn Notices>,
) -> Result<(EvaluationResult, ResultFolder), Error> {
    if is_voc(&source.data) {
        return voc(&source, plan, name, folder, notices);
    }
    let network = Network::open(source, notices)?;
    let mut folder = folder()?;
    let judged = network.judged();
    let mut result = EvaluationResult::new("svm", name, Protocol::Svm);
    judged.describe(Some(&network.source.output), &mut result)?;
    network.record_batch(&mut result);
    let data = network.features()?;
    let result = evaluate_machines(result, data.into(), plan, &mut folder)?;
    Ok((result, folder))
}

/// Several labels an image.
fn voc(
    source: &NetworkSource,
    plan: &MachinePlan,
    name: &str,
    folder: impl FnOnce() -> Result<ResultFolder, Error>,
    notices: &Arc<dyn Notices>,
) -> Result<(EvaluationResult, ResultFolder), Error> {
    const TRAIN: &str = "trainval";
    const TEST: &str = "test";
    let (checkpoint, model) = source.open_network(notices)?;
    let mut folder = folder()?;
    let evaluation = &checkpoint.recipe.evaluation;
    let mut result = EvaluationResult::new("svm", name, Protocol::Svm);
    source.describe(evaluation, &mut result)?;
    let batch = source.batch(evaluation, &model);
    result.settings.insert("batch".into(), batch.into());
    let seen = Seen {
        batch: Some(batch),
        ..source.seen(&model)
    };
    let mut read = |name: &str| -> Result<(Matrix, Targets), Error> {
        let images = Arc::new(VocImages::open(&source.data, name)?);
        let targets = Targets::Multi(labels(&images)?);
        let record = split(name, &source.data, &*images);
        match name {
            TRAIN => result.splits.train = Some(record),
            _ => result.splits.test = Some(record),
        }
        let images: Arc<dyn Dataset> = images;
        let (output, threads) = (&source.output, source.machine.threads);
        let features = seen.evaluated(images, evaluation, output, threads)?;
        Ok((features, targets))
    };
    let data = MachineData::new(read(TRAIN)?, read(TEST)?)?;
    let result = evaluate_machines(result, data, plan, &mut folder)?;
    Ok((result, folder))
}

/// What images show; an image that neither has nor lacks a class does not count for it.
fn labels(images: &VocImages) -> Result<MultiLabels, Error> {
    let shown = images.shown().iter().flatten();
    let values = shown.map(|&shown| Presence::from(shown)).collect();
    Ok(MultiLabels::new(values, e2mc_data::VOC_CLASSES.len())?)
}
