//! Linear support vector machines, one against the rest, with squared hinge loss (the paper's VOC07
//! protocol).
//!
//! For each class minimises `1/2 ||w||^2 + C sum_i max(0, 1 - y_i w.x_i)^2` with `y_i` = 1 for rows
//! of the class and -1 for the others, by dual coordinate descent with shrinking (Hsieh et al.
//! 2008). The bias is the weight of one more feature of value 1, so it is penalised with the
//! others, as in LIBLINEAR and scikit-learn's `LinearSVC`.
//!
//! `C` is given, or chosen by stratified cross-validation on the training rows: of one class for
//! each row, one `C` of best accuracy; of several labels, one for each label, of best mean average
//! precision. The smallest of equals is taken.
//!
//! Cost: one pass over the rows per class and epoch; classes and folds run side by side. Weights
//! are float64. Grows with `C`: a fit that needs more than `max_epochs` says so and is used as it
//! is.

mod dual;
mod select;

use std::borrow::Cow;
use std::sync::Arc;

use e2mc::MatrixView;
use rayon::prelude::*;

use crate::classifier::LinearClassifier;
use crate::standardise::Standardiser;
use crate::{Error, Presence, Targets, check};
use dual::{Problem, Solution};

/// How much errors count against the norm of the weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Cost {
    /// This value, above 0.
    Fixed(f64),
    /// The best of these by stratified cross-validation on the training rows.
    Grid {
        /// The values to try, each above 0.
        values: Vec<f64>,
        /// The number of folds, at least 2.
        folds: usize,
    },
}

/// The settings of a support vector machine.
#[derive(Clone, Debug, PartialEq)]
pub struct SvmConfig {
    /// `C`.
    pub cost: Cost,
    /// What `C` is multiplied with for the rows of the class itself, above 0.
    pub positive_weight: f64,
    /// The fit ends when the projected gradient's components differ by no more, above 0.
    pub tolerance: f64,
    /// The most passes over the training rows, at least 1.
    pub max_epochs: usize,
    /// Whether features are first brought to mean 0 and standard deviation 1 (those of the training
    /// rows).
    pub standardise: bool,
}

impl Default for SvmConfig {
    /// `C` from 1e-6 to 1000 in factors of 10 (paper, appendix B.2) by three folds; scikit-learn's
    /// tolerance of 1e-4 and limit of 1000; features as they are.
    fn default() -> Self {
        Self {
            cost: Cost::Grid {
                values: (-6..=3).map(|power| 10.0_f64.powi(power)).collect(),
                folds: 3,
            },
            positive_weight: 1.0,
            tolerance: 1e-4,
            max_epochs: 1000,
            standardise: false,
        }
    }
}

impl SvmConfig {
    fn validate(&self) -> Result<(), Error> {
        let positive = |name, value: f64| {
            if value > 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(Error::Setting {
                name,
                value: value.to_string(),
                expected: "a finite number above 0",
            })
        };
        let at_least = |name, value: usize, least: usize, expected| {
            if value >= least {
                return Ok(());
            }
            Err(Error::Setting {
                name,
                value: value.to_string(),
                expected,
            })
        };
        match &self.cost {
            Cost::Fixed(value) => positive("C of the SVM", *value)?,
            Cost::Grid { values, folds } => {
                if values.is_empty() {
                    return Err(Error::Nothing {
                        what: "C for the grid",
                    });
                }
                values
                    .iter()
                    .try_for_each(|&v| positive("C of the SVM", v))?;
                at_least("folds of the C grid", *folds, 2, "at least 2")?;
            }
        }
        positive("positive weight of the SVM", self.positive_weight)?;
        positive("tolerance of the SVM", self.tolerance)?;
        at_least("max_epochs of the SVM", self.max_epochs, 1, "at least 1")
    }

    fn settings(&self) -> dual::Settings {
        dual::Settings {
            positive_weight: self.positive_weight,
            tolerance: self.tolerance,
            max_epochs: self.max_epochs,
        }
    }
}

/// How the fit of one class ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvmClass {
    /// The class or label.
    pub class: usize,
    /// `C`, chosen or given.
    pub cost: f64,
    /// Accuracy (one class a row) or average precision (several labels) of that `C` on held-out
    /// folds, if it was chosen; none of a label that a single row has or lacks, which gets the
    /// grid's smallest.
    pub held_out: Option<f64>,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Whether the tolerance was met.
    pub converged: bool,
}

/// A fitted support vector machine.
#[derive(Clone, Debug, PartialEq)]
pub struct SvmFit {
    /// The classifier, which scores and, of one class a row, predicts.
    pub classifier: LinearClassifier,
    /// One for each class that could be fitted.
    pub classes: Vec<SvmClass>,
    /// The classes without a row of theirs, or without a row of any other; they score minus
    /// infinity.
    pub missing_classes: Vec<usize>,
}

/// Fits one classifier against the rest for each class of `targets`, which are those of `train`
/// `(n, d)`. Class numbers are below `classes`; several labels have their own number, which
/// `classes` must equal.
///
/// # Errors
/// Empty or non-finite features, not one target a row, a class out of range, a single class, a
/// setting out of its range, a grid without rows to hold out.
pub fn svm(
    train: MatrixView<'_>,
    targets: &Targets,
    classes: usize,
    config: &SvmConfig,
    seed: u64,
) -> Result<SvmFit, Error> {
    config.validate()?;
    check::matrix(train, check::TRAINING)?;
    let (fitted, missing_classes) = tasks(train, targets, classes)?;
    if fitted.is_empty() {
        return Err(Error::Nothing {
            what: "label to learn, one that some training rows have and some have not,",
        });
    }
    let standardiser = config.standardise.then(|| Standardiser::measure(train));
    let standardised = standardiser.as_ref().map(|s| s.apply(train));
    let features = standardised.as_ref().map_or(train, |m| m.view());
    let norms = dual::squared_norms(features);

    let settings = config.settings();
    let chosen: Vec<(f64, Option<f64>)> = match &config.cost {
        Cost::Fixed(cost) => vec![(*cost, None); fitted.len()],
        Cost::Grid { values, folds } => {
            let mut values = values.clone();
            values.sort_by(f64::total_cmp);
            let grid = select::Grid {
                features,
                norms: &norms,
                values: &values,
                folds: *folds,
                settings: &settings,
                seed,
            };
            match targets {
                Targets::Classes(labels) => {
                    let (cost, score) = grid.by_accuracy(&fitted, labels, classes)?;
                    vec![(cost, Some(score)); fitted.len()]
                }
                Targets::Multi(_) => {
                    let choices: Vec<Result<_, Error>> = fitted
                        .par_iter()
                        .map(|task| grid.by_average_precision(task))
                        .collect();
                    choices.into_iter().collect::<Result<_, Error>>()?
                }
            }
        }
    };
    let fits: Vec<(Vec<f64>, Solution)> = fitted
        .par_iter()
        .zip(&chosen)
        .map(|(task, &(cost, _))| {
            let positive = task.positive();
            let problem = Problem {
                features,
                norms: &norms,
                rows: &task.rows,
                positive: &positive,
            };
            let mut solver = problem.solver(seed, task.class as u64);
            let outcome = solver.solve(cost, &settings);
            (solver.weights, outcome)
        })
        .collect();

    let (mut weights, mut bias) = (Vec::new(), Vec::new());
    for (w, _) in &fits {
        weights.extend(w[..train.cols()].iter().map(|&w| w as f32));
        bias.push(w[train.cols()] as f32);
    }
    let reports = fitted.iter().zip(&chosen).zip(&fits);
    let reports = reports.map(|((task, &(cost, held_out)), (_, outcome))| SvmClass {
        class: task.class,
        cost,
        held_out,
        epochs: outcome.epochs,
        converged: outcome.converged,
    });
    Ok(SvmFit {
        classes: reports.collect(),
        classifier: LinearClassifier {
            weights,
            bias,
            outputs: fitted.iter().map(|task| task.class).collect(),
            classes,
            standardiser,
        },
        missing_classes,
    })
}

/// One class against the rest.
struct Task {
    class: usize,
    /// The rows that take part, often the same for all classes.
    rows: Arc<[u32]>,
    sides: Sides,
}

/// Which rows of a task are of its class.
enum Sides {
    /// Those with its label, of the labels that all tasks share.
    Labels(Arc<[usize]>),
    /// Said row by row.
    Each(Vec<bool>),
}

impl Task {
    /// Whether each of the rows is of the class.
    fn positive(&self) -> Cow<'_, [bool]> {
        match &self.sides {
            Sides::Labels(labels) => labels.iter().map(|&label| label == self.class).collect(),
            Sides::Each(positive) => Cow::Borrowed(positive),
        }
    }

    fn has_both(&self) -> bool {
        let positive = self.positive();
        positive.contains(&true) && positive.contains(&false)
    }
}

/// The tasks that can be learned, and the classes without one.
fn tasks(
    train: MatrixView<'_>,
    targets: &Targets,
    classes: usize,
) -> Result<(Vec<Task>, Vec<usize>), Error> {
    let limit = u32::MAX as usize;
    if train.rows() > limit {
        return Err(Error::TooManyRows {
            rows: train.rows(),
            limit,
        });
    }
    match targets {
        Targets::Classes(labels) => {
            check::class_counts(train.rows(), labels, classes)?;
            let mut present = vec![false; classes];
            labels.iter().for_each(|&label| present[label] = true);
            let (there, missing): (Vec<usize>, Vec<usize>) =
                (0..classes).partition(|&class| present[class]);
            let rows: Arc<[u32]> = (0..train.rows() as u32).collect();
            let labels: Arc<[usize]> = labels[..].into();
            let task = |class| Task {
                class,
                rows: rows.clone(),
                sides: Sides::Labels(labels.clone()),
            };
            Ok((there.into_iter().map(task).collect(), missing))
        }
        Targets::Multi(labels) => {
            if labels.rows() != train.rows() {
                return Err(Error::LabelCount {
                    set: check::TRAINING,
                    rows: train.rows(),
                    labels: labels.rows(),
                });
            }
            if labels.labels() != classes {
                return Err(Error::Length {
                    what: "list of labels",
                    found: labels.labels(),
                    expected: classes,
                });
            }
            let (mut tasks, mut missing) = (Vec::new(), Vec::new());
            for class in 0..classes {
                let column = labels.column(class).into_iter().enumerate();
                let counted = column.filter(|(_, presence)| *presence != Presence::Ignored);
                let (rows, positive): (Vec<u32>, Vec<bool>) = counted
                    .map(|(row, presence)| (row as u32, presence == Presence::Present))
                    .unzip();
                let task = Task {
                    class,
                    rows: rows.into(),
                    sides: Sides::Each(positive),
                };
                if task.has_both() {
                    tasks.push(task);
                } else {
                    missing.push(class);
                }
            }
            Ok((tasks, missing))
        }
    }
}

#[cfg(test)]
mod tests;
