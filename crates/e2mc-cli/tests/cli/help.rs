//! What is printed before any work: help, completions, and output that nobody reads to its end.

use std::process::{Command, Stdio};

use super::common::{World, program};

/// A pipe that nobody reads, as `head` leaves one.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn command(world: &World, line: &str) -> Command {
    let mut command = Command::new(program());
    command
        .args(line.split_whitespace())
        .current_dir(world.path("."))
        .stdin(Stdio::null());
    command
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_output_quietly() {
    let world = World::new();
    for line in [
        "--help",
        "pretrain --help",
        "recipes",
        "recipes swav-imagenet --json",
        "completions bash",
    ] {
        let ended = command(&world, line).stdout(closed()).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{line}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{line}");
    }
}

#[test]
fn an_error_that_nobody_reads_keeps_its_exit_code() {
    let world = World::new();
    for (line, code) in [("score none.npy", 1), ("recipes none", 2)] {
        let mut command = command(&world, line);
        let ended = command.stdout(closed()).stderr(closed()).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{line}");
    }
}

#[test]
fn completions_are_scripts_for_the_shell() {
    let world = World::new();
    let ran = world.run("completions bash");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("complete -F _e2mc"), "{}", ran.stdout);
    let mut bash = Command::new("bash");
    bash.arg("-n").arg(world.path("script"));
    std::fs::write(world.path("script"), ran.stdout).unwrap();
    assert!(bash.status().unwrap().success());
}
