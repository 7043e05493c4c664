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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tch::Device;

    use super::*;
    use crate::layer::Precision;

    /// Links that each multiply by a number of their own, and a note of every call.
    struct Factors {
        factors: Vec<Tensor>,
        calls: RefCell<Vec<usize>>,
    }

    impl Factors {
        /// The links up to `frozen` do not train.
        fn new(frozen: usize) -> Self {
            let factor = |number: usize| {
                let factor = Tensor::from_slice(&[1.5 + number as f32]);
                factor.set_requires_grad(number >= frozen)
            };
            Self {
                factors: (0..5).map(factor).collect(),
                calls: RefCell::default(),
            }
        }

        fn apply(&self, number: usize, x: &Tensor) -> Result<Tensor, Error> {
            self.calls.borrow_mut().push(number);
            Ok(x.f_mul(&self.factors[number])?)
        }
    }

    impl Chain for Factors {
        fn blocks(&self) -> usize {
            self.factors.len() - 2
        }

        fn stem(&self, images: &Tensor, _mode: Mode<'_>) -> Result<Tensor, Error> {
            self.apply(
                0,
                &images.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?,
            )
        }

        fn block(
            &self,
            number: usize,
            x: &Tensor,
            _size: [i64; 2],
            _mode: Mode<'_>,
        ) -> Result<Tensor, Error> {
            self.apply(number + 1, x)
        }

        fn pool(&self, x: &Tensor) -> Result<Tensor, Error> {
            self.apply(self.factors.len() - 1, x)
        }
    }

    #[test]
    fn a_link_is_computed_again_from_the_first_that_trains_on() {
        for frozen in [0, 2, 4] {
            let chain = Factors::new(frozen);
            let images = Tensor::ones([2, 3, 4, 4], (Kind::Float, Device::Cpu));
            let mode = Mode::solo(Statistics::Batch, Precision::F32);
            let (features, kept) = forward(&chain, &images, mode).unwrap();
            assert_eq!(*chain.calls.borrow(), [0, 1, 2, 3, 4]);
            // Between the passes there is the input of each link that comes again, and no graph.
            assert_eq!(kept.inputs.len(), 5 - frozen);
            let graph = |tensor: &Tensor| tensor.requires_grad();
            assert!(!graph(&features) && !kept.inputs.iter().any(graph));
            backward(&chain, kept, &features.ones_like(), mode).unwrap();
            let again: Vec<usize> = (frozen..5).rev().collect();
            assert_eq!(chain.calls.borrow()[5..], again);
            // The derivative of a product by a factor is the product of the others; six numbers have it.
            let product: f64 = (0..5).map(|number| 1.5 + number as f64).product();
            for number in frozen..5 {
                let expected = 6.0 * product / (1.5 + number as f64);
                let found = chain.factors[number].grad().double_value(&[0]);
                assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
            }
        }
    }
}
