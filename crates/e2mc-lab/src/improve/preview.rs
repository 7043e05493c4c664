//! What would be done, with time and memory; nothing is written.

use std::sync::Arc;

use e2mc_base::counted;
use e2mc_base::lock::FolderLock;
use e2mc_record::{ImprovementImages, ImprovementPlan};
use serde::Serialize;

use super::halving::Schedule;
use super::plan::{ImproveFolder, Plan};
use super::pool::Pool;
use super::stage::Stage;
use super::work::Improve;
use super::{Costs, RESERVE, candidate, open, schedule, wanted};
use crate::continuation::describe;
use crate::error::Error;
use crate::notice::Notices;

/// Products that a core does in a second, at the least: for times that are not measured.
const PRODUCTS: f64 = 4e9;
/// Maps that are compared without training.
const MAPS: f64 = 10.0;

/// What would be done.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// The network and its method.
    pub network: String,
    /// The images; the parts are about as large as this.
    pub images: ImprovementImages,
    /// Whether there are labels to judge by; nothing is tried without.
    pub judges: bool,
    /// The plan.
    pub plan: ImprovementPlan,
    /// What takes how many seconds, in order.
    pub stages: Vec<(String, f64)>,
}

/// Measures the machine and plans, as [`run`](super::run) would.
///
/// # Errors
/// As [`run`](super::run).
pub fn preview(work: &Improve, notices: &Arc<dyn Notices>) -> Result<Preview, Error> {
    FolderLock::check(&work.out).map_err(e2mc_record::Error::Lock)?;
    let stage = open(work, ImproveFolder::new(&work.out), notices)?;
    let pool = Pool::open(&work.data, work.taken, notices)?;
    let measured = stage.measure(&pool)?;
    let sample = pool.sample(work.machine.seed).len();
    let labelled = pool.labelled().min(sample) as f64;
    let (bank, choose) = (0.6 * labelled, 0.2 * labelled);
    let width = measured.features as f64;
    // Neighbours of A, and the directions of the bank.
    let products = 2.0 * bank * choose * width + bank * width * width + 10.0 * width.powi(3);
    let cores = work.machine.threads as f64;
    let maps = MAPS * products / (PRODUCTS * cores);
    let embedded = |images: f64| images / measured.embedded;
    let costs = Costs {
        judgement: maps + embedded(0.8 * labelled + 2.0 * (bank.min(5000.0) + choose)),
        trained_maps: maps,
        verdict: (3.0 * maps).max(RESERVE * work.budget.as_secs_f64()) + embedded(labelled),
    };
    let candidates = candidate::candidates(&stage.common, &wanted(work))?;
    let counts = (pool.expected_train(), candidates.len());
    // The run has embedded the sample and judged the untouched model before it plans.
    let before = embedded(sample as f64) + 2.0 * maps;
    let left = (stage.clock.left() - before).max(0.0);
    let timing = schedule(&stage, &measured, counts, costs, left);
    let judges = labelled >= 100.0;
    let plan = stage.plan(&pool, measured, timing, &candidates)?;
    Ok(Preview {
        network: describe(&stage.base.recipe),
        judges,
        stages: match judges {
            true => stages(&stage, &plan, sample, costs),
            false => Vec::new(),
        },
        images: ImprovementImages {
            train: pool.expected_train(),
            bank: bank as usize,
            choose: choose as usize,
            verify: choose as usize,
            ..pool.record(&work.data, None)
        },
        plan: plan.record(&work.machine)?,
    })
}

/// What takes how long.
fn stages(stage: &Stage<'_>, plan: &Plan, sample: usize, costs: Costs) -> Vec<(String, f64)> {
    let measured = &plan.measured;
    let mut stages = vec![
        ("measuring the machine".to_owned(), stage.clock.spent()),
        (
            format!("embedding {sample} images with the untouched model"),
            sample as f64 / measured.embedded,
        ),
        (
            "maps and re-estimated batch norm statistics".to_owned(),
            // Those of the untouched model, the control's, and the trained ones of the last model.
            costs.judgement + 3.0 * costs.trained_maps,
        ),
    ];
    let head_steps = plan.timing.head_steps;
    if head_steps > 0 {
        let seconds = head_steps as f64 * measured.batch as f64 / measured.trained;
        stages.push((
            format!("{} of new heads", counted(head_steps, "step")),
            seconds,
        ));
    }
    if let Some(schedule) = &plan.timing.schedule {
        stages.extend(trained(schedule, measured.trained, costs));
    }
    stages.push(("the verdict on B".to_owned(), costs.verdict));
    stages
}

fn trained(schedule: &Schedule, images_per_s: f64, costs: Costs) -> Vec<(String, f64)> {
    let epoch = schedule.epoch_images as f64 / images_per_s;
    let mut before = 0;
    let mut stages = Vec::new();
    for (alive, &rung) in schedule.alive().into_iter().zip(&schedule.rungs) {
        let seconds = alive as f64 * ((rung - before) as f64 * epoch + costs.judgement);
        stages.push((
            format!("{alive} candidates to {}", counted(rung, "epoch")),
            seconds,
        ));
        before = rung;
    }
    let last = (schedule.last - before) as f64 * epoch + 2.0 * costs.judgement;
    let text = format!("the best candidate to {}", counted(schedule.last, "epoch"));
    stages.push((text, last + costs.trained_maps));
    stages
}
