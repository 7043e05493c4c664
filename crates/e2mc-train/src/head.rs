//! The head between the backbone and the loss: a multi-layer perceptron.
//!
//! VICReg calls it the expander: (Linear, batch norm, ReLU) repeated, then a last Linear without
//! bias (Bardes et al. 2022, section 4). The parameters' names are those of the public VICReg
//! checkpoints: `0.weight`, `0.bias`, `1.weight`, …, counted as `nn.Sequential` does.

use tch::{Tensor, nn};

use crate::Error;
use crate::layer::{BatchNorm, Linear, Precision};

/// (Linear, batch norm, ReLU) for all layers but the last, which is a Linear without bias.
#[derive(Debug)]
pub(crate) struct Expander {
    hidden: Vec<(Linear, BatchNorm)>,
    last: Linear,
}

impl Expander {
    /// Makes the head for `features` inputs with the given layer widths, the embedding's last.
    ///
    /// # Errors
    /// Without layers, or where one is 0 wide.
    pub(crate) fn new(path: &nn::Path, features: usize, layers: &[usize]) -> Result<Self, Error> {
        let Some((&dims, widths)) = layers.split_last() else {
            return Err(Error::config(
                "method.projector",
                "at least one layer width",
                "none",
            ));
        };
        if layers.contains(&0) {
            return Err(Error::config(
                "method.projector",
                "widths of at least 1",
                format!("{layers:?}"),
            ));
        }
        let mut inputs = features;
        let mut hidden = Vec::with_capacity(widths.len());
        for (i, &width) in widths.iter().enumerate() {
            // Three modules a layer in nn.Sequential: Linear, BatchNorm1d, ReLU.
            let linear = Linear::new(&(path / (3 * i)), inputs, width, true)?;
            hidden.push((linear, BatchNorm::new(&(path / (3 * i + 1)), width, true)?));
            inputs = width;
        }
        let last = Linear::new(&(path / (3 * widths.len())), inputs, dims, false)?;
        Ok(Self { hidden, last })
    }

    /// Features `(n, features)` to embeddings `(n, d)`.
    ///
    /// # Errors
    /// Where libtorch refuses the input's shape.
    pub(crate) fn forward(
        &self,
        features: &Tensor,
        train: bool,
        precision: Precision,
    ) -> Result<Tensor, Error> {
        let mut x = features.shallow_clone();
        for (linear, norm) in &self.hidden {
            x = norm
                .forward(&linear.forward(&x, precision)?, train)?
                .relu_();
        }
        self.last.forward(&x, precision)
    }
}
