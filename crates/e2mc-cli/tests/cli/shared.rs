//! A sweep and an improvement by several processes: the work of one, and what becomes of it when one of them
//! is lost or asked to end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::{ONE_THREAD, Ran, World, assert_each_step_once, ended, program, signal, until};
use super::processes::{close, losses, member, nothing_half, send};
use super::{improve, sweep};

const GRID: &str = "--grid criterion.beta=0,1000 --timeout 60";

/// The run folders of a sweep or a search, by name.
fn runs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.retain(|path| path.join("checkpoint.safetensors").exists());
    found.sort();
    assert!(!found.is_empty(), "{}", folder.display());
    found
}

/// The same runs, to the byte.
fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (runs(one), runs(other));
    assert_eq!(one.len(), other.len(), "{one:?} {other:?}");
    for (one, other) in one.iter().zip(&other) {
        let read = |run: &Path| fs::read(run.join("checkpoint.safetensors")).unwrap();
        assert_eq!(one.file_name(), other.file_name());
        assert!(read(one) == read(other), "{} differs", one.display());
    }
}

/// Ends the second of two processes; the launcher must say so once and soon.
fn lose_one(child: Child, parts: &[&str]) {
    let since = Instant::now();
    send("-KILL", &member(&child, 1));
    let ran = ended(child);
    for part in parts {
        assert!(ran.error().contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(since.elapsed() < Duration::from_secs(60), "{}", ran.stderr);
}

#[test]
fn two_processes_sweep_as_one_does_and_repeat_themselves() {
    let world = sweep::world();
    let swept = |more: &str| {
        let ran = world.run(&format!("{} {GRID} {more} --json", sweep::LINE));
        let result = ran.json();
        assert_eq!(result["complete"], true);
        result
    };
    let one = swept("--out one");
    let two = swept("--out two --nproc 2");
    swept("--out again --nproc 2");
    // The untouched checkpoint has the same features.
    assert_eq!(one["base"], two["base"]);
    let of = |out: &str| runs(&world.path(out).join("runs"));
    for (one, two) in of("one").iter().zip(of("two")) {
        let (one, two) = (losses(one), losses(&two));
        assert_eq!(one.len(), two.len());
        assert!(close(two[0], one[0]), "{one:?} {two:?}");
    }
    assert_same(&world.path("two/runs"), &world.path("again/runs"));
    let table = |out: &str| {
        let table = fs::read_to_string(world.path(out).join("results.csv")).unwrap();
        table.replace(&format!("{out}/"), "")
    };
    assert_eq!(table("two"), table("again"));
}

#[test]
fn a_sweep_goes_on_after_a_process_was_lost_or_a_signal_came() {
    let world = sweep::world();
    let line = format!(
        "{} {GRID} --epochs 12 --save-every 5 --nproc 2",
        sweep::LINE
    );
    let whole = world.run(&format!("{line} --out whole"));
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    // In the second run, which begins where the first is measured.
    let start = |out: &str| {
        let child = world.spawn(&format!("{line} --out {out}"));
        world.wait_for_lines(&format!("{out}/runs/2_beta=1000/metrics.jsonl"), 9);
        child
    };
    lose_one(
        start("killed"),
        &["beta 1000: process 1 of 2 no longer answers", "hint: "],
    );
    nothing_half(&world.path("killed"));
    let child = start("stopped");
    signal(&child, "-TERM");
    let stopped = ended(child);
    assert_eq!(
        stopped.code,
        Some(3),
        "{}{}",
        stopped.stdout,
        stopped.stderr
    );
    assert_eq!(
        stopped
            .stdout
            .matches("resume with: e2mc sweep --resume --out ")
            .count(),
        1
    );
    for out in ["killed", "stopped"] {
        let resumed = world.run(&format!("sweep --out {out} --resume --nproc 2 --json"));
        assert_eq!(resumed.json()["complete"], true);
        assert!(!resumed.stderr.contains("run 1 of 2"), "{}", resumed.stderr);
        assert_each_step_once(&world.path(out).join("runs/2_beta=1000"));
        assert_same(&world.path("whole/runs"), &world.path(out).join("runs"));
    }
}

#[test]
fn a_batch_that_cannot_be_dealt_out_is_refused_before_anything_is_written() {
    let world = sweep::world();
    let ran = world.run(&format!("{} {GRID} --out sweep --nproc 3", sweep::LINE));
    let expected = "setting `training.batch`: expected a multiple of 3: 3 processes";
    assert!(ran.error().contains(expected), "{}", ran.stderr);
    assert!(!world.path("sweep").exists());
    let ran = improve::run(&world, &of_improve("out", "--nproc 3"));
    assert!(ran.error().contains(expected), "{}", ran.stderr);
    assert!(!world.path("out").exists());
}

/// The outcome of an improvement, on one thread a process.
fn improved(world: &World, out: &str, more: &str) -> Value {
    improve::run(world, &of_improve(out, more)).json()
}

fn of_improve(out: &str, more: &str) -> String {
    let line = improve::LINE.replace("--out out", &format!("--out {out}"));
    format!("{line} {} --timeout 60 --json {more}", improve::SHORT)
}

/// Where PyTorch is installed, its own launcher starts a sweep and an improvement. The Python that has
/// it is the one in `E2MC_PYTHON`, or `python3`.
#[test]
fn torchrun_starts_a_sweep_and_an_improvement() {
    let python = std::env::var("E2MC_PYTHON").unwrap_or("python3".to_owned());
    let module = ["-m", "torch.distributed.run"];
    let mut asked = Command::new(&python);
    let asked = asked.args(module).arg("--help").output();
    if !asked.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no torchrun");
        return;
    }
    let torchrun = |world: &World, line: &str| -> Value {
        let mut command = assert_cmd::Command::new(&python);
        let output = command
            .args(module)
            .args(["--no-python", "--standalone", "--nproc-per-node", "2"])
            .arg(program())
            .args(line.split_whitespace())
            .current_dir(world.path("."))
            .envs(ONE_THREAD)
            .env("XDG_CACHE_HOME", world.path("cache"))
            .output()
            .unwrap();
        let ran = Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        ran.json()
    };
    // To the byte what the program's own launcher makes of the same words.
    let world = sweep::world();
    let line = format!("{} {GRID} --json", sweep::LINE);
    let own = world
        .run(&format!("{line} --out own/sweep --nproc 2"))
        .json();
    let other = torchrun(&world, &format!("{line} --out other/sweep"));
    assert_eq!(
        (&own["complete"], &own["base"]),
        (&other["complete"], &other["base"])
    );
    assert_eq!(own["complete"], true);
    assert_same(
        &world.path("own/sweep/runs"),
        &world.path("other/sweep/runs"),
    );

    let world = improve::world(600, improve::Shown::Faintly);
    let own = improved(&world, "own", "--nproc 2");
    let other = torchrun(&world, &of_improve("other", ""));
    assert_eq!(own["plan"]["candidates"], other["plan"]["candidates"]);
    assert_eq!(own["rows"][0], other["rows"][0]);
    assert_same(&world.path("own/search"), &world.path("other/search"));
}

#[test]
fn two_processes_improve_as_one_does_and_go_on_after_one_was_lost() {
    let world = improve::world(600, improve::Shown::Faintly);
    let one = improved(&world, "one", "");
    let two = improved(&world, "two", "--nproc 2");
    for key in ["model", "kind", "map"] {
        assert_eq!(one["rows"][0][key], two["rows"][0][key]);
    }
    let candidates = |result: &Value| result["plan"]["candidates"].clone();
    assert_eq!(candidates(&one), candidates(&two));
    assert_eq!(one["plan"]["batch"], two["plan"]["batch"]);
    let of = |out: &str| runs(&world.path(out).join("search"));
    for (one, two) in of("one").iter().zip(of("two")) {
        assert_eq!(one.file_name(), two.file_name());
        // The first line of this log is a mean over several steps, within which rounding grows: with
        // E2MC most, as it does for one process with another number of threads. How much depends on
        // the processor's instructions; the tests of single steps demand 1e-4 and less.
        let near = match one.to_string_lossy().contains("continued") {
            true => 1e-3,
            false => 0.1,
        };
        let (one, two) = (losses(one)[0], losses(&two)[0]);
        assert!((one - two).abs() <= near * one.abs(), "{one} {two}");
    }
    let kinds = |result: &Value| -> Vec<Value> {
        let rows = result["rows"].as_array().unwrap();
        rows.iter().map(|row| row["kind"].clone()).collect()
    };
    for kind in ["untouched", "statistics", "continued", "e2mc", "rescaled"] {
        assert!(kinds(&two).iter().any(|found| found == kind), "{two:#}");
    }

    // A process is lost while the second candidate is trained; the same command goes on.
    let line = of_improve("lost", "--nproc 2");
    let child = improve::start(&world, &line);
    let search = world.path("lost/search");
    until("the second candidate is trained", || {
        let entries = fs::read_dir(&search).into_iter().flatten().flatten();
        let mut entries = entries.map(|entry| entry.path());
        let second = entries.find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("02")
        });
        let log = second.map(|run| fs::read_to_string(run.join("metrics.jsonl")));
        matches!(log, Some(Ok(text)) if text.lines().count() >= 4)
    });
    lose_one(child, &["process 1 of 2 no longer answers"]);
    assert!(!world.path("lost/improve.json").exists());
    let lost: Ran = improve::run(&world, &line);
    let lost = lost.json();
    assert_eq!(kinds(&lost), kinds(&two));
    assert_eq!(lost["verdict"], two["verdict"]);
    assert_same(&world.path("two/search"), &world.path("lost/search"));
}
