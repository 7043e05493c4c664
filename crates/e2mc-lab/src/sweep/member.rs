//! The part of a sweep that is done by a process other than the first.

use std::path::Path;
use std::sync::Arc;

use e2mc_base::stop::Stop;
use e2mc_train::{Output, World, device};
use serde::{Deserialize, Serialize};

use super::plan::SweepPlan;
use crate::crew::{self, Network, RunOrder};
use crate::error::Error;
use crate::images::{LabelledSplits, fingerprint};
use crate::machine::Machine;
use crate::notice::Notices;
use crate::protocol::Judged;
use crate::run::{self, Surroundings, Unobserved};

/// What process 0 asks of the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Train a run.
    Train(Box<RunOrder>),
    /// Embed the images of both splits.
    Embed(Box<Network>),
    /// There is nothing left to do.
    End,
}

/// What all processes must have found of the images.
pub(super) fn images(plan: &SweepPlan, splits: &LabelledSplits) -> (&'static str, String) {
    let data = &plan.settings.data.data;
    let of = |images: &crate::images::LabelledImages| fingerprint(data, &**images.dataset());
    let text = format!("{}, {}", of(&splits.train), of(&splits.test));
    ("set of images", text)
}

/// Does this process's share of the sweep that process 0 of `world` [runs](super::Sweep::run), to its end.
///
/// # Errors
/// Where images or checkpoint cannot be read or are others than process 0's, or a process fails or is lost;
/// [`Error::Stopped`] where process 0 is gone and this one was asked to end.
pub fn follow(
    machine: &Machine,
    world: &World,
    stop: &Stop,
    notices: &Arc<dyn Notices>,
) -> Result<(), Error> {
    crew::follow(stop, || work(machine, world, stop, notices))
}

fn work(
    machine: &Machine,
    world: &World,
    stop: &Stop,
    notices: &Arc<dyn Notices>,
) -> Result<(), Error> {
    let plan: SweepPlan = crew::take(world)?;
    let data = &plan.settings.data;
    let splits = LabelledSplits::open(&data.data, data.data_options, notices)?;
    world.same(&[images(&plan, &splits)])?;
    let device = device(&machine.device)?;
    loop {
        match crew::take(world)? {
            Order::End => return Ok(()),
            Order::Train(order) => {
                let start = || plan.reading.read(&plan.checkpoint, &**notices);
                let mut trainer = order.trainer(start, device)?;
                let own = order.plan(world, machine.threads)?;
                let around = Surroundings {
                    stop,
                    observer: &mut Unobserved,
                    notices,
                };
                let trained = crew::train(world, stop, &mut trainer, |trainer| {
                    run::train(trainer, own, around)
                });
                crew::unless_of_all(trained)?;
            }
            Order::Embed(network) => {
                let model = network.make(device)?;
                model.share_backbone(world)?;
                let judged = Judged {
                    checkpoint: Path::new(&plan.checkpoint),
                    data: &data.data,
                    taken: data.data_options,
                    model: &model,
                    recipe: &network.recipe,
                    splits: &splits,
                    map: None,
                    threads: machine.threads,
                    world,
                };
                judged.features(&Output::Backbone)?;
            }
        }
    }
}
