//! The paper's linear probe (appendix B.2) on frozen, cached features: one linear layer, softmax
//! cross-entropy, SGD with momentum, a cosine schedule; the accuracy that counts is the last
//! epoch's.
//!
//! A step is `v = momentum v + g + weight_decay w; w = w - lr v` with `v = 0` at first, for weights
//! and biases alike, as PyTorch's SGD; LARC scales `g + weight_decay w` by the norms of both
//! ([`LinearOptimizer`]). Weights start from N(0, 0.01^2), biases from 0. The features are those of
//! the fixed evaluation crop: cached features see no random crops and flips, which the paper's
//! probe trains on. Nothing is standardised.
//!
//! Every row is seen once an epoch, in an order that depends on the seed and the epoch; the last
//! batch of an epoch may be short. A training set smaller than the batch is one batch. One fit runs
//! on one core and its result depends on nothing but its input; different seeds run side by side.

use e2mc::MatrixView;
use e2mc_base::schedule;

use crate::classifier::LinearClassifier;
use crate::{Error, check};

mod batch_norm;
mod convergence;
mod layer;
mod preset;
mod update;

pub use convergence::still_falling;
pub use layer::LinearTrainer;
pub use preset::LinearPreset;

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

/// The update rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinearOptimizer {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// The same within layer-wise adaptive rate control, without clipping: `g + weight_decay w` is
    /// multiplied with `trust |w| / (|g| + weight_decay |w| + 1e-8)`, weights and biases each by
    /// their own; where either norm is 0, the bare gradient is taken. SimSiam's evaluation calls it
    /// LARS.
    Larc {
        /// Above 0.
        trust: f64,
    },
}

/// The settings of a linear probe by SGD on softmax cross-entropy: weights from N(0, 0.01^2),
/// biases from 0, then `v = momentum v + g + weight_decay w; w = w - lr v`; the last epoch's
/// classifier is the result.
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
    /// The update rule.
    pub optimizer: LinearOptimizer,
    /// Batch norm before the layer, over channels of this many neighbouring features each (1: every
    /// feature for itself); it divides the number of features.
    pub batch_norm: Option<usize>,
}

impl LinearConfig {
    fn validate(&self, dims: usize) -> Result<(), Error> {
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
        if let LinearOptimizer::Larc { trust } = self.optimizer {
            let good = trust > 0.0 && trust.is_finite();
            let expected = "a finite number above 0";
            check(
                good,
                "trust of the linear probe's LARC",
                trust.to_string(),
                expected,
            )?;
        }
        if let Some(places) = self.batch_norm {
            check(
                places > 0 && dims.is_multiple_of(places),
                "features in a channel of the linear probe's batch norm",
                places.to_string(),
                "a divisor of the number of features",
            )?;
        }
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
            Schedule::Cosine => schedule::cosine(scaled, 0.0, epoch as f64 / self.epochs as f64),
            Schedule::Step { milestones, factor } => {
                schedule::steps(scaled, *factor, milestones, epoch)
            }
        }
    }
}

/// A fitted head.
pub(crate) struct Fitted {
    pub(crate) classifier: LinearClassifier,
    /// The mean cross-entropy over the last epoch's steps.
    pub(crate) loss: f64,
    /// Whether the loss still fell at the end.
    pub(crate) falling: bool,
}

/// Fits the probe.
pub(crate) fn fit(
    train: MatrixView<'_>,
    labels: &[usize],
    classes: usize,
    config: &LinearConfig,
    seed: u64,
) -> Result<Fitted, Error> {
    config.validate(train.cols())?;
    check::matrix(train, check::TRAINING)?;
    check::class_counts(train.rows(), labels, classes)?;
    let mut trainer = LinearTrainer::new(train.cols(), classes, config, seed)?;
    let loss = train_on(&mut trainer, train, labels, config)?;
    Ok(Fitted {
        classifier: trainer.classifier(),
        loss,
        falling: trainer.still_falling(),
    })
}

/// All epochs on cached features that have been checked; returns the last one's mean loss.
fn train_on(
    trainer: &mut LinearTrainer,
    train: MatrixView<'_>,
    labels: &[usize],
    config: &LinearConfig,
) -> Result<f64, Error> {
    let (mut features, mut classes) = (Vec::new(), Vec::new());
    let mut loss = 0.0;
    for _ in 0..config.epochs {
        for batch in trainer.order(train.rows()).chunks(config.batch) {
            features.clear();
            classes.clear();
            for &row in batch {
                features.extend_from_slice(train.row(row));
                classes.push(labels[row]);
            }
            trainer.learn(&features, &classes);
        }
        loss = trainer.end_epoch()?;
    }
    Ok(loss)
}

#[cfg(test)]
mod tests;
