//! `e2mc sweep`: a grid over settings of a recipe, every run from the same checkpoint and measured
//! alike.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use e2mc_base::counted;
use e2mc_cli::failure::STOPPED_EARLY;
use e2mc_cli::options::SweepOptions;
use e2mc_cli::{output, signals};
use e2mc_lab::continuation;
use e2mc_lab::machine::Machine;
use e2mc_lab::notice::Notices;
use e2mc_lab::protocol::LinearSettings;
use e2mc_lab::run::{self, RunObserver, base_checkpoint};
use e2mc_lab::sweep::{self, Grid, Measured, Sweep, SweepFolder, SweepPlan, SweepResults};
use e2mc_record::{RunFolder, RunOutcome};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{World, device};
use serde_json::json;

use super::train::{continuation, estimate, resume_line};
use crate::processes;
use crate::screen::{RunScreen, Screen};
use crate::settings;

pub(crate) fn run(options: &SweepOptions) -> Result<ExitCode> {
    let train = &options.from.train;
    if train.dry_run {
        return lead(options, &World::solo(), settings::machine(&train.machine));
    }
    let lead = |world: &World, machine| lead(options, world, machine);
    processes::led(train.processes, &train.machine, lead, sweep::follow)
}

/// The sweep, as the first of the processes of `world`.
fn lead(options: &SweepOptions, world: &World, machine: Machine) -> Result<ExitCode> {
    let train = &options.from.train;
    let folder = SweepFolder::new(train.out());
    let place = (&machine, world);
    let screen = Screen::new();
    let notices: Arc<dyn Notices> = screen.clone();
    let sweep = match continuation(&options.from)? {
        Some(mut continuation) => {
            let (base, recipe) = continuation.plan(&*screen)?;
            let mut run = settings::run_settings(train);
            run.base = Some(base_checkpoint(&continuation.checkpoint)?);
            let plan = SweepPlan {
                checkpoint: continuation.checkpoint,
                grid: Grid::parse(&options.grid).context("--grid")?,
                recipe,
                reading: continuation.reading,
                seed: run.seed,
                settings: run,
                probe: probe(options)?,
                command: output::command_line(),
            };
            plan.check()?;
            if train.dry_run {
                return rehearse(&plan, &base, &folder, options, &screen);
            }
            match train.resume_or_start && folder.holds_sweep() {
                true => {
                    Sweep::check_plan(&folder, &plan)?;
                    Sweep::go_on(folder.clone(), train.data.clone(), place, &notices)?
                }
                false => {
                    let (folder, overwrite) = (folder.clone(), options.overwrite);
                    Sweep::begin(plan, folder, base, overwrite, place, &notices)?
                }
            }
        }
        None => Sweep::go_on(folder.clone(), train.data.clone(), place, &notices)?,
    };
    let mut observer = || Box::new(RunScreen::new(&screen)) as Box<dyn RunObserver>;
    let swept = sweep.run(signals::stop(), &mut observer, &notices)?;
    let results = &swept.results;
    let mut json = results.json();
    json["report"] = json!(folder.report());
    output::result(train.json, &json, || {
        let end = match swept.interrupted {
            false => String::new(),
            true => format!(
                "\nstopped by a signal; finished runs are kept\nresume with: {}",
                resume_line("sweep", train, folder.root())
            ),
        };
        format!("{}{end}", text(results, &folder))
    });
    Ok(match swept.interrupted {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(STOPPED_EARLY),
    })
}

fn probe(options: &SweepOptions) -> Result<LinearSettings> {
    Ok(LinearSettings {
        fractions: options.fractions.clone(),
        seeds: options.seeds,
        probe: settings::probe(options.probe)?,
        k: options.k.into(),
        sgd_epochs: options.sgd_epochs.map(|epochs| epochs as usize),
        sgd_rate: options.sgd_rate,
    })
}

/// Tries the first run, and prints the plan of `--dry-run`.
fn rehearse(
    plan: &SweepPlan,
    base: &Checkpoint,
    folder: &SweepFolder,
    options: &SweepOptions,
    screen: &Arc<Screen>,
) -> Result<ExitCode> {
    let machine = &options.from.train.machine;
    if !options.overwrite {
        folder.check_free()?;
    }
    let (device, seed) = (device(&machine.device)?, plan.seed);
    let mut trainer = continuation::start(plan.recipe.clone(), base, device, seed, &**screen)?;
    let notices: Arc<dyn Notices> = screen.clone();
    // A folder that no run has.
    let place = RunFolder::new(folder.root().join("runs"));
    let threads = machine.threads();
    let tried = run::rehearse(&mut trainer, &place, &plan.settings, threads, &notices)?;
    let points = plan.grid.points();
    let run_folder = |index, point| folder.run(index, &plan.grid, point).root().to_owned();
    let runs = points.iter().enumerate().map(|(index, point)| {
        json!({ "settings": sweep::settings(point), "run": run_folder(index, point) })
    });
    let result = json!({ "plan": plan, "runs": runs.collect::<Vec<_>>(), "estimate": tried });
    output::result(options.from.train.json, &result, || {
        let lines = points.iter().enumerate().map(|(index, point)| {
            let run = run_folder(index, point);
            format!("{}   {}\n", plan.grid.describe(point), run.display())
        });
        format!(
            "{} of {} from {}\nabout {}, beside the measurements\n{}",
            counted(points.len(), "run"),
            counted(plan.recipe.training.epochs, "epoch"),
            plan.checkpoint.display(),
            estimate(&tried, points.len()),
            lines.collect::<String>()
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// The table for people, and where everything is.
fn text(results: &SweepResults, folder: &SweepFolder) -> String {
    let (names, grid) = (results.metrics(), &results.plan.grid);
    let settings = grid.names().into_iter();
    let header = settings.chain(names.iter().copied()).map(str::to_owned);
    let cells = |measured: &Measured| -> Vec<String> {
        let cell = |name: &&str| match measured.metric(name) {
            Some(metric) => output::plus_minus(metric.accuracy, metric.standard_error),
            None => "–".into(),
        };
        names.iter().map(cell).collect()
    };
    let mut base = vec!["base".to_owned()];
    base.resize(grid.axes.len(), String::new());
    base.extend(cells(&results.base));
    let mut rows = vec![header.collect(), base];
    let mut notes = Vec::new();
    for run in &results.runs {
        let mut row = run.point.words();
        match &run.measured {
            Some(measured) => {
                row.extend(cells(measured));
                if measured.outcome != RunOutcome::Finished.as_str() {
                    notes.push(format!(
                        "{}: {}\n",
                        grid.describe(&run.point),
                        measured.outcome
                    ));
                }
            }
            None => row.extend(names.iter().map(|_| "–".to_owned())),
        }
        rows.push(row);
    }
    format!(
        "{}{}top-1 accuracy in %, mean ± standard error over {}, not training seeds; base is the \
         untouched checkpoint\n\
         report: {}\ntable: {}",
        output::table(&rows),
        notes.concat(),
        counted(results.plan.probe.seeds, "label subset"),
        folder.report().display(),
        folder.csv().display(),
    )
}
