//! The same command, queued again: after a kill at any moment it starts, goes on or is done, and
//! leaves the bytes of a run that was never disturbed.

use std::fs;

use super::common::{TINY, World, ended, log, signal};

fn world() -> World {
    let world = World::new();
    world.data("data", 200, 20);
    world
}

fn read(world: &World, name: &str) -> Vec<u8> {
    fs::read(world.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The log without times and without where it was resumed.
fn events(world: &World, run: &str) -> Vec<serde_json::Value> {
    let mut events = log(&world.path(run));
    events.retain(|event| event["event"] != "resume");
    for event in &mut events {
        for key in ["seconds", "images_per_s", "waiting", "exchanging"] {
            event.as_object_mut().unwrap().remove(key);
        }
    }
    events
}

fn assert_same(world: &World, run: &str, whole: &str) {
    for file in [
        "model.safetensors",
        "checkpoint.safetensors",
        "recipe.toml",
        "knn-start.json",
    ] {
        let (found, expected) = (format!("{run}/{file}"), format!("{whole}/{file}"));
        assert!(read(world, &found) == read(world, &expected), "{file}");
    }
    assert_eq!(events(world, run), events(world, whole));
}

/// Kills `run` each time its log has so many lines and starts it again with the same line; it must
/// end as `whole` did.
fn assert_survives_kills(world: &World, line: &str, moments: &[usize]) {
    for &lines in moments {
        let child = world.spawn(line);
        world.wait_for_lines("run/metrics.jsonl", lines);
        signal(&child, "-KILL");
        assert_eq!(ended(child).code, None);
    }
    let again = world.run(line);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_same(world, "run", "whole");
}

#[test]
fn a_killed_run_is_gone_on_with_from_within_an_epoch() {
    let world = world();
    let line = |out: &str| {
        format!(
            "pretrain {TINY} --data data --epochs 3 --held-out 20 --log-every 4 --save-every 3 \
             --resume-or-start --out {out}"
        )
    };
    let whole = world.run(&line("whole"));
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    assert!(
        whole.stdout.starts_with("done: 3 epochs\n"),
        "{}",
        whole.stdout
    );
    // Eleven steps an epoch, a report every four and a save every three of them.
    assert_survives_kills(&world, &line("run"), &[3, 5, 9]);
    let settings: serde_json::Value =
        serde_json::from_slice(&read(&world, "run/run.json")).unwrap();
    assert_eq!(settings["save_every"], 3);

    // Done is done, and nothing is written.
    let before = read(&world, "run/metrics.jsonl");
    let done = world.run(&line("run"));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(
        done.stdout.starts_with("done: 3 epochs\nheld-out k-NN"),
        "{}",
        done.stdout
    );
    assert!(read(&world, "run/metrics.jsonl") == before);
}

#[test]
fn what_computes_is_recorded_and_a_resume_with_something_else_says_so() {
    let world = world();
    let run = |threads: &str, line: &str| {
        let mut command = world.command();
        let words = line.split_whitespace();
        let output = command.env("OMP_NUM_THREADS", threads).args(words).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        let settings: serde_json::Value =
            serde_json::from_slice(&read(&world, "run/run.json")).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (settings["computed_by"].clone(), said)
    };
    let (start, _) = run(
        "1",
        &format!("pretrain {TINY} --data data --epochs 1 --held-out 20 --out run"),
    );
    assert_eq!(
        (&start[0]["processes"], &start[0]["threads"]),
        (&1.into(), &1.into())
    );
    let libtorch = start[0]["libtorch"].as_str().unwrap();
    assert!(libtorch.starts_with("2.11."), "{libtorch}");
    let (same, said) = run("1", "pretrain --resume --epochs 2 --out run");
    assert_eq!(same, start);
    assert!(!said.contains("computed by"), "{said}");
    let (other, said) = run("2", "pretrain --resume --epochs 3 --out run");
    assert_eq!((&other[0], &other[1]["threads"]), (&start[0], &2.into()));
    let before = format!("the run was computed by 1 process of 1 thread with libtorch {libtorch}");
    assert!(said.contains(&before), "{said}");
    assert!(
        said.contains("goes on with 1 process of 2 threads"),
        "{said}"
    );
}

#[test]
fn a_killed_run_of_dino_is_gone_on_with_teacher_and_centre() {
    let world = world();
    let line = |out: &str| {
        format!(
            "pretrain --recipe dino-small-28 --set backbone.patch=7 --set backbone.width=32 \
             --set backbone.depth=1 --set backbone.heads=2 --set backbone.hidden=32 \
             --set method.projector=[16,8] --set method.prototypes=12 --set \
             augmentation.views.2.size=14 --data data --batch 16 --epochs 2 --threads 2 --held-out \
             20 --log-every 2 --save-every 3 --resume-or-start --out {out}"
        )
    };
    let whole = world.run(&line("whole"));
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    // In the first epoch, while the last layer waits, and in the second.
    assert_survives_kills(&world, &line("run"), &[4, 10]);
}

#[test]
fn what_a_kill_after_the_training_kept_from_being_written_is_written() {
    let world = world();
    let line = format!("pretrain {TINY} --data data --held-out 20 --out run");
    let first = world.run(&line);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(
        first.stdout.starts_with("done: 1 epoch\n"),
        "{}",
        first.stdout
    );
    let model = read(&world, "run/model.safetensors");
    let events = events(&world, "run");
    let whole = fs::read_to_string(world.path("run/metrics.jsonl")).unwrap();
    let without_end: String = whole
        .lines()
        .filter(|line| !line.contains("\"event\":\"end\""))
        .map(|line| format!("{line}\n"))
        .collect();
    for again in [
        "pretrain --out run --resume",
        &format!("{line} --resume-or-start"),
    ] {
        fs::remove_file(world.path("run/model.safetensors")).unwrap();
        fs::write(world.path("run/metrics.jsonl"), &without_end).unwrap();
        let ran = world.run(again);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.starts_with("done: 1 epoch\n"), "{}", ran.stdout);
        assert!(read(&world, "run/model.safetensors") == model);
        assert_eq!(self::events(&world, "run"), events);
    }
}

#[test]
fn a_start_that_was_killed_before_its_first_checkpoint_starts_anew() {
    let world = world();
    let line = format!("pretrain {TINY} --data data --held-out 20 --out run");
    assert_eq!(
        world.run(&line.replace("--out run", "--out whole")).code,
        Some(0)
    );
    // As a kill leaves it: settings and a log that has begun, a lock without its process, and half
    // a file.
    fs::create_dir(world.path("run")).unwrap();
    for (file, text) in [
        ("recipe.toml", "name = "),
        ("run.json", "{"),
        (
            "metrics.jsonl",
            "{\"event\":\"start\",\"format\":1}\n{\"event\":\"epo",
        ),
        (".lock", "process 1 on elsewhere\n"),
        (".e2mc-hA1f03", "half a checkpoint"),
        ("events.out.tfevents.0000000001.e2mc", ""),
    ] {
        fs::write(world.path("run").join(file), text).unwrap();
    }
    let ran = world.run("pretrain --out run --resume");
    assert!(ran.error().contains("nothing to resume"), "{}", ran.stderr);
    let ran = world.run(&line);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_same(&world, "run", "whole");
    let mut names: Vec<_> = fs::read_dir(world.path("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.') || name.contains("tfevents"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 1, "{names:?}");
    let refused = world.run(&line);
    assert!(
        refused.error().contains("run already holds a run"),
        "{}",
        refused.stderr
    );
}

#[test]
fn other_settings_than_the_runs_are_refused_by_name() {
    let world = world();
    let line = format!("pretrain {TINY} --data data --held-out 20 --out run --resume-or-start");
    assert_eq!(world.run(&line).code, Some(0));
    let before = read(&world, "run/run.json");
    for (typed, error, hint) in [
        ("--batch 8", "training.batch is 16, found 8", "--batch"),
        ("--seed 3", "seed is 0, found 3", "--seed"),
        (
            "--held-out 10 --knn-every 2",
            "data.held_out is 20, found 10",
            "--held-out, --knn-every",
        ),
        (
            "--max-images 100",
            "data.max_images is none, found 100",
            "--max-images",
        ),
        (
            "--set optimizer.weight_decay=0.3",
            "optimizer.weight_decay is",
            "--recipe or --set optimizer.weight_decay",
        ),
        (
            "--set training.learning_rate=0.5",
            "training.learning_rate is",
            "--recipe or --set training.learning_rate",
        ),
    ] {
        let ran = world.run(&format!("{line} {typed}"));
        assert_eq!(ran.code, Some(2), "{typed}: {}", ran.stderr);
        assert!(ran.error().contains(error), "{typed}: {}", ran.stderr);
        let given = ran.stderr.split("hint: give ").nth(1);
        assert!(
            given.is_some_and(|text| text.contains(hint)),
            "{typed}: {}",
            ran.stderr
        );
    }
    assert!(read(&world, "run/run.json") == before);
    // What may change where a run goes on may change here, too.
    fs::rename(world.path("data"), world.path("moved")).unwrap();
    let more = line
        .replace("--data data", "--data moved")
        .replace("--epochs 1", "--epochs 2");
    let ran = world.run(&format!("{more} --log-every 5 --guard stop"));
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("2 epochs") || ran.stdout.contains("guard"),
        "{}",
        ran.stdout
    );
    let ran = world.run("pretrain --resume-or-start --data moved --recipe vicreg-small-pretrain");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("--out"), "{}", ran.stderr);
}

#[test]
fn a_continued_run_is_known_by_its_base() {
    let world = world();
    for (out, seed) in [("base", 0), ("other", 1)] {
        let more = format!("--knn-every 0 --seed {seed}");
        assert_eq!(world.pretrain("data", out, &more).code, Some(0));
    }
    let line = |base: &str| {
        format!(
            "continue --recipe vicreg-small --checkpoint {base}/model.safetensors --data data \
             --batch 16 --epochs 1 --knn-every 0 --threads 2 --out run --resume-or-start"
        )
    };
    for _ in 0..2 {
        let ran = world.run(&line("base"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let ran = world.run(&line("other"));
    assert!(ran.error().contains("base.sha256 is"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: give --checkpoint"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_second_writer_is_refused_and_a_lock_goes_with_its_process() {
    let world = world();
    let line = format!(
        "pretrain {TINY} --data data --epochs 500 --knn-every 500 --out run --resume-or-start"
    );
    let child = world.spawn(&line);
    world.wait_for_lines("run/metrics.jsonl", 4);
    let lines = |text: Vec<u8>| text.iter().filter(|&&byte| byte == b'\n').count();
    for second in [
        line.as_str(),
        "pretrain --out run --resume",
        &format!("pretrain {TINY} --data data --out run --dry-run"),
    ] {
        let ran = world.run(second);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let owner = format!("(process {}", child.id());
        let busy = ran.error().contains(&owner) && ran.error().contains("writes to run");
        assert!(
            busy || ran.error().contains("already holds a run"),
            "{}",
            ran.stderr
        );
    }
    let before = lines(read(&world, "run/metrics.jsonl"));
    world.wait_for_lines("run/metrics.jsonl", before + 2);
    signal(&child, "-KILL");
    assert_eq!(ended(child).code, None);
    assert!(
        world.path("run/.lock").exists(),
        "a kill leaves the file of the lock"
    );
    let resumed = world.run("pretrain --out run --resume --epochs 1");
    // The first epoch may be over already.
    let done = resumed.code == Some(0) || resumed.stderr.contains("expected more than the");
    assert!(done, "{}", resumed.stderr);
    assert!(!world.path("run/.lock").exists());
}
