//! What `e2mc` leaves to the engine: how it is found, started and answered for.
#![cfg(unix)]

use assert_cmd::Command;

use super::common::World;

/// The program alone in a folder, with no variable that libtorch reads.
fn alone(world: &World) -> Command {
    placed(world, "e2mc")
}

fn placed(world: &World, place: &str) -> Command {
    let program = world.path(place);
    if !program.exists() {
        let built = assert_cmd::cargo::cargo_bin("e2mc");
        by_another_process(Command::new("cp").arg(built).arg(&program));
    }
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["OMP_", "GOMP_", "KMP_", "MKL_", "E2MC_", "LIBTORCH"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// An engine that says how it was called, in the place of the real one.
fn engine(world: &World, place: &str) {
    let script = "#!/bin/sh\n\
        [ \"$1\" != --version ] || exit 0\n\
        echo \"$*\"; echo \"spins $GOMP_SPINCOUNT policy $OMP_WAIT_POLICY\"; exit 3\n";
    script_at(world, place, script);
}

fn script_at(world: &World, place: &str, script: &str) {
    let path = world.path(place);
    let write = "printf '%s' \"$2\" >\"$1\" && chmod 755 \"$1\"";
    by_another_process(
        Command::new("sh")
            .args(["-c", write, "sh"])
            .arg(path)
            .arg(script),
    );
}

/// Makes a file that is to be executed. A file that this process has open for writing is open in
/// whatever another test starts at that moment, too, and cannot be executed while it is.
fn by_another_process(command: &mut Command) {
    assert!(command.output().unwrap().status.success());
}

fn stdout(command: &mut Command, code: i32) -> String {
    let ran = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(code), "{stderr}");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_engine_gets_the_arguments_and_its_exit_code_is_the_programs() {
    let world = World::new();
    engine(&world, "e2mc-engine");
    let text = stdout(alone(&world).args(["demo", "--seeds", "3"]), 3);
    assert_eq!(text, "demo --seeds 3\nspins 10000 policy \n");
    let mut patient = alone(&world);
    patient.env("OMP_WAIT_POLICY", "passive").arg("demo");
    assert_eq!(stdout(&mut patient, 3), "demo\nspins  policy passive\n");
    // A link to the program leads to the same engine.
    std::os::unix::fs::symlink(world.path("e2mc"), world.path("link")).unwrap();
    let text = stdout(
        Command::new(world.path("link")).args(["convert", "a", "b"]),
        3,
    );
    assert!(text.starts_with("convert a b\n"), "{text}");
}

#[test]
fn an_engine_elsewhere_is_named_by_a_variable() {
    let world = World::new();
    engine(&world, "other");
    let mut command = alone(&world);
    command.env("E2MC_ENGINE", world.path("other")).arg("demo");
    assert!(stdout(&mut command, 3).starts_with("demo\n"));
}

#[test]
fn without_an_engine_one_line_says_what_to_do() {
    let world = World::new();
    let ran = alone(&world).arg("demo").output().unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].starts_with("error: ") && lines[0].contains("e2mc-engine is missing"));
    assert!(lines[1].starts_with("hint: ") && lines[1].contains("make build"));
    // Files need none.
    assert_eq!(
        stdout(alone(&world).args(["recipes"]), 0)
            .lines()
            .filter(|line| line.contains("   continue   ") || line.contains("   pretrain   "))
            .count(),
        26
    );
}

#[test]
fn a_chosen_libtorch_has_to_be_there() {
    let world = World::new();
    engine(&world, "e2mc-engine");
    let mut command = alone(&world);
    command
        .env("E2MC_LIBTORCH", world.path("nowhere"))
        .arg("demo");
    let ran = command.output().unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: E2MC_LIBTORCH: "), "{stderr}");
}

/// A Python environment with both programs, where the engine does as the script says, and with
/// files that look like a PyTorch of a version.
fn environment(world: &World, script: &str, version: &str) -> Command {
    let torch = world.path("env/lib/python3.12/site-packages/torch");
    std::fs::create_dir_all(torch.join("lib")).unwrap();
    std::fs::create_dir_all(world.path("env/bin")).unwrap();
    for library in ["libtorch_cpu.so", "libtorch_cuda.so"] {
        std::fs::write(torch.join("lib").join(library), "").unwrap();
    }
    let text = format!("__version__ = '{version}'\n");
    std::fs::write(torch.join("version.py"), text).unwrap();
    script_at(world, "env/bin/e2mc-engine", script);
    let mut command = placed(world, "env/bin/e2mc");
    // No Python of this machine is asked for its own.
    command.env("PATH", world.path("nothing"));
    command.env_remove("LD_LIBRARY_PATH");
    command
}

#[test]
#[cfg(target_os = "linux")]
fn the_pytorch_of_the_environment_is_used() {
    let world = World::new();
    let told = "#!/bin/sh\necho \"$LD_LIBRARY_PATH $LD_PRELOAD\"\n";
    let torch = "env/lib/python3.12/site-packages/torch/lib";
    let mut command = environment(&world, told, "2.11.0+cu130");
    let lib = world.path(torch).canonicalize().unwrap();
    let text = stdout(command.arg("demo"), 0);
    assert_eq!(text, format!("{} \n", lib.display()));
    // What the user has set follows, and a GPU's library is loaded first.
    let mut command = environment(&world, told, "2.11.0+cu130");
    command.env("LD_LIBRARY_PATH", "/elsewhere");
    let text = stdout(command.args(["demo", "--device", "cuda:0"]), 0);
    let lib = lib.display();
    assert_eq!(text, format!("{lib}:/elsewhere {lib}/libtorch_cuda.so\n"));
}

#[test]
fn another_pytorch_is_named_and_what_to_install() {
    let world = World::new();
    let mut command = environment(&world, "#!/bin/sh\nexit 127\n", "2.9.1+cu128");
    let ran = command.arg("demo").output().unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].contains(": PyTorch 2.9.1+cu128 in ") && lines[0].ends_with(" is not 2.11"));
    assert!(lines[1].contains("pip install 'torch==2.11.*'"), "{stderr}");
}
