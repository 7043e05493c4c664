//! Multinomial logistic regression on standardised features: the probe that depends on no learning
//! rate.
//!
//! Minimises `1/n sum_i cross_entropy(W x_i + b, y_i) + l2/2 ||W||^2` over the weights `W` and the
//! unpenalised biases `b` by L-BFGS, until no component of the gradient exceeds the tolerance. `x`
//! has the mean 0 and the standard deviation 1 of the training features; constant features are 0.
//! scikit-learn's `C` is `1 / (l2 n)`.
//!
//! Classes without training rows take no part: their biases would run to minus infinity. Products
//! are float32, sums over rows float64; the result does not depend on the number of threads.
//! Memory: one standardised copy of the training features, and up to 50 times the weights in
//! float64.

mod cross_validation;
mod objective;

use e2mc::MatrixView;

use crate::classifier::LinearClassifier;
use crate::lbfgs::{self, Minimum};
use crate::standardise::Standardiser;
use crate::{Error, check};
use objective::Objective;

/// The strength of the L2 penalty.
#[derive(Clone, Debug, PartialEq)]
pub enum L2 {
    /// This value, at least 0.
    Fixed(f64),
    /// The value of the best accuracy in stratified cross-validation on the training rows; of
    /// equally good ones, the strongest. The test rows take no part.
    Grid {
        /// The values to try, each at least 0.
        values: Vec<f64>,
        /// The number of folds, at least 2.
        folds: usize,
    },
}

/// The settings of a logistic probe, which minimises
/// `1/n sum_i cross_entropy(W x_i + b, y_i) + l2/2 ||W||^2` over standardised features `x` by
/// L-BFGS. scikit-learn's `C` is `1 / (l2 n)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticConfig {
    /// The strength of the penalty.
    pub l2: L2,
    /// The most L-BFGS steps of one fit, at least 1.
    pub max_iterations: usize,
    /// The fit ends when no component of the gradient is larger, above 0; below about 1e-6 float32
    /// sets the limit.
    pub tolerance: f64,
}

impl Default for LogisticConfig {
    /// The penalty from 1e-4 to 1 in factors of 10 by five folds; scikit-learn's tolerance of 1e-4.
    fn default() -> Self {
        Self {
            l2: L2::Grid {
                values: vec![1e-4, 1e-3, 1e-2, 1e-1, 1.0],
                folds: 5,
            },
            max_iterations: 1000,
            tolerance: 1e-4,
        }
    }
}

impl LogisticConfig {
    fn validate(&self) -> Result<(), Error> {
        let wrong = |name, value, expected| Error::Setting {
            name,
            value,
            expected,
        };
        let check_l2 = |l2: f64| {
            if l2 >= 0.0 && l2.is_finite() {
                return Ok(());
            }
            Err(wrong(
                "l2 of the logistic probe",
                l2.to_string(),
                "a finite number of at least 0",
            ))
        };
        match &self.l2 {
            L2::Fixed(l2) => check_l2(*l2)?,
            L2::Grid { values, folds } => {
                if values.is_empty() {
                    return Err(Error::Nothing {
                        what: "l2 for the grid",
                    });
                }
                values.iter().try_for_each(|&l2| check_l2(l2))?;
                if *folds < 2 {
                    return Err(wrong(
                        "folds of the l2 grid",
                        folds.to_string(),
                        "at least 2",
                    ));
                }
            }
        }
        if self.max_iterations == 0 {
            let expected = "at least 1";
            return Err(wrong(
                "max_iterations of the logistic probe",
                "0".into(),
                expected,
            ));
        }
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            let (value, expected) = (self.tolerance.to_string(), "a finite number above 0");
            return Err(wrong("tolerance of the logistic probe", value, expected));
        }
        Ok(())
    }

    fn settings(&self) -> lbfgs::Settings {
        // The mean of cross-entropies of float32 logits is good to about 8 digits; be generous.
        lbfgs::Settings {
            max_iterations: self.max_iterations,
            tolerance: self.tolerance,
            noise: 1e-7,
        }
    }
}

/// How a logistic fit ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticReport {
    /// The penalty, chosen or given.
    pub l2: f64,
    /// The accuracy (fraction) of that penalty on the held-out folds, if it was chosen.
    pub held_out_accuracy: Option<f64>,
    /// L-BFGS steps of the last fit.
    pub iterations: usize,
    /// The largest component of the gradient at the end, in magnitude.
    pub gradient_norm: f64,
    /// Whether that is within the tolerance.
    pub converged: bool,
}

/// Fits the probe; `seed` only matters for the folds of [`L2::Grid`].
pub(crate) fn fit(
    train: MatrixView<'_>,
    labels: &[usize],
    classes: usize,
    config: &LogisticConfig,
    seed: u64,
) -> Result<(LinearClassifier, LogisticReport), Error> {
    config.validate()?;
    check::matrix(train, check::TRAINING)?;
    let counts = check::class_counts(train.rows(), labels, classes)?;
    let outputs: Vec<usize> = (0..classes).filter(|&class| counts[class] > 0).collect();
    let labels: Vec<usize> = labels
        .iter()
        .map(|l| outputs.partition_point(|o| o < l))
        .collect();
    let standardiser = Standardiser::measure(train);
    let features = standardiser.apply(train);

    let (l2, held_out_accuracy) = match &config.l2 {
        L2::Fixed(l2) => (*l2, None),
        L2::Grid { values, folds } => {
            let chosen = cross_validation::choose(
                features.view(),
                &labels,
                outputs.len(),
                (values, *folds),
                &config.settings(),
                seed,
            )?;
            (chosen.l2, Some(chosen.accuracy))
        }
    };
    let mut objective = Objective::new(features.view(), &labels, outputs.len(), None);
    let mut parameters = vec![0.0; objective.parameters()];
    let Minimum {
        iterations,
        gradient_norm,
        converged,
    } = objective.minimise(&mut parameters, l2, &config.settings());
    let (weights, bias) = objective.split(&parameters);
    let classifier = LinearClassifier {
        weights,
        bias,
        outputs,
        classes,
        standardiser: Some(standardiser),
    };
    let report = LogisticReport {
        l2,
        held_out_accuracy,
        iterations,
        gradient_norm,
        converged,
    };
    Ok((classifier, report))
}

#[cfg(test)]
mod tests;
