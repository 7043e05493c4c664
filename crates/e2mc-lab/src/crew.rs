//! Work that process 0 decides on and all processes share: it gives orders, the others follow them.
//!
//! What comes next depends on scores, clocks and files that process 0 alone looks at. So the others decide
//! nothing: they wait for an order, do their share of it, and wait for the next.

use std::path::PathBuf;

use e2mc_base::stop::{Phase, Stop};
use e2mc_record::{RunFolder, RunSettings};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::world::WorldError;
use e2mc_train::{Device, Model, Recipe, Trainer, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::run::{FinishedRun, Place, RunPlan};

/// Tells the other processes what to do; one process alone tells nobody.
pub(crate) fn give(world: &World, order: &impl Serialize) -> Result<(), Error> {
    if world.size() > 1 {
        let text = serde_json::to_string(order).expect("an order holds only what JSON can");
        world.of_first(text)?;
    }
    Ok(())
}

/// Waits for what process 0 tells next.
pub(crate) fn take<T: DeserializeOwned>(world: &World) -> Result<T, Error> {
    let text = world.of_first(String::new())?;
    Ok(serde_json::from_str(&text).expect("what another process of this program wrote"))
}

/// A network that process 0 has, as the others make it: by the settings of its backbone.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Network {
    /// The recipe, in the precision of the model.
    pub(crate) recipe: Recipe,
}

impl Network {
    /// A `model` whose backbone is that of the recipe.
    pub(crate) fn of(model: &Model, recipe: &Recipe) -> Self {
        let mut recipe = recipe.clone();
        recipe.training.precision = model.precision();
        Self { recipe }
    }

    /// The network, which is to get process 0's weights ([`Model::share_backbone`]).
    pub(crate) fn make(&self, device: Device) -> Result<Model, Error> {
        Ok(Model::new(&self.recipe, device, 0)?)
    }
}

/// A run that all processes train.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunOrder {
    folder: PathBuf,
    recipe: Recipe,
    settings: RunSettings,
    seed: u64,
    resumed: bool,
}

impl RunOrder {
    pub(crate) fn of(trainer: &Trainer, plan: &RunPlan) -> Self {
        Self {
            folder: plan.place.folder().root().to_owned(),
            recipe: trainer.recipe.clone(),
            settings: plan.settings.clone(),
            seed: trainer.progress().seed,
            resumed: plan.resumed,
        }
    }

    /// The trainer of a process that follows: from the run's checkpoint where it goes on, else from `start`.
    pub(crate) fn trainer(
        &self,
        start: impl FnOnce() -> Result<Checkpoint, Error>,
        device: Device,
    ) -> Result<Trainer, Error> {
        if self.resumed {
            let left = Checkpoint::read(&RunFolder::new(&self.folder).checkpoint())?;
            let epochs = self.recipe.training.epochs;
            return Ok(Trainer::resume(&left, device, Some(epochs))?);
        }
        let (trainer, _) =
            Trainer::from_weights(self.recipe.clone(), &start()?, device, self.seed)?;
        Ok(trainer)
    }

    /// The plan of a process that follows.
    pub(crate) fn plan(self, world: &World, threads: usize) -> Result<RunPlan, Error> {
        Ok(RunPlan {
            place: Place::within(world, RunFolder::new(self.folder))?,
            settings: self.settings,
            threads,
            resumed: self.resumed,
        })
    }
}

/// Trains with all processes, by `work`. Where any of them is asked to end, `stop` is raised in all.
pub(crate) fn train(
    world: &World,
    stop: &Stop,
    trainer: &mut Trainer,
    work: impl FnOnce(&mut Trainer) -> Result<FinishedRun, Error>,
) -> Result<FinishedRun, Error> {
    trainer.join(world.clone())?;
    let trained = work(trainer);
    let ended = match &trained {
        Ok(_) => true,
        Err(error) => is_of_all(error),
    };
    if ended && world.any(stop.is_requested())? && !stop.is_requested() {
        stop.request(|_| {});
    }
    trained
}

/// What a process that follows does with the end of a training: what all have found alike is for process 0
/// to decide on.
pub(crate) fn unless_of_all(trained: Result<FinishedRun, Error>) -> Result<(), Error> {
    match trained {
        Err(error) if !is_of_all(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Follows process 0 by `work`. Asked to end, this process says so after the step under way, and process 0
/// decides; where that one is then gone, its loss is no error.
pub(crate) fn follow(stop: &Stop, work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let _heeding = stop.enter(Phase::Heeding);
    match work() {
        Err(_) if stop.is_requested() => Err(Error::stopped("what is done is kept")),
        followed => followed,
    }
}

/// Whether training ended by this error in all processes at once, so that process 0 may go on with something else.
fn is_of_all(error: &Error) -> bool {
    use e2mc_train::Error as TrainError;
    matches!(
        error,
        Error::Stopped { .. }
            | Error::Eval(e2mc_eval::Error::NotFinite { .. })
            | Error::Train(TrainError::NonFinite { .. })
            | Error::Train(TrainError::World(WorldError::Failed { rank: 0, .. }))
    )
}
