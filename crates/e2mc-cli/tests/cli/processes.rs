//! Several processes of one command: the same run as one, and what becomes of it when one of them
//! fails.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::common::{ONE_THREAD, TINY, World, assert_each_step_once, ended, log, program};
use super::images::two_classes;

/// Starts a run of two processes that would take long, and waits until it has logged some steps.
fn start(world: &World, more: &str) -> Child {
    let words = format!("pretrain {TINY} --data data --out run --epochs 500 --nproc 2 {more}");
    let child = Command::new(program())
        .envs(ONE_THREAD)
        .args(words.split_whitespace())
        .current_dir(world.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let metrics = world.path("run/metrics.jsonl");
    // Beyond the first epoch, whose checkpoint is there then.
    while fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < 18 {
        let patience = Duration::from_secs(120);
        assert!(started.elapsed() < patience, "the run does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// The process of that number which `launcher` has started.
pub(super) fn member(launcher: &Child, rank: usize) -> String {
    let parent = format!("PPid:\t{}\n", launcher.id());
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let found = pids.filter(|pid| {
        let read = |file: &str| fs::read(Path::new("/proc").join(pid).join(file));
        let (Ok(status), Ok(variables)) = (read("status"), read("environ")) else {
            return false;
        };
        let status = String::from_utf8_lossy(&status).into_owned();
        let variables = String::from_utf8_lossy(&variables).into_owned();
        let rank = format!("RANK={rank}");
        status.contains(&parent) && variables.split('\0').any(|variable| variable == rank)
    });
    found.last().expect("the process runs")
}

pub(super) fn send(signal: &str, pid: &str) {
    let sent = Command::new("kill").args([signal, pid]).status().unwrap();
    assert!(sent.success());
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

pub(super) fn losses(run: &Path) -> Vec<f64> {
    let events = log(run)
        .into_iter()
        .filter(|event| event["event"] == "step");
    events
        .map(|event| event["loss"].as_f64().unwrap())
        .collect()
}

pub(super) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-4 * b.abs()
}

/// No file of the run is the beginning of another.
pub(super) fn nothing_half(run: &Path) {
    for entry in fs::read_dir(run).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with('.') && !name.contains("tmp"), "{name}");
    }
}

#[test]
fn two_processes_train_as_one_does_repeat_themselves_and_resume_on_one() {
    let world = World::new();
    world.data("data", 200, 20);
    let line = format!("pretrain {TINY} --data data --out alone");
    let alone = world.run(&line);
    assert_eq!(alone.code, Some(0), "{}", alone.stderr);
    for out in ["together", "again"] {
        let ran = world.pretrain("data", out, "--nproc 2 --json");
        assert_eq!(ran.json()["outcome"], "finished");
    }
    let (one, two) = (
        losses(&world.path("alone")),
        losses(&world.path("together")),
    );
    assert_eq!(one.len(), two.len());
    let exchanging = |run: &str| {
        let mut events = log(&world.path(run)).into_iter();
        let epoch = events.rfind(|event| event["event"] == "epoch");
        epoch.unwrap()["exchanging"].as_f64()
    };
    assert_eq!(exchanging("alone"), None);
    assert!((0.0..=1.0).contains(&exchanging("together").unwrap()));
    assert!(close(two[0], one[0]), "{two:?} {one:?}");
    // The guard looks at the same images with the same weights.
    let first_check = |run: &str| {
        let mut events = log(&world.path(run)).into_iter();
        let check = events.find(|event| event["event"] == "epoch");
        check.unwrap()["knn"].as_f64().unwrap()
    };
    assert_eq!(first_check("together"), first_check("alone"));
    let bytes = |run: &str, file: &str| fs::read(world.path(run).join(file)).unwrap();
    for file in ["checkpoint.safetensors", "model.safetensors"] {
        assert!(bytes("together", file) == bytes("again", file), "{file}");
    }
    // From two to one and from two to two.
    for (out, more) in [("together", ""), ("again", "--nproc 2")] {
        let line = format!("pretrain --out {out} --resume --epochs 2 {more}");
        let ran = world.run(&line);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let next = |run: &str| losses(&world.path(run))[one.len()];
    assert!(close(next("together"), next("again")));
}

/// The same folder under another name.
fn copied(world: &World, run: &str, to: &str) {
    fs::create_dir(world.path(to)).unwrap();
    for entry in fs::read_dir(world.path(run)).unwrap().flatten() {
        fs::copy(entry.path(), world.path(to).join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_run_goes_from_two_processes_to_one_and_back() {
    let world = World::new();
    world.data("data", 200, 20);
    let ran = world.pretrain("data", "run", "--nproc 2 --json");
    assert_eq!(ran.json()["outcome"], "finished");
    let resume = |run: &str, epochs: usize, processes: usize| -> Vec<f64> {
        let line = format!("pretrain --out {run} --resume --epochs {epochs} --nproc {processes}");
        let ran = world.run(&format!("{line} --json"));
        assert_eq!(ran.json()["outcome"], "finished", "{}", ran.stderr);
        assert_each_step_once(&world.path(run));
        losses(&world.path(run))
    };
    // At both borders the next step is the same one, whichever way the run goes on.
    for (epochs, here, elsewhere) in [(2, 1, 2), (3, 2, 1)] {
        let done = losses(&world.path("run")).len();
        let other = format!("on-{elsewhere}-in-epoch-{epochs}");
        copied(&world, "run", &other);
        let again = format!("again-in-epoch-{epochs}");
        copied(&world, "run", &again);
        let (own, others) = (
            resume("run", epochs, here),
            resume(&other, epochs, elsewhere),
        );
        assert_eq!(own.len(), done / (epochs - 1) * epochs);
        assert_eq!(own.len(), others.len());
        assert!(close(own[done], others[done]), "{own:?} {others:?}");
        // The same way twice gives the same bytes.
        resume(&again, epochs, here);
        let state = |run: &str| fs::read(world.path(run).join("checkpoint.safetensors")).unwrap();
        assert!(state("run") == state(&again), "epoch {epochs}");
    }
}

#[test]
fn a_signal_to_the_launcher_saves_once_and_resume_goes_on() {
    for signal in ["-INT", "-TERM", "-USR1"] {
        let world = World::new();
        world.data("data", 200, 20);
        let child = start(&world, "");
        send(signal, &child.id().to_string());
        let output = child.wait_with_output().unwrap();
        let (stdout, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(3), "{stdout} {stderr}");
        assert_eq!(
            stdout.matches("the state is saved in").count(),
            1,
            "{stdout}"
        );
        let done = losses(&world.path("run")).len();
        let epochs = done / 11 + 2;
        let line = format!("pretrain --out run --resume --epochs {epochs} --log-every 1 --nproc 2");
        assert_eq!(world.run(&line).code, Some(0));
        assert_each_step_once(&world.path("run"));
    }
}

/// One of two processes that find each other by variables at `port`, as on two machines.
fn by_variables(world: &World, port: u16, rank: usize, words: &str) -> Child {
    Command::new(program())
        .envs(ONE_THREAD)
        .envs([("RANK", rank.to_string()), ("WORLD_SIZE", "2".into())])
        .envs([
            ("MASTER_ADDR", "127.0.0.1".into()),
            ("MASTER_PORT", port.to_string()),
        ])
        .args(words.split_whitespace())
        .current_dir(world.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_signal_to_any_process_ends_all_and_a_stranger_none() {
    for signal in ["-TERM", "-USR1"] {
        let world = World::new();
        world.data("data", 200, 20);
        let port = free_port();
        let line = format!("pretrain {TINY} --data data --out run --epochs 500");
        let run = [0, 1].map(|rank| by_variables(&world, port, rank, &line));
        world.wait_for_lines("run/metrics.jsonl", 18);
        // Another run's process 1, at the same port by mistake.
        let stranger = by_variables(&world, port, 1, &line.replace("--out run", "--out other"));
        let stranger = ended(stranger);
        let expected = format!("the run at 127.0.0.1:{port} has a process 1 already");
        assert!(
            stranger.error().starts_with(&expected),
            "{}",
            stranger.stderr
        );
        let before = losses(&world.path("run")).len();
        world.wait_for_lines("run/metrics.jsonl", before + 30);

        send(signal, &run[1].id().to_string());
        let [first, second] = run.map(ended);
        assert_eq!(first.code, Some(3), "{} {}", first.stdout, first.stderr);
        assert_eq!(second.code, Some(3), "{} {}", second.stdout, second.stderr);
        let saved = first.stdout.matches("the state is saved in").count();
        assert_eq!(saved, 1, "{}", first.stdout);
        assert_eq!(second.stdout, "");
        let epochs = losses(&world.path("run")).len() / 11 + 2;
        let line = format!("pretrain --out run --resume --epochs {epochs} --log-every 1");
        let port = free_port();
        let resumed = [0, 1].map(|rank| by_variables(&world, port, rank, &line));
        for ran in resumed.map(ended) {
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        }
        assert_each_step_once(&world.path("run"));
    }
}

#[test]
fn another_data_set_is_refused_by_process() {
    let world = World::new();
    world.data("data", 200, 20);
    world.data("other", 216, 20);
    let port = free_port();
    let run = [(0, "data"), (1, "other")].map(|(rank, data)| {
        let line = format!("pretrain {TINY} --data {data} --out run --timeout 60");
        by_variables(&world, port, rank, &line)
    });
    let expected = "process 1 has another set of images than process 0: expected 200 images, ";
    for ran in run.map(ended) {
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.error().starts_with(expected), "{}", ran.stderr);
        assert!(
            ran.error().contains(", found 216 images, "),
            "{}",
            ran.stderr
        );
    }
    assert!(!world.path("run/metrics.jsonl").exists());
}

#[test]
fn a_loss_that_is_not_finite_ends_all_in_the_step_of_one_process() {
    let world = World::new();
    world.data("data", 200, 20);
    let mut errors = Vec::new();
    for size in [1, 2] {
        let more = format!("--set training.learning_rate=1e30 --knn-every 0 --nproc {size}");
        let out = format!("run{size}");
        let ran = world.pretrain("data", &out, &more);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let error = ran.error().to_owned();
        // Saved when the run began.
        let state = format!("; the last good state is {out}/checkpoint.safetensors");
        assert!(error.contains(&state), "{error}");
        let run = world.path(&out);
        assert!(run.join("checkpoint.safetensors").exists());
        assert!(!run.join("model.safetensors").exists());
        nothing_half(&run);
        errors.push((error, losses(&run).len()));
    }
    let ((alone, steps), (together, as_many)) = (&errors[0], &errors[1]);
    let (term, _) = alone.split_once(" (epoch 1)").unwrap();
    assert!(term.contains(" is not finite at step "), "{alone}");
    let expected = format!("process 0 of 2: {term} (epoch 1)");
    assert!(together.starts_with(&expected), "{together}");
    assert_eq!(steps, as_many);
}

/// A limit on the size of files stands in for a full disk: the write fails in the same place.
#[test]
fn a_full_disk_ends_all_with_one_error_and_loses_nothing() {
    let world = World::new();
    world.data("data", 100, 20);
    let ran = world.pretrain("data", "run", "--knn-every 0 --nproc 2");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let state = || fs::read(world.path("run/checkpoint.safetensors")).unwrap();
    let before = state();
    // 64 blocks: enough for the log, too little for a checkpoint.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {} pretrain --out run --resume --epochs 2 --nproc 2",
        program().display()
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .envs(ONE_THREAD)
        .current_dir(world.path("."))
        .output()
        .unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{stdout} {stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    let expected = "error: process 0 of 2: cannot write run/checkpoint.safetensors";
    assert!(stderr.contains(expected), "{stderr}");
    assert!(stderr.contains("hint: free some space"), "{stderr}");
    assert!(state() == before, "the older checkpoint changed");
    nothing_half(&world.path("run"));
    let resumed = world.run("pretrain --out run --resume --epochs 2 --nproc 2");
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
}

/// Ends a process of a run in some way; one error must say `expected`, soon, and the run must
/// resume.
fn survives(rank: usize, signal: &str, more: &str, expected: &str) {
    let world = World::new();
    world.data("data", 200, 20);
    let child = start(&world, more);
    let since = Instant::now();
    send(signal, &member(&child, rank));
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{stdout} {stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(since.elapsed() < Duration::from_secs(60), "{stderr}");
    if rank != 0 {
        // Process 0 may be killed while it writes beside the file that it will replace.
        nothing_half(&world.path("run"));
    }
    let epochs = losses(&world.path("run")).len() / 11 + 2;
    let line = format!("pretrain --out run --resume --epochs {epochs} --nproc 2");
    let ran = world.run(&line);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_process_that_is_killed_is_named_and_the_run_resumes() {
    survives(1, "-KILL", "", "error: process 1 of 2 no longer answers");
    survives(0, "-KILL", "", "error: process 0 of 2 was killed");
}

#[test]
fn a_process_that_is_stopped_is_named_after_the_timeout() {
    survives(
        1,
        "-STOP",
        "--timeout 3",
        "error: process 1 of 2 no longer answers",
    );
    survives(
        0,
        "-STOP",
        "--timeout 3",
        "error: process 0 of 2 was killed",
    );
}

#[test]
fn processes_end_with_their_launcher() {
    let world = World::new();
    world.data("data", 200, 20);
    let mut child = start(&world, "");
    let members = [0, 1].map(|rank| member(&child, rank));
    child.kill().unwrap();
    child.wait().unwrap();
    let since = Instant::now();
    let runs = |pid: &String| {
        let command = fs::read(Path::new("/proc").join(pid).join("cmdline"));
        command.is_ok_and(|command| !command.is_empty())
    };
    while members.iter().any(runs) {
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "{members:?} go on"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_processes_cannot_do_is_refused_once_and_by_name() {
    let world = World::new();
    world.data("data", 200, 20);
    let ran = world.pretrain("data", "run", "--nproc 3");
    let error = ran.error();
    let expected = "setting `training.batch`: expected a multiple of 3: 3 processes";
    assert!(error.starts_with(expected), "{error}");
    assert!(!world.path("run").exists());
    let line = format!("pretrain {TINY} --data data --out run --nproc 2 --device cuda:0");
    let error = world.run(&line).error().to_owned();
    assert!(
        error.starts_with("2 processes on one device, cuda:0"),
        "{error}"
    );
    assert!(error.contains("hint: give --device cuda"), "{error}");
    // As torchrun sets them.
    let output = world
        .command()
        .args(
            line.replace(" --nproc 2 --device cuda:0", "")
                .split_whitespace(),
        )
        .envs([("RANK", "2"), ("WORLD_SIZE", "2")])
        .output()
        .unwrap();
    let (_, stderr) = text(&output);
    assert!(
        stderr.starts_with("error: the variable RANK: expected a number from 0 to 1"),
        "{stderr}"
    );
}

#[test]
fn images_that_cannot_be_read_end_all_with_one_error() {
    let world = World::new();
    let folder = world.path("images/train/a");
    fs::create_dir_all(&folder).unwrap();
    for index in 0..16 {
        fs::write(folder.join(format!("{index:02}.png")), "no image").unwrap();
    }
    let ran = world.pretrain("images", "run", "--nproc 2");
    let error = ran.error();
    assert!(error.contains(".png"), "{error}");
}

#[test]
fn processes_embed_and_judge_to_the_bytes_of_one() {
    let world = World::new();
    // The last batch is short, and of three processes two have no part of it.
    world.data("data", 100, 40);
    let base = world.pretrain("data", "base", "--knn-every 0");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    let model = "--checkpoint base/model.safetensors --data data --threads 1 --json";
    for size in 1..=3 {
        for line in [
            format!("embed {model} --batch 16 --out rows{size}.npy"),
            format!("knn {model} --k 3 --out knn{size}"),
            format!("probe {model} --fractions 0.5 --seeds 1 --sgd-epochs 2 --out probe{size}"),
        ] {
            let ran = world.run(&format!("{line} --nproc {size}"));
            assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
            ran.json();
        }
        let same = |name: &str, other: &str| {
            let read = |name| fs::read(world.path(name)).unwrap();
            assert!(read(name) == read(other), "{name} differs from {other}");
        };
        same(&format!("rows{size}.npy"), "rows1.npy");
        for folder in ["knn", "probe"] {
            for file in ["result.json", "predictions.npz", "surroundings.npz"] {
                same(
                    &format!("{folder}{size}/{file}"),
                    &format!("{folder}1/{file}"),
                );
            }
        }
    }
    let files = "--train rows1.npy --train-labels rows1.labels.npy --test rows1.npy --test-labels \
                 rows1.labels.npy";
    let refused = world.run(&format!("knn {files} --nproc 2"));
    assert!(
        refused.error().contains("one process evaluates"),
        "{}",
        refused.stderr
    );
}

#[test]
fn parts_of_a_batch_are_those_of_one_process() {
    let world = World::new();
    world.data("data", 100, 20);
    let first = |out: &str, more: &str| {
        let line = format!("pretrain {TINY} --data data --out {out} --knn-every 0 {more}");
        let ran = world.run(&line);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        losses(&world.path(out))
    };
    let whole = first("whole", "");
    let alone = first("alone", "--accumulate 2");
    let together = first("together", "--accumulate 2 --nproc 2");
    // Batch norm is not frozen: parts of other images would have another loss, as one part has.
    assert!(!close(whole[0], alone[0]), "{whole:?} {alone:?}");
    assert!(close(together[0], alone[0]), "{together:?} {alone:?}");
}

/// The names of the images that warnings tell of.
fn warned(stderr: &str) -> BTreeSet<String> {
    let warnings = stderr.lines().filter(|line| line.starts_with("warning: "));
    let name = |line: &str| {
        let end = line.find(".png")? + ".png".len();
        Some(line[end - "a/01.png".len()..end].to_owned())
    };
    warnings.filter_map(name).collect()
}

#[test]
fn training_counts_bad_images_over_all_processes() {
    let world = World::new();
    two_classes(&world);
    let bad = ["a/01", "a/07", "a/20", "b/02", "b/07", "b/19"].map(|name| format!("{name}.png"));
    for name in &bad {
        fs::write(world.path("data").join(name), b"not an image").unwrap();
    }
    for size in [1, 2, 4] {
        let train = |out: &str, allowed: &str| {
            let more = format!("--knn-every 0 --max-bad-images {allowed} --nproc {size}");
            world.pretrain("data", &format!("{out}{size}"), &more)
        };
        // Of 48 images 3 may be bad. With four processes none of them finds as many.
        let over = train("over", "0.07");
        assert_eq!(over.code, Some(1), "{size}: {}", over.stderr);
        let expected = "4 images cannot be read so far: expected at most 3 of 48";
        assert!(over.error().contains(expected), "{size}: {}", over.stderr);
        assert!(
            !world
                .path(&format!("over{size}/model.safetensors"))
                .exists()
        );
        let ran = train("all", "0.2");
        assert_eq!(ran.code, Some(0), "{size}: {}", ran.stderr);
        assert_eq!(
            warned(&ran.stderr),
            bad.iter().cloned().collect(),
            "{}",
            ran.stderr
        );
        let of_others = ran.stderr.matches("by another: process ").count();
        assert_eq!(of_others > 0, size > 1, "{}", ran.stderr);
    }
    // What takes their places is the same.
    for size in [2, 4] {
        let (found, expected) = (
            losses(&world.path(&format!("all{size}"))),
            losses(&world.path("all1")),
        );
        assert!(close(found[0], expected[0]), "{found:?} {expected:?}");
    }
}

#[test]
fn bad_images_count_over_all_processes() {
    let world = World::new();
    two_classes(&world);
    let base = world.pretrain("data", "base", "--knn-every 0");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    for name in ["a/01.png", "a/20.png", "b/07.png"] {
        fs::write(world.path("data").join(name), b"not an image").unwrap();
    }
    let line = "embed --checkpoint base/model.safetensors --data data --threads 1 --batch 8";
    let embed = |size: usize, allowed: &str| {
        let out = format!("rows{size}.npy");
        world.run(&format!(
            "{line} --max-bad-images {allowed} --nproc {size} --out {out}"
        ))
    };
    for size in [1, 2] {
        let over = embed(size, "0.05");
        let expected = "3 images cannot be read so far: expected at most 2 of 48";
        assert!(over.error().contains(expected), "{size}: {}", over.stderr);
        let ran = embed(size, "0.1");
        assert_eq!(ran.code, Some(0), "{size}: {}", ran.stderr);
        for name in ["a/01.png", "a/20.png", "b/07.png"] {
            assert_eq!(
                ran.stderr.matches(name).count(),
                1,
                "{size}: {}",
                ran.stderr
            );
        }
    }
    let read = |name| fs::read(world.path(name)).unwrap();
    assert!(read("rows1.npy") == read("rows2.npy"));
}
