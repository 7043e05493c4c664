//! `e2mc probe`: what a checkpoint's frozen features are worth.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_base::stop::Phase;
use e2mc_cli::options::{FeaturesName, ProbeOptions};
use e2mc_cli::{output, signals};
use e2mc_eval::protocol::Subsets;
use e2mc_lab::machine::Machine;
use e2mc_lab::notice::Notices;
use e2mc_lab::protocol::{self, Features, Network, NetworkSource};
use e2mc_train::World;

use crate::processes;
use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &ProbeOptions) -> Result<ExitCode> {
    processes::sharing(options.processes, &options.machine, |world, machine| {
        probe(options, world, machine)
    })
}

fn probe(options: &ProbeOptions, world: &World, machine: Machine) -> Result<ExitCode> {
    let notices: Arc<dyn Notices> = Screen::of(world);
    let source = NetworkSource {
        world: world.clone(),
        ..settings::source(&options.embeddings, machine)?
    };
    let network = Network::open(source, &notices)?;
    if !world.is_first() {
        network.features()?;
        return Ok(ExitCode::SUCCESS);
    }
    let subsets = match &options.list {
        Some(list) => network.listed(list)?,
        None => Subsets::of_fractions(&options.fractions)?,
    };
    let plan = options.plan(subsets, Some(network.method()));
    let features = match options.features {
        FeaturesName::Cached => Features::Cached,
        FeaturesName::Fresh => Features::Fresh,
        FeaturesName::Augmented => Features::Augmented { flip: options.flip },
    };
    let mut folder = options.record.folder()?;
    let name = options.record.model(options.embeddings.model());
    let result = protocol::probe(&network, &plan, features, &name, &mut folder, &notices)?;
    let _finishing = signals::stop().enter(Phase::Finishing);
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}
