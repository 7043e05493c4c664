//! Linear support vector machines, one against the rest: of one class a row, or of several labels.

use e2mc::Matrix;
use e2mc_record::{EvaluationResult, Precisions, ResultFolder, SvmResult, SvmUnit};
use serde_json::json;

use super::files::kind;
use super::{
    Error, Labelled, figures, overlap_warning, unseen_warning, write_label_scores,
    write_predictions,
};
use crate::{
    Cost, Interpolation, MultiLabels, SvmConfig, SvmFit, Targets, average_precisions, equal_rows,
    predictions, svm, unit_length,
};

/// The name of the only fit.
const FIT: &str = "svm";

/// What is done to features first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Nothing.
    #[default]
    Raw,
    /// Rows at length 1.
    Unit,
    /// Columns at mean 0 and standard deviation 1.
    Standard,
}

/// How machines are fitted and evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct MachinePlan {
    /// `C`, the weight of errors; several are chosen from by cross-validation. Empty for the
    /// default's.
    pub costs: Vec<f64>,
    /// Folds of the cross-validation.
    pub folds: usize,
    /// Weight of the class's own rows against the others.
    pub positive_weight: f64,
    /// What is done to features first.
    pub scale: Scale,
    /// Average precision of several labels a row.
    pub interpolation: Interpolation,
    /// Largest difference of projected gradients at the end.
    pub tolerance: f64,
    /// Most passes over the training rows.
    pub max_epochs: usize,
    /// Seed of the folds and of the orders of rows.
    pub seed: u64,
}

impl Default for MachinePlan {
    /// [`SvmConfig`]'s, by three folds, precision by area.
    fn default() -> Self {
        let config = SvmConfig::default();
        Self {
            costs: Vec::new(),
            folds: 3,
            positive_weight: config.positive_weight,
            scale: Scale::Raw,
            interpolation: Interpolation::Area,
            tolerance: config.tolerance,
            max_epochs: config.max_epochs,
            seed: 0,
        }
    }
}

impl MachinePlan {
    /// The settings of one fit.
    pub fn config(&self) -> SvmConfig {
        let default = SvmConfig::default();
        let folds = self.folds;
        SvmConfig {
            cost: match (&self.costs[..], default.cost) {
                ([], Cost::Grid { values, .. }) => Cost::Grid { values, folds },
                ([], fixed) => fixed,
                ([cost], _) => Cost::Fixed(*cost),
                (costs, _) => Cost::Grid {
                    values: costs.to_vec(),
                    folds,
                },
            },
            positive_weight: self.positive_weight,
            tolerance: self.tolerance,
            max_epochs: self.max_epochs,
            standardise: self.scale == Scale::Standard,
        }
    }
}

/// Features and what is to be predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineData {
    /// Training features `(n, d)`.
    pub train: Matrix,
    /// Their labels.
    pub train_targets: Targets,
    /// Test features `(n_test, d)`.
    pub test: Matrix,
    /// Their labels.
    pub test_targets: Targets,
    /// Classes, or labels a row.
    pub classes: usize,
}

impl From<Labelled> for MachineData {
    fn from(data: Labelled) -> Self {
        Self {
            train: data.train,
            train_targets: Targets::Classes(data.train_labels),
            test: data.test,
            test_targets: Targets::Classes(data.test_labels),
            classes: data.classes,
        }
    }
}

impl MachineData {
    /// Features with targets of the same kind; counts classes or labels.
    ///
    /// # Errors
    /// [`Error::KindsOfLabels`] where the kinds differ.
    pub fn new(
        (train, train_targets): (Matrix, Targets),
        (test, test_targets): (Matrix, Targets),
    ) -> Result<Self, Error> {
        let classes = match (&train_targets, &test_targets) {
            (Targets::Multi(train), Targets::Multi(test)) if train.labels() == test.labels() => {
                train.labels()
            }
            (Targets::Classes(train), Targets::Classes(test)) => {
                let largest = train.iter().chain(test).max().copied().unwrap_or(0);
                largest.saturating_add(1)
            }
            (train, test) => {
                return Err(Error::KindsOfLabels {
                    kinds: format!("{}, {}", kind(train), kind(test)),
                });
            }
        };
        Ok(Self {
            train,
            train_targets,
            test,
            test_targets,
            classes,
        })
    }

    fn warnings(&self) -> Result<Vec<String>, Error> {
        let equal = equal_rows(&self.train.view(), &self.test.view())?;
        let overlap = overlap_warning(equal, self.test.rows());
        let unseen = match (&self.train_targets, &self.test_targets) {
            (Targets::Classes(train), Targets::Classes(test)) => {
                crate::check::labels(train, self.classes, crate::check::TRAINING)?;
                crate::check::labels(test, self.classes, crate::check::TEST)?;
                unseen_warning(train, test, self.classes)
            }
            _ => None,
        };
        Ok(overlap.into_iter().chain(unseen).collect())
    }
}

/// Fits one machine for each class or label, judges them on the test rows and fills `result` in:
/// settings, `svm`, sizes and warnings.
///
/// # Errors
/// As [`svm`]; labels that do not fit the rows; several labels a row of which no test row has any;
/// where predictions cannot be written.
pub fn evaluate_machines(
    mut result: EvaluationResult,
    mut data: MachineData,
    plan: &MachinePlan,
    folder: &mut ResultFolder,
) -> Result<EvaluationResult, Error> {
    folder.set_first(FIT);
    let mut warnings = data.warnings()?;
    if plan.scale == Scale::Unit {
        data.train = unit_length(data.train.view());
        data.test = unit_length(data.test.view());
    }
    let config = plan.config();
    let (train, test) = (data.train.view(), data.test.view());
    let fit = svm(train, &data.train_targets, data.classes, &config, plan.seed)?;
    warnings.extend(complaints(&fit, data.classes));
    let scores = fit.classifier.scores(test)?;
    let (mut of_classes, mut of_labels) = (None, None);
    let place = match &data.test_targets {
        Targets::Classes(labels) => {
            let predicted = predictions(scores.view());
            of_classes = Some(figures(&predicted, labels, data.classes, Some(&scores))?);
            write_predictions(folder, FIT, labels, &predicted, Some(&scores))?
        }
        Targets::Multi(labels) => {
            of_labels = Some(precisions(&scores, labels, plan.interpolation)?);
            write_label_scores(folder, FIT, labels, &scores)?
        }
    };
    let units = fit.classes.iter().map(|class| SvmUnit {
        class: class.class,
        cost: class.cost,
        held_out: class.held_out,
        epochs: class.epochs,
        converged: class.converged,
    });
    result.svm = Some(SvmResult {
        svms: units.collect(),
        figures: of_classes,
        precisions: of_labels,
        predictions: place,
    });
    let tried = match config.cost {
        Cost::Fixed(value) => vec![value],
        Cost::Grid { values, .. } => values,
    };
    for (key, value) in [
        ("C", json!(tried)),
        ("folds", json!(plan.folds)),
        ("positive_weight", json!(plan.positive_weight)),
        ("scale", json!(format!("{:?}", plan.scale).to_lowercase())),
        ("tolerance", json!(plan.tolerance)),
        ("max_epochs", json!(plan.max_epochs)),
        ("seed", json!(plan.seed)),
    ] {
        result.settings.insert(key.into(), value);
    }
    result.train_images = train.rows();
    result.test_images = test.rows();
    result.classes = data.classes;
    result.warnings.extend(warnings);
    Ok(result)
}

fn precisions(
    scores: &Matrix,
    labels: &MultiLabels,
    interpolation: Interpolation,
) -> Result<Precisions, Error> {
    let of_label: Vec<Option<f64>> = average_precisions(scores.view(), labels, interpolation)?
        .into_iter()
        .map(|precision| precision.map(|p| 100.0 * p))
        .collect();
    let found: Vec<f64> = of_label.iter().flatten().copied().collect();
    if found.is_empty() {
        return Err(Error::NoLabelPresent);
    }
    Ok(Precisions {
        mean_average_precision: found.iter().sum::<f64>() / found.len() as f64,
        average_precision: of_label,
        interpolation: match interpolation {
            Interpolation::Area => "area".into(),
            Interpolation::ElevenPoint => "voc07".into(),
        },
    })
}

fn complaints(fit: &SvmFit, classes: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if !fit.missing_classes.is_empty() {
        warnings.push(format!(
            "{} of {classes} classes have no training rows on either side and are never predicted",
            fit.missing_classes.len()
        ));
    }
    let slow = fit.classes.iter().filter(|class| !class.converged).count();
    if slow > 0 {
        warnings.push(format!(
            "{slow} of {} machines did not converge: lower C or scale the features",
            fit.classes.len()
        ));
    }
    warnings
}
