//! Semi-supervised learning: all layers on few labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use e2mc_data::{Dataset, Selection};
use e2mc_eval::protocol::{
    Subsets, check_classes, fit_name, missing_warning, overlap_warning, probe_fit, probe_row,
    unseen_warning,
};
use e2mc_record::{EvaluationResult, ProbeFit, Protocol, ResultFolder};
use e2mc_train::finetune::{FinetuneConfig, FinetunePreset, finetune as tune};
use serde_json::{Value, json};

use super::network::Network;
use crate::checkpoint::check_unfolded;
use crate::error::Error;
use crate::machine::batch;
use crate::notice::{Notice, Notices};

/// The classifier's name in results and folders.
const NAME: &str = "finetune";

/// What to fine-tune on, and how.
#[derive(Clone, Debug)]
pub struct FinetunePlan {
    /// The labels that may be learned from.
    pub subsets: Subsets,
    /// One label subset and fit each.
    pub seeds: Vec<u64>,
    /// The preset.
    pub preset: FinetunePreset,
    /// Passes over the labelled images; the preset's if `None`, as below.
    pub epochs: Option<u64>,
    /// Images a step.
    pub batch: Option<usize>,
    /// Learning rate of the backbone for a batch of 256.
    pub trunk_rate: Option<f64>,
    /// Learning rate of the linear layer for a batch of 256.
    pub head_rate: Option<f64>,
    /// Probability of a left-right flip of a training image.
    pub flip: Option<f32>,
}

impl Default for FinetunePlan {
    /// VICReg's settings on 1 and 10 % of the labels, three subsets each.
    fn default() -> Self {
        Self {
            subsets: Subsets::Fractions(vec![0.01, 0.1]),
            seeds: (0..3).collect(),
            preset: FinetunePreset::Vicreg,
            epochs: None,
            batch: None,
            trunk_rate: None,
            head_rate: None,
            flip: None,
        }
    }
}

impl FinetunePlan {
    fn config(&self, fraction: f64, network: &Network) -> FinetuneConfig {
        let base = self.preset.config(fraction);
        FinetuneConfig {
            epochs: self.epochs.unwrap_or(base.epochs),
            batch: self.batch.unwrap_or(base.batch),
            trunk_rate: self.trunk_rate.unwrap_or(base.trunk_rate),
            head_rate: self.head_rate.unwrap_or(base.head_rate),
            flip: self.flip.unwrap_or(base.flip),
            precision: network.checkpoint.recipe.training.precision,
            ..base
        }
    }

    /// The fit whose predictions go to the result's folder itself: the first.
    fn first_fit(&self, train_rows: usize) -> Option<String> {
        let fractions = self.subsets.fractions(train_rows);
        Some(fit_name(NAME, *fractions.first()?, *self.seeds.first()?))
    }
}

/// Trains a copy of the network with a linear layer for every fraction of the labels and every
/// seed, and judges it on the test images; tables call the model `name`.
///
/// # Errors
/// A map that is folded into the network, a setting out of range, labels of one class only, an
/// image that cannot be read, a loss that is not finite, or where predictions cannot be written.
pub fn finetune(
    network: &Network,
    plan: &FinetunePlan,
    name: &str,
    folder: &mut ResultFolder,
    notices: &Arc<dyn Notices>,
) -> Result<EvaluationResult, Error> {
    check_unfolded(&network.checkpoint)?;
    let (train, test) = (&network.splits.train, &network.splits.test);
    let (rows, classes) = (train.len(), network.splits.classes());
    let fractions = plan.subsets.fractions(rows);
    let mut result = EvaluationResult::new("finetune", name, Protocol::SemiSupervised);
    network.judged().describe(None, &mut result)?;
    if let Some(first) = plan.first_fit(rows) {
        folder.set_first(first);
    }
    let (mut missing, mut learnt) = (Vec::new(), BTreeSet::new());
    for &fraction in &fractions {
        let config = plan.config(fraction, network);
        let (mut runs, mut images) = (Vec::new(), 0);
        for &seed in &plan.seeds {
            let indices = plan.subsets.rows(train.labels(), fraction, seed)?;
            images = indices.len();
            learnt.extend(indices.iter().copied());
            runs.push(one(
                network,
                &config,
                (fraction, seed),
                indices,
                (folder, notices),
            )?);
        }
        let most = runs.iter().map(|run| run.missing).max().unwrap_or(0);
        missing.extend(missing_warning(most, classes, fraction));
        let row = probe_row(NAME, fraction, images, &plan.subsets, runs)?;
        result.probes.push(row);
    }
    let (equal, tests) = network.overlap(learnt)?;
    result.warnings.extend(overlap_warning(equal, tests));
    let unseen = unseen_warning(train.labels(), test.labels(), classes);
    result.warnings.extend(unseen);
    result.warnings.extend(missing);
    let images = result.probes.iter().map(|row| row.images).collect();
    let subsets = plan.subsets.record(rows, &plan.seeds, images);
    let by_fraction = fractions
        .iter()
        .map(|&fraction| described(fraction, &plan.config(fraction, network)));
    for (key, value) in [
        ("preset", json!(format!("{:?}", plan.preset).to_lowercase())),
        ("list", json!(subsets.list)),
        ("by_fraction", by_fraction.collect()),
    ] {
        result.settings.insert(key.into(), value);
    }
    result.label_subsets = Some(subsets);
    Ok(result)
}

fn described(fraction: f64, config: &FinetuneConfig) -> Value {
    json!({
        "fraction": fraction, "epochs": config.epochs, "batch": config.batch,
        "trunk_rate": config.trunk_rate, "head_rate": config.head_rate,
        "schedule": config.schedule, "sgd": config.sgd, "flip": config.flip,
        "precision": config.precision,
    })
}

fn one(
    network: &Network,
    config: &FinetuneConfig,
    (fraction, seed): (f64, u64),
    indices: Vec<usize>,
    (folder, notices): (&ResultFolder, &Arc<dyn Notices>),
) -> Result<ProbeFit, Error> {
    let (train, test) = (&network.splits.train, &network.splits.test);
    let (classes, threads) = (network.splits.classes(), network.source.machine.threads);
    let missing = check_classes(indices.iter().map(|&i| train.labels()[i]), classes)?;
    let images: Arc<dyn Dataset> =
        Arc::new(Selection::new(train.dataset().clone(), indices.clone())?);
    let tuned = tune(
        &network.model,
        &network.checkpoint.recipe,
        images,
        classes,
        config,
        (seed, threads),
        |epoch, loss| {
            notices.tell(&Notice::FitEpoch {
                fraction,
                seed,
                epoch,
                epochs: config.epochs,
                loss,
            });
        },
    )?;
    let batch = batch(network.evaluation(), network.model.device());
    let scores = tuned.scores(test.dataset().clone(), batch, threads)?;
    let mut run = probe_fit(
        (&fit_name(NAME, fraction, seed), seed),
        &scores,
        (test.labels(), classes),
        (&indices, train.len()),
        folder,
    )?;
    (run.loss, run.missing) = (Some(tuned.loss), missing);
    Ok(run)
}
