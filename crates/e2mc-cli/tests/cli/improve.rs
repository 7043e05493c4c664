//! `improve` from outside: a gain that is there, gains that are not, and searches that are ended.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2mc_eval::adapt::Map;
use serde_json::Value;

use super::common::{ONE_THREAD, Ran, World, program, signal, steps};

pub(super) const LINE: &str = "improve base/model.safetensors --data data --out out --threads 2 \
    --set training.batch=16";
/// A bound on the steps, under a budget that no machine needs: what is done does not depend on
/// speed.
pub(super) const SHORT: &str = "--set training.epochs=1 --budget 20m";

/// How the classes show in an image.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// Not at all.
    Nowhere,
    /// In faint stripes under a brightness and a slope that say nothing.
    Faintly,
}

/// IDX images of four classes.
fn images(world: &World, name: &str, count: usize, shown: Shown) {
    let folder = world.path(name);
    fs::create_dir_all(&folder).unwrap();
    let mut images = vec![0, 0, 8, 3];
    for size in [count as u32, 28, 28] {
        images.extend(size.to_be_bytes());
    }
    let mut labels = vec![0, 0, 8, 1];
    labels.extend((count as u32).to_be_bytes());
    let mut state = 7_u32;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    for index in 0..count {
        let class = index % 4;
        labels.push(class as u8);
        let (light, slope) = (28.0 + 200.0 * uniform(), 12.0 * uniform() - 6.0);
        for pixel in 0..28 * 28 {
            let (x, y) = (pixel % 28, pixel / 28);
            let stripe = match (shown, class) {
                (Shown::Nowhere, _) => 0,
                (_, 0) => x / 2 % 2,
                (_, 1) => y / 2 % 2,
                (_, 2) => (x + y) / 2 % 2,
                _ => x / 4 % 2,
            };
            let value = light + slope * (x as f32 - 13.5) + 20.0 * stripe as f32;
            images.push((value + 4.0 * uniform()).clamp(0.0, 255.0) as u8);
        }
    }
    fs::write(folder.join("train-images-idx3-ubyte"), images).unwrap();
    fs::write(folder.join("train-labels-idx1-ubyte"), labels).unwrap();
}

pub(super) fn world(count: usize, shown: Shown) -> World {
    let world = World::new();
    images(&world, "data", count, shown);
    let base = world.pretrain("data", "base", "--knn-every 0 --max-images 200");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    world
}

/// Looks are counted in the test's own folder.
pub(super) fn run(world: &World, line: &str) -> Ran {
    let output = world
        .command()
        .env("XDG_CACHE_HOME", world.path("cache"))
        .args(line.split_whitespace())
        .output()
        .unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(super) fn start(world: &World, line: &str) -> Child {
    Command::new(program())
        .envs(ONE_THREAD)
        .args(line.split_whitespace())
        .current_dir(world.path("."))
        .env("XDG_CACHE_HOME", world.path("cache"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(180), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_old(world: &World) -> bool {
    let bytes = |name: &str| fs::read(world.path(name)).unwrap();
    bytes("out/model.safetensors") == bytes("base/model.safetensors")
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_planted_gain_is_found_verified_and_given_back() {
    let world = world(800, Shown::Faintly);
    let line = format!("{LINE} {SHORT} --json");
    let ran = run(&world, &line);
    let result = ran.json();
    assert_eq!(result["verdict"], "better", "{result:#}");
    let verified = &result["verified"];
    assert_eq!(verified["use"], "neighbours");
    assert!(number(&verified["interval"][0]) > 0.0, "{verified}");
    assert_eq!(result["looks"], 1);
    assert_eq!(result["others"].as_array().unwrap().len(), 2);
    // A whitened spectrum shows the classes.
    let chosen = &result["rows"][result["chosen"].as_u64().unwrap() as usize];
    assert!(chosen["map"].is_string(), "{chosen}");
    assert_eq!(result["map"], "out/map.safetensors");
    let map = Map::load(world.path("out/map.safetensors")).unwrap();
    assert!(!map.is_identity());
    // Every kind of row was tried, with and without a map.
    let rows = result["rows"].as_array().unwrap();
    for kind in ["untouched", "statistics", "continued", "e2mc"] {
        for mapped in [false, true] {
            let of_kind = |row: &&Value| row["kind"] == kind && row["map"].is_string() == mapped;
            assert!(
                rows.iter().any(|row| of_kind(&row)),
                "{kind} {mapped}: {result:#}"
            );
        }
    }
    assert!(rows.iter().any(|row| row["kind"] == "rescaled"));
    assert!(rows.iter().any(|row| row["share"] == 0.5));
    // The parts are apart and the images add up.
    let images = &result["images"];
    let sum = ["train", "choose", "verify"].map(|part| number(&images[part]));
    assert_eq!(sum.iter().sum::<f64>(), 800.0, "{images}");
    let html = fs::read_to_string(world.path("out/report.html")).unwrap();
    for part in [
        "A better model",
        "What was tried",
        "The search",
        "rescaled",
        "half-way",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(number(&result["seconds"]) > 0.0);

    // The same command shows it again, and looks at nothing.
    let again = run(&world, &line);
    assert!(again.stderr.contains("already done"), "{}", again.stderr);
    assert_eq!(again.json(), result);
    let text = run(&world, &line.replace(" --json", "")).stdout;
    for part in [
        "Better for neighbours: ",
        "95 % interval +",
        "model: out/model.safetensors",
        "map for its features",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Another folder looks at the same B once more.
    let other = run(
        &world,
        &line
            .replace("--out out", "--out other")
            .replace("20m", "1s"),
    );
    assert_eq!(other.json()["looks"], 2, "{}", other.stdout);
    for (changed, what) in [
        ("--budget 21m", "budget"),
        ("--budget 20m --for classifier", "use"),
    ] {
        let refused = run(&world, &line.replace("--budget 20m", changed));
        assert_eq!(refused.code, Some(2));
        assert!(
            refused.error().contains(&format!("with another {what}")),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn where_nothing_helps_the_old_model_stays() {
    let world = world(600, Shown::Nowhere);
    // Too short for training, so that what comes out does not depend on the machine.
    let ran = run(&world, &format!("{LINE} --budget 1s --json"));
    let result = ran.json();
    assert_ne!(result["verdict"], "better", "{result:#}");
    assert!(result["chosen"].is_u64() && number(&result["detectable"]) > 0.0);
    assert_eq!(result["plan"]["candidates"], serde_json::json!([]));
    assert!(is_old(&world));
    assert!(result["map"].is_null() && !world.path("out/map.safetensors").exists());
    let text = run(&world, &format!("{LINE} --budget 1s")).stdout;
    for part in [
        "The old model stays: ",
        "would be detected",
        "(the old one)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// The stated level allows one claim in forty; `e2mc-lab`'s example `improve_false_gains` makes
/// many more.
#[test]
fn training_on_noise_is_hardly_ever_called_a_gain() {
    let world = world(400, Shown::Nowhere);
    let claims = |seed: u64| {
        let line = LINE.replace("--out out", &format!("--out out{seed} --seed {seed}"));
        let result = run(&world, &format!("{line} {SHORT} --json")).json();
        let candidates = result["plan"]["candidates"].as_array().unwrap();
        assert!(!candidates.is_empty(), "{result:#}");
        result["verdict"] == "better"
    };
    let claims = (1..=3).filter(|&seed| claims(seed)).count();
    assert!(claims <= 1, "{claims} of 3");
}

#[test]
fn without_labels_the_old_model_stays_and_labels_are_asked_for() {
    let world = world(300, Shown::Faintly);
    fs::remove_file(world.path("data/train-labels-idx1-ubyte")).unwrap();
    let result = run(&world, &format!("{LINE} --json")).json();
    assert_eq!(result["verdict"], "not-judged");
    assert!(is_old(&world));
    let would = result["labels_would_show"].as_array().unwrap();
    assert!(
        would.len() >= 3 && number(&would[0][1]) > number(&would[2][1]),
        "{would:?}"
    );
    let text = run(&world, LINE).stdout;
    assert!(text.contains("too few labelled images"), "{text}");
    assert!(
        text.contains("With 2000 labelled images, a gain of"),
        "{text}"
    );
}

#[test]
fn a_dry_run_plans_and_writes_nothing() {
    let world = world(600, Shown::Faintly);
    let line = format!("{LINE} {SHORT} --dry-run");
    let ran = run(&world, &line);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for part in [
        "vicreg on resnet18",
        "600 images, 600 of them with labels of 4 classes",
        "about 360 to train on; held out: 120 images A to choose on, 120 images B to verify on",
        "candidate: continued, rate 0.03",
        "candidate: + E2MC (100, 100), rate 0.03",
        "the verdict on B",
        "in all, of 20 min 00 s",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!world.path("out").exists());
    let json = run(&world, &format!("{line} --json")).json();
    let stages = json["stages"].as_array().unwrap();
    let sum: f64 = stages.iter().map(|stage| number(&stage[1])).sum();
    assert!(sum < 1.2 * 1200.0, "{json:#}");
    assert_eq!(json["plan"]["batch"], 16);
    // The network and the training views see the images at the size that is asked for.
    let json = run(
        &world,
        &format!("{line} --json --image-size 20 --resize 20"),
    )
    .json();
    let recipe = json["plan"]["recipe"].as_str().unwrap();
    for line in ["crop = 20", "size = 20"] {
        assert!(recipe.contains(line), "{line}: {recipe}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_said_before_the_checkpoint_is_read() {
    let world = World::new();
    let ran = run(&world, "improve no.pth --data nowhere --out out");
    assert!(
        ran.error().starts_with("cannot read nowhere"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_killed_search_goes_on_with_the_same_command() {
    let world = world(600, Shown::Faintly);
    let line = format!("{LINE} {SHORT} --json");
    let mut child = start(&world, &line);
    let done = || {
        let text = fs::read_to_string(world.path("out/search/state.json")).unwrap_or_default();
        let state: Value = serde_json::from_str(&text).unwrap_or_default();
        let keys = state["done"].as_object().cloned().unwrap_or_default();
        keys.keys().filter(|key| key.contains('@')).count()
    };
    // In the middle of the second candidate.
    wait_for("the first candidate is not judged", || done() >= 1);
    std::thread::sleep(Duration::from_millis(150));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!world.path("out/improve.json").exists());
    let kept = fs::read_to_string(world.path("out/search/plan.json")).unwrap();
    let before: Value =
        serde_json::from_str(&fs::read_to_string(world.path("out/search/state.json")).unwrap())
            .unwrap();
    let refused = run(&world, &line.replace("20m", "21m"));
    assert!(
        refused.error().contains("another budget"),
        "{}",
        refused.stderr
    );

    let ran = run(&world, &line);
    let result = ran.json();
    assert!(!result["interrupted"].as_bool().unwrap());
    assert_eq!(
        fs::read_to_string(world.path("out/search/plan.json")).unwrap(),
        kept
    );
    // What was evaluated stands, and the time that was spent counts.
    let rows = result["rows"].as_array().unwrap();
    let known = before["rows"].as_array().unwrap();
    assert_eq!(&rows[..known.len()], &known[..]);
    assert!(number(&result["seconds"]) > number(&before["seconds"]));
    // No step of a candidate was trained twice.
    for run in fs::read_dir(world.path("out/search")).unwrap() {
        let run = run.unwrap().path();
        if run.is_dir() {
            let steps = steps(&run);
            assert!(
                steps.windows(2).all(|pair| pair[0] < pair[1]),
                "{run:?} {steps:?}"
            );
        }
    }
}

#[test]
fn a_signal_gives_the_best_so_far_and_the_same_command_goes_on() {
    let world = world(600, Shown::Faintly);
    let line = format!("{LINE} {SHORT} --json");
    let child = start(&world, &line);
    wait_for("no candidate is trained", || {
        let runs = fs::read_dir(world.path("out/search")).into_iter().flatten();
        let mut logs = runs.map(|run| run.unwrap().path().join("metrics.jsonl"));
        logs.any(|log| log.exists())
    });
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["interrupted"], true);
    assert!(world.path("out/model.safetensors").exists());
    assert!(world.path("out/report.html").exists());
    // What is tried must not change half-way, the criterion included.
    let refused = run(&world, &format!("{line} --set criterion.gamma=3"));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.error().contains("with another criterion.gamma"),
        "{}",
        refused.stderr
    );
    let whole = run(&world, &line).json();
    assert_eq!(whole["interrupted"], false);
    assert!(whole["rows"].as_array().unwrap().len() > result["rows"].as_array().unwrap().len());
}

#[test]
fn a_signal_before_the_search_leaves_nothing() {
    let world = world(600, Shown::Faintly);
    let child = start(&world, &format!("{LINE} {SHORT}"));
    wait_for("nothing is begun", || world.path("out/.lock").exists());
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("nothing was changed"), "{stderr}");
    assert!(!world.path("out").exists());
}

#[test]
fn a_verdict_is_not_lost_for_a_count_that_cannot_be_written() {
    let world = world(800, Shown::Faintly);
    // A file where the folder would be.
    fs::write(world.path("cache"), "").unwrap();
    let ran = run(&world, &format!("{LINE} --budget 1s --json"));
    let result = ran.json();
    assert_eq!(result["looks"], 1, "{result:#}");
    let warnings = ran.stderr.matches("are counted only in out/looks.json");
    assert_eq!(warnings.count(), 1, "{}", ran.stderr);
}

#[test]
fn what_is_read_is_not_replaced() {
    let world = world(300, Shown::Faintly);
    let line = LINE.replace("--out out", "--out base");
    let refused = run(&world, &line);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.error().contains("would be overwritten"),
        "{}",
        refused.stderr
    );
    fs::create_dir(world.path("taken")).unwrap();
    fs::write(world.path("taken/model.safetensors"), "mine").unwrap();
    let refused = run(&world, &LINE.replace("--out out", "--out taken"));
    assert!(
        refused
            .error()
            .contains("files that are not of an improvement"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        fs::read_to_string(world.path("taken/model.safetensors")).unwrap(),
        "mine"
    );
}
