//! `e2mc probe`: what a model's frozen features are worth.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use e2mc_data::Split;
use e2mc_train::{Model, device};
use serde_json::json;

use crate::arguments::ProbeOptions;
use crate::evaluation::{Part, Protocol, Scores, evaluate, plus_minus};
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(options: &ProbeOptions) -> Result<ExitCode> {
    let device = device(&options.machine.device)?;
    let checkpoint = options.reading.read(&options.checkpoint)?;
    let (train, test) = open(&options.data)?;
    let model = Model::new(&checkpoint.recipe, device, 0)?;
    checkpoint.apply_to(&model)?;
    let protocol = Protocol {
        fractions: options.fractions.clone(),
        seeds: options.seeds,
        probe: options.probe,
        k: options.k.into(),
        sgd_epochs: options.sgd_epochs.map(|epochs| epochs as usize),
        sgd_rate: options.sgd_rate,
    };
    let threads = options.machine.threads();
    let scores = evaluate(
        &model,
        &checkpoint.recipe,
        &train,
        &test,
        &protocol,
        threads,
    )?;
    for warning in &scores.warnings {
        output::warning(warning);
    }
    let result = json!({
        "checkpoint": options.checkpoint, "data": options.data,
        "train_images": train.len(), "test_images": test.len(), "seeds": options.seeds,
        "k": scores.k, "knn": scores.knn, "probes": scores.probes,
    });
    output::result(options.json, &result, || text(&scores, &test));
    Ok(ExitCode::SUCCESS)
}

/// The labelled train and test parts of a data set.
pub(crate) fn open(data: &Path) -> Result<(Part, Part)> {
    let train = Part::new(e2mc_data::open(data, Split::Train)?)?;
    let test = Part::new(e2mc_data::open(data, Split::Test)?)?;
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

fn text(scores: &Scores, test: &Part) -> String {
    let mut rows = vec![vec![
        "probe".into(),
        "labels".into(),
        "images".into(),
        "top-1, %".into(),
    ]];
    rows.push(vec![
        format!("{}-NN", scores.k),
        "100 %".into(),
        String::new(),
        format!("{:.2}", scores.knn),
    ]);
    for row in &scores.probes {
        rows.push(vec![
            row.probe.into(),
            format!("{} %", 100.0 * row.fraction),
            row.images.to_string(),
            plus_minus(row.accuracy, row.standard_error),
        ]);
    }
    format!(
        "{}\nlogistic: L-BFGS on standardised features; sgd: the paper's linear layer on raw features.\n\
         Mean ± standard error over label subsets; {} test images; last epoch, not the best.",
        output::table(&rows),
        test.len()
    )
}
