//! The SGD probe on features that the network makes anew for every batch, from random views as in
//! the paper or from the fixed view of the evaluation.

use std::sync::Arc;

use anyhow::Result;
use e2mc_data::{Dataset, Pipeline, Selection};
use e2mc_eval::LinearTrainer;
use e2mc_train::probe::training_view;
use e2mc_train::{EmbedOptions, Output, embed_batches};

use super::linear::{self, LinearPlan, Row, Run};
use super::percent;
use super::record::Recorder;
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

/// What is needed to fit.
pub(crate) struct Fresh<'a> {
    pub(crate) network: &'a Network,
    /// The test features, and the labels of both sets.
    pub(crate) data: &'a Labelled,
    pub(crate) plan: &'a LinearPlan,
    pub(crate) output: Output,
    pub(crate) views: Views,
    pub(crate) threads: usize,
    pub(crate) recorder: &'a Recorder,
}

impl Fresh<'_> {
    /// Fits the SGD probe for every part of the labels and every seed; the second list is what the
    /// user should be warned of.
    pub(crate) fn run(&self) -> Result<(Vec<Row>, Vec<String>)> {
        let Self { data, plan, .. } = self;
        let (mut rows, mut warnings) = (Vec::new(), Vec::new());
        for fraction in plan.parts.fractions(data.train_labels.len()) {
            let (mut runs, mut images) = (Vec::new(), 0);
            for &seed in &plan.seeds {
                let indices = plan.parts.rows(&data.train_labels, fraction, seed)?;
                images = indices.len();
                runs.push(self.fit(fraction, seed, &indices)?);
            }
            warnings.extend(linear::missing(&runs, data.classes, fraction));
            rows.push(Row::new("sgd", fraction, images, runs)?);
        }
        Ok((rows, warnings))
    }

    fn fit(&self, fraction: f64, seed: u64, indices: &[usize]) -> Result<Run> {
        let Self { network, data, .. } = self;
        let missing =
            linear::check_classes(indices.iter().map(|&i| data.train_labels[i]), data.classes)?;
        let config = self.plan.settings.config(fraction);
        let evaluation = &network.checkpoint.recipe.evaluation;
        let mut options = EmbedOptions {
            output: self.output.clone(),
            pipeline: match self.views {
                Views::Random { flip } => Pipeline::Augment(training_view(evaluation, flip)),
                Views::Fixed => Pipeline::Evaluate(evaluation.clone()),
            },
            batch: config.batch,
            threads: self.threads,
            seed,
            epoch: 0,
            skip_batches: 0,
        };
        let mut trainer = LinearTrainer::new(data.test.cols(), data.classes, &config, seed)?;
        let mut loss = 0.0;
        while trainer.epoch() < config.epochs {
            // The order is the trainer's, so that cached features are met in the same one.
            let order = trainer.order(indices.len()).into_iter();
            let order: Vec<usize> = order.map(|at| indices[at]).collect();
            let labels: Vec<usize> = order.iter().map(|&i| data.train_labels[i]).collect();
            let images: Arc<dyn Dataset> =
                Arc::new(Selection::new(network.train.dataset().clone(), order)?);
            options.epoch = trainer.epoch() as u64;
            let mut done = 0;
            embed_batches(&network.model, images, &options, |features, dims| {
                let rows = features.len() / dims.max(1);
                trainer.step(features, &labels[done..done + rows])?;
                done += rows;
                anyhow::Ok(())
            })?;
            loss = trainer.end_epoch()?;
            output::note(&format!(
                "{} % of the labels, seed {seed}: epoch {} of {}, loss {loss:.4}",
                percent(fraction),
                trainer.epoch(),
                config.epochs
            ));
        }
        let scores = trainer.classifier().scores(data.test.view())?;
        let judged = (data.test_labels.as_slice(), data.classes);
        let place = linear::place("sgd", fraction, seed);
        let mut run = Run::new(seed, &scores, judged, (self.recorder, &place))?;
        run.loss = Some(loss);
        run.missing = missing;
        Ok(run)
    }
}
