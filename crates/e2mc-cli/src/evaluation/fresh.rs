//! The SGD probe on features that the network makes anew for every batch, from random views as in
//! the paper or from the fixed view of the evaluation.

use std::sync::Arc;

use anyhow::Result;
use e2mc_data::{Dataset, Pipeline, Selection};
use e2mc_eval::LinearTrainer;
use e2mc_train::probe::training_view;
use e2mc_train::{EmbedOptions, Output, embed_batches};

use super::linear::{self, LinearPlan, Row, Run};
use super::record::{Figures, Recorder};
use super::source::{Labelled, Network};
use crate::output;

/// How the images of a step are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Views {
    /// Random crops, and flips with this probability.
    Random { flip: f32 },
    /// The evaluation's own.
    Fixed,
}

/// Fits the SGD probe for every part of the labels and every seed; `data` holds the test features.
pub(crate) fn run(
    network: &Network,
    data: &Labelled,
    plan: &LinearPlan,
    (output, views): (&Output, Views),
    threads: usize,
    recorder: &Recorder,
) -> Result<(Vec<Row>, Vec<String>)> {
    let (mut rows, mut warnings) = (Vec::new(), Vec::new());
    for fraction in plan.parts.fractions(data.train_labels.len()) {
        let (mut runs, mut images) = (Vec::new(), 0);
        for &seed in &plan.seeds {
            let indices = plan.parts.rows(&data.train_labels, fraction, seed)?;
            images = indices.len();
            runs.push(fit(
                network,
                data,
                plan,
                (fraction, seed),
                &indices,
                (output, views),
                threads,
                recorder,
            )?);
        }
        warnings.extend(linear::missing(&runs, data.classes, fraction));
        rows.push(Row::new("sgd", fraction, images, runs)?);
    }
    Ok((rows, warnings))
}

#[allow(clippy::too_many_arguments)]
fn fit(
    network: &Network,
    data: &Labelled,
    plan: &LinearPlan,
    (fraction, seed): (f64, u64),
    indices: &[usize],
    (output, views): (&Output, Views),
    threads: usize,
    recorder: &Recorder,
) -> Result<Run> {
    let config = plan.settings.config(fraction);
    let evaluation = &network.checkpoint.recipe.evaluation;
    let pipeline = match views {
        Views::Random { flip } => Pipeline::Augment(training_view(evaluation, flip)),
        Views::Fixed => Pipeline::Evaluate(evaluation.clone()),
    };
    let mut trainer = LinearTrainer::new(data.test.cols(), data.classes, &config, seed)?;
    let mut loss = 0.0;
    while trainer.epoch() < config.epochs {
        // The order is the trainer's, so that cached features are met in the same one.
        let order: Vec<usize> = trainer.order(indices.len());
        let order: Vec<usize> = order.into_iter().map(|at| indices[at]).collect();
        let labels: Vec<usize> = order
            .iter()
            .map(|&index| data.train_labels[index])
            .collect();
        let dataset: Arc<dyn Dataset> =
            Arc::new(Selection::new(network.train.dataset().clone(), order)?);
        let options = EmbedOptions {
            output: output.clone(),
            pipeline: pipeline.clone(),
            batch: config.batch,
            threads,
            seed,
            epoch: trainer.epoch() as u64,
            skip_batches: 0,
        };
        let mut done = 0;
        embed_batches(&network.model, dataset, &options, |features, dims| {
            let rows = features.len() / dims.max(1);
            trainer.step(features, &labels[done..done + rows])?;
            done += rows;
            anyhow::Ok(())
        })?;
        loss = trainer.end_epoch()?;
        output::note(&format!(
            "{} % of the labels, seed {seed}: epoch {} of {}, loss {loss:.4}",
            100.0 * fraction,
            trainer.epoch(),
            config.epochs
        ));
    }
    let classifier = trainer.classifier();
    let scores = classifier.scores(data.test.view())?;
    let predictions = classifier.predict(data.test.view())?;
    let mut present = vec![false; data.classes];
    indices
        .iter()
        .for_each(|&index| present[data.train_labels[index]] = true);
    let place = linear::place("sgd", fraction, seed);
    Ok(Run {
        seed,
        l2: None,
        converged: None,
        loss: Some(loss),
        figures: Figures::new(&predictions, &data.test_labels, data.classes, Some(&scores))?,
        predictions: recorder.predictions(
            &place,
            &data.test_labels,
            &predictions,
            Some(&scores),
        )?,
        missing: present.iter().filter(|present| !**present).count(),
    })
}
