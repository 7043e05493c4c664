//! The processes that share a batch: one for now.
//!
//! Everything that looks at a whole batch takes a [`World`]: batch norm's own statistics, the
//! criteria and their rivals, VICReg's variance and covariance, SwAV's codes and queue. In a world
//! of one process every operation here gives back what it was given, and makes no call.
//!
//! With many processes each holds its own rows of a batch of `size` times as many. Operations that
//! take part in a loss let the gradient through ([`World::gather`]); the others are for statistics
//! ([`World::sum`], [`World::max`]) and for decisions that all must take alike ([`World::any`]).

use tch::Tensor;

use crate::Error;

/// The processes that train together, and this one's place among them.
#[derive(Debug)]
pub struct World {
    members: Members,
}

#[derive(Debug)]
enum Members {
    /// This process alone.
    Solo,
}

/// The world that calls without one are made in.
pub(crate) static SOLO: World = World::solo();

impl World {
    /// This process alone.
    pub const fn solo() -> Self {
        Self {
            members: Members::Solo,
        }
    }

    /// This process's number, from 0 to below [`World::size`].
    pub fn rank(&self) -> usize {
        match self.members {
            Members::Solo => 0,
        }
    }

    /// How many processes there are, at least 1.
    pub fn size(&self) -> usize {
        match self.members {
            Members::Solo => 1,
        }
    }

    /// Own rows `(n, …)` to those of all processes `(size * n, …)`, by rank. The gradient at this
    /// process's rows is the sum of what all processes' losses give them.
    ///
    /// # Errors
    /// Where a process is lost or the shapes differ.
    pub fn gather(&self, rows: &Tensor) -> Result<Tensor, Error> {
        match self.members {
            Members::Solo => Ok(rows.shallow_clone()),
        }
    }

    /// The sum over the processes, element by element. No gradient flows through it.
    ///
    /// # Errors
    /// Where a process is lost or the shapes differ.
    pub fn sum(&self, tensor: Tensor) -> Result<Tensor, Error> {
        match self.members {
            Members::Solo => Ok(tensor),
        }
    }

    /// The largest over the processes, element by element. No gradient flows through it.
    ///
    /// # Errors
    /// Where a process is lost or the shapes differ.
    pub fn max(&self, tensor: Tensor) -> Result<Tensor, Error> {
        match self.members {
            Members::Solo => Ok(tensor),
        }
    }

    /// Whether any process says so: a stop that reaches one reaches all at the same step.
    ///
    /// # Errors
    /// Where a process is lost.
    pub fn any(&self, flag: bool) -> Result<bool, Error> {
        match self.members {
            Members::Solo => Ok(flag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn alone_every_operation_gives_back_the_very_tensor() {
        let world = World::solo();
        assert_eq!((world.rank(), world.size()), (0, 1));
        let rows = Tensor::ones([2, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let address = rows.data_ptr();
        let gathered = world.gather(&rows).unwrap();
        assert_eq!(gathered.data_ptr(), address, "no copy");
        gathered.sum(Kind::Float).backward();
        assert_eq!(rows.grad().sum(Kind::Float).double_value(&[]), 6.0);
        assert_eq!(world.sum(rows.shallow_clone()).unwrap().data_ptr(), address);
        assert_eq!(world.max(rows).unwrap().data_ptr(), address);
        assert!(world.any(true).unwrap() && !world.any(false).unwrap());
    }
}
