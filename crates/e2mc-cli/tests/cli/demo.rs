//! The demo on a small sample of its own.

use std::fs;

use super::common::World;

#[test]
fn the_demo_compares_three_models_and_writes_a_report() {
    let world = World::new();
    world.data("sample", 400, 80);
    let base = world.pretrain("sample", "base", "--half");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    fs::copy(
        world.path("base/model.safetensors"),
        world.path("sample/base.safetensors"),
    )
    .unwrap();

    let line = "demo --epochs 1 --seeds 2 --sample sample --out out --threads 2";
    let result = world.run(&format!("{line} --json")).json();
    let names: Vec<_> = result["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["base", "continued", "base loss + E2MC"]);
    let report = fs::read_to_string(world.path("out/report.html")).unwrap();
    assert!(report.contains("base loss + E2MC") && report.contains("Marginal distributions"));
    assert!(
        !report.contains("http://") || !report.contains("<script src"),
        "loads something"
    );
    let knn = result["models"][0]["scores"]["knn"].as_f64().unwrap();
    assert!(
        report.contains(&format!("{knn:.2}")),
        "{knn} is not in the report"
    );

    // It can be run again, and says in text what it found.
    let again = world.run(line);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(
        again.stdout.contains("report: ") && again.stdout.contains("±"),
        "{}",
        again.stdout
    );
}

#[test]
fn without_its_sample_the_demo_says_where_to_run_it() {
    let ran = World::new().run("demo");
    assert!(
        ran.error().starts_with("sample: no sample is there"),
        "{}",
        ran.stderr
    );
}
