//! `e2mc finetune`: semi-supervised learning, all layers on few labels.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_data::{Dataset, Selection};
use e2mc_train::probe::{FinetuneConfig, FinetunePreset, finetune};
use serde_json::json;

use crate::evaluation::linear::{self, Row, Run};
use crate::evaluation::parts::Parts;
use crate::evaluation::record::{self, Recorder};
use crate::evaluation::source::{Network, sha256};
use crate::evaluation::{percent, plus_minus};
use crate::output;
use e2mc_cli::options::{FinetuneOptions, FinetunePresetName};

trait Config {
    fn config(&self, fraction: f64, network: &Network) -> FinetuneConfig;
}

impl Config for FinetuneOptions {
    fn config(&self, fraction: f64, network: &Network) -> FinetuneConfig {
        let preset = match self.preset {
            FinetunePresetName::Vicreg => FinetunePreset::Vicreg,
            FinetunePresetName::Swav => FinetunePreset::Swav,
        };
        let base = preset.config(fraction);
        FinetuneConfig {
            epochs: self.epochs.map_or(base.epochs, u64::from),
            batch: self.batch.map_or(base.batch, |batch| batch as usize),
            trunk_rate: self.trunk_rate.unwrap_or(base.trunk_rate),
            head_rate: self.head_rate.unwrap_or(base.head_rate),
            flip: self.flip,
            precision: network.checkpoint.recipe.training.precision,
            ..base
        }
    }
}

pub(crate) fn run(options: &FinetuneOptions) -> Result<ExitCode> {
    let network = Network::open(
        &options.checkpoint,
        &options.reading,
        (&options.data, options.images),
        &options.machine,
    )?;
    let seeds: Vec<u64> = (0..options.seeds)
        .map(|seed| options.machine.seed.wrapping_add(seed))
        .collect();
    let parts = match &options.list {
        Some(list) => network.listed(list)?,
        None => Parts::of_fractions(&options.fractions)?,
    };
    let fractions = parts.fractions(network.train.len());
    let first = linear::place("finetune", fractions[0], seeds[0]);
    let mut recorder = Recorder::new(&options.record)?;
    recorder.first(first);
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    let mut learnt = BTreeSet::new();
    for &fraction in &fractions {
        let config = options.config(fraction, &network);
        let (mut runs, mut images) = (Vec::new(), 0);
        for &seed in &seeds {
            let indices = parts.rows(network.train.labels(), fraction, seed)?;
            images = indices.len();
            learnt.extend(indices.iter().copied());
            runs.push(one(
                options,
                &network,
                &config,
                (fraction, seed),
                indices,
                &recorder,
            )?);
        }
        missing.extend(linear::missing(&runs, network.train.classes(), fraction));
        rows.push(Row::new("finetune", fraction, images, runs)?);
    }
    let mut warnings = network.warnings(learnt, &options.machine)?;
    warnings.extend(missing);
    for warning in &warnings {
        output::warning(warning);
    }
    let model = options
        .record
        .model(options.checkpoint.display().to_string());
    let origin = json!({
        "checkpoint": options.checkpoint, "checkpoint_sha256": sha256(&options.checkpoint)?,
        "data": options.data, "val_fraction": options.images.val_fraction,
        "val_seed": options.images.val_seed,
    });
    let settings = json!({
        "preset": format!("{:?}", options.preset).to_lowercase(), "list": options.list,
        "by_fraction": fractions.iter().map(|&f| described(f, &options.config(f, &network))).collect::<Vec<_>>(),
    });
    let entries = json!({
        "evaluation": "semi-supervised",
        "train_images": network.train.len(), "test_images": network.test.len(),
        "classes": network.train.classes(), "seed_list": seeds, "probes": rows,
        "warnings": warnings,
    });
    let result = record::result("finetune", model, origin, settings, entries);
    recorder.result(&result)?;
    output::result(options.record.json, &result, || {
        text(&rows, network.test.len())
    });
    Ok(ExitCode::SUCCESS)
}

fn described(fraction: f64, config: &FinetuneConfig) -> serde_json::Value {
    json!({
        "fraction": fraction, "epochs": config.epochs, "batch": config.batch,
        "trunk_rate": config.trunk_rate, "head_rate": config.head_rate,
        "schedule": config.schedule, "sgd": config.sgd, "flip": config.flip,
        "precision": config.precision,
    })
}

fn one(
    options: &FinetuneOptions,
    network: &Network,
    config: &FinetuneConfig,
    (fraction, seed): (f64, u64),
    indices: Vec<usize>,
    recorder: &Recorder,
) -> Result<Run> {
    let (classes, threads) = (network.train.classes(), options.machine.threads());
    let own = indices.iter().map(|&i| network.train.labels()[i]);
    let missing = linear::check_classes(own, classes)?;
    let images: Arc<dyn Dataset> =
        Arc::new(Selection::new(network.train.dataset().clone(), indices)?);
    let recipe = &network.checkpoint.recipe;
    let tuned = finetune(
        &network.model,
        recipe,
        images,
        classes,
        config,
        (seed, threads),
        |epoch, loss| {
            output::note(&format!(
                "{} % of the labels, seed {seed}: epoch {epoch} of {}, loss {loss:.4}",
                percent(fraction),
                config.epochs
            ));
        },
    )?;
    let scores = tuned.scores(network.test.dataset().clone(), 256, threads)?;
    let place = linear::place("finetune", fraction, seed);
    let judged = (network.test.labels(), classes);
    let mut run = Run::new(seed, &scores, judged, (recorder, &place))?;
    (run.loss, run.missing) = (Some(tuned.loss), missing);
    Ok(run)
}

fn text(rows: &[Row], tests: usize) -> String {
    let mut lines = vec![
        ["labels", "images", "top-1, %", "top-5, %"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in rows {
        lines.push(vec![
            format!("{} %", percent(row.fraction)),
            row.images.to_string(),
            plus_minus(row.accuracy, row.standard_error),
            row.top5.map_or(String::new(), |top5| format!("{top5:.2}")),
        ]);
    }
    format!(
        "{}\nAll layers trained, random crops and flips; mean ± standard error over label subsets; {tests} \
         test images; last epoch, not the best.",
        output::table(&lines)
    )
}
