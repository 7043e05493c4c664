//! `sweep` from outside: a grid of tiny runs, an interruption, and going on.

use std::fs;
use std::path::Path;

use super::common::{World, ended, log, signal};

pub(super) const LINE: &str = "sweep --checkpoint base/model.safetensors --recipe vicreg-small --data data \
    --batch 16 --epochs 1 --knn-every 0 --log-every 1 --threads 2 --seeds 2 --fractions 0.5";
const GRID: &str = "--grid criterion.beta=0,1000 --grid criterion.gamma=0,1,100";

pub(super) fn world() -> World {
    let world = World::new();
    world.data("data", 100, 40);
    let base = world.pretrain("data", "base", "--knn-every 0");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    world
}

/// The run folders, by name.
fn runs(out: &Path) -> Vec<String> {
    let folders = fs::read_dir(out.join("runs")).unwrap();
    let mut names: Vec<_> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_combination_is_trained_measured_and_shown() {
    let world = world();
    let ran = world.run(&format!("{LINE} {GRID} --out sweep --json"));
    let result = ran.json();
    assert_eq!(result["complete"], true);
    let rows = result["runs"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[5]["settings"]["criterion.beta"], 1000);
    assert_eq!(rows[5]["settings"]["criterion.gamma"], 100);
    let names: Vec<_> = result["base"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(names, ["20-NN", "50 % labels, logistic"]);
    for row in rows {
        assert_eq!(row["outcome"], "finished");
        assert_eq!(row["epochs"], 1);
        for name in &names {
            let accuracy = row["metrics"][name]["accuracy"].as_f64().unwrap();
            assert!((0.0..=100.0).contains(&accuracy), "{row}");
        }
    }
    let out = world.path("sweep");
    let folders = runs(&out);
    assert_eq!(folders[5], "6_beta=1000_gamma=100");
    // Each run is a run as `continue` makes it, with its own settings.
    let recipe =
        fs::read_to_string(out.join("runs").join(&folders[4]).join("recipe.toml")).unwrap();
    assert!(
        recipe.contains("beta = 1000.0") && recipe.contains("gamma = 1.0"),
        "{recipe}"
    );
    let weights =
        |run: &str| fs::read(out.join("runs").join(run).join("model.safetensors")).unwrap();
    assert!(weights(&folders[0]) != weights(&folders[5]));

    let line = "continue --checkpoint base/model.safetensors --recipe vicreg-small --data data \
        --batch 16 --epochs 1 --knn-every 0 --threads 2 --set criterion.beta=1000 --set \
        criterion.gamma=1 --out alone";
    assert_eq!(world.run(line).code, Some(0));
    let alone = fs::read(world.path("alone/model.safetensors")).unwrap();
    assert!(
        weights(&folders[4]) == alone,
        "a run of the sweep is `continue` with its settings"
    );

    let csv = fs::read_to_string(out.join("results.csv")).unwrap();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 8);
    assert_eq!(
        lines[0],
        "criterion.beta,criterion.gamma,run,outcome,epochs,20-NN,\"20-NN, standard error\",\
         \"50 % labels, logistic\",\"50 % labels, logistic, standard error\""
    );
    assert!(lines[1].starts_with(",,base,untouched,0,"), "{}", lines[1]);
    assert!(lines[7].starts_with("1000,100,"), "{}", lines[7]);
    let html = fs::read_to_string(out.join("report.html")).unwrap();
    let svg = fs::read_to_string(out.join("heatmap.svg")).unwrap();
    // Two panels of two by three cells, each of which says its value.
    assert_eq!(html.matches("class=\"cell\"").count(), 12);
    let best = rows[5]["metrics"]["20-NN"]["accuracy"].as_f64().unwrap();
    for page in [&html, &svg] {
        assert!(page.contains(&format!(">{best:.2}</text>")), "{best}");
    }
    assert!(roxmltree::Document::parse(&svg).is_ok());

    // Nothing is left to do; what is there is shown again.
    let logs = || {
        let read =
            |run: &String| fs::read(out.join("runs").join(run).join("metrics.jsonl")).unwrap();
        folders.iter().map(read).collect::<Vec<_>>()
    };
    let before = logs();
    let again = world.run("sweep --out sweep --resume");
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(!again.stderr.contains("run 1 of 6"), "{}", again.stderr);
    assert_eq!(logs(), before);
    for part in [
        "beta",
        "gamma",
        "base",
        "20-NN",
        "50 % labels, logistic",
        "±",
    ] {
        assert!(again.stdout.contains(part), "{part}: {}", again.stdout);
    }
    let twice = world.run(&format!("{LINE} {GRID} --out sweep"));
    assert!(
        twice.error().contains("sweep already holds a sweep"),
        "{}",
        twice.stderr
    );
}

#[test]
fn a_sweep_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let world = world();
    let grid = "--grid training.learning_rate=1e-4,1e-3 --epochs 8";
    let child = world.spawn(&format!("{LINE} {grid} --out sweep"));
    let run = world.path("sweep/runs/1_learning_rate=0.0001");
    world.wait_for_lines("sweep/runs/1_learning_rate=0.0001/metrics.jsonl", 8);
    let second = world.run("sweep --out sweep --resume");
    assert!(
        second.error().contains("another process (process"),
        "{}",
        second.stderr
    );
    signal(&child, "-TERM");
    let ran = ended(child);
    let text = ran.stdout;
    assert_eq!(ran.code, Some(3), "{text}");
    assert!(
        text.contains("resume with: e2mc sweep --resume --out "),
        "{text}"
    );
    assert!(!run.join("probe/result.json").exists() && run.join("checkpoint.safetensors").exists());
    assert_eq!(runs(&world.path("sweep")).len(), 1);

    let resumed = world.run("sweep --out sweep --resume --json");
    assert_eq!(resumed.json()["complete"], true);
    assert!(
        resumed.stderr.contains("run 1 of 2: learning_rate 0.0001"),
        "{}",
        resumed.stderr
    );
    let steps = log(&run)
        .iter()
        .filter(|event| event["event"] == "step")
        .count();
    assert_eq!(steps, 8 * 6, "each step once");
    let line = "continue --checkpoint base/model.safetensors --recipe vicreg-small --data data \
        --batch 16 --epochs 8 --knn-every 0 --threads 2 --set training.learning_rate=1e-4 --out \
        alone";
    assert_eq!(world.run(line).code, Some(0));
    let weights = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
    assert!(weights(&run) == weights(&world.path("alone")));

    // Trained but not measured: it is only measured, with the same result.
    let scores = fs::read(run.join("probe/result.json")).unwrap();
    fs::remove_file(run.join("probe/result.json")).unwrap();
    let before = log(&run);
    let measured = world.run("sweep --out sweep --resume");
    assert_eq!(measured.code, Some(0), "{}", measured.stderr);
    assert_eq!(fs::read(run.join("probe/result.json")).unwrap(), scores);
    assert_eq!(log(&run), before);
}

#[test]
fn a_dry_run_lists_the_runs_and_writes_nothing() {
    let world = world();
    let ran = world.run(&format!("{LINE} {GRID} --out sweep --dry-run"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("6 runs of 1 epoch from"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("beta 1000, gamma 100"),
        "{}",
        ran.stdout
    );
    assert!(!world.path("sweep").exists());
}

#[test]
fn every_criterion_can_be_swept_to() {
    let world = world();
    for (criterion, grid) in [
        ("vcreg", "criterion.variance=0.1,25"),
        ("uniformity", "criterion.weight=0.5"),
        ("mmcr", "criterion.weight=0.005"),
        ("sigreg", "criterion.weight=0.05"),
    ] {
        let line = format!("{LINE} --criterion {criterion} --grid {grid} --out {criterion} --json");
        assert_eq!(world.run(&line).json()["complete"], true, "{criterion}");
    }
}

#[test]
fn bad_grids_are_refused_before_anything_is_written() {
    let world = world();
    for (grid, part, code) in [
        (
            "--grid criterion.beta",
            "--grid: expected KEY=VALUE,VALUE,…",
            2,
        ),
        ("--grid criterion.bta=1,2", "bta", 2),
        (
            "--grid criterion.beta=1,-1",
            "beta -1: setting `criterion.beta`",
            1,
        ),
        ("--grid training.epochs=1,none", "epochs none", 2),
        ("", "--grid", 2),
    ] {
        let ran = world.run(&format!("{LINE} {grid} --out sweep"));
        assert!(ran.error().contains(part), "{grid}: {}", ran.stderr);
        assert_eq!(ran.code, Some(code), "{grid}: {}", ran.stderr);
        assert!(!world.path("sweep").exists(), "{grid}");
    }
    let ran = world.run("sweep --out nowhere --resume");
    assert!(ran.error().contains("nothing to resume"), "{}", ran.stderr);
    let ran = world.run("sweep --out nowhere --resume --grid criterion.beta=1");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.error().contains("--resume uses the settings"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_sweep_is_replaced_or_gone_on_with_by_the_same_command() {
    let world = world();
    let line = format!("{LINE} --grid criterion.beta=0,1000 --out sweep");
    let queued = format!("{line} --resume-or-start");
    assert_eq!(world.run(&queued).code, Some(0));
    let base = world.path("sweep/base/result.json");
    let result = fs::read(&base).unwrap();
    // Nothing is left to do; other settings are refused by name.
    let again = world.run(&format!("{queued} --json"));
    assert_eq!(again.json()["complete"], true);
    for (typed, named) in [
        ("--epochs 2", "recipe.training.epochs is 1, found 2"),
        ("--seeds 3", "probe.seeds is 2, found 3"),
        ("--grid criterion.gamma=1", "grid is"),
        ("--seed 5", "seed is 0, found 5"),
    ] {
        let ran = world.run(&format!("{queued} {typed}"));
        assert!(ran.error().contains(named), "{typed}: {}", ran.stderr);
        let option = typed.split(' ').next().unwrap();
        assert!(
            ran.stderr.contains(&format!("hint: give {option}")),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.code, Some(2));
    }
    assert_eq!(fs::read(&base).unwrap(), result);

    fs::write(world.path("sweep/notes.txt"), "mine").unwrap();
    let replaced = world.run(&format!(
        "{LINE} --grid criterion.gamma=1 --out sweep --overwrite --json"
    ));
    assert_eq!(replaced.json()["runs"].as_array().unwrap().len(), 1);
    assert_eq!(runs(&world.path("sweep")), ["1_gamma=1"]);
    assert!(world.path("sweep/notes.txt").exists());
    assert!(!world.path("sweep/.lock").exists());
}
