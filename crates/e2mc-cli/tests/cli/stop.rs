//! Signals, and going on afterwards.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::common::{TINY, World, log};

/// Starts a long run, sends `signal` once it has done some steps, and waits for its end.
fn interrupt(world: &World, signal: &str) -> std::process::Output {
    let words = format!("pretrain {TINY} --data data --out run --epochs 500 --knn-every 500");
    let child = Command::new(assert_cmd::cargo::cargo_bin("e2mc"))
        .args(words.split_whitespace())
        .current_dir(world.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let metrics = world.path("run/metrics.jsonl");
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < 8 {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "the run does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    child.wait_with_output().unwrap()
}

#[test]
fn signals_finish_the_step_save_and_say_so_and_resume_goes_on() {
    for signal in ["-INT", "-TERM", "-USR1"] {
        let world = World::new();
        world.data("data", 200, 20);
        let output = interrupt(&world, signal);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(
            text.contains("stopped by a signal; the state is saved in"),
            "{text}"
        );
        let done = log(&world.path("run"))
            .iter()
            .filter(|e| e["event"] == "step")
            .count();

        let all = done / 11 + 2;
        let resumed = world.run(&format!(
            "pretrain --out run --resume --epochs {all} --log-every 1"
        ));
        assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
        let steps: Vec<u64> = log(&world.path("run"))
            .iter()
            .filter(|event| event["event"] == "step")
            .map(|event| event["step"].as_u64().unwrap())
            .collect();
        let expected: Vec<u64> = (1..=steps.len() as u64).collect();
        assert_eq!(steps, expected, "each step once");
    }
}

#[test]
fn settings_cannot_change_on_resume() {
    let world = World::new();
    world.data("data", 100, 20);
    world.pretrain("data", "run", "");
    let ran = world.run("pretrain --out run --resume --batch 8");
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.error()
            .contains("--resume goes on with the settings of the run")
    );
    let ran = world.run("pretrain --out run --resume");
    assert!(
        ran.error().contains("expected more than the 1 epochs"),
        "{}",
        ran.stderr
    );
    let ran = world.run("pretrain --out elsewhere --resume");
    assert!(ran.error().contains("nothing to resume"), "{}", ran.stderr);
}
