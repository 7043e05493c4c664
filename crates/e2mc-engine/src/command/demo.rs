//! `e2mc demo`: the whole job on the sample that comes with the source.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_base::counted;
use e2mc_cli::options::DemoOptions;
use e2mc_cli::{output, signals};
use e2mc_lab::demo::{self, Demo, Shown};
use e2mc_lab::notice::Notices;
use e2mc_lab::run::RunObserver;
use e2mc_record::percent;
use e2mc_report::pages::demo::{Row, findings};
use e2mc_report::pages::improve::sentence;
use serde_json::{Value, json};

use super::improve::{looks, places};
use crate::screen::{RunScreen, Screen};
use crate::settings;

pub(crate) fn run(options: &DemoOptions) -> Result<ExitCode> {
    let screen = Screen::new();
    let notices: Arc<dyn Notices> = screen.clone();
    let work = Demo {
        sample: options.sample.clone(),
        out: options.out.clone(),
        budget: options.budget,
        seeds: options.seeds,
        epochs: options.epochs,
        looks: looks(&options.out),
        machine: settings::machine(&options.machine),
        thumbnails: !options.no_thumbnails,
        command: output::command_line(),
    };
    let mut observer = || Box::new(RunScreen::new(&screen)) as Box<dyn RunObserver>;
    let shown = demo::run(&work, signals::stop(), &mut observer, &notices)?;
    let rows: Vec<Value> = shown.demonstration.rows.iter().map(row).collect();
    let result = json!({
        "improvement": shown.demonstration.outcome, "models": rows, "seeds": options.seeds,
        "seconds": shown.seconds, "report": shown.report,
    });
    output::result(options.json, &result, || text(&shown, options.seeds));
    Ok(ExitCode::SUCCESS)
}

/// A model on the test images, for programs.
fn row(row: &Row) -> Value {
    json!({
        "name": row.name, "mapped": row.mapped, "steps": row.steps, "scores": row.result,
    })
}

fn text(shown: &Shown, seeds: u64) -> String {
    let Shown {
        demonstration,
        report,
        seconds,
    } = shown;
    let outcome = &demonstration.outcome;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for row in &demonstration.rows {
        let result = &row.result;
        if rows.is_empty() {
            let mut header = vec![String::new(), format!("{}-NN", result.k.unwrap_or(0))];
            for probe in &result.probes {
                header.push(format!("{} % {}", percent(probe.fraction), probe.probe));
            }
            rows.push(header);
        }
        let knn = result.knn.unwrap_or(f64::NAN);
        let mut cells = vec![row.name.clone(), format!("{knn:.2}")];
        let probes = result.probes.iter();
        cells.extend(probes.map(|row| output::plus_minus(row.accuracy, row.standard_error)));
        rows.push(cells);
    }
    let images = demonstration
        .rows
        .first()
        .map_or(0, |row| row.result.test_images);
    let mut text = format!(
        "\n{}\n\ntop-1 accuracy in % on {images} test images, which took no part in the choice; \
         with few labels the mean ± standard\nerror over {}; map: {}\n\n{}\n",
        sentence(outcome),
        counted(seeds, "label subset"),
        demonstration.map,
        output::fitting_table(&rows)
    );
    text.push_str(&output::findings(&findings(demonstration)));
    text.push_str(&places(outcome, report, *seconds));
    text
}
