//! The linear layer that is trained, batch by batch.

use crate::classifier::LinearClassifier;
use crate::product::{Operand, multiply, multiply_add};
use crate::random::{Purpose, Stream};
use crate::softmax::cross_entropy;
use crate::{Error, check};

use super::LinearConfig;
use super::batch_norm::BatchNorm;
use super::convergence::still_falling;
use super::update::{Descent, Update};

/// The standard deviation of the initial weights.
pub(super) const INITIAL_DEVIATION: f64 = 0.01;

/// A linear probe in training. Whoever has the features at hand, cached or fresh from a network,
/// gives them batch by batch: for each epoch [`order`](Self::order) says in which order the rows
/// should come, [`step`](Self::step) takes `config.batch` of them at a time, and
/// [`end_epoch`](Self::end_epoch) checks and counts. The result depends only on the batches, the
/// settings and the seed.
#[derive(Debug)]
pub struct LinearTrainer {
    config: LinearConfig,
    seed: u64,
    dims: usize,
    classes: usize,
    /// `(classes, d)`, row-major.
    pub(super) weights: Descent,
    pub(super) bias: Descent,
    norm: Option<BatchNorm>,
    epoch: usize,
    rows: usize,
    loss: f64,
    /// Each ended epoch's mean loss.
    losses: Vec<f64>,
    residuals: Vec<f32>,
}

impl LinearTrainer {
    /// A fresh layer for features of `dims` dimensions.
    ///
    /// # Errors
    /// A setting out of its range, no dimension, or more classes than are supported.
    pub fn new(
        dims: usize,
        classes: usize,
        config: &LinearConfig,
        seed: u64,
    ) -> Result<Self, Error> {
        config.validate(dims)?;
        check::shape(1, dims, check::TRAINING)?;
        check::labels(&[], classes, check::TRAINING)?;
        let mut weights = vec![0.0; classes * dims];
        Stream::new(seed, Purpose::Weights, 0).fill_normal(&mut weights, INITIAL_DEVIATION);
        Ok(Self {
            config: config.clone(),
            seed,
            dims,
            classes,
            weights: Descent::new(weights),
            bias: Descent::new(vec![0.0; classes]),
            norm: config
                .batch_norm
                .map(|places| BatchNorm::new(dims / places, places)),
            epoch: 0,
            rows: 0,
            loss: 0.0,
            losses: Vec::new(),
            residuals: Vec::new(),
        })
    }

    /// The epoch that the next batch belongs to, counted from 0.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// The order in which `rows` rows come in this epoch.
    pub fn order(&self, rows: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows).collect();
        Stream::new(self.seed, Purpose::Order, self.epoch as u64).shuffle(&mut order);
        order
    }

    /// One step on features `(labels.len(), d)`, row-major.
    ///
    /// # Errors
    /// Features of another width, values that are not finite, labels out of range.
    pub fn step(&mut self, features: &[f32], labels: &[usize]) -> Result<(), Error> {
        let Self { dims, classes, .. } = *self;
        if features.len() != labels.len() * dims {
            return Err(Error::LabelCount {
                set: check::TRAINING,
                rows: features.len() / dims,
                labels: labels.len(),
            });
        }
        check::finite(features, dims, 0, check::TRAINING)?;
        check::labels(labels, classes, check::TRAINING)?;
        self.learn(features, labels);
        Ok(())
    }

    /// [`step`](Self::step) on what has been checked.
    pub(super) fn learn(&mut self, features: &[f32], labels: &[usize]) {
        let (count, dims, classes) = (labels.len(), self.dims, self.classes);
        let rate = self.config.rate(self.epoch);
        let update = Update::new(&self.config, rate);
        let normalised = self.norm.as_mut().map(|norm| norm.forward(features));
        let x = Operand::new(normalised.as_deref().unwrap_or(features), count, dims);

        self.residuals.clear();
        (0..count).for_each(|_| self.residuals.extend_from_slice(&self.bias.values));
        let w = Operand::new(&self.weights.values, classes, dims);
        multiply_add(&mut self.residuals, x, w.transposed());
        self.loss += cross_entropy(&mut self.residuals, classes, labels.iter().copied());
        self.rows += count;

        let scale = (count as f32).recip();
        self.residuals.iter_mut().for_each(|r| *r *= scale);
        let r = Operand::new(&self.residuals, count, classes);
        if let Some(norm) = &mut self.norm {
            // The gradient of the normalised features, by the weights before this step.
            let mut gradient = vec![0.0; count * dims];
            multiply(&mut gradient, r, w);
            norm.backward(&gradient);
        }
        multiply(&mut self.weights.gradient, r.transposed(), x);
        self.bias.gradient.fill(0.0);
        for row in self.residuals.chunks_exact(classes) {
            let sums = self.bias.gradient.iter_mut().zip(row);
            sums.for_each(|(sum, r)| *sum += r);
        }
        self.weights.step(update);
        self.bias.step(update);
        if let Some(norm) = &mut self.norm {
            norm.step(update);
        }
    }

    /// Ends the epoch; returns the mean cross-entropy of its rows, each measured before its step.
    ///
    /// # Errors
    /// [`Error::Diverged`] if loss or weights are not finite; [`Error::NoSamples`] if no batch
    /// came.
    pub fn end_epoch(&mut self) -> Result<f64, Error> {
        if self.rows == 0 {
            return Err(Error::NoSamples {
                set: check::TRAINING,
            });
        }
        let loss = self.loss / self.rows as f64;
        let mut parameters = self.weights.values.iter().chain(&self.bias.values);
        if !loss.is_finite() || parameters.any(|p| !p.is_finite()) {
            return Err(Error::Diverged {
                epoch: self.epoch,
                learning_rate: self.config.rate(self.epoch),
            });
        }
        self.epoch += 1;
        self.losses.push(loss);
        (self.rows, self.loss) = (0, 0.0);
        Ok(loss)
    }

    /// Whether the loss still fell when the last epoch ended; see [`still_falling`].
    pub fn still_falling(&self) -> bool {
        still_falling(&self.losses)
    }

    /// The classifier as it is now.
    pub fn classifier(&self) -> LinearClassifier {
        let (mut weights, mut bias) = (self.weights.values.clone(), self.bias.values.clone());
        if let Some(norm) = &self.norm {
            norm.fold_into(&mut weights, &mut bias);
        }
        LinearClassifier {
            weights,
            bias,
            outputs: (0..self.classes).collect(),
            classes: self.classes,
            standardiser: None,
        }
    }
}
