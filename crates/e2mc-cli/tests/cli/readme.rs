//! The commands of the README: all of them parse, and those that take seconds on small data are
//! run.

use std::fs;

use clap::Parser;
use e2mc_cli::options::Arguments;

use super::common::{TINY, World};

/// The commands in the README's blocks of shell, without comments.
fn commands() -> Vec<String> {
    let readme = include_str!("../../../../README.md");
    let blocks = readme.split("```sh\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    let lines = blocks.flat_map(str::lines);
    let commands = lines.filter(|line| line.starts_with("e2mc "));
    commands
        .map(|line| {
            line.split(" #")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .collect()
}

#[test]
fn the_readmes_commands_parse() {
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        if let Err(error) = Arguments::try_parse_from(command.split_whitespace()) {
            panic!("{command}: {error}");
        }
    }
}

#[test]
fn the_readmes_commands_run_on_small_data() {
    let world = World::new();
    world.data("data", 400, 80);
    // What `improve` would give back; its own tests run it.
    let ran = world.pretrain("data", "better", "--knn-every 0 --max-images 100 --seed 1");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let small = "--batch 16 --epochs 1 --threads 2 --max-images 100 --held-out 40";
    let mut ran = Vec::new();
    // The small base comes first: the others begin with it.
    let mut commands = commands();
    commands.sort_by_key(|line| !line.starts_with("e2mc pretrain"));
    for command in commands {
        let line = command.strip_prefix("e2mc ").unwrap();
        let name = line.split(' ').next().unwrap();
        let line = line.replace("--data DIR", "--data data");
        let line = line.replace("model.pth", "base.pth");
        let line = line.replace("swav_800ep_pretrain.pth.tar", "runs/base/model.safetensors");
        let line = line.replace("resnet18.pth", "runs/base/model.safetensors");
        let line = line.replace("swav-imagenet", "vicreg-small");
        // The head of 2048 and its photographs are for more than a test.
        let line = line.replace("resnet-vicreg-photos", "vicreg-small");
        let line = line.replace("--image-size 96", "--image-size 28");
        let line = match name {
            "improve" => continue,
            "pretrain" => format!("{line} {TINY} {small}"),
            "continue" => format!("{line} {small}"),
            "probe" => format!("{line} --fractions 0.1 --seeds 2 --sgd-epochs 2 --threads 2"),
            _ => line,
        };
        let done = world.run(&line);
        assert_eq!(done.code, Some(0), "{line}: {}", done.stderr);
        if name == "compare" {
            // A line for each protocol of the folders.
            for protocol in [
                "logistic, 10 % of labels",
                "sgd, 10 % of labels",
                "20-NN majority",
            ] {
                assert!(
                    done.stdout.contains(protocol),
                    "{protocol}: {}",
                    done.stdout
                );
            }
        }
        if name == "pretrain" {
            fs::copy(
                world.path("runs/base/model.safetensors"),
                world.path("base.pth"),
            )
            .unwrap();
        }
        ran.push(name.to_owned());
    }
    for name in [
        "pretrain", "continue", "probe", "compare", "inspect", "report", "convert",
    ] {
        assert!(ran.iter().any(|done| done == name), "{name} is not run");
    }
    for page in ["embeddings.html", "runs.html", "backbone.pth"] {
        assert!(world.path(page).is_file(), "{page}");
    }
}
