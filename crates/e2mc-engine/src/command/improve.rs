//! `e2mc improve`: a better encoder or the old one, with proof.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use e2mc_base::duration;
use e2mc_cli::failure::{Failure, STOPPED_EARLY};
use e2mc_cli::options::ImproveOptions;
use e2mc_cli::output;
use e2mc_data::Split;
use e2mc_data::dataset::cache_folder;
use e2mc_lab::improve::{self, Breadth, Improve, ImproveFolder, Improved, Preview};
use e2mc_lab::machine::Machine;
use e2mc_lab::notice::Notices;
use e2mc_lab::run::RunObserver;
use e2mc_recipe::parse_change;
use e2mc_record::Improvement;
use e2mc_report::pages::improve::{findings, in_slices, sentence, untrained};
use e2mc_train::World;

use crate::processes;
use crate::screen::{RunScreen, Screen};
use crate::settings;
use crate::signals;

pub(crate) fn run(options: &ImproveOptions) -> Result<ExitCode> {
    check_order(options)?;
    if options.dry_run {
        let notices: Arc<dyn Notices> = Screen::new();
        let work = work(options, &World::solo(), settings::machine(&options.machine))?;
        let preview = improve::preview(&work, &notices)?;
        output::result(options.json, &preview, || plan(&preview, options));
        return Ok(ExitCode::SUCCESS);
    }
    let lead = |world: &World, machine| lead(options, world, machine);
    processes::led(options.processes, &options.machine, lead, improve::follow)
}

/// Refuses a folder of images where the model should be: the two were exchanged.
fn check_order(options: &ImproveOptions) -> Result<()> {
    let model = &options.checkpoint;
    if model.is_dir() && !holds_weights(model) && e2mc_data::open(model, Split::Train).is_ok() {
        return Err(Failure::usage(
            format!("{}: the folder holds images, not a model", model.display()),
            "the model comes first, then its images: e2mc improve MODEL --data DIR",
        ));
    }
    Ok(())
}

/// Whether a folder may be that of a model: of timm or Hugging Face.
fn holds_weights(folder: &Path) -> bool {
    let weights = ["safetensors", "pth", "pt", "bin", "json"];
    let files = folder.read_dir().into_iter().flatten().flatten();
    let mut extensions = files.filter_map(|file| file.path().extension().map(ToOwned::to_owned));
    extensions.any(|extension| weights.iter().any(|known| extension == *known))
}

/// The improvement, as the first of the processes of `world`.
fn lead(options: &ImproveOptions, world: &World, machine: Machine) -> Result<ExitCode> {
    let screen = Screen::new();
    let notices: Arc<dyn Notices> = screen.clone();
    let work = work(options, world, machine)?;
    let mut observer = || Box::new(RunScreen::new(&screen)) as Box<dyn RunObserver>;
    let improved = improve::run(&work, signals::stop(), &mut observer, &notices)?;
    let outcome = &improved.outcome;
    output::result(options.json, outcome, || text(&improved));
    Ok(match outcome.interrupted {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(STOPPED_EARLY),
    })
}

fn work(options: &ImproveOptions, world: &World, machine: Machine) -> Result<Improve> {
    let changes = options.set.iter().map(|text| parse_change(text));
    Ok(Improve {
        checkpoint: options.checkpoint.clone(),
        reading: settings::reading_for(&options.reading, &options.preparation),
        data: options.data.clone(),
        taken: settings::taken(options.images),
        out: options.out.clone(),
        usage: options.usage.into(),
        budget: options.budget,
        recipe: options.recipe.clone(),
        changes: changes.collect::<Result<_, _>>().context("--set")?,
        breadth: Breadth::default(),
        looks: looks(&options.out),
        machine,
        world: world.clone(),
        command: output::command_line(),
    })
}

/// One count for all improvements of a user, so that another `--out` does not begin it anew.
pub(super) fn looks(out: &Path) -> PathBuf {
    match cache_folder() {
        Some(folder) => folder.with_file_name("looks.json"),
        None => ImproveFolder::new(out).looks(),
    }
}

/// What came out, and where it lies.
fn text(improved: &Improved) -> String {
    let outcome = &improved.outcome;
    let mut text = format!("{}\n\n", sentence(outcome));
    let others: Vec<_> = findings(outcome).into_iter().skip(1).collect();
    text.push_str(&output::findings(&others));
    let report = improved.folder.report();
    text.push_str(&places(outcome, &report, outcome.seconds));
    text
}

/// Where everything lies.
pub(super) fn places(outcome: &Improvement, report: &Path, seconds: f64) -> String {
    let mut text = format!("\nmodel: {}{}", outcome.model.display(), of_model(outcome));
    if let Some(map) = &outcome.map {
        text.push_str(&format!("\nmap for its features: {}", map.display()));
    }
    text.push_str(&format!(
        "\npage: {}   ({} in all)",
        report.display(),
        duration(seconds)
    ));
    text
}

/// Whether the model is the old one.
fn of_model(outcome: &Improvement) -> &'static str {
    let changed = outcome.chosen_row().is_some_and(|row| {
        outcome.verdict == e2mc_record::ImprovementVerdict::Better
            && row.kind != e2mc_record::RowKind::Untouched
    });
    match changed {
        true => "",
        false => " (the old one)",
    }
}

/// A plan that takes this many times its budget is said to be too long.
const LATE: f64 = 1.2;

/// The plan for people.
fn plan(preview: &Preview, options: &ImproveOptions) -> String {
    let (plan, images) = (&preview.plan, &preview.images);
    let mut text = format!(
        "{}: {}\n{}: {} images, {} of them with labels of {} classes\n",
        options.checkpoint.display(),
        preview.network,
        images.data.display(),
        images.images,
        images.labelled,
        images.classes
    );
    if !preview.judges {
        text.push_str("too few labels to check a gain: the old model would be kept\n");
        return text;
    }
    text.push_str(&format!(
        "about {} to train on; held out: {} images A to choose on, {} images B to verify on\n\
         use: {}\n\
         {:.0} images a second trained, {:.0} embedded\n\
         batches of {}, for an embedding of {} dimensions{}\n",
        images.train,
        images.choose,
        images.verify,
        options.usage(),
        plan.images_per_s,
        plan.embedded_per_s,
        in_slices(plan.batch, plan.accumulate),
        plan.dims,
        plan.bytes.map_or_else(String::new, |bytes| format!(
            "; a step takes {:.0} MB",
            (bytes as f64 / 1e6).ceil()
        ))
    ));
    for candidate in &plan.candidates {
        text.push_str(&format!("candidate: {candidate}\n"));
    }
    if let Some(shortage) = &plan.shortage {
        text.push_str(&format!("{}\n", untrained(shortage)));
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut sum = 0.0;
    for (name, seconds) in &preview.stages {
        sum += seconds;
        rows.push(vec![name.clone(), duration(*seconds)]);
    }
    rows.push(vec![
        format!("in all, of {}", duration(plan.budget_s)),
        duration(sum),
    ]);
    text.push('\n');
    text.push_str(&output::table(&rows));
    if plan.shortage.is_none() && sum > LATE * plan.budget_s {
        text.push_str(&format!(
            "\nthis takes longer than the budget: give at least --budget {}m\n",
            (sum / 60.0).ceil()
        ));
    }
    text
}
