//! The paper's linear probe (appendix B.2) on frozen, cached features: one linear layer, softmax cross-entropy, SGD with
//! momentum, a cosine schedule; the accuracy that counts is the last epoch's.
//!
//! A step is `v = momentum v + g + weight_decay w; w = w - lr v` with `v = 0` at first, for weights and biases alike, as
//! PyTorch's SGD. Weights start from N(0, 0.01^2), biases from 0. The features are those of the fixed evaluation
//! crop: cached features see no random crops and flips, which the paper's probe trains on. Nothing is standardised.
//!
//! Every row is seen once an epoch, in an order that depends on the seed and the epoch; the last batch of an epoch may be
//! short. A training set smaller than the batch is one batch. One fit runs on one core and its result depends on nothing
//! but its input; different seeds run side by side.

use e2mc::MatrixView;

use crate::classifier::LinearClassifier;
use crate::product::{Operand, multiply, multiply_add};
use crate::random::{Purpose, Stream};
use crate::softmax::cross_entropy;
use crate::{Error, check};

/// How the learning rate goes over the epochs.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// `lr (1 + cos(pi epoch / epochs)) / 2`, the epoch counted from 0.
    Cosine,
    /// Times `factor` from each of the `milestones` (epochs, counted from 0) on.
    Step {
        /// The epochs at which the rate changes.
        milestones: Vec<usize>,
        /// What it is multiplied with.
        factor: f64,
    },
    /// The same rate throughout.
    Constant,
}

/// The settings of a linear probe by SGD on softmax cross-entropy: weights from N(0, 0.01^2), biases from 0, then
/// `v = momentum v + g + weight_decay w; w = w - lr v`; the last epoch's classifier is the result.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearConfig {
    /// Passes over the training set, at least 1.
    pub epochs: usize,
    /// Rows a step, at least 1; fewer if the training set has fewer.
    pub batch: usize,
    /// The learning rate for a batch of 256, above 0; the rate used is this times `batch / 256`.
    pub learning_rate: f64,
    /// From 0 to below 1.
    pub momentum: f64,
    /// The L2 penalty's gradient as a multiple of the weights, at least 0.
    pub weight_decay: f64,
    /// How the learning rate goes over the epochs.
    pub schedule: Schedule,
}

impl LinearConfig {
    /// VICReg's with all labels: 100 epochs, batch 256, learning rate 0.02, momentum 0.9, weight decay 1e-6, cosine (paper,
    /// appendix B.2).
    pub fn vicreg() -> Self {
        Self {
            epochs: 100,
            batch: 256,
            learning_rate: 0.02,
            momentum: 0.9,
            weight_decay: 1e-6,
            schedule: Schedule::Cosine,
        }
    }

    /// VICReg's with 1% or 10% of the labels: weight decay 1e-4 (paper, appendix B.2).
    pub fn vicreg_few_labels() -> Self {
        Self {
            weight_decay: 1e-4,
            ..Self::vicreg()
        }
    }

    /// SwAV's: learning rate 0.3 (paper, appendix B.2).
    pub fn swav() -> Self {
        Self {
            learning_rate: 0.3,
            ..Self::vicreg()
        }
    }

    fn validate(&self) -> Result<(), Error> {
        let check = |good: bool, name, value: String, expected| {
            if good {
                Ok(())
            } else {
                Err(Error::Setting {
                    name,
                    value,
                    expected,
                })
            }
        };
        let (rate, momentum, decay) = (self.learning_rate, self.momentum, self.weight_decay);
        check(
            self.epochs > 0,
            "epochs of the linear probe",
            "0".into(),
            "at least 1",
        )?;
        check(
            self.batch > 0,
            "batch of the linear probe",
            "0".into(),
            "at least 1",
        )?;
        let positive = rate > 0.0 && rate.is_finite();
        let expected = "a finite number above 0";
        check(
            positive,
            "learning rate of the linear probe",
            rate.to_string(),
            expected,
        )?;
        let fraction = (0.0..1.0).contains(&momentum);
        let expected = "from 0 to below 1";
        check(
            fraction,
            "momentum of the linear probe",
            momentum.to_string(),
            expected,
        )?;
        let not_negative = decay >= 0.0 && decay.is_finite();
        let expected = "a finite number of at least 0";
        check(
            not_negative,
            "weight decay of the linear probe",
            decay.to_string(),
            expected,
        )?;
        if let Schedule::Step { factor, .. } = self.schedule {
            let good = factor > 0.0 && factor.is_finite();
            let expected = "a finite number above 0";
            check(
                good,
                "step factor of the linear probe",
                factor.to_string(),
                expected,
            )?;
        }
        Ok(())
    }

    /// The learning rate in `epoch`, counted from 0.
    fn rate(&self, epoch: usize) -> f64 {
        let scaled = self.learning_rate * self.batch as f64 / 256.0;
        match &self.schedule {
            Schedule::Constant => scaled,
            Schedule::Cosine => {
                let progress = epoch as f64 / self.epochs as f64;
                0.5 * scaled * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            Schedule::Step { milestones, factor } => {
                let passed = milestones.iter().filter(|&&m| m <= epoch).count();
                scaled * factor.powi(passed as i32)
            }
        }
    }
}

impl Default for LinearConfig {
    /// [`LinearConfig::vicreg`].
    fn default() -> Self {
        Self::vicreg()
    }
}

/// The standard deviation of the initial weights.
const INITIAL_DEVIATION: f64 = 0.01;

/// Fits the probe; returns it with the mean cross-entropy over the last epoch's steps.
pub(crate) fn fit(
    train: MatrixView<'_>,
    labels: &[usize],
    classes: usize,
    config: &LinearConfig,
    seed: u64,
) -> Result<(LinearClassifier, f64), Error> {
    config.validate()?;
    check::matrix(train, check::TRAINING)?;
    check::class_counts(train.rows(), labels, classes)?;
    let mut weights = vec![0.0; classes * train.cols()];
    Stream::new(seed, Purpose::Weights, 0).fill_normal(&mut weights, INITIAL_DEVIATION);
    let mut layer = Layer {
        weights,
        bias: vec![0.0; classes],
    };
    let loss = layer.train(train, labels, config, seed)?;
    let Layer { weights, bias } = layer;
    let outputs = (0..classes).collect();
    Ok((
        LinearClassifier {
            weights,
            bias,
            outputs,
            classes,
            standardiser: None,
        },
        loss,
    ))
}

struct Layer {
    /// `(classes, d)`, row-major.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Layer {
    /// Trains for all epochs; returns the last one's mean loss.
    fn train(
        &mut self,
        train: MatrixView<'_>,
        labels: &[usize],
        config: &LinearConfig,
        seed: u64,
    ) -> Result<f64, Error> {
        let (rows, dims, classes) = (train.rows(), train.cols(), self.bias.len());
        let mut weights = Momentum::new(self.weights.len());
        let mut bias = Momentum::new(classes);
        let mut features = Vec::new();
        let mut residuals = Vec::new();
        let mut loss = 0.0;
        for epoch in 0..config.epochs {
            let rate = config.rate(epoch);
            let update = Update {
                rate: rate as f32,
                momentum: config.momentum as f32,
                decay: config.weight_decay as f32,
            };
            let mut order: Vec<usize> = (0..rows).collect();
            Stream::new(seed, Purpose::Order, epoch as u64).shuffle(&mut order);
            loss = 0.0;
            for batch in order.chunks(config.batch) {
                features.clear();
                residuals.clear();
                for &row in batch {
                    features.extend_from_slice(train.row(row));
                    residuals.extend_from_slice(&self.bias);
                }
                let x = Operand::new(&features, batch.len(), dims);
                let w = Operand::new(&self.weights, classes, dims);
                multiply_add(&mut residuals, x, w.transposed());
                loss += cross_entropy(&mut residuals, classes, batch.iter().map(|&r| labels[r]));

                let scale = (batch.len() as f32).recip();
                residuals.iter_mut().for_each(|r| *r *= scale);
                let r = Operand::new(&residuals, batch.len(), classes);
                multiply(&mut weights.gradient, r.transposed(), x);
                bias.gradient.fill(0.0);
                for row in residuals.chunks_exact(classes) {
                    bias.gradient
                        .iter_mut()
                        .zip(row)
                        .for_each(|(sum, r)| *sum += r);
                }
                weights.step(&mut self.weights, update);
                bias.step(&mut self.bias, update);
            }
            loss /= rows as f64;
            let mut parameters = self.weights.iter().chain(&self.bias);
            if !loss.is_finite() || parameters.any(|p| !p.is_finite()) {
                return Err(Error::Diverged {
                    epoch,
                    learning_rate: rate,
                });
            }
        }
        Ok(loss)
    }
}

/// One epoch's constants of the update.
#[derive(Clone, Copy)]
struct Update {
    rate: f32,
    momentum: f32,
    decay: f32,
}

struct Momentum {
    gradient: Vec<f32>,
    velocity: Vec<f32>,
}

impl Momentum {
    fn new(len: usize) -> Self {
        Self {
            gradient: vec![0.0; len],
            velocity: vec![0.0; len],
        }
    }

    fn step(
        &mut self,
        parameters: &mut [f32],
        Update {
            rate,
            momentum,
            decay,
        }: Update,
    ) {
        let moving = self.velocity.iter_mut().zip(&self.gradient);
        for (p, (v, g)) in parameters.iter_mut().zip(moving) {
            *v = momentum * *v + g + decay * *p;
            *p -= rate * *v;
        }
    }
}

#[cfg(test)]
mod tests;
