//! `e2mc sweep`: a grid over settings of a recipe, every run from the same checkpoint and measured
//! alike.
//!
//! The folder holds the plan (`sweep.json`), a run folder for each combination, and the results, which
//! are rewritten after every run. What a run is worth is written last into its folder; that is how a
//! resumed sweep knows what is done.

mod grid;
mod page;
mod plan;
mod results;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use e2mc_cli::options::SweepOptions;
use e2mc_train::checkpoint::{self, Checkpoint, write_atomically};
use e2mc_train::{Device, Model, Outcome, Recipe, Trainer, device};
use serde_json::{Map, Value, json};

use crate::checkpoint::Reading;
use crate::command::continue_;
use crate::command::probe;
use crate::evaluation::{Part, Protocol, evaluate};
use crate::output;
use crate::run::{self, RunFolder, STOPPED_EARLY};
use e2mc_cli::options::ContinueOptions;
use plan::{Folder, Plan};
use results::{FINISHED, Measured, Results, Run};

pub(crate) fn run(options: &SweepOptions) -> Result<ExitCode> {
    let train = &options.from.train;
    let device = device(&train.machine.device)?;
    let folder = Folder(train.out().to_owned());
    let (plan, base) = match &options.from.checkpoint {
        Some(path) => {
            let (base, recipe) = continue_::plan(&options.from, path)?;
            let plan = Plan::new(options, path, recipe)?;
            if train.dry_run {
                print_plan(&plan, &folder, train.json);
                return Ok(ExitCode::SUCCESS);
            }
            (plan, base)
        }
        None => {
            let plan = interrupted(options, &folder)?;
            let base = plan.reading.read(&plan.checkpoint)?;
            (plan, base)
        }
    };
    let images = &plan.settings.data;
    let (train_part, test_part) = probe::open(&images.data, images.data_options)?;
    if options.from.checkpoint.is_some() {
        plan.save(&folder)?;
    }
    let sweep = Sweep {
        protocol: plan.protocol()?,
        base: &base,
        train: &train_part,
        test: &test_part,
        threads: train.machine.threads(),
        device,
        plan: &plan,
    };
    let (results, interrupted) = sweep.run(&folder)?;
    let mut json = results.json();
    json["report"] = json!(folder.report());
    output::result(train.json, &json, || match interrupted {
        false => results.text(&folder),
        true => format!(
            "{}\nstopped by a signal; what is done is kept, go on with --resume",
            results.text(&folder)
        ),
    });
    Ok(match interrupted {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(STOPPED_EARLY),
    })
}

/// The plan of the sweep to go on with.
fn interrupted(options: &SweepOptions, folder: &Folder) -> Result<Plan> {
    let mut plan = Plan::load(folder)?;
    if let Some(data) = &options.from.train.data {
        plan.settings.data.data.clone_from(data);
    }
    Ok(plan)
}

fn print_plan(plan: &Plan, folder: &Folder, as_json: bool) {
    let points = plan.grid.points();
    let runs = points.iter().enumerate().map(|(index, point)| {
        let settings = point.changes.iter();
        let settings: Map<String, Value> = settings
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        json!({ "settings": settings, "run": folder.run(index, &plan.grid, point) })
    });
    let result = json!({ "plan": plan, "runs": runs.collect::<Vec<_>>() });
    output::result(as_json, &result, || {
        let lines = points.iter().enumerate().map(|(index, point)| {
            let run = folder.run(index, &plan.grid, point);
            format!("{}   {}\n", plan.grid.describe(point), run.display())
        });
        format!(
            "{} runs of {} epochs from {}\n{}",
            points.len(),
            plan.recipe.training.epochs,
            plan.checkpoint.display(),
            lines.collect::<String>()
        )
    });
}

/// A sweep under way.
struct Sweep<'a> {
    plan: &'a Plan,
    protocol: Protocol,
    base: &'a Checkpoint,
    train: &'a Part,
    test: &'a Part,
    threads: usize,
    device: Device,
}

impl Sweep<'_> {
    /// Does what is not done yet; says whether a signal ended it early.
    fn run(&self, folder: &Folder) -> Result<(Results, bool)> {
        let (plan, stop) = (self.plan, run::stop_flag()?);
        let base = match Measured::load(&folder.base())? {
            Some(measured) => measured,
            None => {
                let recipe = plan.recipe.clone();
                let start = continue_::start(recipe, self.base, self.device, plan.seed)?;
                let measured = self.measure("untouched", 0, &plan.recipe, &start.model)?;
                measured.save(&folder.base())?;
                measured
            }
        };
        let mut results = Results {
            plan: plan.clone(),
            base,
            runs: Vec::new(),
        };
        for (index, point) in plan.grid.points().into_iter().enumerate() {
            let path = folder.run(index, &plan.grid, &point);
            results.runs.push(Run {
                measured: Measured::load(&scores(&path))?,
                folder: path,
                point,
            });
        }
        write(&results, folder)?;
        let all = results.runs.len();
        for index in 0..all {
            let run = &results.runs[index];
            if run.measured.is_some() {
                continue;
            }
            if stop.load(Ordering::Relaxed) {
                return Ok((results, true));
            }
            let described = plan.grid.describe(&run.point);
            output::note(&format!("\nrun {} of {all}: {described}", index + 1));
            let Some(measured) = self.one(run).context(described)? else {
                return Ok((results, true));
            };
            results.runs[index].measured = Some(measured);
            write(&results, folder)?;
        }
        Ok((results, false))
    }

    /// Trains and measures one run, from where it was left; `None` where a signal stopped it.
    fn one(&self, run: &Run) -> Result<Option<Measured>> {
        let folder = RunFolder::new(&run.folder);
        let recipe = self.plan.recipe_of(&run.point)?;
        let left = match folder.checkpoint().exists() {
            true => Some(Checkpoint::read(&folder.checkpoint())?),
            false => None,
        };
        let seed = self.plan.seed;
        let (mut trainer, resumed) = match &left {
            Some(checkpoint) if is_trained(checkpoint) => {
                let model = Model::new(&recipe, self.device, seed)?;
                checkpoint.apply_to(&model)?;
                if !folder.model().exists() {
                    let precision = self.plan.settings.precision();
                    checkpoint::save_model(&folder.model(), &recipe, &model, precision)?;
                }
                return self.finish(run, FINISHED, &recipe, &model).map(Some);
            }
            Some(checkpoint) => (Trainer::resume(checkpoint, self.device, None)?, true),
            None => {
                clear(&run.folder)?;
                (
                    continue_::start(recipe, self.base, self.device, seed)?,
                    false,
                )
            }
        };
        let plan = run::Plan {
            folder,
            settings: self.plan.settings.clone(),
            threads: self.threads,
            resumed,
        };
        let outcome = match run::train(&mut trainer, plan)?.outcome {
            Outcome::Interrupted => return Ok(None),
            Outcome::Finished => FINISHED,
            Outcome::StoppedByObserver => "stopped by the guard",
        };
        self.finish(run, outcome, &trainer.recipe, &trainer.model)
            .map(Some)
    }

    fn finish(&self, run: &Run, outcome: &str, recipe: &Recipe, model: &Model) -> Result<Measured> {
        let checkpoint = Checkpoint::read(&RunFolder::new(&run.folder).checkpoint())?;
        let epochs = checkpoint.progress.map_or(0, |progress| progress.epoch);
        let measured = self.measure(outcome, epochs, recipe, model)?;
        measured.save(&scores(&run.folder))?;
        Ok(measured)
    }

    fn measure(
        &self,
        outcome: &str,
        epochs: u64,
        recipe: &Recipe,
        model: &Model,
    ) -> Result<Measured> {
        let (train, test) = (self.train, self.test);
        let scores = evaluate(model, recipe, train, test, &self.protocol, self.threads)?;
        for warning in &scores.warnings {
            output::warning(warning);
        }
        Ok(Measured::new(outcome, epochs, &scores))
    }
}

/// What a run is worth, in its folder.
fn scores(run: &Path) -> std::path::PathBuf {
    run.join("scores.json")
}

/// Whether a run's checkpoint has nothing left to train.
fn is_trained(checkpoint: &Checkpoint) -> bool {
    let epochs = checkpoint.recipe.training.epochs;
    checkpoint
        .progress
        .is_some_and(|progress| progress.epoch >= epochs)
}

/// Removes what a run left that was stopped before its first checkpoint.
fn clear(run: &Path) -> Result<()> {
    if RunFolder::new(run).metrics().exists() {
        fs::remove_dir_all(run)
            .with_context(|| format!("cannot remove the earlier {}", run.display()))?;
    }
    Ok(())
}

/// Writes tables, report and heat maps.
fn write(results: &Results, folder: &Folder) -> Result<()> {
    results.save(folder)?;
    for (index, map) in page::heat_maps(results).iter().enumerate() {
        write_atomically(&folder.heat_map(index), map.to_svg().as_bytes())?;
    }
    page::report(results)?.save(&folder.report())?;
    Ok(())
}
