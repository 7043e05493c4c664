//! Signals at any time: saved, or nothing made; exit code 3 and a message.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Child;

use super::common::{Ran, TINY, World, ended, signal, until};

fn world() -> World {
    let world = World::new();
    world.data("data", 100, 40);
    assert_eq!(
        world.pretrain("data", "base", "--knn-every 0").code,
        Some(0)
    );
    world
}

/// Waits until the program has become the engine: it has loaded nothing yet.
fn wait_for_engine(child: &Child) {
    let exe = format!("/proc/{}/exe", child.id());
    until("the engine starts", || {
        fs::read_link(&exe).is_ok_and(|path| path.ends_with("e2mc-engine"))
    });
}

/// The names in the test's folder.
fn names(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path(".")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn assert_untouched(ran: &Ran, what: &str) {
    assert_eq!(ran.code, Some(3), "{what}: {}", ran.stderr);
    let expected = "stopped by a signal; nothing was changed";
    assert!(ran.stderr.contains(expected), "{what}: {}", ran.stderr);
    assert_eq!(ran.stdout, "", "{what}");
}

#[test]
fn a_signal_before_the_first_file_leaves_none() {
    let world = world();
    let before = names(&world);
    let model = "--checkpoint base/model.safetensors --data data --threads 1";
    let from = "--recipe vicreg-small --batch 16 --epochs 1";
    let commands = [
        format!("pretrain {TINY} --data data --out out"),
        format!("continue {model} {from} --out out"),
        format!("sweep {model} {from} --fractions 0.5 --grid criterion.beta=1,2 --out out"),
        format!("embed {model} --out out.npy"),
        format!("probe {model} --out out"),
        format!("knn {model} --out out"),
        format!("svm {model} --out out"),
        format!("finetune {model} --out out"),
    ];
    let signals = ["-TERM", "-INT", "-USR1", "-USR2", "-HUP"];
    for (index, line) in commands.iter().enumerate() {
        let child = world.spawn(line);
        // While libraries are loaded.
        wait_for_engine(&child);
        signal(&child, signals[index % signals.len()]);
        let ran = ended(child);
        if line.starts_with("sweep") && !ran.stderr.contains("nothing was changed") {
            // On a busy machine the sweep's plan is written before the signal comes: then it goes
            // on.
            assert_eq!(ran.code, Some(3), "{line}: {}", ran.stderr);
            let resumed = world.run("sweep --out out --resume --threads 1");
            assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
            fs::remove_dir_all(world.path("out")).unwrap();
        } else {
            assert_untouched(&ran, line);
        }
        assert_eq!(names(&world), before, "{line}");
    }
}

#[test]
fn an_evaluation_that_is_stopped_leaves_nothing_and_its_folder_is_locked_meanwhile() {
    let world = world();
    let before = names(&world);
    let model = "--checkpoint base/model.safetensors --data data --threads 1 --out out";
    for line in [
        format!("probe {model} --seeds 1000 --fractions 0.5 --sgd-epochs 500"),
        format!("finetune {model} --seeds 1000 --fractions 0.5"),
    ] {
        let child = world.spawn(&line);
        until("the folder is locked", || world.path("out/.lock").exists());
        let second = world.run(&format!("knn {model}"));
        assert!(
            second.error().contains("another process (process"),
            "{}",
            second.stderr
        );
        signal(&child, "-TERM");
        assert_untouched(&ended(child), &line);
        assert_eq!(names(&world), before, "{line}");
    }
}

#[test]
fn files_of_embeddings_are_judged_or_nothing_is_written() {
    let world = world();
    let embed = "embed --checkpoint base/model.safetensors --data data";
    for split in ["train", "test"] {
        let ran = world.run(&format!("{embed} --split {split} --out {split}.npy"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let before = names(&world);
    let files = "--train train.npy --train-labels train.labels.npy --test test.npy \
        --test-labels test.labels.npy --out out";
    let child = world.spawn(&format!(
        "probe {files} --seeds 1000 --sgd-epochs 500 --fractions 0.5"
    ));
    until("the folder is locked", || world.path("out/.lock").exists());
    signal(&child, "-USR2");
    assert_untouched(&ended(child), "probe of files");
    assert_eq!(names(&world), before);
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let world = World::new();
    world.data("data", 200, 20);
    let line = format!(
        "trap '' HUP; exec {} pretrain {TINY} --data data --out run --epochs 500 --knn-every 500",
        super::common::program().display()
    );
    let child = std::process::Command::new("sh")
        .args(["-c", &line])
        .current_dir(world.path("."))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    world.wait_for_lines("run/metrics.jsonl", 4);
    signal(&child, "-HUP");
    world.wait_for_lines("run/metrics.jsonl", 20);
    signal(&child, "-TERM");
    let ran = ended(child);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("the state is saved in"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_second_signal_does_not_wait_and_the_run_goes_on_from_its_last_save() {
    let world = World::new();
    world.data("data", 200, 20);
    let line = format!("pretrain {TINY} --data data --out run --epochs 3 --resume-or-start");
    let child = world.spawn(&line);
    world.wait_for_lines("run/metrics.jsonl", 4);
    signal(&child, "-TERM");
    signal(&child, "-INT");
    let ran = ended(child);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(!world.path("run/.lock").exists());
    let again = world.run(&line);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let whole = world.run(&line.replace("--out run", "--out whole"));
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let model = |run: &str| fs::read(world.path(run).join("model.safetensors")).unwrap();
    assert!(model("run") == model("whole"));
}
