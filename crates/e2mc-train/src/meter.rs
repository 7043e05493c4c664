//! What a run measures of itself: loss and terms, speed, and time spent waiting for data and for
//! other processes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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
    /// Share of that time spent in exchanges with other processes, 0 to 1; `None` without others.
    pub exchanging: Option<f64>,
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
    /// Seconds that the epoch took; after a stop in its middle this and the next three are of the
    /// rest.
    pub seconds: f64,
    /// Images a second over the epoch.
    pub images_per_s: f64,
    /// Share of the epoch spent waiting for data, 0 to 1.
    pub waiting: f64,
    /// Share of the epoch spent in exchanges with other processes, 0 to 1; `None` without others.
    pub exchanging: Option<f64>,
    /// Signs of collapse in the last batch's embeddings.
    pub collapse: Collapse,
}

/// What was measured of an epoch before a stop in its middle; a checkpoint keeps it, so that the
/// epoch's summary is of the whole epoch. No times: equal runs have equal checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpochSoFar {
    /// Sums over the epoch.
    pub(crate) steps: Sums,
    /// Since the last report.
    #[serde(default)]
    pub(crate) logged: Sums,
    /// An epoch whose batches are all done, but whose end was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<EpochEnd>,
}

/// Loss and terms of some steps, summed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sums {
    steps: u64,
    sums: BTreeMap<String, f64>,
}

/// An epoch's summary without its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EpochEnd {
    loss: f64,
    terms: Vec<(String, f64)>,
    collapse: Collapse,
}

impl EpochSoFar {
    /// In the middle of an epoch.
    pub(crate) fn within(whole: &Meter, recent: &Meter) -> Self {
        Self {
            steps: whole.so_far(),
            logged: recent.so_far(),
            end: None,
        }
    }

    /// After an epoch's last batch.
    pub(crate) fn at_end(summary: &EpochSummary) -> Self {
        let terms = summary.terms.iter();
        let end = EpochEnd {
            loss: summary.loss,
            terms: terms
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
            collapse: summary.collapse.clone(),
        };
        Self {
            end: Some(end),
            ..Self::default()
        }
    }
}

impl EpochEnd {
    /// The summary that was to be recorded; no time was spent on it since.
    pub(crate) fn summary(self, progress: Progress) -> EpochSummary {
        // A method's terms are named in its code. These are few, and come once a process.
        let name = |name: String| -> &'static str { Box::leak(name.into_boxed_str()) };
        let terms = self.terms.into_iter();
        EpochSummary {
            epoch: progress.epoch,
            step: progress.step,
            loss: self.loss,
            terms: terms.map(|(text, value)| (name(text), value)).collect(),
            seconds: 0.0,
            images_per_s: 0.0,
            waiting: 0.0,
            exchanging: None,
            collapse: self.collapse,
        }
    }
}

/// How long the loop has not computed, since some moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Waits {
    /// It waited for the loader.
    pub(crate) images: Duration,
    /// It exchanged tensors with other processes, if there are any.
    pub(crate) others: Option<Duration>,
}

/// How fast it went.
struct Rates {
    seconds: f64,
    images_per_s: f64,
    waiting: f64,
    exchanging: Option<f64>,
}

/// Sums of loss and terms since a moment; they stay on the device until somebody asks.
pub(crate) struct Meter {
    started: Instant,
    before: Sums,
    /// At the start, and by now.
    waits_before: Waits,
    waits: Waits,
    images: usize,
    steps: u64,
    sums: Vec<(&'static str, Tensor)>,
}

impl Meter {
    /// The meter that continues after what an earlier process measured.
    pub(crate) fn after(before: Sums, waits: Waits) -> Self {
        Self {
            started: Instant::now(),
            waits_before: waits,
            waits,
            images: 0,
            steps: before.steps,
            sums: Vec::new(),
            before,
        }
    }

    /// The meter that goes on where this one ends.
    pub(crate) fn next(self) -> Self {
        Self::after(Sums::default(), self.waits)
    }

    /// What a later process needs to continue with.
    fn so_far(&self) -> Sums {
        let sums = self.sums.iter();
        let sums = sums.map(|(name, sum)| ((*name).to_owned(), sum.double_value(&[])));
        Sums {
            steps: self.steps,
            sums: sums.collect(),
        }
    }

    pub(crate) fn add(&mut self, objective: &Objective, images: usize, waits: Waits) {
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
        self.waits = waits;
    }

    /// The mean loss, then the mean terms.
    pub(crate) fn means(&self) -> Vec<(&'static str, f64)> {
        let steps = self.steps as f64;
        self.sums
            .iter()
            .map(|(name, sum)| (*name, sum.double_value(&[]) / steps))
            .collect()
    }

    fn rates(&self) -> Rates {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let share = |before: Duration, now: Duration| {
            (now.saturating_sub(before).as_secs_f64() / seconds).min(1.0)
        };
        let (before, now) = (self.waits_before, self.waits);
        Rates {
            seconds,
            images_per_s: self.images as f64 / seconds,
            waiting: share(before.images, now.images),
            exchanging: before.others.zip(now.others).map(|(a, b)| share(a, b)),
        }
    }

    pub(crate) fn log(&self, progress: Progress, batches: u64, learning_rate: f64) -> StepLog {
        let mut terms = self.means();
        let (_, loss) = terms.remove(0);
        let rates = self.rates();
        StepLog {
            step: progress.step,
            epoch: progress.epoch + 1,
            batch: progress.batch,
            batches,
            learning_rate,
            loss,
            terms,
            images_per_s: rates.images_per_s,
            waiting: rates.waiting,
            exchanging: rates.exchanging,
        }
    }

    pub(crate) fn summary(&self, progress: Progress, collapse: Collapse) -> EpochSummary {
        let mut terms = self.means();
        let (_, loss) = terms.remove(0);
        let rates = self.rates();
        EpochSummary {
            epoch: progress.epoch,
            step: progress.step,
            loss,
            terms,
            seconds: rates.seconds,
            images_per_s: rates.images_per_s,
            waiting: rates.waiting,
            exchanging: rates.exchanging,
            collapse,
        }
    }
}
