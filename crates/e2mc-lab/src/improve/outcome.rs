//! The end: what is written down and given back.

use std::fs;

use e2mc::{Matrix, rescaled, rescaled_like};
use e2mc_base::stop::{Phase, Stop};
use e2mc_base::write_atomically;
use e2mc_eval::adapt::{Answers, Use, detectable_gain};
use e2mc_record::{
    BaseCheckpoint, IMPROVEMENT_FORMAT, Improvement, ImprovementRow, ImprovementVerdict, RowKind,
};
use e2mc_report::pages::improve as page;
use e2mc_train::Model;
use e2mc_train::checkpoint::{self, Checkpoint, Storage};
use e2mc_train::layer::Precision;

use super::judge::{Bench, Features, Maps};
use super::plan::{ImproveFolder, Plan};
use super::pool::{Dealt, Pool};
use super::search::UNTOUCHED;
use super::stage::Stage;
use super::state::State;
use super::verdict::{self, Rivals, Verdict};
use super::work::Improve;
use super::{Improved, base_hash};
use crate::continuation::describe;
use crate::error::{Error, ImproveError};

/// Numbers of labelled images that are spoken of where there are too few.
const LABELS: [usize; 3] = [500, 2000, 10_000];
/// The share of held-out images on which two models are taken to differ, where nothing is known.
const DISAGREEMENT: f64 = 0.1;
/// The share of the labelled images that are in B.
const SHARE_OF_B: f64 = 0.2;
/// Standard errors of the smallest gain that is found four times in five.
const DETECTABLE: f64 = 1.96 + 0.8416;

/// What must not be in the folder, or read from it.
pub(super) fn check_folder(work: &Improve, folder: &ImproveFolder) -> Result<(), Error> {
    let ours = folder.search().exists() || folder.outcome().exists();
    for file in [folder.model(), folder.map()] {
        let same = |path: &std::path::Path| fs::canonicalize(path).ok();
        if file.exists() && same(&file) == same(&work.checkpoint) {
            return Err(ImproveError::OverInput { path: file }.into());
        }
        if file.exists() && !ours {
            let folder = folder.root().to_owned();
            return Err(ImproveError::Taken { folder, file }.into());
        }
    }
    Ok(())
}

/// The outcome in the folder, if the same work came to its end there.
pub(super) fn finished(stage: &Stage<'_>, pool: &Pool) -> Result<Option<Improvement>, Error> {
    let path = stage.folder.outcome();
    if !path.exists() {
        return Ok(None);
    }
    let outcome = Improvement::read(&path)?;
    let work = stage.work;
    let budget = |plan: &e2mc_record::ImprovementPlan| {
        plan.budget_s != work.budget.as_secs_f64() || plan.seed != work.machine.seed
    };
    let differs = [
        (outcome.base.sha256 != base_hash(work)?, "checkpoint"),
        (outcome.images.fingerprint != pool.fingerprint(), "images"),
        (outcome.usage != work.usage.name(), "use"),
        (outcome.plan.as_ref().is_some_and(budget), "budget or seed"),
    ];
    if let Some((_, what)) = differs.into_iter().find(|&(differs, _)| differs) {
        let folder = stage.folder.root().to_owned();
        let what = what.to_owned();
        return Err(ImproveError::Other { folder, what }.into());
    }
    if let Some(known) = Plan::load(&stage.folder)? {
        let (measured, timing) = (known.measured.clone(), known.timing.clone());
        let now = stage.plan(pool, measured, timing, &[])?;
        known.check_same(&stage.folder, &now)?;
    }
    Ok(Some(outcome).filter(|outcome| !outcome.interrupted))
}

/// The outcome where there is nothing to judge by: the old model.
pub(super) fn not_judged(
    stage: &Stage<'_>,
    pool: &Pool,
    dealt: Option<&Dealt>,
) -> Result<Improved, Error> {
    let mut outcome = blank(stage, pool, dealt)?;
    outcome.labels_would_show = LABELS
        .into_iter()
        .map(|labels| {
            let verify = (SHARE_OF_B * labels as f64) as usize;
            (labels, 100.0 * detectable_gain(verify, DISAGREEMENT))
        })
        .collect();
    stage.make_search()?;
    keep_old(stage)?;
    finish(stage, outcome)
}

/// An outcome in which nothing was evaluated.
fn blank(stage: &Stage<'_>, pool: &Pool, dealt: Option<&Dealt>) -> Result<Improvement, Error> {
    let work = stage.work;
    Ok(Improvement {
        format: IMPROVEMENT_FORMAT,
        version: e2mc_record::VERSION.to_owned(),
        command: work.command.clone(),
        base: BaseCheckpoint {
            path: work.checkpoint.clone(),
            sha256: base_hash(work)?,
        },
        network: describe(&stage.base.recipe),
        images: pool.record(&work.data, dealt),
        usage: work.usage.name().to_owned(),
        plan: None,
        rows: Vec::new(),
        chosen: None,
        verdict: ImprovementVerdict::NotJudged,
        verified: None,
        others: Vec::new(),
        detectable: None,
        looks: None,
        labels_would_show: Vec::new(),
        model: stage.folder.model(),
        map: None,
        seconds: stage.clock.spent(),
        interrupted: false,
        warnings: Vec::new(),
    })
}

/// The search at its end.
pub(super) struct Ending<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) bench: &'a Bench<'a>,
    pub(super) plan: &'a Plan,
    pub(super) state: &'a State,
    /// Features of the untouched model, of all that were looked at for copies.
    pub(super) sample: &'a Matrix,
    /// Features of the training part (the bank) and of A.
    pub(super) own: &'a Features,
    /// What the untouched model gets right on A.
    pub(super) untouched: &'a Answers,
    pub(super) interrupted: bool,
}

impl Ending<'_> {
    /// Has the best of A evaluated on B, and writes what came out.
    pub(super) fn finish(&self, stop: &Stop) -> Result<Improved, Error> {
        let (stage, state) = (self.stage, self.state);
        let leader = state
            .leader
            .as_ref()
            .expect("the untouched model was judged");
        let mut outcome = Improvement {
            plan: Some(self.plan.record(&stage.work.machine)?),
            rows: state.rows.clone(),
            chosen: Some(leader.row),
            verdict: ImprovementVerdict::NothingBetter,
            detectable: self.detectable_by_a(),
            interrupted: self.interrupted,
            ..blank(stage, self.bench.pool, Some(self.bench.dealt))?
        };
        outcome.rows.extend(self.rescaled()?);
        if leader.row == 0 {
            keep_old(stage)?;
            return finish(stage, outcome);
        }
        stage.say("comparing the best model on A with the untouched model on B");
        let model = match leader.changed {
            true => Some(self.leader()?),
            false => None,
        };
        let rivals = Rivals {
            sample: self.sample,
            model: model.as_ref(),
            map: leader.map.as_ref(),
        };
        let Verdict {
            verified,
            gains,
            others,
            detectable,
            looks,
            map,
        } = verdict::verify(stage, self.bench, &rivals, stop)?;
        // From here on files are written that belong together.
        let _finishing = stop.enter(Phase::Finishing);
        let earlier = stage.folder.outcome();
        if earlier.exists() {
            fs::remove_file(&earlier).map_err(|source| Error::io("remove", &earlier, source))?;
        }
        outcome.verified = Some(verified);
        if others.len() + 1 < Use::ALL.len() {
            let text = "not all other uses were checked: a loss there is possible";
            outcome.warnings.push(text.to_owned());
        }
        outcome.others = others;
        outcome.detectable = Some(detectable);
        outcome.looks = Some(looks);
        if !gains {
            outcome.verdict = ImprovementVerdict::NotVerified;
            keep_old(stage)?;
            return finish(stage, outcome);
        }
        outcome.verdict = ImprovementVerdict::Better;
        match leader.changed {
            true => remove_map(stage)?,
            false => keep_old(stage)?,
        }
        if let Some(map) = map {
            map.save(stage.folder.map())?;
            outcome.map = Some(stage.folder.map());
        }
        // After its map: a better model may need it.
        if leader.changed {
            copy(&stage.folder.leader(), &stage.folder.model())?;
        }
        finish(stage, outcome)
    }

    fn leader(&self) -> Result<Model, Error> {
        let mut checkpoint = Checkpoint::read(&self.stage.folder.leader())?;
        checkpoint.recipe.training.precision = Precision::F32;
        Ok(checkpoint.to_model(self.stage.device)?)
    }

    /// The smallest gain that B would have shown, going by the best of A.
    fn detectable_by_a(&self) -> Option<f64> {
        let best = self.state.rows.iter().skip(1);
        let best = best.filter(|row| row.accuracy.is_some()).max_by(|a, b| {
            a.accuracy
                .unwrap_or(0.0)
                .total_cmp(&b.accuracy.unwrap_or(0.0))
        })?;
        let Dealt { choose, verify, .. } = self.bench.dealt;
        let ratio = choose.images.len() as f64 / verify.images.len() as f64;
        Some(DETECTABLE * best.standard_error? * ratio.sqrt())
    }

    /// The untouched model's features, multiplied about their mean to the trained model's spread.
    fn rescaled(&self) -> Result<Option<ImprovementRow>, Error> {
        let Some(factor) = self.state.spread.filter(|factor| factor.is_finite()) else {
            return Ok(None);
        };
        let bank = self.own.bank.view();
        let features = Features {
            bank: rescaled(bank, factor),
            queries: rescaled_like(bank, self.own.queries.view(), factor),
        };
        let judged = self.bench.on_a(&features, Maps::Nothing)?;
        let answers = &judged[0].answers;
        let gain = self.bench.gain_on_a(answers, self.untouched);
        Ok(Some(ImprovementRow {
            model: format!("{UNTOUCHED}, rescaled"),
            kind: RowKind::Rescaled,
            share: 1.0,
            map: None,
            epochs: 0,
            steps: 0,
            accuracy: Some(100.0 * answers.accuracy()),
            gain: Some(100.0 * gain.verified.gain),
            standard_error: Some(100.0 * gain.standard_error),
            stopped: None,
        }))
    }
}

/// The old model in the place where scripts look for a model, and no map.
fn keep_old(stage: &Stage<'_>) -> Result<(), Error> {
    let path = stage.folder.model();
    let checkpoint = &stage.work.checkpoint;
    let is_safetensors = checkpoint
        .extension()
        .is_some_and(|end| end == "safetensors");
    match stage.base.foreign.is_none() && is_safetensors {
        true => copy(checkpoint, &path)?,
        // In the format that its name says.
        false => {
            let recipe = &stage.base.recipe;
            checkpoint::save_model(&path, recipe, &stage.load_base()?, Storage::F32)?;
        }
    }
    remove_map(stage)
}

fn remove_map(stage: &Stage<'_>) -> Result<(), Error> {
    let map = stage.folder.map();
    if map.exists() {
        fs::remove_file(&map).map_err(|source| Error::io("remove", &map, source))?;
    }
    Ok(())
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<(), Error> {
    let bytes = fs::read(from).map_err(|source| Error::read(from, source))?;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|source| Error::io("make", folder, source))?;
    }
    write_atomically(to, &bytes).map_err(|source| Error::write(to, source))
}

/// Writes the page and then the outcome.
fn finish(stage: &Stage<'_>, mut outcome: Improvement) -> Result<Improved, Error> {
    outcome.seconds = stage.clock.spent();
    page::report(&outcome).save(&stage.folder.report())?;
    outcome.write(&stage.folder.outcome())?;
    Ok(Improved {
        outcome,
        folder: stage.folder.clone(),
    })
}
