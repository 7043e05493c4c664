//! Signals, and going on afterwards.

use std::fs;

use super::common::{Ran, TINY, World, assert_each_step_once, ended, log, signal, steps};

/// Starts a long run, sends `name` once it has done some steps, and waits for its end.
fn interrupt(world: &World, name: &str) -> Ran {
    let words = format!("pretrain {TINY} --data data --out run --epochs 500 --knn-every 500");
    let child = world.spawn(&words);
    world.wait_for_lines("run/metrics.jsonl", 8);
    signal(&child, name);
    ended(child)
}

#[test]
fn signals_finish_the_step_save_and_say_so_and_resume_goes_on() {
    for name in ["-INT", "-TERM", "-USR1", "-USR2", "-HUP"] {
        let world = World::new();
        world.data("data", 200, 20);
        let ran = interrupt(&world, name);
        let text = ran.stdout;
        assert_eq!(ran.code, Some(3), "{text}");
        assert!(
            text.contains("stopped by a signal; the state is saved in"),
            "{text}"
        );
        let done = steps(&world.path("run")).len();

        let all = done / 11 + 2;
        // The command that is printed is all that is needed.
        let typed = text.split("resume with: e2mc ").nth(1).unwrap();
        let typed = typed.lines().next().unwrap();
        let resumed = world.run(&format!("{typed} --epochs {all} --log-every 1"));
        assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
        assert_each_step_once(&world.path("run"));
    }
}

#[test]
fn settings_cannot_change_on_resume() {
    let world = World::new();
    world.data("data", 100, 20);
    world.pretrain("data", "run", "");
    for (command, typed, named) in [
        ("pretrain", "--batch 8", "--batch cannot be given"),
        (
            "pretrain",
            "--seed 1 --held-out 5",
            "--held-out and --seed cannot be given",
        ),
        ("pretrain", "--knn-every 2", "--knn-every cannot"),
        (
            "pretrain",
            "--val-fraction 0.5 --val-seed 1",
            "--val-fraction and --val-seed cannot",
        ),
        (
            "continue",
            "--checkpoint run/model.safetensors",
            "--checkpoint cannot",
        ),
        (
            "continue",
            "--criterion e2mc --head-warmup 3",
            "--head-warmup and --criterion cannot",
        ),
        (
            "sweep",
            "--fractions 0.5 --k 3 --seeds 2",
            "--fractions and --seeds and --k cannot",
        ),
        ("sweep", "--guard stop --half", "--guard and --half cannot"),
    ] {
        let ran = world.run(&format!("{command} --out run --resume {typed}"));
        assert_eq!(ran.code, Some(2), "{typed}");
        let error = ran.error();
        assert!(
            error.contains("--resume uses the settings of the"),
            "{error}"
        );
        assert!(error.contains(named), "{error}");
        assert!(
            error.contains("with --resume these may be given: --data, --out"),
            "{error}"
        );
    }
    let ran = world.run("pretrain --out run --resume");
    assert!(
        ran.error().contains("expected more than the 1 epoch that"),
        "{}",
        ran.stderr
    );
    let ran = world.run("pretrain --out elsewhere --resume");
    assert!(ran.error().contains("nothing to resume"), "{}", ran.stderr);
}

#[test]
fn a_resumed_run_keeps_its_settings_and_its_record_is_of_the_whole() {
    let world = World::new();
    world.data("data", 200, 20);
    let more = "--guard stop --half --log-every 3 --max-images 150 --held-out 15";
    let first = world.pretrain("data", "run", more);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let settings = || -> serde_json::Value {
        serde_json::from_slice(&fs::read(world.path("run/run.json")).unwrap()).unwrap()
    };
    let before = settings();
    assert_eq!(before["guard"], "stop");
    fs::rename(world.path("data"), world.path("moved")).unwrap();
    let resumed = world.run(
        "pretrain --out run --resume --data moved --epochs 3 --log-every 2 \
                   --max-bad-images 0.25 --json",
    );
    let result = resumed.json();
    let after = settings();
    for key in ["guard", "half"] {
        assert_eq!(before[key], after[key]);
    }
    assert_eq!(
        (&before["log_every"], &after["log_every"]),
        (&3.into(), &2.into())
    );
    assert_eq!(after["data"]["data"], "moved");
    assert_eq!(after["data"]["max_images"], 150);
    assert_eq!(after["data"]["data_options"]["max_bad_images"], 0.25);
    // The k-NN at the start and after each of the three epochs.
    let epochs: Vec<_> = result["knn"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check[0].clone())
        .collect();
    assert_eq!(epochs, [0, 1, 2, 3]);
    let events = log(&world.path("run"));
    let seconds = |event: &serde_json::Value| event["seconds"].as_f64().unwrap();
    let trained: f64 = events
        .iter()
        .filter(|e| e["event"] == "epoch" && e["epoch"] != 0)
        .map(seconds)
        .sum();
    let end = events.last().unwrap();
    assert_eq!(end["outcome"], "finished");
    assert!(seconds(end) >= trained, "{end}, the epochs took {trained}");
    let report = world.run("report run --json").json();
    assert_eq!(report["runs"][0]["epochs"], 3);
}

#[test]
fn a_plan_counts_the_steps_that_the_run_then_takes() {
    let world = World::new();
    world.data("data", 200, 20);
    let plan = world.pretrain("data", "run", "--dry-run");
    assert!(
        plan.stdout
            .contains("200 images of data, 20 of them held out, 11 steps an epoch"),
        "{}",
        plan.stdout
    );
    assert_eq!(world.pretrain("data", "run", "").code, Some(0));
    assert_eq!(steps(&world.path("run")).len(), 11);
}
