//! `e2mc probe`: what a model's frozen features are worth.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use e2mc_data::Split;
use e2mc_eval::{LinearOptimizer, LinearPreset, Schedule};
use e2mc_train::Output;
use serde_json::json;

use crate::arguments::MachineOptions;
use crate::data::{self, DataOptions};
use crate::evaluation::fresh::{Fresh, Views};
use crate::evaluation::linear::{self, LinearPlan, ProbeSettings, Row};
use crate::evaluation::parts::{Parts, fraction};
use crate::evaluation::record::{self, RecordOptions, Recorder};
use crate::evaluation::source::{Labelled, Source, SourceOptions};
use crate::evaluation::{Part, nearest, percent, plus_minus};
use crate::failure::Failure;
use crate::output;

/// What may be typed after `e2mc probe`.
#[derive(Args, Debug)]
pub(crate) struct ProbeOptions {
    #[command(flatten)]
    pub(crate) source: SourceOptions,
    /// Fractions of the training labels, above 0 and at most 1
    #[arg(long, value_delimiter = ',', default_values_t = [0.01, 0.1, 1.0], value_parser = fraction)]
    pub(crate) fractions: Vec<f64>,
    /// Labelled training images instead of fractions: a text file with one image name a line (of
    /// embeddings, one row number)
    #[arg(long, value_name = "FILE", conflicts_with = "fractions")]
    pub(crate) list: Option<PathBuf>,
    /// Label subsets drawn for each fraction, one a seed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    /// Which classifier; logistic has nothing to tune
    #[arg(long, value_enum, default_value_t = ProbeName::Both)]
    pub(crate) probe: ProbeName,
    /// Whose settings the SGD probe has (paper, appendix B.2)
    #[arg(long, value_enum, default_value_t = PresetName::Vicreg)]
    pub(crate) preset: PresetName,
    /// What the SGD probe learns from: features computed once, or anew for every batch
    #[arg(long, value_enum, default_value_t = FeatureKind::Cached)]
    pub(crate) features: FeatureKind,
    /// Probability of a left-right flip with --features augmented
    #[arg(long, value_name = "P", default_value_t = 0.5)]
    pub(crate) flip: f32,
    /// Epochs of the SGD probe [default: the preset's]
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sgd_epochs: Option<u32>,
    /// Learning rate of the SGD probe for a batch of 256 [default: the preset's]
    #[arg(long, value_name = "RATE")]
    pub(crate) sgd_rate: Option<f64>,
    /// Batch of the SGD probe [default: the preset's]
    #[arg(long, value_name = "IMAGES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sgd_batch: Option<u32>,
    /// Weight decay of the SGD probe [default: the preset's]
    #[arg(long, value_name = "DECAY")]
    pub(crate) sgd_weight_decay: Option<f64>,
    /// Update rule of the SGD probe [default: the preset's]
    #[arg(long, value_enum)]
    pub(crate) sgd_optimizer: Option<OptimizerName>,
    /// Schedule of the SGD probe: cosine, constant, or FACTOR@EPOCH,EPOCH,... for steps [default: the
    /// preset's]
    #[arg(long, value_name = "SCHEDULE", value_parser = schedule)]
    pub(crate) sgd_schedule: Option<Schedule>,
    /// Neighbours of the k-NN vote
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) k: u16,
    #[command(flatten)]
    pub(crate) machine: MachineOptions,
    #[command(flatten)]
    pub(crate) record: RecordOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProbeName {
    /// Logistic regression by L-BFGS on standardised features, its penalty by cross-validation
    Logistic,
    /// The paper's linear layer by SGD on raw features
    Sgd,
    /// One after the other
    Both,
}

impl ProbeName {
    /// The classifiers' names.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Logistic => &["logistic"],
            Self::Sgd => &["sgd"],
            Self::Both => &["logistic", "sgd"],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetName {
    /// Cosine, rate 0.02, weight decay 1e-4 (1e-6 with all labels)
    Vicreg,
    /// Cosine, rate 0.3, weight decay 1e-6
    Swav,
    /// LARC without weight decay, rate and batch by the fraction
    Simsiam,
    /// Steps, batch norm over channels of 4 places (use with --output map6x6), rate 0.01
    Inat18,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeatureKind {
    /// Computed once, of the evaluation's view: much faster
    Cached,
    /// Computed for every batch from random crops and flips, as the paper does
    Augmented,
    /// Computed for every batch from the evaluation's view; agrees with cached
    Fresh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimizerName {
    /// With momentum 0.9
    Sgd,
    /// SGD within layer-wise adaptive rate control, trust 0.001
    Larc,
}

fn schedule(text: &str) -> Result<Schedule, String> {
    match text {
        "cosine" => return Ok(Schedule::Cosine),
        "constant" => return Ok(Schedule::Constant),
        _ => {}
    }
    let wrong = || "expected cosine, constant or FACTOR@EPOCH,EPOCH,...".to_owned();
    let (factor, epochs) = text.split_once('@').ok_or_else(wrong)?;
    let milestones = epochs.split(',').map(|epoch| epoch.trim().parse());
    Ok(Schedule::Step {
        factor: factor.parse().map_err(|_| wrong())?,
        milestones: milestones.collect::<Result<_, _>>().map_err(|_| wrong())?,
    })
}

impl ProbeOptions {
    fn settings(&self) -> ProbeSettings {
        ProbeSettings {
            preset: match self.preset {
                PresetName::Vicreg => LinearPreset::Vicreg,
                PresetName::Swav => LinearPreset::Swav,
                PresetName::Simsiam => LinearPreset::Simsiam,
                PresetName::Inat18 => LinearPreset::Inat18,
            },
            epochs: self.sgd_epochs.map(|epochs| epochs as usize),
            learning_rate: self.sgd_rate,
            batch: self.sgd_batch.map(|batch| batch as usize),
            weight_decay: self.sgd_weight_decay,
            optimizer: self.sgd_optimizer.map(|name| match name {
                OptimizerName::Sgd => LinearOptimizer::Sgd,
                OptimizerName::Larc => LinearOptimizer::Larc { trust: 0.001 },
            }),
            schedule: self.sgd_schedule.clone(),
        }
    }
}

pub(crate) fn run(options: &ProbeOptions) -> Result<ExitCode> {
    let inat18 = options.preset == PresetName::Inat18 && options.probe != ProbeName::Logistic;
    if inat18 && options.source.checkpoint.is_some() && options.source.output != Output::Map6x6 {
        return Err(Failure::usage(
            "--preset inat18 shares batch norm among the four places of each channel: it needs the feature map",
            "add --output map6x6",
        ));
    }
    let source = options.source.open(&options.machine)?;
    let fresh = match (options.features, &source) {
        (FeatureKind::Cached, _) => None,
        (_, Source::Files(_)) => {
            return Err(Failure::usage(
                "files of embeddings are cached features already",
                "leave --features out, or give --checkpoint and --data",
            ));
        }
        (FeatureKind::Fresh, Source::Network(network)) => Some((network, Views::Fixed)),
        (FeatureKind::Augmented, Source::Network(network)) => {
            let flip = options.flip;
            Some((network, Views::Random { flip }))
        }
    };
    let parts = match &options.list {
        Some(list) => match &source {
            Source::Files(_) => Parts::of_rows(list, source.train_images())?,
            Source::Network(network) => network.listed(list)?,
        },
        None => Parts::of_fractions(&options.fractions)?,
    };
    let mut recorder = Recorder::new(&options.record)?;
    let (data, mut warnings) = source.labelled(&options.source, &options.machine)?;
    let mut plan = LinearPlan {
        parts,
        seeds: (0..options.seeds)
            .map(|seed| options.machine.seed.wrapping_add(seed))
            .collect(),
        probe: options.probe,
        settings: options.settings(),
    };
    recorder.first(linear::first(&plan, data.train_labels.len()));
    let (k, knn) = nearest(&data, options.k.into())?;

    let mut rows = Vec::new();
    if let Some((network, views)) = fresh {
        // The logistic probe needs all features at once: they are cached whatever was asked.
        if options.probe != ProbeName::Sgd {
            plan.probe = ProbeName::Logistic;
            let (cached, more) = linear::run(&data, &plan, &recorder)?;
            rows.extend(cached);
            warnings.extend(more);
        }
        if options.probe != ProbeName::Logistic {
            let (fresh, more) = Fresh {
                network,
                data: &data,
                plan: &plan,
                output: options.source.output.clone(),
                views,
                threads: options.machine.threads(),
                recorder: &recorder,
            }
            .run()?;
            rows.extend(fresh);
            warnings.extend(more);
        }
    } else {
        let (cached, more) = linear::run(&data, &plan, &recorder)?;
        rows.extend(cached);
        warnings.extend(more);
    }
    warnings.dedup();
    for warning in &warnings {
        output::warning(warning);
    }

    let fractions = plan.parts.fractions(data.train_labels.len());
    let settings = json!({
        "preset": format!("{:?}", options.preset).to_lowercase(),
        "features": kind(options.features), "flip": options.flip, "list": options.list,
        "sgd": fractions.iter().map(|&f| plan.settings.describe(f)).collect::<Vec<_>>(),
        "logistic": linear::describe_logistic(),
    });
    let model = options.record.model(options.source.label());
    let entries = json!({
        "evaluation": "linear",
        "train_images": data.train_labels.len(), "test_images": data.test_labels.len(),
        "classes": data.classes, "seeds": plan.seeds.len(), "seed_list": plan.seeds,
        "k": k, "knn": knn, "probes": rows, "warnings": warnings,
    });
    let origin = options.source.describe()?;
    let result = record::result("probe", model, origin, settings, entries);
    recorder.result(&result)?;
    output::result(options.record.json, &result, || {
        text((k, knn), &rows, &data, options)
    });
    Ok(ExitCode::SUCCESS)
}

fn kind(features: FeatureKind) -> &'static str {
    match features {
        FeatureKind::Cached => "cached: the evaluation's view, computed once",
        FeatureKind::Augmented => "augmented: random crops and flips, computed for every batch",
        FeatureKind::Fresh => "fresh: the evaluation's view, computed for every batch",
    }
}

/// The labelled train and test parts of a data set.
pub(crate) fn open(data: &Path, taken: DataOptions) -> Result<(Part, Part)> {
    let train = Part::new(data::open(data, Split::Train, taken)?)?;
    let test = Part::new(data::open(data, Split::Test, taken)?)?;
    if train.dataset().classes() != test.dataset().classes() {
        return Err(Failure::new(
            format!(
                "{}: the train part has {} classes, the test part {} or others",
                data.display(),
                train.classes(),
                test.classes()
            ),
            "both parts need the same class folders",
        ));
    }
    Ok((train, test))
}

fn text((k, knn): (usize, f64), probes: &[Row], data: &Labelled, options: &ProbeOptions) -> String {
    let mut rows = vec![vec![
        "probe".into(),
        "labels".into(),
        "images".into(),
        "top-1, %".into(),
        "top-5, %".into(),
        "per class, %".into(),
    ]];
    rows.push(vec![
        format!("{k}-NN"),
        "100 %".into(),
        String::new(),
        format!("{knn:.2}"),
    ]);
    for row in probes {
        let per_class = row.runs.iter().map(|run| run.figures.mean_per_class);
        rows.push(vec![
            row.probe.into(),
            format!("{} %", percent(row.fraction)),
            row.images.to_string(),
            plus_minus(row.accuracy, row.standard_error),
            row.top5.map_or(String::new(), |top5| format!("{top5:.2}")),
            format!("{:.2}", per_class.sum::<f64>() / row.runs.len() as f64),
        ]);
    }
    format!(
        "{}\nlogistic: L-BFGS on standardised features; sgd: the paper's linear layer on raw features.\n\
         Features of sgd {}; of logistic and k-NN cached.\n\
         Mean ± standard error over label subsets; {} test images; last epoch, not the best.",
        output::table(&rows),
        kind(options.features),
        data.test_labels.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_parse() {
        assert_eq!(schedule("cosine"), Ok(Schedule::Cosine));
        let step = Schedule::Step {
            milestones: vec![24, 48],
            factor: 0.1,
        };
        assert_eq!(schedule("0.1@24,48"), Ok(step));
        for wrong in ["", "step", "0.1@", "x@3", "0.1@3,y"] {
            assert!(schedule(wrong).is_err(), "{wrong}");
        }
    }
}
