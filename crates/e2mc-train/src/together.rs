//! Working with other processes: what they must agree on before the first step and after an epoch, and
//! the weights of one in all of them.

use e2mc_data::{BadImage, Loader};
use tch::{Kind, Tensor};

use crate::Error;
use crate::model::{BACKBONE_PREFIX, Model};
use crate::recipe::TrainingConfig;
use crate::train::Control;
use crate::trainer::Trainer;
use crate::world::{GradientSum, World};

impl Model {
    /// Gives the backbone, in each process of `world`, the weights and statistics that it has in process 0.
    /// All processes call this with the same network. Heads stay as they are.
    ///
    /// # Errors
    /// Where a process is lost.
    pub fn share_backbone(&self, world: &World) -> Result<(), Error> {
        if world.size() == 1 {
            return Ok(());
        }
        let _guard = tch::no_grad_guard();
        let tensors = self.tensors().into_iter();
        let tensors: Vec<Tensor> = tensors
            .filter(|(name, _)| name.starts_with(BACKBONE_PREFIX))
            .map(|(_, tensor)| tensor)
            .collect();
        let lengths: Vec<i64> = tensors.iter().map(|tensor| tensor.numel() as i64).collect();
        // What the others add to process 0's numbers is nothing.
        let own = match world.is_first() {
            true => {
                let flat = tensors
                    .iter()
                    .map(|tensor| tensor.f_reshape([-1])?.f_to_kind(Kind::Float))
                    .collect::<Result<Vec<_>, _>>()?;
                Tensor::f_cat(&flat, 0)?
            }
            false => Tensor::f_zeros([lengths.iter().sum::<i64>()], (Kind::Float, self.device()))?,
        };
        let first = world.sum(own)?;
        if !world.is_first() {
            for (mut tensor, values) in tensors
                .into_iter()
                .zip(first.f_split_with_sizes(lengths, 0)?)
            {
                tensor.f_copy_(&values.f_view_as(&tensor)?)?;
            }
        }
        Ok(())
    }
}

/// Notes the images that the other processes could not use, while this one could not use its `own`.
/// All processes call this, and know the same images afterwards. Each reason names its process.
///
/// # Errors
/// Where there are too many now, or a process is lost.
pub(crate) fn share_bad_images(
    world: &World,
    loader: &Loader,
    own: &[BadImage],
) -> Result<(), Error> {
    if world.size() == 1 {
        return Ok(());
    }
    let own: Vec<_> = own.iter().map(|bad| (bad.index, &bad.reason)).collect();
    let texts = world.all(serde_json::to_string(&own).expect("numbers and texts"))?;
    let mut found = Vec::new();
    for (rank, text) in texts.iter().enumerate() {
        if rank == world.rank() {
            continue;
        }
        let theirs: Vec<(usize, String)> =
            serde_json::from_str(text).expect("what another process of this program wrote");
        found.extend(theirs.into_iter().map(|(index, reason)| BadImage {
            index,
            reason: format!("process {rank}: {reason}"),
        }));
    }
    Ok(loader.note_bad(found)?)
}

impl TrainingConfig {
    /// Checks that so many processes can share each batch.
    ///
    /// # Errors
    /// Where the batch, or a part of it, cannot be dealt out evenly.
    pub fn check_processes(&self, size: usize) -> Result<(), Error> {
        let parts = size * self.accumulate;
        if size == 1 || self.batch.is_multiple_of(parts) {
            return Ok(());
        }
        let expected = format!(
            "a multiple of {parts}: {size} processes, each with {} accumulation parts",
            self.accumulate
        );
        Err(Error::config("training.batch", expected, self.batch))
    }
}

impl Trainer {
    /// Trains together with the other processes of `world`, which have the same recipe, weights and
    /// images. The recipe's batch is that of all of them.
    ///
    /// # Errors
    /// Where the batch cannot be dealt out evenly, or the processes differ in recipe, progress or
    /// weights.
    pub fn join(&mut self, world: World) -> Result<(), Error> {
        self.recipe.training.check_processes(world.size())?;
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
        self.sum = GradientSum::default();
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
        let wanted = [Control::Interrupt, Control::Stop].map(|wanted| control == wanted);
        Ok(match self.world.any_of(wanted)? {
            [true, _] => Control::Interrupt,
            [false, true] => Control::Stop,
            [false, false] => Control::Continue,
        })
    }
}
