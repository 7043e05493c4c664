//! SwAV and SimSiam as a user runs them: a base model, continued alone and with the criterion, on
//! the sample that comes with the source; batches in parts; the recipes.

use std::path::Path;

use serde_json::Value;

use super::common::{World, log};

/// The sample's folder.
fn sample() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample");
    root.canonicalize().unwrap().display().to_string()
}

/// Some hundred images, a narrow network.
fn small(batch: u32, epochs: u32) -> String {
    format!(
        "--data {} --max-images 500 --batch {batch} --epochs {epochs} --knn-every 0 --threads 2",
        sample()
    )
}

/// A quantity at the end of each epoch.
fn epochs(world: &World, run: &str, quantity: &str) -> Vec<f64> {
    log(&world.path(run))
        .iter()
        .filter(|event| event["event"] == "epoch")
        .map(|event| event.pointer(quantity).and_then(Value::as_f64).unwrap())
        .collect()
}

/// Base, continued, and continued with E2MC; `more` makes the continuation quick.
fn runs_end_to_end(method: &str, pretrain: &str, more: &str) {
    let world = World::new();
    let base = world.run(&format!(
        "pretrain --recipe {method}-small-pretrain --set backbone.width=8 {pretrain} {} --out base",
        small(50, 4)
    ));
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    let losses = epochs(&world, "base", "/loss");
    assert!(losses[3] < losses[0], "{losses:?}");

    for (out, criterion) in [("alone", "--criterion none"), ("e2mc", "")] {
        let ran = world.run(&format!(
            "continue --recipe {method}-small --checkpoint base/model.safetensors {criterion} \
             {more} {} --out {out} --json",
            small(100, 4)
        ));
        let result = ran.json();
        assert_eq!(result["outcome"], "finished");
        assert_eq!(result["terms"]["entropy"].is_f64(), out == "e2mc");
    }
    // SimSiam's predictor, at a rate of its own, may lose ground again within these few steps.
    let losses = epochs(&world, "e2mc", "/loss");
    assert!(
        losses[1..].iter().any(|&loss| loss < losses[0]),
        "{losses:?}"
    );
    let entropies = epochs(&world, "e2mc", "/terms/entropy");
    assert!(entropies[3] > entropies[0], "{entropies:?}");
    // Measured alike in both runs, whatever the loss.
    let last = |run| epochs(&world, run, "/collapse/entropy")[3];
    assert!(
        last("e2mc") > last("alone"),
        "{} {}",
        last("e2mc"),
        last("alone")
    );
}

#[test]
fn swav_runs_end_to_end_with_its_queue() {
    let queue =
        "--set method.queue=200 --set method.queue_epoch=1 --set method.freeze_prototypes=5";
    runs_end_to_end("swav", "--set method.freeze_prototypes=10", queue);
}

#[test]
fn simsiam_runs_end_to_end() {
    runs_end_to_end("simsiam", "", "");
}

#[test]
fn a_batch_in_parts_starts_from_the_loss_of_the_whole_batch() {
    let world = World::new();
    let run = |out: &str, more: &str| {
        let ran = world.run(&format!(
            "pretrain --recipe swav-small-pretrain --set backbone.width=4 \
             --set training.freeze_batch_norm=true --log-every 1 {} --out {out} {more}",
            small(100, 1)
        ));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let events = log(&world.path(out));
        let first = events
            .iter()
            .find(|event| event["event"] == "step")
            .unwrap();
        first["loss"].as_f64().unwrap()
    };
    let (whole, parts) = (run("whole", ""), run("parts", "--accumulate 5"));
    assert!((whole - parts).abs() < 1e-4 * whole, "{whole} {parts}");
    let ran = world.run(&format!(
        "pretrain --recipe swav-small-pretrain {} --out bad --accumulate 7",
        small(100, 1)
    ));
    assert!(
        ran.error().starts_with(
            "setting `training.accumulate`: expected a number that divides training.batch, 100, \
             into"
        ),
        "{}",
        ran.stderr
    );
    let ran = world.run("pretrain --out parts --resume --accumulate 2");
    assert!(ran.error().contains("--accumulate cannot be given"));
}

#[test]
fn the_paper_s_recipes_continue_a_checkpoint_of_their_method() {
    let world = World::new();
    world.data("data", 24, 8);
    // The paper's settings on two images of a narrow network, and no longer than a step.
    let training = "--data data --batch 8 --epochs 1 --knn-every 0 --threads 2";
    for (method, heads) in [
        (
            "swav",
            "--set method.projector=[16,8] --set method.prototypes=6",
        ),
        (
            "simsiam",
            "--set method.projector=[16,16,8] --set method.predictor=4",
        ),
    ] {
        let views = if method == "swav" {
            "--set augmentation.views=[{count=2,size=64},{count=2,size=32}]"
        } else {
            "--set augmentation.views=[{count=2,size=64}]"
        };
        let ran = world.run(&format!(
            "pretrain --recipe {method}-imagenet-pretrain --set backbone.width=4 {training} \
             {heads} {views} --out {method}"
        ));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let ran = world.run(&format!(
            "continue --recipe {method}-imagenet --checkpoint {method}/model.safetensors \
             {training} {views} --out {method}-e2mc --json"
        ));
        assert!(ran.json()["terms"]["entropy"].is_f64());
    }
    let ran = world.run(&format!(
        "continue --recipe swav-imagenet --checkpoint swav/model.safetensors {training} \
         --set method.prototypes=9 --out no"
    ));
    assert!(ran.error().contains("prototypes.weight"), "{}", ran.stderr);
    let ran = world.run(&format!(
        "continue --recipe swav-imagenet --checkpoint simsiam/model.safetensors {training} --out no"
    ));
    assert!(ran.error().contains("expected swav on"), "{}", ran.stderr);
}

#[test]
fn recipes_are_listed_and_printed() {
    let world = World::new();
    let list = world.run("recipes --json").json();
    let names: Vec<_> = list["recipes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|recipe| recipe["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"swav-imagenet") && names.contains(&"vicreg-small"),
        "{names:?}"
    );
    let text = world.run("recipes").stdout;
    for name in names {
        assert!(text.contains(name), "{name} is missing: {text}");
        let printed = world.run(&format!("recipes {name}")).stdout;
        assert!(printed.contains(&format!("name = \"{name}\"")), "{printed}");
    }
    let one = world.run("recipes swav-imagenet --json").json();
    assert_eq!(one["recipe"]["method"]["queue"], 3584);
    assert!(
        one["text"]
            .as_str()
            .unwrap()
            .contains("# seven batches of 512")
    );
    let ran = world.run("recipes swav-imagnet");
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.error()
            .starts_with("no recipe is called `swav-imagnet`")
    );
}
