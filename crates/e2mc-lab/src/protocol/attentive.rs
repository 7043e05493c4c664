//! The attentive probe on a network's tokens, which are computed once and kept in memory.

use std::sync::Arc;

use e2mc_base::cgroup;
use e2mc_eval::protocol::{ProbeKind, ProbePlan, check_classes, fit_name, probe_fit};
use e2mc_record::{ProbeRow, ResultFolder};
use e2mc_train::attentive::{AttentiveConfig, AttentiveProbe, Tokens};
use serde_json::{Value, json};

use super::network::Network;
use super::subsets::every_subset;
use crate::error::{Error, ProtocolError};
use crate::notice::{Notice, Notices};

/// The settings, as a result has them.
pub(super) fn described() -> Value {
    let config = AttentiveConfig::default();
    json!({
        "epochs": config.epochs, "batch": config.batch, "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay, "schedule": "cosine", "optimizer": "adamw",
    })
}

/// Fits the probe for every fraction of the labels and every seed; the second list is what the user
/// should be warned of.
///
/// # Errors
/// Where the tokens of all images take more than half of the memory that is free, an image cannot
/// be read, or predictions cannot be written.
pub(super) fn attentive(
    network: &Network,
    plan: &ProbePlan,
    folder: &ResultFolder,
    notices: &Arc<dyn Notices>,
) -> Result<(Vec<ProbeRow>, Vec<String>), Error> {
    if network.has_map() {
        return Err(ProtocolError::TokensThroughMap.into());
    }
    let [places, width] = network
        .model
        .places(network.evaluation().channels, network.evaluation().crop)?;
    let images = network.splits.train.len() + network.splits.test.len();
    let needed = (images * places * width * size_of::<f32>()) as u64;
    if let Some(free) = cgroup::memory().filter(|free| needed > free / 2) {
        return Err(ProtocolError::TokensTooLarge {
            images,
            needed,
            free,
        }
        .into());
    }
    let data = network.tokens()?;
    let tokens = |rows| Tokens { rows, width };
    let config = AttentiveConfig::default();
    every_subset(
        ProbeKind::Attentive,
        &data,
        plan,
        |fraction, seed, indices| {
            let labels = indices.iter().map(|&row| data.train_labels[row]);
            let missing = check_classes(labels, data.classes)?;
            let fitted = AttentiveProbe::fit(
                tokens(&data.train),
                (indices, &data.train_labels, data.classes),
                &config,
                (seed, network.model.device()),
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
            let name = fit_name(ProbeKind::Attentive.name(), fraction, seed);
            let mut run = probe_fit(
                (&name, seed),
                &fitted.scores(tokens(&data.test))?,
                (&data.test_labels, data.classes),
                (indices, data.train_labels.len()),
                folder,
            )?;
            (run.loss, run.missing) = (Some(fitted.loss), missing);
            Ok(run)
        },
    )
}
