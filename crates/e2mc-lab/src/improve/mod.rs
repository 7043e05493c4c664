//! A better encoder or the old one, with proof.
//!
//! 1. The images are dealt to a part that is trained on, held-out A and held-out B; copies lie on
//!    one side (`pool`, [`HeldOut`]).
//! 2. The machine is measured and the search is planned within the budget (`measure`, `halving`).
//! 3. The untouched model, its controls and the candidates are evaluated on A, each with and
//!    without a map, by successive halving (`candidate`, `search`, `judge`).
//! 4. The best of A is compared with the untouched model on B, once (`verdict`). It is given back
//!    if the gain is certain; else the old model is (`outcome`).
//!
//! What is done is kept in the folder: the same work goes on where it was ended.
//!
//! Several processes share training and embedding; the first one decides, judges and writes (`member`
//! is what the others do).

mod candidate;
mod clock;
mod halving;
mod judge;
mod measure;
mod measured;
mod member;
mod outcome;
mod plan;
mod pool;
mod preview;
mod search;
mod stage;
mod state;
mod verdict;
mod work;

use std::sync::Arc;
use std::time::Instant;

use e2mc::Matrix;
use e2mc_base::stop::{Phase, Stop};
use e2mc_data::is_voc;
use e2mc_eval::adapt::HeldOut;
use e2mc_record::{Improvement, RunFolder, Shortage};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::device;

use crate::checkpoint::{check_unfolded, digest};
use crate::crew;
use crate::error::{Error, ImproveError};
use crate::notice::{MirroredViews, Notice, Notices};
use crate::run::base_checkpoint;
use crate::sweep::ObserverOf;
use candidate::{Candidate, Wanted};
use clock::Clock;
use halving::{Limits, Schedule};
use judge::{Bench, Features, Maps};
use measure::{Subject, TIME_SHARE};
use measured::Measured;
use member::{Opening, Order};
use outcome::Ending;
use plan::{Plan, Timing};
use pool::{Dealt, Pool};
use search::{GUARD_SHARE, Search, UNTOUCHED, enter_rows, spread};
use stage::Stage;
use state::State;

pub use member::follow;
pub use plan::ImproveFolder;
pub use preview::{Preview, preview};
pub use work::{Breadth, Improve};

/// The share of the time for training in which new heads train alone, at most.
const HEADS: f64 = 0.15;
/// The share of the budget that is kept for the verdict, at least.
const RESERVE: f64 = 0.05;

/// What came of it, and where it lies.
#[derive(Clone, Debug)]
pub struct Improved {
    /// What came out.
    pub outcome: Improvement,
    /// The files.
    pub folder: ImproveFolder,
}

/// Improves a checkpoint, or continues with it in the same folder.
///
/// A raised `stop` ends the search after the step under way; the best so far is then judged and
/// given back, and a later call goes on. Before the search it ends the process at once. The other
/// processes [`follow`].
///
/// # Errors
/// Where the checkpoint or the images cannot be opened, the folder holds something else, a setting
/// is out of range, a process is lost, or a file cannot be read or written.
pub fn run(
    work: &Improve,
    stop: &Stop,
    observer: &mut ObserverOf<'_>,
    notices: &Arc<dyn Notices>,
) -> Result<Improved, Error> {
    let improved = lead(work, stop, observer, notices)?;
    crew::give(&work.world, &Order::End)?;
    Ok(improved)
}

fn lead(
    work: &Improve,
    stop: &Stop,
    observer: &mut ObserverOf<'_>,
    notices: &Arc<dyn Notices>,
) -> Result<Improved, Error> {
    let folder = ImproveFolder::new(&work.out);
    outcome::check_folder(work, &folder)?;
    let _lock = RunFolder::new(&work.out).lock()?;
    let stage = open(work, folder, notices)?;
    let pool = Pool::open(&work.data, work.taken, notices)?;
    if let Some(outcome) = outcome::finished(&stage, &pool)? {
        stage.say("already done; this is the result");
        let folder = stage.folder.clone();
        return Ok(Improved { outcome, folder });
    }
    // Until there is a plan nothing is kept, and a signal ends the process at once.
    let _kept = stage
        .folder
        .search()
        .exists()
        .then(|| stop.enter(Phase::Kept));
    let opening = Opening::of(&stage);
    crew::give(&work.world, &Order::Open(Box::new(opening)))?;
    work.world.same(&[member::images(&pool)])?;
    work_on(stage, &pool, stop, observer)
}

/// Opens what is needed before any image is read.
fn open<'a>(
    work: &'a Improve,
    folder: ImproveFolder,
    notices: &'a Arc<dyn Notices>,
) -> Result<Stage<'a>, Error> {
    let clock = Clock::new(work.budget.as_secs_f64());
    if is_voc(&work.data) {
        let data = work.data.clone();
        return Err(ImproveError::SeveralLabels { data }.into());
    }
    // Before the checkpoint, which may take long to read.
    std::fs::metadata(&work.data).map_err(|source| Error::io("read", &work.data, source))?;
    let device = device(&work.machine.device)?;
    let base = work.reading.read(&work.checkpoint, &**notices)?;
    check_unfolded(&base)?;
    let common = candidate::common(&base, &wanted(work))?;
    if work.sets("training.batch") {
        common.training.check_processes(work.world.size())?;
    }
    let stage = Stage {
        work,
        folder,
        common,
        base,
        device,
        clock,
        notices,
    };
    stage.warn_of_views();
    Ok(stage)
}

fn wanted(work: &Improve) -> Wanted<'_> {
    Wanted {
        recipe: work.recipe.as_deref(),
        changes: &work.changes,
        images: &work.reading.images,
    }
}

impl Stage<'_> {
    /// Makes the folder by which a later call knows that an improvement began here.
    fn make_search(&self) -> Result<(), Error> {
        let search = self.folder.search();
        std::fs::create_dir_all(&search).map_err(|source| Error::io("make", &search, source))
    }

    /// Views that are taken from a family, not from the checkpoint, may not suit the images.
    fn warn_of_views(&self) {
        let assumed = self.base.foreign.is_some() || self.work.recipe.is_some();
        let views = self.common.augmentation.views.iter().enumerate();
        let mirrored: Vec<_> = views.filter(|(_, view)| view.flip > 0.0).collect();
        if assumed && !mirrored.is_empty() {
            let flips = mirrored.iter().map(|(_, view)| view.flip);
            let keys = mirrored.iter().map(|(index, _)| index);
            self.notices.tell(&Notice::Mirrored {
                views: MirroredViews {
                    method: self.common.method.name(),
                    probability: flips.fold(0.0, f32::max),
                },
                keys: keys
                    .map(|index| format!("augmentation.views.{index}.flip"))
                    .collect(),
            });
        }
    }

    /// The images through a model, as all judgements see them.
    fn features(&self, pool: &Pool, images: &[usize]) -> Result<Matrix, Error> {
        let (model, threads) = (self.load_base()?, self.work.machine.threads);
        let network = (&model, &self.common);
        member::embed(&self.work.world, pool, network, images.to_vec(), threads)
    }

    /// What the machine does.
    fn measure(&self, pool: &Pool) -> Result<Measured, Error> {
        let base: &Checkpoint = &self.base;
        let model = self.load_base()?;
        Subject {
            base,
            model: &model,
            recipe: &self.common,
            pool,
            machine: &self.work.machine,
            device: self.device,
            world: &self.work.world,
            images: pool.expected_train(),
            seconds: self.clock.left(),
            fixed_batch: self.work.sets("training.batch"),
            say: &|text| self.say(text),
        }
        .measure()
    }

    /// The bound of the user on the length of training.
    fn most_epochs(&self) -> Option<u64> {
        let epochs = self.common.training.epochs;
        self.work.sets("training.epochs").then_some(epochs)
    }

    /// The plan of what would be done, for what was measured.
    fn plan(
        &self,
        pool: &Pool,
        measured: Measured,
        timing: Timing,
        candidates: &[Candidate],
    ) -> Result<Plan, Error> {
        let work = self.work;
        let mut recipe = self.common.clone();
        recipe.training.batch = measured.batch;
        recipe.training.accumulate = measured.accumulate;
        let mut plan = Plan {
            base: base_checkpoint(&work.checkpoint)?,
            images: pool.fingerprint().to_owned(),
            usage: work.usage,
            seed: work.machine.seed,
            budget: work.budget.as_secs_f64(),
            measured,
            timing,
            recipe,
            criterion: candidate::of_criterion(&work.changes).cloned().collect(),
            candidates: Vec::new(),
        };
        let names = plan.take(candidates.to_vec()).into_iter();
        plan.candidates = names.map(|candidate| candidate.name).collect();
        Ok(plan)
    }
}

/// What evaluating takes, in seconds.
#[derive(Clone, Copy, Debug)]
struct Costs {
    /// A model on A, its features and the guard's checks included.
    judgement: f64,
    /// The maps that are trained.
    trained_maps: f64,
    /// The verdict.
    verdict: f64,
}

/// How long the candidates are trained within the seconds that are `left`, and the steps in which
/// new heads train alone.
fn schedule(
    stage: &Stage<'_>,
    measured: &Measured,
    (images, candidates): (usize, usize),
    costs: Costs,
    left: f64,
) -> Timing {
    let step = measured.batch as f64 / measured.trained;
    // The verdict, the control of the statistics and the last maps come on top of the schedule.
    let besides = costs.verdict + costs.judgement + costs.trained_maps;
    let within = |left: f64| -> (Option<Schedule>, u64) {
        let mut seconds = left - besides;
        let mut head_steps = 0;
        if stage.base.is_headless() {
            let affordable = (HEADS * seconds / step).max(0.0) as u64;
            head_steps = e2mc_train::DEFAULT_HEAD_WARMUP.min(affordable).max(1);
            seconds -= head_steps as f64 * step;
        }
        let limits = Limits {
            seconds,
            per_image: (1.0 + GUARD_SHARE) / measured.trained,
            per_judgement: costs.judgement,
            images,
            batch: measured.batch,
            candidates,
            most_epochs: stage.most_epochs(),
        };
        let schedule = match stage.work.breadth {
            Breadth::Halving => Schedule::within(limits),
            Breadth::Pair => Schedule::pair(limits),
        };
        (schedule, head_steps)
    };
    if let (Some(schedule), head_steps) = within(left) {
        return Timing {
            schedule: Some(schedule),
            head_steps,
            shortage: None,
        };
    }
    let more = |wanted: usize| {
        longer().find(|more| {
            let schedule = within(left + more).0;
            schedule.is_some_and(|schedule| schedule.candidates >= wanted)
        })
    };
    // The shares of measuring and of the verdict grow with the budget.
    let rest = 1.0 - RESERVE - TIME_SHARE;
    let budget = |more: f64| stage.work.budget.as_secs_f64() + more / rest;
    Timing {
        schedule: None,
        head_steps: 0,
        shortage: Some(match more(1) {
            Some(one) => Shortage::Budget {
                one: budget(one),
                all: budget(more(candidates).unwrap_or(one)),
            },
            None => Shortage::Images {
                batch: measured.batch,
            },
        }),
    }
}

/// Seconds by which a budget may be made longer, a fifth more each, up to some weeks.
fn longer() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(10.0), |seconds| Some(1.2 * seconds)).take_while(|&s| s < 4e6)
}

/// The work itself, from the first image to the outcome.
fn work_on(
    mut stage: Stage<'_>,
    pool: &Pool,
    stop: &Stop,
    observer: &mut ObserverOf<'_>,
) -> Result<Improved, Error> {
    let work = stage.work;
    let (seed, threads) = (work.machine.seed, work.machine.threads);
    let mut state = State::load(&stage.folder)?;
    stage.clock.go_on(state.seconds);
    if pool.labelled() == 0 {
        let _finishing = stop.enter(Phase::Finishing);
        return outcome::not_judged(&stage, pool, None);
    }
    let sample = pool.sample(seed);
    stage.say(format!(
        "embedding {} images with the untouched model",
        sample.len()
    ));
    let features = stage.features(pool, &sample)?;
    let labelled: Vec<bool> = sample
        .iter()
        .map(|&image| pool.is_labelled(image))
        .collect();
    let dealt = pool.deal(&sample, &HeldOut::deal(features.view(), &labelled, seed)?);
    if !dealt.judges {
        let _finishing = stop.enter(Phase::Finishing);
        return outcome::not_judged(&stage, pool, Some(&dealt));
    }
    stage.say(format!(
        "{} images to train on, {} of them with labels; held out: {} images A to choose on, {} \
         images B to verify on",
        dealt.train.len(),
        dealt.bank.images.len(),
        dealt.choose.images.len(),
        dealt.verify.images.len()
    ));
    let bench = Bench {
        pool,
        dealt: &dealt,
        usage: work.usage,
        method: stage.base.recipe.method.name(),
        threads,
        seed,
        world: &work.world,
    };
    crew::give(&work.world, &Order::Deal(Box::new(dealt.clone())))?;

    let known = Plan::load(&stage.folder)?;
    let own = bench.own(&features);
    let (untouched, costs) = judge_untouched(&stage, &bench, &own, &mut state, known.is_some())?;
    let wanted = wanted(work);
    let plan = match known {
        Some(known) => {
            let candidates = candidate::candidates(&known.recipe, &wanted)?;
            let (measured, timing) = (known.measured.clone(), known.timing.clone());
            let now = stage.plan(pool, measured, timing, &candidates)?;
            known.check_same(&stage.folder, &now)?;
            known
        }
        None => {
            let measured = stage.measure(pool)?;
            let costs = costs.with_embedding(&bench, &measured);
            let candidates = candidate::candidates(&stage.common, &wanted)?;
            let counts = (dealt.train.len(), candidates.len());
            let timing = schedule(&stage, &measured, counts, costs, stage.clock.left());
            let plan = stage.plan(pool, measured, timing, &candidates)?;
            stage.make_search()?;
            plan.save(&stage.folder)?;
            plan
        }
    };
    let _heeding = stop.enter(Phase::Heeding);
    stage.say_plan(&plan);
    let candidates = plan.take(candidate::candidates(&plan.recipe, &wanted)?);
    let costs = costs.with_embedding(&bench, &plan.measured);
    let mut search = Search {
        stage: &stage,
        plan: &plan,
        bench: &bench,
        untouched: &untouched,
        spread: spread(&own.bank)?,
        state,
        reserve: costs.verdict,
        judgement: costs.judgement,
        stop,
    };
    search.save()?;
    let whole = search.run(&candidates, observer)?;
    search.save()?;
    let ending = Ending {
        stage: &stage,
        bench: &bench,
        plan: &plan,
        state: &search.state,
        sample: &features,
        own: &own,
        untouched: &untouched,
        interrupted: !whole || stop.is_requested(),
    };
    ending.finish(stop)
}

/// Judges the untouched model on A with every map, and enters it unless that was done.
fn judge_untouched(
    stage: &Stage<'_>,
    bench: &Bench<'_>,
    own: &Features,
    state: &mut State,
    planned: bool,
) -> Result<(e2mc_eval::adapt::Answers, Costs), Error> {
    let done = state.done.contains_key(UNTOUCHED) && planned;
    let started = Instant::now();
    let maps = if done { Maps::Nothing } else { Maps::Closed };
    let mut judged = bench.on_a(own, maps)?;
    let closed = started.elapsed().as_secs_f64();
    if !done {
        judged.extend(bench.on_a(own, Maps::Trained)?);
    }
    let all = started.elapsed().as_secs_f64();
    let untouched = judged[0].answers.clone();
    if !done {
        *state = State {
            seconds: state.seconds,
            ..State::default()
        };
        let entered = enter_rows(state, bench, &untouched, &judged, |row| row);
        state.done.insert(UNTOUCHED.to_owned(), Some(entered.score));
        stage.say(format!(
            "untouched: {:.2} % of A, {:.2} % with its best map",
            100.0 * untouched.accuracy(),
            100.0 * entered.score
        ));
    }
    let budget = stage.work.budget.as_secs_f64();
    let costs = Costs {
        judgement: closed,
        trained_maps: all - closed,
        verdict: (3.0 * closed).max(RESERVE * budget),
    };
    Ok((untouched, costs))
}

impl Costs {
    /// With the images that have to go through the network.
    fn with_embedding(self, bench: &Bench<'_>, measured: &Measured) -> Self {
        let Dealt {
            bank,
            choose,
            verify,
            ..
        } = bench.dealt;
        let on_a = (bank.images.len() + choose.images.len()) as f64 / measured.embedded;
        let on_b = verify.images.len() as f64 / measured.embedded;
        let guard = bench.guard_images() as f64 / measured.embedded;
        Self {
            judgement: self.judgement + on_a + 2.0 * guard,
            verdict: self.verdict + on_a + on_b,
            ..self
        }
    }
}

/// The SHA-256 of the checkpoint.
fn base_hash(work: &Improve) -> Result<String, Error> {
    digest(&work.checkpoint)
}
