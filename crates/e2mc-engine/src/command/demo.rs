//! `e2mc demo`: the whole job on the sample that comes with the source.

use std::path::Path;
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
use e2mc_report::pages::demo::{Arm, Comparison, findings};
use serde_json::{Value, json};

use crate::screen::{RunScreen, Screen};
use crate::settings;

pub(crate) fn run(options: &DemoOptions) -> Result<ExitCode> {
    let screen = Screen::new();
    let notices: Arc<dyn Notices> = screen.clone();
    let work = Demo {
        sample: options.sample.clone(),
        out: options.out.clone(),
        seeds: options.seeds,
        epochs: options.epochs,
        machine: settings::machine(&options.machine),
        thumbnails: !options.no_thumbnails,
        command: output::command_line(),
    };
    let mut observer = || Box::new(RunScreen::new(&screen)) as Box<dyn RunObserver>;
    let shown = demo::run(&work, signals::stop(), &mut observer, &notices)?;
    let models = arms(&shown.comparison).map(model).to_vec();
    let result = json!({
        "models": models, "seeds": options.seeds, "seconds": shown.seconds,
        "report": shown.report,
    });
    output::result(options.json, &result, || text(&shown, options.seeds));
    Ok(ExitCode::SUCCESS)
}

fn arms(comparison: &Comparison) -> [&Arm; 3] {
    [
        &comparison.base,
        &comparison.continued,
        &comparison.entropic,
    ]
}

/// One of the three models, for programs.
fn model(arm: &Arm) -> Value {
    let mut model = json!({
        "name": arm.name, "scores": arm.result, "entropy": arm.entropy,
        "covariance": arm.covariance,
    });
    if let Some(run) = &arm.run {
        model["run"] = json!(run.folder.root());
    }
    model
}

fn text(shown: &Shown, seeds: u64) -> String {
    let comparison = &shown.comparison;
    let first = &comparison.base.result;
    let mut header = vec![String::new(), format!("{}-NN", first.k.unwrap_or(0))];
    for row in &first.probes {
        header.push(format!("{} % labels, {}", percent(row.fraction), row.probe));
    }
    header.extend(["entropy".into(), "covariance".into()]);
    let mut rows = vec![header];
    for arm in arms(comparison) {
        let knn = arm.result.knn.unwrap_or(f64::NAN);
        let mut row = vec![arm.name.clone(), format!("{knn:.2}")];
        let probes = arm.result.probes.iter();
        row.extend(probes.map(|row| output::plus_minus(row.accuracy, row.standard_error)));
        row.extend([
            format!("{:.4}", arm.entropy),
            format!("{:.4}", arm.covariance),
        ]);
        rows.push(row);
    }
    let mut text = format!(
        "\ntop-1 accuracy in % on {} test images, mean ± standard error over {};\n\
         entropy (nats, 0 is uniform) and covariance of the test images' embeddings\n\n{}\n",
        first.test_images,
        counted(seeds, "label subset"),
        output::fitting_table(&rows)
    );
    text.push_str(&output::findings(&findings(comparison)));
    text.push_str(&format!(
        "\nreport: {}   ({:.0} s in all)",
        absolute(&shown.report).display(),
        shown.seconds
    ));
    text
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
