//! What a training run measures and records while it goes: `metrics.jsonl`, TensorBoard's file, and
//! the held-out k-NN.

use std::sync::Arc;
use std::time::Instant;

use e2mc_base::stop::Stop;
use e2mc_record::{
    Before, Collapse, End, Epoch, Event, EventWriter, GuardAction, Resume, RunFolder, RunOutcome,
    RunSettings, Start, Step, Terms,
};
use e2mc_report::tensorboard::EventFile;
use e2mc_train::{Control, EpochSummary, Model, Observer, Recipe, StepLog};
use serde_json::Value;

use super::tensorboard;
use crate::error::Error;
use crate::guard::{Check, Guard};
use crate::notice::{Notice, Notices};

/// A check on fewer images cannot see a change of a few points.
const FEW: usize = 200;

/// Is told each event of a run once it is recorded.
pub trait RunObserver {
    /// Takes one event.
    fn event(&mut self, event: &Event, moment: Moment);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl RunObserver for Unobserved {
    fn event(&mut self, _: &Event, _: Moment) {}
}

/// How far a run is when something happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Epochs to be trained in all.
    pub epochs: u64,
    /// Batches done of this epoch; 0 between epochs.
    pub batch: u64,
    /// Batches in an epoch; 0 while it is not known.
    pub batches: u64,
}

/// Measures and records a run.
pub(super) struct Recording<'a> {
    recipe: &'a Recipe,
    settings: &'a RunSettings,
    folder: &'a RunFolder,
    log: EventWriter,
    tensorboard: EventFile,
    guard: Option<Guard>,
    stop: &'a Stop,
    observer: &'a mut dyn RunObserver,
    notices: &'a Arc<dyn Notices>,
    started: Instant,
    /// Seconds that the run had trained before a stop.
    before: f64,
    moment: Moment,
    /// Held-out k-NN after each epoch that had a check: epoch, accuracy as a fraction.
    pub(super) knn: Vec<(u64, f64)>,
    /// Change of the last check from the start, and its standard error.
    pub(super) knn_change: Option<(f64, f64)>,
    /// The last epoch's summary.
    pub(super) last: Option<EpochSummary>,
}

impl<'a> Recording<'a> {
    pub(super) fn new(
        (recipe, settings, folder): (&'a Recipe, &'a RunSettings, &'a RunFolder),
        (log, resumed_at): (EventWriter, Option<u64>),
        (guard, stop): (Option<Guard>, &'a Stop),
        (observer, notices): (&'a mut dyn RunObserver, &'a Arc<dyn Notices>),
    ) -> Result<Self, Error> {
        Ok(Self {
            recipe,
            settings,
            folder,
            log,
            tensorboard: EventFile::create(folder.root(), resumed_at)?,
            guard,
            stop,
            observer,
            notices,
            started: Instant::now(),
            before: 0.0,
            moment: Moment {
                epochs: recipe.training.epochs,
                ..Moment::default()
            },
            knn: Vec::new(),
            knn_change: None,
            last: None,
        })
    }

    /// Records what was measured of the untouched model, and keeps what later epochs are compared
    /// with.
    pub(super) fn start(&mut self, check: Option<Check>) -> Result<(), Error> {
        self.record(Event::Start(Start::new(self.recipe_value())))?;
        if let Some(check) = check {
            let (held_out, bank) = self.guard.as_ref().map_or((0, 0), Guard::sizes);
            self.notices.tell(&Notice::GuardStart {
                accuracy: check.accuracy,
                held_out,
                bank,
            });
            if held_out < FEW {
                self.notices.tell(&Notice::SmallGuard { held_out });
            }
            self.knn.push((0, check.accuracy));
            if let Some(guard) = &self.guard {
                guard.save_start(self.folder)?;
            }
            self.record(Event::Epoch(Epoch {
                knn: Some(check.accuracy),
                ..Epoch::default()
            }))?;
        }
        self.started = Instant::now();
        Ok(())
    }

    /// Goes on with a record.
    pub(super) fn resume(&mut self, step: u64, before: Before) -> Result<(), Error> {
        self.record(Event::Resume(Resume {
            step,
            seconds: before.seconds,
            version: e2mc_record::VERSION.to_owned(),
            recipe: self.recipe_value(),
        }))?;
        self.before = before.seconds;
        self.knn = before.knn;
        Ok(())
    }

    /// Records how the run ended.
    pub(super) fn finish(&mut self, outcome: RunOutcome) -> Result<(), Error> {
        let seconds = self.before + self.started.elapsed().as_secs_f64();
        self.record(Event::End(End { outcome, seconds }))
    }

    fn recipe_value(&self) -> Value {
        serde_json::to_value(self.recipe).expect("a recipe holds only what JSON can")
    }

    fn record(&mut self, event: Event) -> Result<(), Error> {
        self.log.write(&event)?;
        tensorboard::write(&mut self.tensorboard, &event)?;
        self.observer.event(&event, self.moment);
        Ok(())
    }

    fn of_step(&mut self, log: &StepLog) -> Result<(), Error> {
        self.moment.batch = log.batch;
        self.moment.batches = log.batches;
        self.record(Event::Step(Step {
            step: log.step,
            epoch: log.epoch,
            learning_rate: log.learning_rate,
            loss: log.loss,
            images_per_s: log.images_per_s,
            waiting: log.waiting,
            exchanging: log.exchanging,
            terms: log.terms.iter().copied().collect(),
        }))
    }

    fn of_epoch(&mut self, model: &Model, summary: &EpochSummary) -> Result<Control, Error> {
        self.moment.batch = 0;
        let due = is_due(self.settings, self.recipe, summary.epoch);
        let check = match &mut self.guard {
            Some(guard) if due => match guard.check(model, self.recipe, self.stop)? {
                Some(check) => Some(check),
                // The epoch is ended by whoever continues with the run.
                None => return Ok(Control::Interrupt),
            },
            _ => None,
        };
        let change = check.and_then(|check| check.since_start);
        if let Some(check) = &check {
            self.knn.push((summary.epoch, check.accuracy));
            self.knn_change = change.map(|change| (-change.drop, change.standard_error));
        }
        self.last = Some(summary.clone());
        self.record(Event::Epoch(Epoch {
            epoch: summary.epoch,
            step: summary.step,
            loss: Some(summary.loss),
            seconds: Some(summary.seconds),
            images_per_s: Some(summary.images_per_s),
            waiting: Some(summary.waiting),
            exchanging: summary.exchanging,
            collapse: Some(collapse(&summary.collapse)),
            knn: check.map(|check| check.accuracy),
            knn_change: change.map(|change| -change.drop),
            knn_change_error: change.map(|change| change.standard_error),
            terms: summary.terms.iter().copied().collect::<Terms>(),
        }))?;
        for text in summary.collapse.warnings() {
            self.notices.tell(&Notice::Collapse { text });
        }
        let Some(change) = check.filter(Check::is_worse).and(change) else {
            return Ok(Control::Continue);
        };
        self.notices.tell(&Notice::WorseFeatures { change });
        if self.settings.guard == GuardAction::Warn {
            return Ok(Control::Continue);
        }
        let epoch = summary.epoch;
        self.record(Event::Guard(e2mc_record::Guard { epoch }))?;
        Ok(Control::Stop)
    }
}

impl Observer for Recording<'_> {
    fn step(&mut self, log: &StepLog) -> Result<(), e2mc_train::Error> {
        self.of_step(log).map_err(to_observer)
    }

    fn epoch(
        &mut self,
        model: &Model,
        summary: &EpochSummary,
    ) -> Result<Control, e2mc_train::Error> {
        self.of_epoch(model, summary).map_err(to_observer)
    }
}

/// Whether the guard checks the model after so many epochs.
pub(super) fn is_due(settings: &RunSettings, recipe: &Recipe, epoch: u64) -> bool {
    let every = settings.data.knn_every;
    every > 0 && (epoch.is_multiple_of(every) || epoch == recipe.training.epochs)
}

pub(super) fn to_observer(error: Error) -> e2mc_train::Error {
    e2mc_train::Error::Observer(Box::new(error))
}

fn collapse(found: &e2mc_train::Collapse) -> Collapse {
    Collapse {
        dims: found.dims,
        spread: found.spread,
        least_spread: found.least_spread,
        dead_dims: found.dead_dims,
        entropy: found.entropy,
        least_entropy: found.least_entropy,
        entropy_shape: Some(found.entropy_shape),
        covariance_shape: Some(found.covariance_shape),
    }
}
