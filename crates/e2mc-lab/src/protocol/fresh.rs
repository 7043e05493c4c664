//! The SGD probe on features that the network makes anew for every batch, from random views as in
//! the paper or from the fixed view of the evaluation.

use std::sync::Arc;

use e2mc_data::{Dataset, Pipeline, Selection};
use e2mc_eval::LinearTrainer;
use e2mc_eval::protocol::{Labelled, ProbeKind, ProbePlan, check_classes, fit_name, probe_fit};
use e2mc_record::{ProbeFit, ProbeRow, ResultFolder};
use e2mc_train::finetune::training_view;
use e2mc_train::{EmbedOptions, World};

use super::network::Network;
use super::subsets::every_subset;
use crate::error::Error;
use crate::notice::{Notice, Notices};

/// How the images of a step are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Views {
    /// Random crops, and flips with this probability.
    Random { flip: f32 },
    /// The evaluation's own.
    Fixed,
}

/// What is needed to fit.
pub(super) struct Fresh<'a> {
    pub(super) network: &'a Network,
    /// The test features, and the labels of both sets.
    pub(super) data: &'a Labelled,
    pub(super) plan: &'a ProbePlan,
    pub(super) views: Views,
    pub(super) folder: &'a ResultFolder,
    pub(super) notices: &'a Arc<dyn Notices>,
}

impl Fresh<'_> {
    /// Fits the SGD probe for every fraction of the labels and every seed; the second list is what
    /// the user should be warned of.
    pub(super) fn run(&self) -> Result<(Vec<ProbeRow>, Vec<String>), Error> {
        every_subset(
            ProbeKind::Sgd,
            self.data,
            self.plan,
            |fraction, seed, rows| self.fit(fraction, seed, rows),
        )
    }

    fn fit(&self, fraction: f64, seed: u64, indices: &[usize]) -> Result<ProbeFit, Error> {
        let Self { network, data, .. } = self;
        let labels = indices.iter().map(|&i| data.train_labels[i]);
        let missing = check_classes(labels, data.classes)?;
        let config = self.plan.settings.config(fraction);
        let evaluation = network.evaluation();
        let mut options = EmbedOptions {
            output: network.source.output.clone(),
            pipeline: match self.views {
                Views::Random { flip } => Pipeline::Augment(training_view(evaluation, flip)),
                Views::Fixed => Pipeline::Preprocess(evaluation.clone()),
            },
            batch: config.batch,
            threads: network.source.machine.threads,
            seed,
            epoch: 0,
            skip_batches: 0,
            world: World::solo(),
        };
        let mut trainer = LinearTrainer::new(data.test.cols(), data.classes, &config, seed)?;
        let mut loss = 0.0;
        while trainer.epoch() < config.epochs {
            // The order is the trainer's, so that cached features are met in the same one.
            let order = trainer.order(indices.len()).into_iter();
            let order: Vec<usize> = order.map(|at| indices[at]).collect();
            let labels: Vec<usize> = order.iter().map(|&i| data.train_labels[i]).collect();
            let train = network.splits.train.dataset();
            let images: Arc<dyn Dataset> = Arc::new(Selection::new(train.clone(), order)?);
            options.epoch = trainer.epoch() as u64;
            let mut done = 0;
            let seen = network.source.seen(&network.model);
            seen.batches(images, &options, |features, dims| {
                let rows = features.len() / dims.max(1);
                trainer.step(features, &labels[done..done + rows])?;
                done += rows;
                Ok(())
            })?;
            loss = trainer.end_epoch()?;
            self.notices.tell(&Notice::FitEpoch {
                fraction,
                seed,
                epoch: trainer.epoch() as u64,
                epochs: config.epochs as u64,
                loss,
            });
        }
        let scores = trainer.classifier().scores(data.test.view())?;
        let name = fit_name(ProbeKind::Sgd.name(), fraction, seed);
        let mut run = probe_fit(
            (&name, seed),
            &scores,
            (&data.test_labels, data.classes),
            (indices, data.train_labels.len()),
            self.folder,
        )?;
        (run.loss, run.converged) = (Some(loss), Some(!trainer.still_falling()));
        run.missing = missing;
        Ok(run)
    }
}
