//! `e2mc probe`: what a checkpoint's frozen features are worth.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_cli::options::{FeaturesName, OptimizerName, PresetName, ProbeOptions};
use e2mc_cli::output;
use e2mc_eval::protocol::{ProbePlan, ProbeSettings, Subsets};
use e2mc_eval::{LinearOptimizer, LinearPreset};
use e2mc_lab::notice::Notices;
use e2mc_lab::protocol::{self, Features, Network};

use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &ProbeOptions) -> Result<ExitCode> {
    let notices: Arc<dyn Notices> = Screen::new();
    let source = settings::source(&options.embeddings, &options.machine)?;
    let network = Network::open(source, &notices)?;
    let plan = ProbePlan {
        subsets: match &options.list {
            Some(list) => protocol::listed(&network, list)?,
            None => Subsets::of_fractions(&options.fractions)?,
        },
        seeds: settings::seeds(options.seeds, &options.machine),
        probes: settings::probe(options.probe).kinds(),
        settings: probe_settings(options),
        k: options.k.into(),
    };
    let features = match options.features {
        FeaturesName::Cached => Features::Cached,
        FeaturesName::Fresh => Features::Fresh,
        FeaturesName::Augmented => Features::Augmented { flip: options.flip },
    };
    let mut folder = settings::folder(&options.record)?;
    let name = options.record.model(options.embeddings.model());
    let result = protocol::probe(&network, &plan, features, &name, &mut folder, &notices)?;
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}

fn probe_settings(options: &ProbeOptions) -> ProbeSettings {
    ProbeSettings {
        preset: match options.preset {
            PresetName::Vicreg => LinearPreset::Vicreg,
            PresetName::Swav => LinearPreset::Swav,
            PresetName::Simsiam => LinearPreset::Simsiam,
            PresetName::Inat18 => LinearPreset::Inat18,
        },
        epochs: options.sgd_epochs.map(|epochs| epochs as usize),
        learning_rate: options.sgd_rate,
        batch: options.sgd_batch.map(|batch| batch as usize),
        weight_decay: options.sgd_weight_decay,
        optimizer: options.sgd_optimizer.map(|name| match name {
            OptimizerName::Sgd => LinearOptimizer::Sgd,
            OptimizerName::Larc => LinearOptimizer::Larc { trust: 0.001 },
        }),
        schedule: options.sgd_schedule.clone(),
    }
}
