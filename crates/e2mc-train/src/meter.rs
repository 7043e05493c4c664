//! What a run measures of itself: loss and terms, speed, and time spent waiting for data.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::collapse::Collapse;
use crate::method::Objective;
use crate::progress::Progress;

/// What the loop reports while it runs. Terms are means since the last report.
#[derive(Clone, Debug)]
pub struct StepLog {
    /// Optimiser steps done.
    pub step: u64,
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Batches done in this epoch, of how many.
    pub batch: u64,
    /// Batches in an epoch.
    pub batches: u64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The whole loss.
    pub loss: f64,
    /// The parts: name and unweighted value.
    pub terms: Vec<(&'static str, f64)>,
    /// Images a second since the last report (each gives several views).
    pub images_per_s: f64,
    /// Share of the time since the last report that was spent waiting for data, 0 to 1.
    pub waiting: f64,
}

/// What an epoch amounted to.
#[derive(Clone, Debug)]
pub struct EpochSummary {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Optimiser steps done in all.
    pub step: u64,
    /// Mean of the whole loss over the epoch.
    pub loss: f64,
    /// Means of the parts.
    pub terms: Vec<(&'static str, f64)>,
    /// Seconds that the epoch took; after a stop in its middle this and the next two are of the rest.
    pub seconds: f64,
    /// Images a second over the epoch.
    pub images_per_s: f64,
    /// Share of the epoch spent waiting for data, 0 to 1.
    pub waiting: f64,
    /// Signs of collapse in the last batch's embeddings.
    pub collapse: Collapse,
}

/// Loss and terms of an epoch before a stop in its middle; a checkpoint keeps them, so that the
/// epoch's summary is of the whole epoch. No times: equal runs have equal checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpochSoFar {
    steps: u64,
    sums: BTreeMap<String, f64>,
}

/// Sums of loss and terms since a moment; they stay on the device until somebody asks.
pub(crate) struct Meter {
    started: Instant,
    before: EpochSoFar,
    /// How long the loader had been waited for at the start, and by now.
    waited_before: f64,
    waited: f64,
    images: usize,
    steps: u64,
    sums: Vec<(&'static str, Tensor)>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self::after(EpochSoFar::default())
    }

    /// The meter of an epoch that goes on in its middle.
    pub(crate) fn after(before: EpochSoFar) -> Self {
        Self {
            started: Instant::now(),
            waited_before: 0.0,
            waited: 0.0,
            images: 0,
            steps: before.steps,
            sums: Vec::new(),
            before,
        }
    }

    /// The meter that goes on where this one ends.
    pub(crate) fn next(self) -> Self {
        Self {
            waited_before: self.waited,
            waited: self.waited,
            ..Self::new()
        }
    }

    /// What a later process needs to go on with.
    pub(crate) fn so_far(&self) -> EpochSoFar {
        let sums = self.sums.iter();
        let sums = sums.map(|(name, sum)| ((*name).to_owned(), sum.double_value(&[])));
        EpochSoFar {
            steps: self.steps,
            sums: sums.collect(),
        }
    }

    pub(crate) fn add(&mut self, objective: &Objective, images: usize, waited: f64) {
        let loss = objective.loss.detach();
        let terms = objective.terms.iter().map(|term| (term.name, &term.value));
        let values = std::iter::once(("loss", &loss)).chain(terms);
        if self.sums.is_empty() {
            let before = |name: &str| self.before.sums.get(name).copied().unwrap_or(0.0);
            self.sums = values
                .map(|(name, value)| (name, value.to_kind(Kind::Double) + before(name)))
                .collect();
        } else {
            for ((_, sum), (_, value)) in self.sums.iter_mut().zip(values) {
                *sum = &*sum + value;
            }
        }
        self.steps += 1;
        self.images += images;
        self.waited = waited;
    }

    /// The mean loss, then the mean terms.
    pub(crate) fn means(&self) -> Vec<(&'static str, f64)> {
        let steps = self.steps as f64;
        self.sums
            .iter()
            .map(|(name, sum)| (*name, sum.double_value(&[]) / steps))
            .collect()
    }

    fn rates(&self) -> (f64, f64, f64) {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let waiting = ((self.waited - self.waited_before) / seconds).clamp(0.0, 1.0);
        (seconds, self.images as f64 / seconds, waiting)
    }

    pub(crate) fn log(&self, progress: Progress, batches: u64, learning_rate: f64) -> StepLog {
        let mut terms = self.means();
        let (_, loss) = terms.remove(0);
        let (_, images_per_s, waiting) = self.rates();
        StepLog {
            step: progress.step,
            epoch: progress.epoch + 1,
            batch: progress.batch,
            batches,
            learning_rate,
            loss,
            terms,
            images_per_s,
            waiting,
        }
    }

    pub(crate) fn summary(&self, progress: Progress, collapse: Collapse) -> EpochSummary {
        let mut terms = self.means();
        let (_, loss) = terms.remove(0);
        let (seconds, images_per_s, waiting) = self.rates();
        EpochSummary {
            epoch: progress.epoch,
            step: progress.step,
            loss,
            terms,
            seconds,
            images_per_s,
            waiting,
            collapse,
        }
    }
}
