//! One call for every probe of frozen features.

use e2mc::MatrixView;
use rayon::prelude::*;

use crate::classifier::LinearClassifier;
use crate::linear::{self, LinearConfig};
use crate::logistic::{self, LogisticConfig, LogisticReport};
use crate::{Error, check};

/// A way to learn a linear classifier on frozen features. The two differ by points on few labels:
/// always say which.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// The paper's: SGD on the features as they are.
    Sgd(LinearConfig),
    /// Logistic regression by L-BFGS on standardised features.
    Logistic(LogisticConfig),
}

/// How a fit ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FitReport {
    /// [`Probe::Sgd`]'s.
    Sgd {
        /// Mean cross-entropy over the last epoch's steps.
        loss: f64,
        /// Whether the loss [still fell](crate::still_falling) at the end.
        falling: bool,
    },
    /// [`Probe::Logistic`]'s.
    Logistic(LogisticReport),
}

/// A fitted probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The classifier, which predicts and scores.
    pub classifier: LinearClassifier,
    /// How the fit ended.
    pub report: FitReport,
    /// The classes without a training row, ascending; worth a warning.
    pub missing_classes: Vec<usize>,
}

/// What a probe says of the test features.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The predicted class of each test row.
    pub predictions: Vec<usize>,
    /// How the fit ended.
    pub report: FitReport,
    /// The classes without a training row, ascending; worth a warning.
    pub missing_classes: Vec<usize>,
}

impl Probe {
    /// Fits the probe to `train` `(n, d)`, whose labels are below `classes`.
    ///
    /// # Errors
    /// Empty or non-finite features, not one label a row, labels out of range or of one class only,
    /// a setting out of its range, a grid without rows to hold out, divergence.
    pub fn fit(
        &self,
        train: MatrixView<'_>,
        train_labels: &[usize],
        classes: usize,
        seed: u64,
    ) -> Result<Fit, Error> {
        let (classifier, report) = match self {
            Self::Sgd(config) => {
                let fitted = linear::fit(train, train_labels, classes, config, seed)?;
                let (loss, falling) = (fitted.loss, fitted.falling);
                (fitted.classifier, FitReport::Sgd { loss, falling })
            }
            Self::Logistic(config) => {
                let (classifier, report) =
                    logistic::fit(train, train_labels, classes, config, seed)?;
                (classifier, FitReport::Logistic(report))
            }
        };
        let counts = check::class_counts(train.rows(), train_labels, classes)?;
        let missing_classes = (0..classes).filter(|&class| counts[class] == 0).collect();
        Ok(Fit {
            classifier,
            report,
            missing_classes,
        })
    }

    /// Fits the probe to `train` `(n, d)` and predicts the classes of `test` `(n_test, d)`.
    ///
    /// # Errors
    /// As [`Probe::fit`], and for a test matrix that is empty, not finite or of another width; that
    /// is found out before the fit.
    pub fn fit_predict(
        &self,
        train: MatrixView<'_>,
        train_labels: &[usize],
        test: MatrixView<'_>,
        classes: usize,
        seed: u64,
    ) -> Result<Prediction, Error> {
        check::pair(train, test)?;
        let Fit {
            classifier,
            report,
            missing_classes,
        } = self.fit(train, train_labels, classes, seed)?;
        Ok(Prediction {
            predictions: classifier.predict(test)?,
            report,
            missing_classes,
        })
    }

    /// [`Probe::fit_predict`] for each of `seeds`, side by side on all cores; the same results as
    /// one by one.
    ///
    /// # Errors
    /// The first seed's that fails.
    pub fn fit_predict_seeds(
        &self,
        train: MatrixView<'_>,
        train_labels: &[usize],
        test: MatrixView<'_>,
        classes: usize,
        seeds: &[u64],
    ) -> Result<Vec<Prediction>, Error> {
        let results: Vec<Result<Prediction, Error>> = seeds
            .par_iter()
            .map(|&seed| self.fit_predict(train, train_labels, test, classes, seed))
            .collect();
        results.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
