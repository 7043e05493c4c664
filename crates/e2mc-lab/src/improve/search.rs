//! The search on held-out images A: the untouched model, its controls, and the candidates, each
//! with and without a map.

use e2mc::Matrix;
use e2mc_base::stop::Stop;
use e2mc_eval::adapt::{Answers, Statistics};
use e2mc_record::{ImprovementRow, RowKind, RunFolder, RunOutcome};
use e2mc_train::checkpoint::{self, Checkpoint, Storage};
use e2mc_train::layer::Precision;
use e2mc_train::{Model, Recipe, Trainer};

use super::candidate::Candidate;
use super::halving::survivors;
use super::judge::{Bench, Features, Judged, Maps};
use super::member::{Order, Start, TrainingSet};
use super::plan::Plan;
use super::stage::Stage;
use super::state::{Leader, State};
use crate::continuation;
use crate::crew::{self, RunOrder};
use crate::error::Error;
use crate::run::{self, Place, RunObserver, RunPlan, Surroundings, base_checkpoint};
use crate::sweep::ObserverOf;

/// What the untouched model is called.
pub(super) const UNTOUCHED: &str = "untouched";
/// Batches that batch norm's statistics are estimated from.
const STATISTICS_BATCHES: usize = 64;
/// Why a candidate is not trained on.
const WORSE: &str = "its features became worse";
/// A candidate that is worse than the untouched model by this many standard errors is not trained
/// on to the end.
const HOPELESS: f64 = 3.0;
const NOT_FINITE: &str = "its features are not finite";
/// The share of an epoch's time that the guard's check may take.
pub(super) const GUARD_SHARE: f64 = 0.15;

/// The search under way.
pub(super) struct Search<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) plan: &'a Plan,
    pub(super) bench: &'a Bench<'a>,
    /// What the untouched model gets right on A.
    pub(super) untouched: &'a Answers,
    /// Its mean standard deviation on the bank.
    pub(super) spread: f64,
    pub(super) state: State,
    /// Seconds that the verdict needs.
    pub(super) reserve: f64,
    /// Seconds that a judgement on A needs.
    pub(super) judgement: f64,
    pub(super) stop: &'a Stop,
}

/// A model that is evaluated.
struct Contender<'a> {
    name: &'a str,
    kind: RowKind,
    share: f64,
    epochs: u64,
    steps: u64,
    model: &'a Model,
    recipe: &'a Recipe,
}

/// How training a candidate ended.
enum Trained {
    /// As planned, or because time was up.
    Done(Box<Snapshot>),
    /// Why, after which epoch.
    Stopped(&'static str, u64),
    /// By a signal.
    Interrupted,
}

/// A candidate as far as it was trained.
struct Snapshot {
    model: Model,
    recipe: Recipe,
    epochs: u64,
    steps: u64,
}

impl Search<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.is_requested()
    }

    /// Writes down what is known.
    pub(super) fn save(&mut self) -> Result<(), Error> {
        self.state.seconds = self.stage.clock.spent();
        self.state.save(&self.stage.folder)
    }

    /// Tries everything that the plan holds and is not done; whether it came to the end.
    pub(super) fn run(
        &mut self,
        candidates: &[Candidate],
        observer: &mut ObserverOf<'_>,
    ) -> Result<bool, Error> {
        if !self.is_stopped() {
            self.statistics()?;
        }
        let plan = self.plan;
        let Some(schedule) = &plan.timing.schedule else {
            return Ok(!self.is_stopped());
        };
        let start = match self.start(observer)? {
            Some(start) => start,
            None => return Ok(false),
        };
        let mut alive: Vec<usize> = (0..candidates.len()).collect();
        for &epochs in &schedule.rungs {
            let mut scores = Vec::new();
            for &place in &alive {
                if self.is_stopped() {
                    return Ok(false);
                }
                if !self.has_time() {
                    return Ok(true);
                }
                let candidate = (place, &candidates[place]);
                let score = self.trial(candidate, epochs, &start, observer)?;
                scores.push((place, score));
            }
            alive = survivors(&scores);
        }
        if let [place] = alive[..]
            && !self.is_hopeless(&candidates[place], schedule.rungs.last().copied())
        {
            if self.is_stopped() {
                return Ok(false);
            }
            if !self.has_time() {
                return Ok(true);
            }
            let candidate = (place, &candidates[place]);
            let score = self.trial(candidate, schedule.last, &start, observer)?;
            if score.is_some() && !self.is_stopped() {
                self.half_way(candidate)?;
            }
        }
        Ok(!self.is_stopped())
    }

    /// Whether another candidate can be evaluated before the verdict.
    fn has_time(&self) -> bool {
        let has = self.stage.clock.allows(self.reserve + self.judgement);
        if !has {
            self.stage
                .say("the machine is slower than measured: the search ends here");
        }
        has
    }

    /// Whether the candidate lost so clearly on the last rung that more training is of no use.
    fn is_hopeless(&self, candidate: &Candidate, epochs: Option<u64>) -> bool {
        let rows = self.state.rows.iter();
        let mut own = rows.filter(|row| {
            row.model == candidate.name && Some(row.epochs) == epochs && row.gain.is_some()
        });
        let lost = |row: &ImprovementRow| {
            let (gain, error) = (row.gain.unwrap_or(0.0), row.standard_error.unwrap_or(0.0));
            gain < -HOPELESS * error && gain < 0.0
        };
        epochs.is_some() && own.clone().next().is_some() && own.all(lost)
    }

    /// The control of batch norm's statistics, estimated anew.
    fn statistics(&mut self) -> Result<(), Error> {
        const NAME: &str = "statistics";
        if self.state.done.contains_key(NAME) || !self.stage.common.backbone.has_batch_norm() {
            return Ok(());
        }
        let (stage, bench) = (self.stage, self.bench);
        let model = stage.load_base()?;
        let train = bench.pool.select(bench.dealt.train.clone())?;
        let batch = train.len().min(crate::machine::BATCH);
        let evaluation = &stage.common.evaluation;
        let (threads, seed) = (bench.threads, bench.seed);
        let batches = (STATISTICS_BATCHES, batch);
        model.estimate_statistics(train, evaluation, batches, threads, seed)?;
        let contender = Contender {
            name: "untouched, batch norm re-estimated",
            kind: RowKind::Statistics,
            share: 1.0,
            epochs: 0,
            steps: 0,
            model: &model,
            recipe: &stage.base.recipe,
        };
        self.judge(NAME, &contender, false)?;
        Ok(())
    }

    /// What the candidates start from: the base, or the base with new heads that were trained
    /// alone; none if a signal came first.
    fn start(&self, observer: &mut ObserverOf<'_>) -> Result<Option<Checkpoint>, Error> {
        let (stage, bench) = (self.stage, self.bench);
        if self.plan.timing.head_steps == 0 {
            return Ok(Some(stage.reopen_base()?));
        }
        let path = stage.folder.heads();
        if path.exists() {
            return Ok(Some(Checkpoint::read(&path)?));
        }
        let mut recipe = self.plan.recipe.clone();
        let set = self.training_set(false);
        let images = set.open(bench.pool, bench.dealt, bench.threads)?;
        let steps = (images.train.len() / recipe.training.batch).max(1) as u64;
        // The step after the warm-up ends the run.
        recipe.training.head_warmup_steps = Some(self.plan.timing.head_steps);
        recipe.training.epochs = (self.plan.timing.head_steps + 1).div_ceil(steps);
        stage.say(format!(
            "new heads of {} train alone for {} steps, with the backbone frozen",
            recipe.method.name(),
            self.plan.timing.head_steps
        ));
        let folder = RunFolder::new(stage.folder.search().join("heads"));
        if folder.root().exists() {
            let root = folder.root();
            std::fs::remove_dir_all(root).map_err(|source| Error::io("remove", root, source))?;
        }
        let base = stage.reopen_base()?;
        let (mut trainer, _) =
            Trainer::from_weights(recipe, &base, stage.device, stage.work.machine.seed)?;
        let plan = self.run_plan(Place::free(folder)?, 0, false)?;
        let mut observer = observer();
        let around = Surroundings {
            stop: self.stop,
            observer: &mut *observer,
            notices: stage.notices,
        };
        self.order((&trainer, &plan), Start::Base, set)?;
        let trained = crew::train(bench.world, self.stop, &mut trainer, |trainer| {
            run::train_on(trainer, plan, images, around)
        });
        match trained {
            Err(Error::Stopped { .. }) => return Ok(None),
            Ok(finished) if finished.outcome == RunOutcome::Interrupted => return Ok(None),
            finished => finished?,
        };
        // Whatever the steps after the warm-up did to the backbone.
        base.apply_to(&trainer.model)?;
        checkpoint::save_model(&path, &self.plan.recipe, &trainer.model, Storage::F32)?;
        Ok(Some(Checkpoint::read(&path)?))
    }

    /// The images that candidates are trained on.
    fn training_set(&self, guarded: bool) -> TrainingSet {
        let schedule = self.plan.timing.schedule.as_ref();
        TrainingSet {
            images: schedule.map_or(0, |schedule| schedule.epoch_images),
            guarded,
            seed: self.bench.seed,
        }
    }

    /// Has the other processes train with this one.
    fn order(
        &self,
        (trainer, plan): (&Trainer, &RunPlan),
        start: Start,
        set: TrainingSet,
    ) -> Result<(), Error> {
        let run = Box::new(RunOrder::of(trainer, plan));
        crew::give(self.bench.world, &Order::Train { run, start, set })
    }

    fn run_plan(&self, place: Place, knn_every: u64, resumed: bool) -> Result<RunPlan, Error> {
        let (stage, bench) = (self.stage, self.bench);
        let work = stage.work;
        let mut settings = run::new_settings(&work.data);
        settings.base = Some(base_checkpoint(&work.checkpoint)?);
        // A run that opens the folder itself would find more images, so record their number.
        settings.data.images = Some(bench.dealt.train.len());
        settings.data.held_out = bench.dealt.choose.images.len();
        settings.data.knn_every = knn_every;
        settings.data.data_options = work.taken;
        settings.guard = e2mc_record::GuardAction::Stop;
        settings.device = Some(work.machine.device.clone());
        settings.command = Some(work.command.clone());
        Ok(RunPlan {
            place,
            settings,
            threads: bench.threads,
            resumed,
        })
    }

    /// Epochs between two checks of the guard.
    fn knn_every(&self) -> u64 {
        let measured = &self.plan.measured;
        let schedule = self.plan.timing.schedule.as_ref();
        let epoch = schedule.map_or(0, |s| s.epoch_images) as f64 / measured.trained;
        let check = self.bench.guard_images() as f64 / measured.embedded;
        ((check / (GUARD_SHARE * epoch)).ceil() as u64).max(1)
    }

    /// Trains a candidate until it has seen `epochs` epochs and judges it; the best fraction of A
    /// that it gets right, none if it failed or was interrupted.
    fn trial(
        &mut self,
        (place, candidate): (usize, &Candidate),
        epochs: u64,
        start: &Checkpoint,
        observer: &mut ObserverOf<'_>,
    ) -> Result<Option<f64>, Error> {
        let key = format!("{}@{epochs}", candidate.slug);
        if let Some(score) = self.state.done.get(&key) {
            return Ok(*score);
        }
        let stage = self.stage;
        stage.say(format!(
            "{}: to {epochs} epochs ({} s of {} s)",
            candidate.name,
            stage.clock.spent().round(),
            self.plan.budget
        ));
        let trained = self.train((place, candidate), epochs, start, observer)?;
        let snapshot = match trained {
            Trained::Interrupted => return Ok(None),
            Trained::Stopped(reason, epochs) => {
                self.failed(&key, candidate, epochs, reason)?;
                return Ok(None);
            }
            Trained::Done(snapshot) => snapshot,
        };
        let contender = Contender {
            name: &candidate.name,
            kind: candidate.kind,
            share: 1.0,
            epochs: snapshot.epochs,
            steps: snapshot.steps,
            model: &snapshot.model,
            recipe: &snapshot.recipe,
        };
        let last = self
            .plan
            .timing
            .schedule
            .as_ref()
            .is_some_and(|s| s.last == epochs);
        match self.judge(&key, &contender, last) {
            Ok(score) => Ok(Some(score)),
            Err(Error::Eval(e2mc_eval::Error::NotFinite { .. })) => {
                self.failed(&key, candidate, epochs, NOT_FINITE)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn failed(
        &mut self,
        key: &str,
        candidate: &Candidate,
        epochs: u64,
        reason: &str,
    ) -> Result<(), Error> {
        self.state.rows.push(ImprovementRow {
            model: candidate.name.clone(),
            kind: candidate.kind,
            share: 1.0,
            map: None,
            epochs,
            steps: 0,
            accuracy: None,
            gain: None,
            standard_error: None,
            stopped: Some(reason.to_owned()),
        });
        self.state.done.insert(key.to_owned(), None);
        self.save()
    }

    fn folder_of(&self, (place, candidate): (usize, &Candidate)) -> RunFolder {
        let name = format!("{:02}-{}", place + 1, candidate.slug);
        RunFolder::new(self.stage.folder.search().join(name))
    }

    fn train(
        &self,
        numbered: (usize, &Candidate),
        epochs: u64,
        start: &Checkpoint,
        observer: &mut ObserverOf<'_>,
    ) -> Result<Trained, Error> {
        let stage = self.stage;
        let candidate = numbered.1;
        let folder = self.folder_of(numbered);
        let place = Place::lock(folder.clone())?;
        let left = place.left()?;
        match left.as_ref().and_then(|left| left.ended(Some(epochs))) {
            Some(RunOutcome::StoppedByGuard) => return Ok(Trained::Stopped(WORSE, 0)),
            Some(_) => return self.snapshot(&folder).map(Trained::Done),
            None => {}
        }
        let (mut trainer, resumed) = match left {
            Some(left) => (
                Trainer::resume(&left.checkpoint, stage.device, Some(epochs))?,
                true,
            ),
            None => {
                let mut recipe = candidate.recipe.clone();
                recipe.training.epochs = epochs;
                let seed = stage.work.machine.seed;
                let notices = &**stage.notices;
                let trainer = continuation::start(recipe, start, stage.device, seed, notices)?;
                (trainer, false)
            }
        };
        let bench = self.bench;
        let set = self.training_set(true);
        let images = set.open(bench.pool, bench.dealt, bench.threads)?;
        let plan = self.run_plan(place, self.knn_every(), resumed)?;
        let start = match self.plan.timing.head_steps {
            0 => Start::Base,
            _ => Start::Heads(stage.folder.heads()),
        };
        self.order((&trainer, &plan), start, set)?;
        let mut observer = observer();
        let finished = crew::train(bench.world, self.stop, &mut trainer, |trainer| {
            stage.clock.watched(self.stop, self.reserve, |halt| {
                let around = Surroundings {
                    stop: halt,
                    observer: &mut *observer as &mut dyn RunObserver,
                    notices: stage.notices,
                };
                run::train_on(trainer, plan, images, around)
            })
        });
        match finished {
            // Before its first file: by a signal, or for want of time.
            Err(Error::Stopped { .. }) if self.is_stopped() => return Ok(Trained::Interrupted),
            Err(Error::Stopped { .. }) => return Ok(Trained::Stopped("no time was left", 0)),
            Err(Error::Train(e2mc_train::Error::NonFinite { epoch, .. })) => {
                return Ok(Trained::Stopped("its loss diverged", epoch));
            }
            Err(Error::Eval(e2mc_eval::Error::NotFinite { .. })) => {
                return Ok(Trained::Stopped(NOT_FINITE, 0));
            }
            Err(error) => return Err(error),
            Ok(finished) => match finished.outcome {
                RunOutcome::StoppedByGuard => {
                    let epoch = finished.last.map_or(0, |last| last.epoch);
                    return Ok(Trained::Stopped(WORSE, epoch));
                }
                RunOutcome::Interrupted if self.is_stopped() => return Ok(Trained::Interrupted),
                _ => {}
            },
        }
        drop(trainer);
        self.snapshot(&folder).map(Trained::Done)
    }

    /// The model of a run that has ended, as it is evaluated.
    fn snapshot(&self, folder: &RunFolder) -> Result<Box<Snapshot>, Error> {
        let mut checkpoint = Checkpoint::read(&folder.checkpoint())?;
        let progress = checkpoint.progress.unwrap_or_default();
        let recipe = checkpoint.recipe.clone();
        checkpoint.recipe.training.precision = Precision::F32;
        Ok(Box::new(Snapshot {
            model: checkpoint.to_model(self.stage.device)?,
            recipe,
            epochs: progress.epoch,
            steps: progress.step,
        }))
    }

    /// The control half-way between the last candidate and the start.
    fn half_way(&mut self, (place, candidate): (usize, &Candidate)) -> Result<(), Error> {
        let key = format!("{}, half-way", candidate.slug);
        if self.state.done.contains_key(&key) {
            return Ok(());
        }
        let folder = self.folder_of((place, candidate));
        if !folder.checkpoint().exists() || !self.stage.clock.allows(self.reserve) {
            return Ok(());
        }
        let snapshot = self.snapshot(&folder)?;
        let base = self.stage.load_base()?;
        snapshot.model.move_towards(&base, 0.5)?;
        let name = format!("{}, half-way", candidate.name);
        let contender = Contender {
            name: &name,
            kind: candidate.kind,
            share: 0.5,
            epochs: snapshot.epochs,
            steps: snapshot.steps,
            model: &snapshot.model,
            recipe: &snapshot.recipe,
        };
        match self.judge(&key, &contender, false) {
            Err(Error::Eval(e2mc_eval::Error::NotFinite { .. })) => {
                self.failed(&key, candidate, snapshot.epochs, NOT_FINITE)
            }
            other => other.map(drop),
        }
    }

    /// Judges a model on A with and without maps, and keeps it where it is the best so far.
    fn judge(
        &mut self,
        key: &str,
        contender: &Contender<'_>,
        all_maps: bool,
    ) -> Result<f64, Error> {
        let (stage, bench) = (self.stage, self.bench);
        let features = bench.features_on_a(contender.model, &stage.common)?;
        let mut judged = bench.on_a(&features, Maps::Closed)?;
        if all_maps && stage.clock.allows(self.reserve) {
            judged.extend(bench.on_a(&features, Maps::Trained)?);
        }
        let score = self.enter(key, contender, &features, &judged)?;
        Ok(score)
    }

    /// Enters what was evaluated into the rows: the features as they are, and the best map.
    fn enter(
        &mut self,
        key: &str,
        contender: &Contender<'_>,
        features: &Features,
        judged: &[Judged],
    ) -> Result<f64, Error> {
        let spread = spread(&features.bank)? / self.spread;
        let best = enter_rows(&mut self.state, self.bench, self.untouched, judged, |row| {
            ImprovementRow {
                model: contender.name.to_owned(),
                kind: contender.kind,
                share: contender.share,
                epochs: contender.epochs,
                steps: contender.steps,
                ..row
            }
        });
        if best.leads {
            // First the model, then the row: what is written down is there.
            let path = self.stage.folder.leader();
            checkpoint::save_model(&path, contender.recipe, contender.model, Storage::F32)?;
            if let Some(leader) = &mut self.state.leader {
                leader.changed = true;
            }
        }
        let trained = matches!(contender.kind, RowKind::Continued | RowKind::E2mc);
        if trained && (best.leads || self.state.spread.is_none()) {
            self.state.spread = Some(spread);
        }
        self.state.done.insert(key.to_owned(), Some(best.score));
        self.stage.say(format!(
            "{}: {:.2} % of A, {:.2} % with its best map",
            contender.name,
            100.0
                * judged
                    .first()
                    .map_or(0.0, |judged| judged.answers.accuracy()),
            100.0 * best.score
        ));
        self.save()?;
        Ok(best.score)
    }
}

/// What came of entering rows.
pub(super) struct Entered {
    /// The best fraction of A among them.
    pub(super) score: f64,
    /// Whether one of them is the best of all rows so far.
    pub(super) leads: bool,
}

/// Enters the features as they are and the best map as rows, and makes the better of them the
/// leader where it beats the leader so far; of equal ones the earlier stays.
pub(super) fn enter_rows(
    state: &mut State,
    bench: &Bench<'_>,
    untouched: &Answers,
    judged: &[Judged],
    row: impl Fn(ImprovementRow) -> ImprovementRow,
) -> Entered {
    let plain = judged.iter().find(|judged| judged.map.is_none());
    let better = |best: Option<&'_ Judged>, next: &Judged| {
        best.is_none_or(|best| next.answers.accuracy() > best.answers.accuracy())
    };
    let mut mapped: Option<&Judged> = None;
    for next in judged.iter().filter(|judged| judged.map.is_some()) {
        if better(mapped, next) {
            mapped = Some(next);
        }
    }
    let mut entered = Entered {
        score: 0.0,
        leads: false,
    };
    for judged in plain.into_iter().chain(mapped) {
        let accuracy = judged.answers.accuracy();
        let gain = bench.gain_on_a(&judged.answers, untouched);
        state.rows.push(row(ImprovementRow {
            model: UNTOUCHED.to_owned(),
            kind: RowKind::Untouched,
            share: 1.0,
            map: judged.map.as_ref().map(|map| map.describe()),
            epochs: 0,
            steps: 0,
            accuracy: Some(100.0 * accuracy),
            gain: Some(100.0 * gain.verified.gain),
            standard_error: Some(100.0 * gain.standard_error),
            stopped: None,
        }));
        entered.score = entered.score.max(accuracy);
        let led = state.leader.as_ref();
        if led.is_none_or(|leader| accuracy > leader.accuracy) {
            entered.leads = true;
            state.leader = Some(Leader {
                row: state.rows.len() - 1,
                accuracy,
                map: judged.map.clone(),
                changed: false,
            });
        }
    }
    entered
}

/// The mean of the dimensions' standard deviations.
pub(super) fn spread(features: &Matrix) -> Result<f64, Error> {
    let deviations = Statistics::measure(&features.view())?.deviations();
    Ok(deviations.iter().sum::<f64>() / deviations.len() as f64)
}
