//! The sum of all processes' gradients, in one of two ways.
//!
//! Where exchanges go on by themselves (Gloo, NCCL), c10d's `Reducer` starts to sum a bucket of
//! gradients while the backward pass computes the next ones. Where a process does them itself, in
//! shared memory, nothing would go on beside them; and where a step takes several backward passes
//! (`training.accumulate`, `training.checkpoint_blocks`), no gradient is complete before the last.
//! There they are summed after the pass: small ones in one message, large ones each in its own.

use tch::{Device, Kind, Tensor};

use super::raw::Reducer;
use super::{Members, World};
use crate::Error;

/// What sums gradients during the backward passes of one model; nothing in one process.
#[derive(Debug, Default)]
pub(crate) struct GradientSum(Reducer);

/// Numbers in a message, about: enough that its start costs nothing beside its way.
const MESSAGE: usize = 6 << 20;
/// A gradient of at least so many numbers goes alone, without a copy.
const LARGE: usize = 1 << 18;

impl World {
    /// Whether gradients on `device` can be summed while others are computed.
    pub(crate) fn overlaps(&self, device: Device) -> bool {
        match &self.members {
            Members::Solo => false,
            Members::Many(_) => device != Device::Cpu || !self.shares_memory(),
        }
    }

    /// Gets ready for the backward pass from `loss`. It will replace the gradients of those of the
    /// parameters that it reaches by their sums over the processes, and leave alone the others',
    /// which may have none. All processes give the same parameters in the same order.
    ///
    /// # Errors
    /// Where libtorch refuses, or runs out of memory.
    pub(crate) fn prepare_sum<'a>(
        &self,
        sum: &mut GradientSum,
        loss: &Tensor,
        parameters: impl Iterator<Item = &'a Tensor>,
    ) -> Result<(), Error> {
        match &self.members {
            Members::Solo => Ok(()),
            Members::Many(member) => Ok(member
                .together("preparing to sum gradients", |group| {
                    group.prepare(&mut sum.0, loss, parameters)
                })?),
        }
    }

    /// Replaces gradients by their sums over the processes, in place. All processes give the same
    /// tensors in the same order.
    ///
    /// # Errors
    /// Where a process is lost.
    pub(crate) fn sum_gradients(&self, gradients: &[Tensor]) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let (large, small): (Vec<&Tensor>, Vec<&Tensor>) = gradients
            .iter()
            .partition(|gradient| gradient.numel() >= LARGE && gradient.is_contiguous());
        for gradient in large {
            self.add_up("summing gradients", gradient)?;
        }
        let mut message = Vec::new();
        let mut length = 0;
        for gradient in small {
            if length > 0 && length + gradient.numel() > MESSAGE {
                self.sum_in_one(&std::mem::take(&mut message))?;
                length = 0;
            }
            length += gradient.numel();
            message.push(gradient);
        }
        self.sum_in_one(&message)
    }

    fn sum_in_one(&self, gradients: &[&Tensor]) -> Result<(), Error> {
        if gradients.is_empty() {
            return Ok(());
        }
        let flat = gradients
            .iter()
            .map(|gradient| gradient.f_reshape([-1]))
            .collect::<Result<Vec<_>, _>>()?;
        let all = Tensor::f_cat(&flat, 0)?;
        debug_assert_eq!(all.kind(), Kind::Float);
        self.add_up("summing gradients", &all)?;
        let lengths: Vec<i64> = flat.iter().map(|part| part.numel() as i64).collect();
        for (gradient, sum) in gradients.iter().zip(all.f_split_with_sizes(lengths, 0)?) {
            gradient
                .shallow_clone()
                .f_copy_(&sum.f_view_as(gradient)?)?;
        }
        Ok(())
    }
}
