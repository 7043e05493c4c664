//! `e2mc finetune`: semi-supervised learning, all layers on few labels.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_base::stop::Phase;
use e2mc_cli::options::{FinetuneOptions, FinetunePresetName};
use e2mc_cli::{output, signals};
use e2mc_eval::protocol::Subsets;
use e2mc_lab::notice::Notices;
use e2mc_lab::protocol::{self, FinetunePlan, Network, NetworkSource};
use e2mc_train::finetune::FinetunePreset;

use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &FinetuneOptions) -> Result<ExitCode> {
    let notices: Arc<dyn Notices> = Screen::new();
    let source = NetworkSource {
        reading: settings::reading_for(&options.reading, &options.preparation),
        taken: settings::taken(options.images),
        machine: settings::machine(&options.machine),
        ..NetworkSource::new(&options.checkpoint, &options.data)
    };
    let network = Network::open(source, &notices)?;
    let plan = FinetunePlan {
        subsets: match &options.list {
            Some(list) => network.listed(list)?,
            None => Subsets::of_fractions(&options.fractions)?,
        },
        seeds: options.machine.seeds(options.seeds),
        preset: match options.preset {
            FinetunePresetName::Vicreg => FinetunePreset::Vicreg,
            FinetunePresetName::Swav => FinetunePreset::Swav,
        },
        epochs: options.epochs.map(u64::from),
        batch: options.batch.map(|batch| batch as usize),
        trunk_rate: options.trunk_rate,
        head_rate: options.head_rate,
        flip: Some(options.flip),
    };
    let mut folder = options.record.folder()?;
    let origin = options.checkpoint.display().to_string();
    let name = options.record.model(origin);
    let result = protocol::finetune(&network, &plan, &name, &mut folder, &notices)?;
    let _finishing = signals::stop().enter(Phase::Finishing);
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}
