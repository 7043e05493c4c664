//! Training with the activations of one block: the others' are computed again when the gradient
//! comes to them (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
//!
//! A network is a chain of links. On the way to the features the input of each link is kept, and
//! nothing else. On the way back, from the last link to the first, a link's output `y` is computed
//! once more from its input. With `g` the loss's gradient at `y`, the gradient of `sum(y * g)` at
//! the link's weights is the loss's, and at its input it is the `g` of the link before. Every
//! number is that of backpropagation through the whole; the price is a second forward pass. Links
//! before the first one that trains are not computed again. Batch norm records its running
//! statistics once in each link: when it is computed again, and up to the first link that trains
//! the first time.

use std::fmt;

use tch::{Kind, Tensor};

use super::family::Chain;
use crate::Error;
use crate::layer::{Mode, Statistics};

/// What is kept of a forward pass: the input of each block.
pub struct Kept {
    /// The inputs of the links from the first one that trains on.
    inputs: Vec<Tensor>,
    /// Height and width of the images.
    size: [i64; 2],
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("inputs", &self.inputs.len())
            .field("size", &self.size)
            .finish()
    }
}

/// Images `(n, c, h, w)` to pooled features `(n, features)` without a graph, and what
/// [`backward`] needs.
///
/// # Errors
/// Where the images do not fit the network.
pub(super) fn forward(
    chain: &dyn Chain,
    images: &Tensor,
    mode: Mode<'_>,
) -> Result<(Tensor, Kept), Error> {
    let (_, _, height, width) = images.size4()?;
    let mut kept = Kept {
        inputs: Vec::with_capacity(chain.links()),
        size: [height, width],
    };
    let mut x = images.shallow_clone();
    for number in 0..chain.links() {
        let mode = match kept.inputs.is_empty() {
            true => mode,
            false => unrecorded(mode),
        };
        // The input wants no gradient, so that the output has one only where the link trains.
        let y = chain.link(number, &x, kept.size, mode)?;
        if y.requires_grad() || !kept.inputs.is_empty() {
            kept.inputs.push(x);
        }
        x = y.f_detach()?;
    }
    Ok((x, kept))
}

/// Takes the gradient at the features `(n, features)` into the weights, onto the gradients that are
/// there.
///
/// # Errors
/// Where libtorch runs out of memory.
pub(super) fn backward(
    chain: &dyn Chain,
    kept: Kept,
    gradient: &Tensor,
    mode: Mode<'_>,
) -> Result<(), Error> {
    let Kept { inputs, size } = kept;
    let first = chain.links() - inputs.len();
    let mut gradient = gradient.shallow_clone();
    for (number, input) in (first..).zip(inputs).collect::<Vec<_>>().into_iter().rev() {
        let x = input.f_detach()?.f_set_requires_grad(number > first)?;
        let mode = match number == first {
            true => unrecorded(mode),
            false => mode,
        };
        let y = chain.link(number, &x, size, mode)?;
        y.f_mul(&gradient)?.f_sum(Kind::Float)?.f_backward()?;
        if number > first {
            gradient = x.f_grad()?;
        }
    }
    Ok(())
}

/// The same, but batch norm leaves its running statistics as they are.
fn unrecorded(mode: Mode<'_>) -> Mode<'_> {
    let statistics = match mode.statistics {
        Statistics::Batch => Statistics::Unrecorded,
        other => other,
    };
    Mode { statistics, ..mode }
}
