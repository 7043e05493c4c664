//! `e2mc svm`: linear support vector machines, one against the rest.

use std::process::ExitCode;

use anyhow::Result;
use e2mc::Matrix;
use e2mc_data::{Dataset, Evaluation};
use e2mc_eval::{
    Cost, Interpolation, MultiLabels, SvmConfig, SvmFit, Targets, VOC_CLASSES, average_precisions,
    predictions, svm, unit_length,
};
use e2mc_train::{Model, device, embed};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::checkpoint::{Reading, check_output, output_named};
use crate::evaluation::record::{self, Figures, Recorder};
use crate::evaluation::source::{Opening, overlap, unseen, whole};
use crate::evaluation::voc;
use crate::failure::Failure;
use crate::output;
use e2mc_cli::options::{AveragePrecisionName, ScaleName, SvmOptions};

/// Features and what is to be predicted.
struct Problem {
    train: Matrix,
    train_targets: Targets,
    test: Matrix,
    test_targets: Targets,
    classes: usize,
    /// The labels' names, where they have any.
    names: Vec<String>,
    warnings: Vec<String>,
}

trait Config {
    fn config(&self) -> SvmConfig;
}

impl Config for SvmOptions {
    fn config(&self) -> SvmConfig {
        let default = SvmConfig::default();
        SvmConfig {
            cost: match &self.costs[..] {
                [] => match default.cost {
                    Cost::Grid { values, .. } => Cost::Grid {
                        values,
                        folds: self.folds,
                    },
                    fixed => fixed,
                },
                [cost] => Cost::Fixed(*cost),
                costs => Cost::Grid {
                    values: costs.to_vec(),
                    folds: self.folds,
                },
            },
            positive_weight: self.positive_weight,
            tolerance: self.tolerance,
            max_epochs: self.max_epochs,
            standardise: self.scale == ScaleName::Standard,
        }
    }
}

pub(crate) fn run(options: &SvmOptions) -> Result<ExitCode> {
    let (mut problem, mut recorder) = problem(options)?;
    recorder.first("svm".into());
    if options.scale == ScaleName::Unit {
        problem.train = unit_length(problem.train.view());
        problem.test = unit_length(problem.test.view());
    }
    let Problem {
        train,
        train_targets,
        test,
        test_targets,
        classes,
        names,
        mut warnings,
    } = problem;
    let config = options.config();
    let fit = svm(
        train.view(),
        &train_targets,
        classes,
        &config,
        options.machine.seed,
    )?;
    warnings.extend(complaints(&fit, classes));
    for warning in &warnings {
        output::warning(warning);
    }
    let scores = fit.classifier.scores(test.view())?;
    let per_class: Vec<Value> = fit
        .classes
        .iter()
        .map(|class| {
            json!({
                "class": class.class, "cost": class.cost, "held_out": class.held_out,
                "epochs": class.epochs, "converged": class.converged,
            })
        })
        .collect();
    let (figures, summary) = match &test_targets {
        Targets::Classes(labels) => {
            let predicted = predictions(scores.view());
            let figures = Figures::new(&predicted, labels, classes, Some(&scores))?;
            recorder.predictions("svm", labels, &predicted, Some(&scores))?;
            let summary = format!(
                "top-1 {:.2} %, per class {:.2} %, {} test rows, C {}",
                figures.top1,
                figures.mean_per_class,
                labels.len(),
                fit.classes[0].cost
            );
            (serde_json::to_value(figures)?, summary)
        }
        Targets::Multi(labels) => {
            recorder.labels("svm", labels, &scores)?;
            precisions(&scores, labels, options, &names, &fit)?
        }
    };
    let settings = json!({
        "C": tried(&config.cost), "folds": options.folds, "positive_weight": options.positive_weight,
        "scale": format!("{:?}", options.scale).to_lowercase(), "tolerance": options.tolerance,
        "max_epochs": options.max_epochs, "seed": options.machine.seed,
    });
    let mut entries = json!({
        "evaluation": "svm", "train_images": train.rows(), "test_images": test.rows(),
        "classes": classes, "svms": per_class, "warnings": warnings,
    });
    if let (Value::Object(entries), Value::Object(figures)) = (&mut entries, figures) {
        entries.extend(figures);
    }
    if options.record.out.is_some() {
        entries["predictions"] = json!(record::PREDICTIONS);
    }
    let model = options.record.model(options.embeddings.model());
    let result = record::result(
        "svm",
        model,
        options.embeddings.describe()?,
        settings,
        entries,
    );
    recorder.result(&result)?;
    output::result(options.record.json, &result, || summary);
    Ok(ExitCode::SUCCESS)
}

/// The values of C that there were to choose from.
fn tried(cost: &Cost) -> &[f64] {
    match cost {
        Cost::Fixed(value) => std::slice::from_ref(value),
        Cost::Grid { values, .. } => values,
    }
}

fn precisions(
    scores: &Matrix,
    labels: &MultiLabels,
    options: &SvmOptions,
    names: &[String],
    fit: &SvmFit,
) -> Result<(Value, String)> {
    let interpolation = match options.average_precision {
        AveragePrecisionName::Area => Interpolation::Area,
        AveragePrecisionName::Voc07 => Interpolation::ElevenPoint,
    };
    let of_label: Vec<Option<f64>> = average_precisions(scores.view(), labels, interpolation)?
        .into_iter()
        .map(|precision| precision.map(|p| 100.0 * p))
        .collect();
    let found: Vec<f64> = of_label.iter().flatten().copied().collect();
    if found.is_empty() {
        return Err(Failure::new(
            "no test row has any of the labels, expected at least one",
            "give test labels of 1 for present",
        ));
    }
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    let mut rows = vec![["label", "AP, %", "C"].map(str::to_owned).to_vec()];
    for (label, precision) in of_label.iter().enumerate() {
        let own = fit.classes.iter().find(|class| class.class == label);
        rows.push(vec![
            names
                .get(label)
                .cloned()
                .unwrap_or_else(|| label.to_string()),
            precision.map_or("-".into(), |p| format!("{p:.2}")),
            own.map_or("-".into(), |class| class.cost.to_string()),
        ]);
    }
    rows.push(vec!["mean".into(), format!("{mean:.2}")]);
    let value = json!({
        "mean_average_precision": mean, "average_precision": of_label,
        "interpolation": format!("{:?}", options.average_precision).to_lowercase(),
    });
    Ok((value, output::table(&rows)))
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
            "{slow} of {} machines ended before they converged: raise --max-epochs, lower -C or use --scale",
            fit.classes.len()
        ));
    }
    warnings
}

/// The problem, and the recorder, which is made when all is opened and nothing done yet.
fn problem(options: &SvmOptions) -> Result<(Problem, Recorder)> {
    let source = &options.embeddings;
    if let Some(files) = source.files()? {
        let recorder = Recorder::new(&options.record)?;
        let mut warnings: Vec<String> = overlap(&files.train, &files.test)?.into_iter().collect();
        let classes = match (&files.train_targets, &files.test_targets) {
            (Targets::Multi(train), Targets::Multi(test)) if train.labels() == test.labels() => {
                train.labels()
            }
            (Targets::Classes(_), Targets::Classes(_)) => {
                let (train, test, classes) = files.classes()?;
                warnings.extend(unseen(train, test, classes));
                classes
            }
            _ => {
                return Err(Failure::new(
                    format!(
                        "training and test labels are of different kinds: {}",
                        files.kinds()
                    ),
                    "give class numbers for both, or the same 0/1 columns for both",
                ));
            }
        };
        let problem = Problem {
            train: whole(&files.train)?,
            test: whole(&files.test)?,
            train_targets: files.train_targets,
            test_targets: files.test_targets,
            classes,
            names: Vec::new(),
            warnings,
        };
        return Ok((problem, recorder));
    }
    let (checkpoint, data) = source.network_paths()?;
    if voc::is_voc(data) {
        let device = device(&options.machine.device)?;
        let (checkpoint, model) = source.reading.open(checkpoint, device)?;
        check_output(&output_named(&source.output), &checkpoint)?;
        let recorder = Recorder::new(&options.record)?;
        let part = |split: &str| -> Result<(Matrix, MultiLabels)> {
            let (images, labels) = voc::open(data, split)?;
            let evaluation = &checkpoint.recipe.evaluation;
            Ok((features(&model, images, evaluation, options)?, labels))
        };
        let ((train, train_labels), (test, test_labels)) = (part("trainval")?, part("test")?);
        let problem = Problem {
            warnings: overlap(&train.view(), &test.view())?.into_iter().collect(),
            train,
            train_targets: Targets::Multi(train_labels),
            test,
            test_targets: Targets::Multi(test_labels),
            classes: VOC_CLASSES.len(),
            names: VOC_CLASSES.map(str::to_owned).to_vec(),
        };
        return Ok((problem, recorder));
    }
    let opened = source.open(&options.machine)?;
    let recorder = Recorder::new(&options.record)?;
    let (labelled, warnings) = opened.labelled(source, &options.machine)?;
    let problem = Problem {
        train: labelled.train,
        train_targets: Targets::Classes(labelled.train_labels),
        test: labelled.test,
        test_targets: Targets::Classes(labelled.test_labels),
        classes: labelled.classes,
        names: Vec::new(),
        warnings,
    };
    Ok((problem, recorder))
}

fn features(
    model: &Model,
    images: Arc<dyn Dataset>,
    evaluation: &Evaluation,
    options: &SvmOptions,
) -> Result<Matrix> {
    let (output, threads) = (
        output_named(&options.embeddings.output),
        options.machine.threads(),
    );
    Ok(embed(model, images, evaluation, output, 256, threads)?)
}
