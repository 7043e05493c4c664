//! A fresh folder with a small data set and a ready command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// Tests run side by side, one for each core. With more threads each, small steps spend most of their
/// time waiting for threads that other tests keep from running.
pub(super) const ONE_THREAD: [(&str, &str); 1] = [("OMP_NUM_THREADS", "1")];

/// A fresh folder for one test.
pub(super) struct World {
    folder: TempDir,
}

/// What a command did.
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    /// The one JSON object on standard output.
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The text after `error: `, once; there must be a hint and no panic.
    pub(super) fn error(&self) -> &str {
        assert!(
            matches!(self.code, Some(1 | 2)),
            "{:?} {}",
            self.code,
            self.stdout
        );
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        let start = self.stderr.find("error: ").expect("counted above") + "error: ".len();
        self.stderr[start..].trim_end()
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, in this folder, computing on one thread.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).envs(ONE_THREAD);
        command
    }

    /// Runs `e2mc` with these words.
    pub(super) fn run(&self, line: &str) -> Ran {
        Self::ran(self.command(), line)
    }

    /// The same on as many threads as the program takes.
    pub(super) fn run_on_all_threads(&self, line: &str) -> Ran {
        let mut command = self.command();
        for (name, _) in ONE_THREAD {
            command.env_remove(name);
        }
        Self::ran(command, line)
    }

    fn ran(mut command: Command, line: &str) -> Ran {
        let output = command.args(line.split_whitespace()).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts `e2mc` with these words, and does not wait for it.
    pub(super) fn spawn(&self, line: &str) -> Child {
        std::process::Command::new(program())
            .envs(ONE_THREAD)
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits until a file that a started program writes holds so many lines.
    pub(super) fn wait_for_lines(&self, name: &str, lines: usize) {
        let path = self.path(name);
        until("the program writes", || {
            fs::read_to_string(&path).is_ok_and(|text| text.lines().count() >= lines)
        });
    }

    /// Writes an IDX data set of `train` and `test` images with four classes.
    pub(super) fn data(&self, name: &str, train: usize, test: usize) {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        write_idx(&folder, "train", train, 1);
        write_idx(&folder, "t10k", test, 2);
    }

    /// Trains a small model into `out`.
    pub(super) fn pretrain(&self, data: &str, out: &str, more: &str) -> Ran {
        self.run(&format!("pretrain {TINY} --data {data} --out {out} {more}"))
    }
}

/// Waits for what must happen.
pub(super) fn until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{what}: it does not happen"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal, such as `-TERM`.
#[cfg(unix)]
pub(super) fn signal(child: &Child, name: &str) {
    let number = match name {
        "-TERM" => libc::SIGTERM,
        "-INT" => libc::SIGINT,
        "-USR1" => libc::SIGUSR1,
        "-USR2" => libc::SIGUSR2,
        "-HUP" => libc::SIGHUP,
        "-KILL" => libc::SIGKILL,
        other => panic!("no signal is called {other}"),
    };
    // At once: another program to send it would start late on a busy machine.
    // SAFETY: the call takes numbers alone, and the child is not waited for yet.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, number) };
    assert_eq!(sent, 0, "{name} is not sent");
}

/// What a started program did, once it has ended.
pub(super) fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The program `e2mc`; beside it lies the engine that does what needs a network.
pub(super) fn program() -> PathBuf {
    let program = assert_cmd::cargo::cargo_bin("e2mc");
    let engine = format!("e2mc-engine{}", std::env::consts::EXE_SUFFIX);
    let engine = program.with_file_name(engine);
    assert!(
        engine.is_file(),
        "{} is missing: run `cargo build --release --bins` first",
        engine.display()
    );
    program
}

/// A network of a few thousand weights, a batch of 16, one epoch.
pub(super) const TINY: &str = "--recipe vicreg-small-pretrain --set backbone.width=4 \
    --set method.projector=[16,16] --batch 16 --epochs 1 --threads 2 --log-every 1";

/// Noise with a bright bar whose place is the class.
fn write_idx(folder: &Path, part: &str, count: usize, salt: u32) {
    let mut images = vec![0, 0, 8, 3];
    for size in [count as u32, 28, 28] {
        images.extend(size.to_be_bytes());
    }
    let mut labels = vec![0, 0, 8, 1];
    labels.extend((count as u32).to_be_bytes());
    let mut state = salt;
    for index in 0..count {
        labels.push((index % 4) as u8);
        for pixel in 0..28 * 28 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let bright = if pixel % 28 / 7 == index % 4 { 150 } else { 0 };
            images.push((state >> 24) as u8 / 3 + bright);
        }
    }
    fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
    fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
}

/// The numbers of the steps in a run's log.
pub(super) fn steps(run: &Path) -> Vec<u64> {
    log(run)
        .iter()
        .filter(|event| event["event"] == "step")
        .map(|event| event["step"].as_u64().unwrap())
        .collect()
}

/// Whatever became of a run and its resumes: no step is missing, and none was done twice.
pub(super) fn assert_each_step_once(run: &Path) {
    let steps = steps(run);
    let expected: Vec<u64> = (1..=steps.len() as u64).collect();
    assert_eq!(steps, expected, "each step once");
}

/// The events of a run's log.
pub(super) fn log(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
