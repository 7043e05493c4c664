//! Training with other processes: what they must agree on before the first step, and after an
//! epoch.

use crate::Error;
use crate::train::Control;
use crate::trainer::Trainer;
use crate::world::World;

impl Trainer {
    /// Trains together with the other processes of `world`, which have the same recipe, weights and
    /// images. The recipe's batch is that of all of them.
    ///
    /// # Errors
    /// Where the batch cannot be dealt out evenly, or the processes differ in recipe, progress or
    /// weights.
    pub fn join(&mut self, world: World) -> Result<(), Error> {
        let training = &self.recipe.training;
        let parts = world.size() * training.accumulate;
        if !training.batch.is_multiple_of(parts) {
            let expected = format!(
                "a multiple of {parts}: {} processes, each with {} accumulation parts",
                world.size(),
                training.accumulate
            );
            return Err(Error::config("training.batch", expected, training.batch));
        }
        if world.size() > 1 {
            let recipe = serde_json::to_string_pretty(&self.recipe);
            let recipe = recipe.expect("a recipe holds only what JSON can");
            world.same(&[
                ("recipe", recipe),
                ("starting point", format!("{:?}", self.progress())),
                ("set of weights", self.model.fingerprint()?),
            ])?;
        }
        self.world = world;
        Ok(())
    }

    /// The processes that train together.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What follows from what each process's observer wants: to save the state before wins over to
    /// stop.
    pub(crate) fn agreed(&self, control: Control) -> Result<Control, Error> {
        if self.world.size() == 1 {
            return Ok(control);
        }
        let interrupts = self.world.any(control == Control::Interrupt)?;
        let stops = self.world.any(control == Control::Stop)?;
        Ok(match (interrupts, stops) {
            (true, _) => Control::Interrupt,
            (false, true) => Control::Stop,
            (false, false) => Control::Continue,
        })
    }
}
