//! The processes that share a batch: this one alone, or many on libtorch's own c10d.
//!
//! Everything that looks at a whole batch takes a [`World`]: batch norm's own statistics, the
//! criteria and their rivals, VICReg's variance and covariance, SwAV's codes and queue. In a world
//! of one process every operation here gives back what it was given, and makes no call.
//!
//! With many processes each holds its own rows of a batch of `size` times as many: process `r` of
//! `W` those from `r n / W` on. **A loss is a share**: the sum of all processes' losses is the
//! whole batch's, and so is the sum of their gradients. What is a mean over own rows, or is
//! computed alike by all, is divided by `W` ([`World::share`]); where rows of others enter
//! ([`World::gather`], [`World::columns`]), their gradients go back to them.
//!
//! [`Place`] says which process this is. Where one fails or is lost, all end with an error that
//! names it ([`WorldError`]).

mod error;
mod gradients;
mod member;
mod patient;
mod place;
mod program;
mod raw;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tch::Tensor;

use crate::Error;
use crate::error::is_out_of_memory;
pub use error::WorldError;
pub(crate) use gradients::GradientSum;
use member::Member;
pub use place::{Place, StoreServer, threads_each, variable};
pub(crate) use raw::Norm;
pub use raw::libtorch_version;

/// Threads that compute in this process, beside those that read images.
pub fn computing_threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

/// How long processes wait for each other, where nobody says.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// The processes that train together, and this one's place among them. A clone is the same world.
#[derive(Clone, Debug)]
pub struct World {
    members: Members,
}

#[derive(Clone, Debug)]
enum Members {
    /// This process alone.
    Solo,
    /// This one and others.
    Many(Arc<Member>),
}

/// One process alone, where a reference is wanted.
pub static SOLO: World = World::solo();

impl World {
    /// This process alone.
    pub const fn solo() -> Self {
        Self {
            members: Members::Solo,
        }
    }

    /// Joins the other processes of a run, which do the same. They wait for each other up to
    /// `timeout`, now and later. `cuda` says whether tensors on CUDA devices will be exchanged.
    ///
    /// # Errors
    /// Where they do not come, are not of this run or program, or cannot be reached.
    pub fn join(place: Place, cuda: bool, timeout: Duration) -> Result<Self, Error> {
        let member = Member::join(place, cuda, timeout)?;
        Ok(Self {
            members: Members::Many(Arc::new(member)),
        })
    }

    /// This process's number, from 0 to below [`World::size`].
    pub fn rank(&self) -> usize {
        match &self.members {
            Members::Solo => 0,
            Members::Many(member) => member.place.rank,
        }
    }

    /// How many processes there are, at least 1.
    pub fn size(&self) -> usize {
        match &self.members {
            Members::Solo => 1,
            Members::Many(member) => member.place.size,
        }
    }

    /// This process's number among those of its machine.
    pub fn local_rank(&self) -> usize {
        match &self.members {
            Members::Solo => 0,
            Members::Many(member) => member.place.local_rank,
        }
    }

    /// How many of the processes are on this machine, at least 1.
    pub fn local_size(&self) -> usize {
        match &self.members {
            Members::Solo => 1,
            Members::Many(member) => member.place.local_size,
        }
    }

    /// Whether this process is the one that writes and reports.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Own rows `(n, …)` to those of all processes `(size * n, …)`, by rank. The gradient at this
    /// process's rows is the sum of what all processes' losses give them.
    ///
    /// # Errors
    /// Where a process is lost or the shapes differ.
    pub fn gather(&self, rows: &Tensor) -> Result<Tensor, Error> {
        match &self.members {
            Members::Solo => Ok(rows.shallow_clone()),
            Members::Many(member) => {
                Ok(member.together("gathering rows", |group| group.gather(rows))?)
            }
        }
    }

    /// This process's rows `(n, …)` of `(size * n, …)`.
    pub fn own_rows(&self, all: &Tensor) -> Result<Tensor, Error> {
        match &self.members {
            Members::Solo => Ok(all.shallow_clone()),
            Members::Many(_) => {
                let rows = all.size()[0] / self.size() as i64;
                Ok(all.f_narrow(0, self.rank() as i64 * rows, rows)?)
            }
        }
    }

    /// The columns of `d` that are this process's: as many as the others', fewer or none at the
    /// end.
    pub fn own_columns(&self, d: usize) -> Range<usize> {
        let most = d.div_ceil(self.size());
        let start = (self.rank() * most).min(d);
        start..(start + most).min(d)
    }

    /// Own rows `(n, d)` to all rows of own columns `(size * n, own)`, through which gradients
    /// flow.
    ///
    /// # Errors
    /// Where a process is lost or the shapes differ.
    pub fn columns(&self, rows: &Tensor) -> Result<Tensor, Error> {
        let Members::Many(member) = &self.members else {
            return Ok(rows.shallow_clone());
        };
        let (n, d) = rows.size2()?;
        let size = self.size() as i64;
        let most = (d as usize).div_ceil(self.size()) as i64;
        let even = rows.f_constant_pad_nd([0, most * size - d])?;
        let blocks = even.f_view([n, size, most])?.f_transpose(0, 1)?;
        let all = member.together("exchanging columns", |group| group.exchange(&blocks))?;
        let own = self.own_columns(d as usize).len() as i64;
        Ok(all.f_reshape([size * n, most])?.f_narrow(1, 0, own)?)
    }

    /// All rows of own columns `(size * n, own)` to own rows `(n, d)`: [`World::columns`] undone.
    ///
    /// # Errors
    /// Where a process is lost or the shapes differ.
    pub fn rows(&self, columns: &Tensor, d: usize) -> Result<Tensor, Error> {
        let Members::Many(member) = &self.members else {
            return Ok(columns.shallow_clone());
        };
        let (all, own) = columns.size2()?;
        let size = self.size() as i64;
        let most = d.div_ceil(self.size()) as i64;
        let even = columns.f_constant_pad_nd([0, most - own])?;
        let blocks = even.f_view([size, all / size, most])?;
        let rows = member.together("exchanging rows", |group| group.exchange(&blocks))?;
        let rows = rows
            .f_transpose(0, 1)?
            .f_reshape([all / size, most * size])?;
        Ok(rows.f_narrow(1, 0, d as i64)?)
    }

    /// This process's share of what is a mean over own rows, or is computed alike by all.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    pub fn share(&self, value: &Tensor) -> Result<Tensor, Error> {
        match &self.members {
            Members::Solo => Ok(value.shallow_clone()),
            Members::Many(_) => Ok(value.f_div_scalar(self.size() as f64)?),
        }
    }

    /// The sum over the processes, element by element. No gradient flows through it.
    ///
    /// # Errors
    /// Where a process is lost or the shapes differ.
    pub fn sum(&self, tensor: Tensor) -> Result<Tensor, Error> {
        if let Members::Many(_) = &self.members {
            let sum = copied(&tensor)?;
            self.add_up("summing", &sum)?;
            return Ok(sum);
        }
        Ok(tensor)
    }

    /// The largest over the processes, element by element. No gradient flows through it.
    ///
    /// # Errors
    /// Where a process is lost or the shapes differ.
    pub fn max(&self, tensor: Tensor) -> Result<Tensor, Error> {
        if let Members::Many(member) = &self.members {
            let largest = copied(&tensor)?;
            member.together("comparing", |group| group.max(&largest))?;
            return Ok(largest);
        }
        Ok(tensor)
    }

    /// Whether any process says so: a stop that reaches one reaches all at the same step.
    ///
    /// # Errors
    /// Where a process is lost.
    pub fn any(&self, flag: bool) -> Result<bool, Error> {
        Ok(self.any_of([flag])?[0])
    }

    /// Of each flag whether any process raises it, in one exchange.
    ///
    /// # Errors
    /// Where a process is lost.
    pub fn any_of<const N: usize>(&self, flags: [bool; N]) -> Result<[bool; N], Error> {
        match &self.members {
            Members::Solo => Ok(flags),
            Members::Many(_) => {
                let flags = Tensor::f_from_slice(&flags.map(|flag| f32::from(u8::from(flag))))?;
                let mut raised = [0.0_f32; N];
                self.max(flags)?.f_copy_data(&mut raised, N)?;
                Ok(raised.map(|flag| flag > 0.0))
            }
        }
    }

    /// What `error` amounts to. Exchanges within the backward pass fail as libtorch's errors; where
    /// another process is the cause, it is named.
    pub(crate) fn explained(&self, doing: &'static str, error: Error) -> Error {
        match (&self.members, error) {
            (Members::Many(member), Error::Torch(error)) if !is_out_of_memory(&error) => {
                member.diagnose(doing, error.to_string()).into()
            }
            (_, error) => error,
        }
    }

    /// Whether tensors on the CPU go through memory that the processes share, as they do on one
    /// machine where that is possible.
    pub fn shares_memory(&self) -> bool {
        match &self.members {
            Members::Solo => false,
            Members::Many(member) => {
                let shares = member.together("looking", |group| Ok(group.shares_memory()));
                shares.unwrap_or(false)
            }
        }
    }

    /// How long this process has spent in exchanges since it began; `None` for one process alone.
    /// Of sums that go on beside the backward pass, only what is waited for counts; on GPUs, where
    /// all exchanges run beside the computation, only the time that it takes to ask for them.
    pub fn exchanged(&self) -> Option<Duration> {
        match &self.members {
            Members::Solo => None,
            Members::Many(_) => Some(raw::exchanged()),
        }
    }

    /// Adds up a contiguous tensor's numbers over the processes, in place.
    fn add_up(&self, doing: &'static str, tensor: &Tensor) -> Result<(), Error> {
        match &self.members {
            Members::Solo => Ok(()),
            Members::Many(member) => Ok(member.together(doing, |group| group.sum(tensor))?),
        }
    }

    /// Batch norm of `x` by the statistics of all processes' values; `None` for one process, where
    /// libtorch's own does that.
    pub(crate) fn batch_norm(&self, x: &Tensor, norm: Norm<'_>) -> Option<Result<Tensor, Error>> {
        let Members::Many(member) = &self.members else {
            return None;
        };
        let result = member.together("sharing batch statistics", |group| {
            group.batch_norm(x, norm)
        });
        Some(result.map_err(Error::from))
    }

    /// What each process says, by rank.
    ///
    /// # Errors
    /// Where a process is lost.
    pub fn all(&self, own: String) -> Result<Vec<String>, Error> {
        match &self.members {
            Members::Solo => Ok(vec![own]),
            Members::Many(member) => Ok(member.all(&own)?),
        }
    }

    /// Checks that all processes are about the same: each fact is a name and a text.
    ///
    /// # Errors
    /// Names the process whose text differs from process 0's, and the first line that does.
    pub fn same(&self, facts: &[(&str, String)]) -> Result<(), Error> {
        match &self.members {
            Members::Solo => Ok(()),
            Members::Many(member) => Ok(member.same(facts)?),
        }
    }

    /// What process 0 says, however long it works before it says so, as long as it lives.
    ///
    /// # Errors
    /// Where a process has failed, or process 0 is lost.
    pub fn of_first(&self, own: String) -> Result<String, Error> {
        match &self.members {
            Members::Solo => Ok(own),
            Members::Many(member) => Ok(member.of_first(own)?),
        }
    }

    /// The number that process 0 has, for what each process would find out by itself and otherwise.
    ///
    /// # Errors
    /// As [`World::of_first`].
    pub fn as_first(&self, own: usize) -> Result<usize, Error> {
        let first = self.of_first(own.to_string())?;
        Ok(first.parse().expect("the first process's number"))
    }

    /// Waits until process 0 is here too, however long it works, as long as it lives.
    ///
    /// # Errors
    /// As [`World::of_first`].
    pub fn after_first(&self) -> Result<(), Error> {
        self.of_first(String::new()).map(drop)
    }

    /// Tells the others that this process ends with `error`, and lets go of them.
    pub fn fail(&self, error: &dyn std::fmt::Display, by_another: bool) {
        if let Members::Many(member) = &self.members {
            member.fail(&error.to_string(), by_another);
        }
    }

    /// Ends the run in good order, as all processes do.
    ///
    /// # Errors
    /// Where a process is lost before it came so far.
    pub fn leave(&self) -> Result<(), Error> {
        match &self.members {
            Members::Solo => Ok(()),
            Members::Many(member) => Ok(member.leave()?),
        }
    }
}

/// A contiguous copy, without a graph.
fn copied(tensor: &Tensor) -> Result<Tensor, Error> {
    let tensor = tensor.f_detach()?.f_contiguous()?;
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(&tensor)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

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
        assert_eq!(world.columns(&rows).unwrap().data_ptr(), address);
        assert_eq!(world.rows(&rows, 3).unwrap().data_ptr(), address);
        assert_eq!(world.own_rows(&rows).unwrap().data_ptr(), address);
        assert_eq!(world.own_columns(3), 0..3);
        assert_eq!(world.share(&rows).unwrap().data_ptr(), address);
        assert_eq!(world.sum(rows.shallow_clone()).unwrap().data_ptr(), address);
        assert_eq!(world.max(rows).unwrap().data_ptr(), address);
        assert!(world.any(true).unwrap() && !world.any(false).unwrap());
        world.same(&[("recipe", "a".into())]).unwrap();
        assert_eq!(world.all("a".into()).unwrap(), ["a"]);
        world.after_first().unwrap();
        assert_eq!(world.of_first("a".into()).unwrap(), "a");
        assert_eq!(world.as_first(7).unwrap(), 7);
        world.leave().unwrap();
    }
}
