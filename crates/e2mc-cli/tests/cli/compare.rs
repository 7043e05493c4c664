//! `compare` on predictions of two models.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::common::World;
use super::score::npy;

/// The golden predictions of two models on 4000 samples, in two `predictions.npz`.
fn golden(world: &World) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2mc-eval/tests/golden");
    for model in ["base", "new"] {
        let read = |name: &str| {
            e2mc_eval::read_labels(format!("{}:{name}", folder.join("paired.npz").display()))
                .unwrap()
        };
        predictions(world, model, &read("label"), &read(model));
    }
}

fn predictions(world: &World, name: &str, labels: &[usize], predictions: &[usize]) {
    fs::create_dir_all(world.path(name)).unwrap();
    let columns = [
        ("label", e2mc_eval::Column::Classes(labels)),
        ("prediction", e2mc_eval::Column::Classes(predictions)),
    ];
    e2mc_eval::write_npz(world.path(name).join("predictions.npz"), &columns).unwrap();
}

fn near(result: &Value, key: &str, expected: f64) {
    let found = result[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {result}"));
    assert!(
        (found - expected).abs() <= 1e-6 * expected.abs(),
        "{key}: {found} {expected}"
    );
}

#[test]
fn agrees_with_the_golden_statistics() {
    let world = World::new();
    golden(&world);
    let result = world.run("compare base new --json").json();
    assert_eq!((&result["n01"], &result["n10"]), (&77.into(), &0.into()));
    near(&result, "chi2", 77.0);
    near(&result, "p_chi2", 1.709_579_587_599_125_6e-18);
    near(&result, "p_exact", 1.323_488_980_084_844_3e-23);
    near(&result, "mean_difference", 0.01925);
    near(&result, "cohens_d", 0.043_220_664_363_234_58);
    assert!(result["p_permutation"].as_f64().unwrap() < 1e-3);
    let (low, high) = (&result["interval"][0], &result["interval"][1]);
    assert!(low.as_f64().unwrap() > 0.01 && high.as_f64().unwrap() < 0.03);
    let conclusion = result["conclusion"].as_str().unwrap();
    assert!(
        conclusion.contains("B is better than A by 1.9"),
        "{conclusion}"
    );
}

#[test]
fn several_comparisons_are_warned_of_and_corrected() {
    let world = World::new();
    golden(&world);
    let same = world.run("compare base base");
    assert!(
        same.stdout.contains("nothing to tell them apart"),
        "{}",
        same.stdout
    );
    assert_eq!(same.stderr, "");
    let several = world.run("compare base/predictions.npz new base --json");
    assert!(
        several.stderr.contains("warning: 2 comparisons"),
        "{}",
        several.stderr
    );
    let result = several.json();
    assert_eq!(result["comparisons"].as_array().unwrap().len(), 2);
    near(
        &result["comparisons"][0],
        "p_corrected",
        2.0 * 1.323_488_980_084_844_3e-23,
    );
    let one = world.run("compare base new --comparisons 12 --json");
    assert!(
        one.stderr.contains("warning: 12 comparisons"),
        "{}",
        one.stderr
    );
    near(
        &one.json(),
        "p_corrected",
        12.0 * 1.323_488_980_084_844_3e-23,
    );
}

#[test]
fn a_small_difference_is_not_called_one() {
    let world = World::new();
    let labels = vec![1; 50];
    let mut other = labels.clone();
    other[3] = 0;
    predictions(&world, "a", &labels, &labels);
    predictions(&world, "b", &labels, &other);
    let text = world.run("compare a b").stdout;
    assert!(text.contains("within chance (p = 1.0000)"), "{text}");
}

#[test]
fn what_cannot_be_compared_is_named() {
    let world = World::new();
    predictions(&world, "a", &[0, 1], &[0, 1]);
    predictions(&world, "b", &[0, 0], &[0, 1]);
    predictions(&world, "c", &[0, 1, 1], &[0, 1, 1]);
    for other in ["b", "c"] {
        let ran = world.run(&format!("compare a {other}"));
        assert!(
            ran.error().contains("were not judged on the same samples"),
            "{}",
            ran.stderr
        );
    }
    let ran = world.run("compare a missing");
    assert!(ran.error().contains("missing"), "{}", ran.stderr);
    let labels = e2mc_eval::Column::Integers(&[0, 1], 2);
    e2mc_eval::write_npz(world.path("m.npz"), &[("label", labels)]).unwrap();
    let ran = world.run("compare a m.npz");
    assert!(
        ran.error()
            .contains("expected the arrays label and prediction, found label"),
        "{}",
        ran.stderr
    );
    npy(&world.path("n.npz"), "<i8", false, "(1,)", &[0; 8]);
    let ran = world.run("compare a n.npz");
    assert!(
        ran.error().contains("n.npz: expected an .npz file"),
        "{}",
        ran.stderr
    );
}
