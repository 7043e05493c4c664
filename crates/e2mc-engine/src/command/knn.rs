//! `e2mc knn`: a checkpoint's features by nearest neighbours in cosine similarity.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_base::stop::Phase;
use e2mc_cli::options::KnnOptions;
use e2mc_cli::{output, signals};
use e2mc_lab::machine::Machine;
use e2mc_lab::notice::Notices;
use e2mc_lab::protocol::{self, Network, NetworkSource};
use e2mc_train::World;

use crate::processes;
use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &KnnOptions) -> Result<ExitCode> {
    processes::sharing(options.processes, &options.machine, |world, machine| {
        knn(options, world, machine)
    })
}

fn knn(options: &KnnOptions, world: &World, machine: Machine) -> Result<ExitCode> {
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
    let mut folder = options.record.folder()?;
    let name = options.record.model(options.embeddings.model());
    let result = protocol::knn(&network, &options.plan(), &name, &mut folder)?;
    let _finishing = signals::stop().enter(Phase::Finishing);
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}
