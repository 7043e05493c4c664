//! The heads between the backbone and the loss: multi-layer perceptrons.
//!
//! (Linear, batch norm, ReLU) repeated, then a last Linear; methods differ in the biases and in a
//! last batch norm, which [`HeadStyle`] says. The parameters' names are counted as `nn.Sequential`
//! does (`0.weight`, `0.bias`, `1.weight`, …), which is how the public checkpoints name them.

use tch::{Tensor, nn};

use crate::Error;
use crate::layer::{BatchNorm, Linear, Mode};

/// The bias of a head's last linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// There is none.
    None,
    /// It is a parameter.
    Trained,
    /// It is there and never moves.
    Frozen,
}

/// What a head has beside its widths.
#[derive(Clone, Copy, Debug)]
pub struct HeadStyle {
    /// Whether the hidden linear layers have a bias, which the batch norm after them undoes.
    pub hidden_bias: bool,
    /// The last linear layer's bias.
    pub last_bias: Bias,
    /// Whether a batch norm without weight and bias follows the last linear layer.
    pub last_norm: bool,
}

/// A head, from features or from another head's outputs.
#[derive(Debug)]
pub struct Head {
    hidden: Vec<(Linear, BatchNorm)>,
    last: Linear,
    last_norm: Option<BatchNorm>,
}

impl Head {
    /// Makes the head for `inputs` numbers a row with the given layer widths, its output's last.
    /// `field` is the setting that holds the widths.
    ///
    /// # Errors
    /// Without layers, or where one is 0 wide.
    pub fn new(
        path: &nn::Path,
        field: &str,
        inputs: usize,
        layers: &[usize],
        style: HeadStyle,
    ) -> Result<Self, Error> {
        let Some((&dims, widths)) = layers.split_last() else {
            return Err(Error::config(field, "at least one layer width", "none"));
        };
        if layers.contains(&0) {
            let found = format!("{layers:?}");
            return Err(Error::config(field, "widths of at least 1", found));
        }
        let mut inputs = inputs;
        let mut hidden = Vec::with_capacity(widths.len());
        for (i, &width) in widths.iter().enumerate() {
            // Three modules a layer in nn.Sequential: Linear, BatchNorm1d, ReLU.
            let linear = Linear::new(&(path / (3 * i)), inputs, width, style.hidden_bias)?;
            hidden.push((linear, BatchNorm::new(&(path / (3 * i + 1)), width, true)?));
            inputs = width;
        }
        let place = 3 * widths.len();
        let bias = style.last_bias != Bias::None;
        let last = Linear::new(&(path / place), inputs, dims, bias)?;
        if style.last_bias == Bias::Frozen {
            last.freeze_bias();
        }
        let last_norm = if style.last_norm {
            Some(BatchNorm::new(&(path / (place + 1)), dims, false)?)
        } else {
            None
        };
        Ok(Self {
            hidden,
            last,
            last_norm,
        })
    }

    /// Rows `(n, inputs)` to `(n, d)`, in float32.
    ///
    /// # Errors
    /// Where libtorch refuses the input's shape.
    pub fn forward(&self, rows: &Tensor, mode: Mode<'_>) -> Result<Tensor, Error> {
        let precision = mode.precision;
        let mut x = rows.shallow_clone();
        for (linear, norm) in &self.hidden {
            x = norm.forward(&linear.forward(&x, precision)?, mode)?.relu_();
        }
        let x = self.last.forward(&x, precision)?;
        match &self.last_norm {
            Some(norm) => norm.forward(&x, mode),
            None => Ok(x),
        }
    }
}
