//! `e2mc probe`: what a model's frozen features are worth.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use e2mc_data::Split;
use e2mc_eval::{LinearOptimizer, LinearPreset, Schedule};
use serde_json::json;

use crate::checkpoint::output_named;
use crate::data::{self, ImageOptions};
use crate::evaluation::fresh::{Fresh, Views};
use crate::evaluation::linear::{self, LinearPlan, ProbeSettings, Row};
use crate::evaluation::parts::Parts;
use crate::evaluation::record::{self, Recorder};
use crate::evaluation::source::{Labelled, Opening, Source};
use crate::evaluation::{Part, nearest, percent, plus_minus};
use crate::failure::Failure;
use crate::output;
use e2mc_cli::options::{FeaturesName, OptimizerName, PresetName, ProbeName, ProbeOptions};

trait Settings {
    fn settings(&self) -> ProbeSettings;
}

impl Settings for ProbeOptions {
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
    if inat18 && options.embeddings.checkpoint.is_some() && options.embeddings.output != "map6x6" {
        return Err(Failure::usage(
            "--preset inat18 shares batch norm among the four places of each channel: it needs the feature map",
            "add --output map6x6",
        ));
    }
    let source = options.embeddings.open(&options.machine)?;
    let fresh = match (options.features, &source) {
        (FeaturesName::Cached, _) => None,
        (_, Source::Files(_)) => {
            return Err(Failure::usage(
                "files of embeddings are cached features already",
                "leave --features out, or give --checkpoint and --data",
            ));
        }
        (FeaturesName::Fresh, Source::Network(network)) => Some((network, Views::Fixed)),
        (FeaturesName::Augmented, Source::Network(network)) => {
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
    let (data, mut warnings) = source.labelled(&options.embeddings, &options.machine)?;
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
                output: output_named(&options.embeddings.output),
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
    let model = options.record.model(options.embeddings.model());
    let entries = json!({
        "evaluation": "linear",
        "train_images": data.train_labels.len(), "test_images": data.test_labels.len(),
        "classes": data.classes, "seeds": plan.seeds.len(), "seed_list": plan.seeds,
        "k": k, "knn": knn, "probes": rows, "warnings": warnings,
    });
    let origin = options.embeddings.describe()?;
    let result = record::result("probe", model, origin, settings, entries);
    recorder.result(&result)?;
    output::result(options.record.json, &result, || {
        text((k, knn), &rows, &data, options)
    });
    Ok(ExitCode::SUCCESS)
}

fn kind(features: FeaturesName) -> &'static str {
    match features {
        FeaturesName::Cached => "cached: the evaluation's view, computed once",
        FeaturesName::Augmented => "augmented: random crops and flips, computed for every batch",
        FeaturesName::Fresh => "fresh: the evaluation's view, computed for every batch",
    }
}

/// The labelled train and test parts of a data set.
pub(crate) fn open(data: &Path, taken: ImageOptions) -> Result<(Part, Part)> {
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
