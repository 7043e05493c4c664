//! Linear probes on what a network makes of images.

use std::sync::Arc;

use e2mc_eval::LinearPreset;
use e2mc_eval::protocol::{ProbeKind, ProbePlan, evaluate_probes, once_each};
use e2mc_record::{EvaluationResult, Protocol, ResultFolder};
use e2mc_train::Output;
use serde_json::json;

use super::attentive::{attentive, check_tokens, described};
use super::fresh::{Fresh, Views};
use super::network::Network;
use crate::error::{Error, ProtocolError};
use crate::notice::Notices;

/// What the SGD probe learns from. The others need all features at once: theirs are always cached.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Features {
    /// Computed once, of the evaluation's view.
    #[default]
    Cached,
    /// Computed for every batch from the evaluation's view; agrees with [`Features::Cached`].
    Fresh,
    /// Computed for every batch from random crops, and flips with probability `flip`.
    Augmented {
        /// From 0 to 1.
        flip: f32,
    },
}

impl Features {
    fn describe(self) -> &'static str {
        match self {
            Self::Cached => "cached: the evaluation's view, computed once",
            Self::Augmented { .. } => "augmented: random crops and flips, computed for every batch",
            Self::Fresh => "fresh: the evaluation's view, computed for every batch",
        }
    }

    fn views(self) -> Option<Views> {
        match self {
            Self::Cached => None,
            Self::Fresh => Some(Views::Fixed),
            Self::Augmented { flip } => Some(Views::Random { flip }),
        }
    }
}

/// Judges a network by neighbours with all labels, then by every probe of the plan; tables call the
/// model `name`.
///
/// # Errors
/// Where the preset needs a feature map that was not asked for, an image cannot be read, or as
/// [`evaluate_probes`].
pub fn probe(
    network: &Network,
    plan: &ProbePlan,
    features: Features,
    name: &str,
    folder: &mut ResultFolder,
    notices: &Arc<dyn Notices>,
) -> Result<EvaluationResult, Error> {
    let output = &network.source.output;
    let sgd = plan.probes.contains(&ProbeKind::Sgd);
    if sgd && plan.settings.preset == LinearPreset::Inat18 && *output != Output::Map6x6 {
        return Err(ProtocolError::NeedsMap {
            found: output.to_string(),
        }
        .into());
    }
    let judged = network.judged();
    let mut result = EvaluationResult::new("probe", name, Protocol::Linear);
    judged.describe(Some(output), &mut result)?;
    network.record_batch(&mut result);
    if plan.probes.contains(&ProbeKind::Attentive) {
        check_tokens(network)?;
    }
    let data = network.features()?;
    let views = features.views().filter(|_| sgd);
    // What learns from features that are computed once; all others are fitted to images.
    let mut cached = plan.clone();
    cached.probes.retain(|kind| match kind {
        ProbeKind::Logistic => true,
        ProbeKind::Sgd => views.is_none(),
        ProbeKind::Attentive => false,
    });
    if let Some(first) = plan.first_fit(data.train.rows()) {
        folder.set_first(first);
    }
    let mut result = evaluate_probes(result, &data, &cached, folder)?;
    let mut of_images = Vec::new();
    if let Some(views) = views {
        let fresh = Fresh {
            network,
            data: &data,
            plan,
            views,
            folder,
            notices,
        };
        of_images.push(fresh.run()?);
    }
    if plan.probes.contains(&ProbeKind::Attentive) {
        of_images.push(attentive(network, plan, folder, notices)?);
    }
    if cached.probes.len() < plan.probes.len() {
        for (rows, warnings) in of_images {
            result.probes.extend(rows);
            result.warnings.extend(warnings);
        }
        once_each(&mut result.warnings);
        let rows = result.probes.clone();
        plan.describe(&mut result, data.train.rows(), &rows);
    }
    if plan.probes.contains(&ProbeKind::Attentive) {
        let key = ProbeKind::Attentive.name();
        result.settings.insert(key.into(), described());
    }
    let flip = match features {
        Features::Augmented { flip } => Some(flip),
        _ => None,
    };
    let settings = &mut result.settings;
    settings.insert("features".into(), json!(features.describe()));
    settings.insert("flip".into(), json!(flip));
    Ok(result)
}
