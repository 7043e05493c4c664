//! `e2mc sweep`: a grid over settings of a recipe, every run from the same checkpoint and measured
//! alike.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use e2mc_cli::failure::{Failure, STOPPED_EARLY};
use e2mc_cli::options::SweepOptions;
use e2mc_cli::output;
use e2mc_lab::notice::Notices;
use e2mc_lab::protocol::LinearSettings;
use e2mc_lab::run::{RunObserver, base_checkpoint};
use e2mc_lab::sweep::{self, Grid, Measured, Sweep, SweepFolder, SweepPlan, SweepResults};
use e2mc_record::RunOutcome;
use serde_json::json;

use super::train::continuation;
use crate::screen::{RunScreen, Screen};
use crate::settings;
use crate::signals::stop_flag;

pub(crate) fn run(options: &SweepOptions) -> Result<ExitCode> {
    let train = &options.from.train;
    if train.processes.nproc.is_some_and(|wanted| wanted > 1) {
        return Err(Failure::usage(
            "a sweep trains in one process",
            "leave --nproc out, or train each combination with `e2mc continue --nproc`",
        ));
    }
    let (folder, machine) = (
        SweepFolder::new(train.out()),
        settings::machine(&train.machine),
    );
    let screen = Screen::new();
    let notices: Arc<dyn Notices> = screen.clone();
    let sweep = match continuation(&options.from)? {
        Some(continuation) => {
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
                probe: probe(options),
                command: output::command_line(),
            };
            plan.check()?;
            if train.dry_run {
                print_plan(&plan, &folder, train.json);
                return Ok(ExitCode::SUCCESS);
            }
            Sweep::begin(plan, folder.clone(), base, &machine, &notices)?
        }
        None => Sweep::go_on(folder.clone(), train.data.clone(), &machine, &notices)?,
    };
    let stop = stop_flag()?;
    let mut observer = || Box::new(RunScreen::new(&screen)) as Box<dyn RunObserver>;
    let swept = sweep.run(&stop, &mut observer, &notices)?;
    let results = &swept.results;
    let mut json = results.json();
    json["report"] = json!(folder.report());
    output::result(train.json, &json, || {
        let end = match swept.interrupted {
            false => "",
            true => "\nstopped by a signal; what is done is kept, go on with --resume",
        };
        format!("{}{end}", text(results, &folder))
    });
    Ok(match swept.interrupted {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(STOPPED_EARLY),
    })
}

fn probe(options: &SweepOptions) -> LinearSettings {
    LinearSettings {
        fractions: options.fractions.clone(),
        seeds: options.seeds,
        probe: settings::probe(options.probe),
        k: options.k.into(),
        sgd_epochs: options.sgd_epochs.map(|epochs| epochs as usize),
        sgd_rate: options.sgd_rate,
    }
}

fn print_plan(plan: &SweepPlan, folder: &SweepFolder, as_json: bool) {
    let points = plan.grid.points();
    let runs = points.iter().enumerate().map(|(index, point)| {
        let run = folder.run(index, &plan.grid, point);
        json!({ "settings": sweep::settings(point), "run": run.root() })
    });
    let result = json!({ "plan": plan, "runs": runs.collect::<Vec<_>>() });
    output::result(as_json, &result, || {
        let lines = points.iter().enumerate().map(|(index, point)| {
            let run = folder.run(index, &plan.grid, point);
            format!("{}   {}\n", plan.grid.describe(point), run.root().display())
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
        "{}{}top-1 accuracy in %, mean ± standard error over {} label subsets, not training seeds; base is the untouched checkpoint\n\
         report: {}\ntable: {}",
        output::table(&rows),
        notes.concat(),
        results.plan.probe.seeds,
        folder.report().display(),
        folder.csv().display(),
    )
}
