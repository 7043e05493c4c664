//! The sum of all processes' gradients: small ones in one message, large ones each in its own.

use tch::{Kind, Tensor};

use super::World;
use crate::Error;

/// Numbers in a message, about: enough that its start costs nothing beside its way.
const MESSAGE: usize = 6 << 20;
/// A gradient of at least so many numbers goes alone, without a copy.
const LARGE: usize = 1 << 18;

impl World {
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
