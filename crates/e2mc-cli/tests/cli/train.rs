//! `pretrain`, `continue` and `probe`, one after the other as a user does.

use std::fs;

use super::common::{TINY, World, log};

#[test]
fn a_model_is_pretrained_continued_and_probed() {
    let world = World::new();
    world.data("data", 200, 60);
    let base = world.pretrain("data", "base", "--json").json();
    assert_eq!(base["outcome"], "finished");
    assert!(base["loss"].as_f64().unwrap() > 0.0);
    // Epoch 0 is the untouched model.
    assert_eq!(base["knn"][0][0], 0);
    assert_eq!(base["knn"][1][0], 1);

    let line = "continue --recipe vicreg-small --data data --checkpoint base/model.safetensors \
        --batch 16 --epochs 2 --log-every 1 --json";
    let continued = world.run(&format!("{line} --out more"));
    assert_eq!(continued.json()["epochs"], 2);
    assert!(
        continued.stderr.contains("at start: k-NN"),
        "{}",
        continued.stderr
    );
    let step = |run: &str| log(&world.path(run))[3].clone();
    assert!(step("more")["terms"]["entropy"].is_f64());
    let alone = world.run(&format!("{line} --out alone --criterion none"));
    assert_eq!(alone.json()["outcome"], "finished");
    assert!(step("alone")["terms"]["entropy"].is_null());

    for run in ["base", "more", "alone"] {
        for file in [
            "recipe.toml",
            "metrics.jsonl",
            "checkpoint.safetensors",
            "model.safetensors",
        ] {
            assert!(world.path(run).join(file).exists(), "{run}/{file}");
        }
        let events: Vec<_> = log(&world.path(run))
            .iter()
            .map(|e| e["event"].clone())
            .collect();
        assert_eq!(events[0], "start");
        assert_eq!(events[1], "epoch", "the untouched model comes first");
        assert_eq!(events.last().unwrap(), "end");
    }

    let line = "probe --checkpoint more/model.safetensors --data data --fractions 0.1,1 --seeds 2";
    let scores = world.run(&format!("{line} --json")).json();
    assert_eq!(scores["test_images"], 60);
    assert_eq!(scores["probes"].as_array().unwrap().len(), 4);
    for row in scores["probes"].as_array().unwrap() {
        let accuracy = row["accuracy"].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&accuracy), "{row}");
    }
    let text = world.run(line).stdout;
    assert!(text.contains("logistic") && text.contains("±"), "{text}");
}

#[test]
fn the_log_and_the_weights_of_equal_runs_are_equal() {
    let world = World::new();
    world.data("data", 100, 20);
    for (out, more) in [("one", ""), ("two", "--threads 1")] {
        let line = format!("pretrain {TINY} --data data --out {out} --seed 4 {more}");
        assert_eq!(world.run_on_all_threads(&line).code, Some(0));
    }
    let weights = |run: &str| fs::read(world.path(run).join("model.safetensors")).unwrap();
    assert!(weights("one") == weights("two"));
    let losses = |run: &str| -> Vec<_> {
        log(&world.path(run))
            .iter()
            .map(|event| event["loss"].clone())
            .collect()
    };
    assert_eq!(losses("one"), losses("two"));
}

#[test]
fn a_dry_run_prints_the_whole_recipe_and_writes_nothing() {
    let world = World::new();
    world.data("data", 100, 20);
    let plan = world.pretrain("data", "out", "--dry-run");
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    for part in [
        "100 images",
        "width = 4",
        "name = \"adamw\"",
        "sigma = [0.1",
        "crop = 28",
    ] {
        assert!(
            plan.stdout.contains(part),
            "{part} is missing: {}",
            plan.stdout
        );
    }
    assert!(!world.path("out").exists());
    let json = world.pretrain("data", "out", "--dry-run --json").json();
    assert_eq!(json["recipe"]["training"]["batch"], 16);
}

#[test]
fn unlabelled_images_in_a_folder_are_trained_without_the_check() {
    let world = World::new();
    // A flat folder of grey PNG files, as `pngtopnm` and friends write them.
    let folder = world.path("flat");
    fs::create_dir(&folder).unwrap();
    for index in 0..32u32 {
        let pixels: Vec<u8> = (0..28 * 28u32)
            .map(|p| (p * (index + 3) % 251) as u8)
            .collect();
        image::GrayImage::from_raw(28, 28, pixels)
            .unwrap()
            .save(folder.join(format!("{index}.png")))
            .unwrap();
    }
    let ran = world.pretrain("flat", "out", "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("no k-NN check"), "{}", ran.stderr);
    let ran = world.run("probe --checkpoint out/model.safetensors --data flat");
    assert!(ran.error().contains("label"), "{}", ran.stderr);
}

#[test]
fn worse_features_are_warned_of_and_stop_the_run_if_asked() {
    let world = World::new();
    world.data("data", 600, 20);
    // A decay that takes nearly all of each weight at every step leaves nothing of any features,
    // and the numbers stay finite.
    let wild = "--set optimizer.name=sgd --set optimizer.momentum=0.0 --set \
        optimizer.weight_decay=9.9 --set training.learning_rate=0.1 --set schedule.name=constant \
        --epochs 3";
    let warned = world.pretrain("data", "warned", wild);
    assert_eq!(warned.code, Some(0), "{}", warned.stderr);
    assert!(
        warned.stderr.contains("warning: held-out k-NN is"),
        "{}",
        warned.stderr
    );
    let stopped = world.pretrain("data", "stopped", &format!("{wild} --guard stop"));
    assert_eq!(stopped.code, Some(3), "{}", stopped.stderr);
    assert!(
        stopped.stdout.contains("stopped by the guard"),
        "{}",
        stopped.stdout
    );
    assert!(world.path("stopped/checkpoint.safetensors").exists());
}

#[test]
fn without_out_a_run_finds_a_folder_that_is_free() {
    let world = World::new();
    world.data("data", 40, 20);
    let base = world.pretrain("data", "base", "--knn-every 0");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    let line = "continue --recipe vicreg-small --checkpoint base/model.safetensors --data data \
        --batch 16 --epochs 1 --knn-every 0 --threads 2";
    for folder in ["runs/vicreg-small", "runs/vicreg-small-2"] {
        let ran = world.run(line);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(world.path(folder).join("model.safetensors").exists());
        assert!(
            ran.stdout.contains(&format!("{folder}/model.safetensors")),
            "{}",
            ran.stdout
        );
    }
    let ran = world.run("continue --resume");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("--out"), "{}", ran.stderr);
}
