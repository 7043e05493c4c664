//! The demo on a small sample of its own.

use std::fs;

use serde_json::Value;

use super::common::World;

#[test]
fn the_demo_improves_a_model_and_shows_every_row_on_test_images() {
    let world = World::new();
    world.data("sample", 400, 80);
    let base = world.pretrain("sample", "base", "--half");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    fs::copy(
        world.path("base/model.safetensors"),
        world.path("sample/base.safetensors"),
    )
    .unwrap();

    // A bound on the steps, under a budget that no machine needs.
    let line = "demo --epochs 2 --budget 20m --seeds 2 --sample sample --out out --threads 2";
    let run = |more: &str| {
        let mut command = world.command();
        command.env("XDG_CACHE_HOME", world.path("cache"));
        command.args(line.split_whitespace());
        let output = command.args(more.split_whitespace()).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let result: Value = serde_json::from_str(&run("--json")).unwrap();
    let models = result["models"].as_array().unwrap();
    let rows: Vec<_> = models.iter().map(|m| m["name"].as_str().unwrap()).collect();
    let all = [
        "base",
        "base, map",
        "continued",
        "continued, map",
        "+ E2MC",
        "+ E2MC, map",
    ];
    assert_eq!(rows[..6], all);
    let better = result["improvement"]["verdict"] == "better";
    assert_eq!(rows.get(6), better.then_some(&"given back"));
    // The criterion and its control, equally long unless the guard stops one.
    for model in [&models[2], &models[4]] {
        let steps = model["steps"].as_u64().unwrap();
        assert!(steps == 15 || steps == 30, "{model}");
    }
    let plan = fs::read_to_string(world.path("out/search/plan.json")).unwrap();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["timing"]["schedule"]["rungs"], serde_json::json!([2]));
    assert_eq!(plan["timing"]["schedule"]["last"], 2);
    assert!(models[0]["steps"].is_null());
    assert!(world.path("out/model.safetensors").is_file());
    let report = fs::read_to_string(world.path("out/report.html")).unwrap();
    for part in [
        "What was gained",
        "Every model on the test images",
        "What was tried",
    ] {
        assert!(report.contains(part), "{part}");
    }
    assert!(
        !report.contains("src=\"http")
            && !report.contains("<link")
            && !report.contains("<script src"),
        "loads something"
    );
    let knn = models[0]["scores"]["knn"].as_f64().unwrap();
    assert!(
        report.contains(&format!("{knn:.2}")),
        "{knn} is not in the report"
    );

    // It can be run again, and says in text what it found and where that lies.
    let again = run("");
    for part in ["page: ", "model: out", "±", "continued"] {
        assert!(again.contains(part), "{part}: {again}");
    }
}

#[test]
fn what_no_demo_made_is_left_alone() {
    let world = World::new();
    world.data("sample", 400, 80);
    assert_eq!(world.pretrain("sample", "base", "--half").code, Some(0));
    let base = world.path("base/model.safetensors");
    fs::copy(base, world.path("sample/base.safetensors")).unwrap();
    fs::create_dir_all(world.path("out/search/mine")).unwrap();
    let ran = world.run("demo --sample sample --out out");
    let expected = "was not made by a demo";
    assert!(ran.error().contains(expected), "{}", ran.stderr);
    assert!(world.path("out/search/mine").is_dir());
    fs::create_dir_all(world.path("other")).unwrap();
    fs::write(world.path("other/model.safetensors"), "mine").unwrap();
    for _ in 0..2 {
        let ran = world.run("demo --sample sample --out other");
        assert!(ran.error().contains(expected), "{}", ran.stderr);
        assert!(world.path("other/model.safetensors").is_file());
    }
}

#[test]
fn without_its_sample_the_demo_says_where_to_run_it() {
    let ran = World::new().run("demo");
    assert!(
        ran.error().starts_with("sample holds no sample"),
        "{}",
        ran.stderr
    );
}
