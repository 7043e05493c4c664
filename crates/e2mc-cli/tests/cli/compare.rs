//! `compare` on results of two models, and on bare predictions.

use std::fs;
use std::path::Path;

use e2mc_eval::protocol::{figures, fit_name, write_predictions};
use e2mc_record::{
    EvaluationResult, NeighbourFit, ProbeFit, ProbeRow, Protocol, ResultFolder, subset_fingerprint,
};
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
        same.stdout.contains("they cannot be distinguished"),
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
            ran.error().contains("have different test samples"),
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

/// Test images of a result, each with its class.
fn classes(images: usize) -> Vec<usize> {
    (0..images).map(|image| image % 2).collect()
}

/// Predictions that are wrong for every image below `wrong`, shifted by `seed`.
fn predicted(labels: &[usize], wrong: usize, seed: u64) -> Vec<usize> {
    let images = labels.len();
    let place = |image: usize| (image + seed as usize * 3) % images;
    let one = |(image, &label): (usize, &usize)| match place(image) < wrong {
        true => 1 - label,
        false => label,
    };
    labels.iter().enumerate().map(one).collect()
}

/// Leaves the result of a probe in a folder: logistic and sgd at every fraction and seed, and
/// neighbours. Of each fit `wrong` of the images are wrong.
fn result(world: &World, name: &str, fractions: &[f64], seeds: &[u64], wrong: usize) {
    let labels = classes(200);
    let mut folder = ResultFolder::create(&world.path(name), false).unwrap();
    folder.set_first(fit_name("logistic", fractions[0], seeds[0]));
    let mut found = EvaluationResult::new("probe", name, Protocol::Linear);
    (found.train_images, found.test_images, found.classes) = (1000, 200, 2);
    let leave = |fit: &str, wrong: usize, seed: u64| {
        let predictions = predicted(&labels, wrong, seed);
        let place = write_predictions(&folder, fit, &labels, &predictions, None).unwrap();
        (figures(&predictions, &labels, 2, None).unwrap(), place)
    };
    // Neighbours are as good in every result: nothing tells them apart.
    let (figures, predictions) = leave("knn", 40, 0);
    found.results.push(NeighbourFit {
        k: 20,
        vote: "majority".into(),
        figures,
        predictions,
    });
    for &fraction in fractions {
        for (probe, more) in [("logistic", 0), ("sgd", 2)] {
            let fit = |&seed: &u64| {
                let name = fit_name(probe, fraction, seed);
                let (figures, predictions) = leave(&name, wrong + more, seed);
                let rows = [seed as usize, (100.0 * fraction) as usize];
                ProbeFit {
                    seed,
                    subset: Some(subset_fingerprint(1000, &rows)),
                    l2: None,
                    converged: None,
                    loss: None,
                    figures,
                    predictions,
                    missing: 0,
                }
            };
            found.probes.push(ProbeRow {
                probe: probe.into(),
                fraction,
                images: 10,
                accuracy: 0.0,
                standard_error: None,
                spans: None,
                accuracies: Vec::new(),
                top5: None,
                runs: seeds.iter().map(fit).collect(),
            });
        }
    }
    folder.write(&found).unwrap();
}

#[test]
fn every_protocol_and_fraction_has_its_line() {
    let world = World::new();
    result(&world, "a", &[0.01, 0.1], &[0, 1, 2], 60);
    result(&world, "b", &[0.1, 0.01], &[2, 1, 0], 20);
    let ran = world.run("compare a b --json");
    let value = ran.json();
    assert_eq!(ran.stderr, "");
    let lines = value["lines"].as_array().unwrap();
    let names: Vec<&str> = lines.iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "logistic, 1 % of labels",
            "logistic, 10 % of labels",
            "sgd, 1 % of labels",
            "sgd, 10 % of labels",
            "20-NN majority",
        ]
    );
    for line in lines {
        near(line, "confidence", 1.0 - 0.05 / 5.0);
        assert_eq!(line["samples"], 200);
    }
    // Holm's, written out: each p times the number that are not smaller, and none below the one before.
    let of = |line: &serde_json::Value, key: &str| line[key].as_f64().unwrap();
    let mut sorted: Vec<&serde_json::Value> = lines.iter().collect();
    sorted.sort_by(|a, b| of(a, "p").total_cmp(&of(b, "p")));
    let mut least = 0f64;
    for (place, line) in sorted.iter().enumerate() {
        least = least.max((of(line, "p") * (5 - place) as f64).min(1.0));
        near(line, "p_corrected", least);
    }
    for line in &lines[..4] {
        near(line, "mean_difference", 0.2);
        assert_eq!(line["seeds"], serde_json::json!([0, 1, 2]));
        assert_eq!(
            (&line["label_subsets"], &line["conclusion"]),
            (&3.into(), &"better".into())
        );
    }
    assert_eq!(lines[4]["label_subsets"], 1);
    assert_eq!(
        (&lines[4]["mean_difference"], &lines[4]["conclusion"]),
        (&0.0.into(), &"–".into())
    );
    assert!(value["covers"].as_str().unwrap().contains("training seeds"));
    let other_way = world.run("compare b a --json").json();
    assert_eq!(other_way["lines"][0]["conclusion"], "worse");

    let text = world.run("compare a b").stdout;
    assert!(text.contains("99 % intervals"), "{text}");
    assert!(
        text.contains("the intervals do not cover other training seeds"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 90),
        "{text}"
    );
}

#[test]
fn several_results_are_corrected_together() {
    let world = World::new();
    for (name, wrong) in [("a", 60), ("b", 20), ("c", 61)] {
        result(&world, name, &[0.1], &[0, 1], wrong);
    }
    let value = world.run("compare a b c --json").json();
    assert_eq!(value["comparisons"], 6);
    let pairs = value["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 2);
    let line = &pairs[1]["lines"][0];
    near(line, "confidence", 1.0 - 0.05 / 6.0);
    near(line, "mean_difference", -0.005);
    // More were looked at than are shown.
    let value = world.run("compare a b --comparisons 50 --json").json();
    let line = &value["lines"][0];
    near(line, "confidence", 1.0 - 0.05 / 50.0);
    near(
        line,
        "p_corrected",
        (50.0 * line["p"].as_f64().unwrap()).min(1.0),
    );
}

#[test]
fn fits_without_a_partner_are_an_error_unless_the_common_ones_are_asked_for() {
    let world = World::new();
    result(&world, "a", &[0.01, 0.1], &[0, 1], 60);
    result(&world, "b", &[0.1, 1.0], &[0, 1], 20);
    let ran = world.run("compare a b");
    assert_eq!(ran.code, Some(1));
    let error = ran.error();
    assert!(
        error.starts_with("a and b: 8 fits have no counterpart:"),
        "{error}"
    );
    for listed in [
        "logistic, 1 % of labels, seed 0: only the first has it",
        "sgd, 100 % of labels, seed 1: only the second has it",
    ] {
        assert!(error.contains(listed), "{error}");
    }
    assert!(error.contains("--common"), "{error}");
    let ran = world.run("compare a b --common --json");
    let value = ran.json();
    assert_eq!(value["lines"].as_array().unwrap().len(), 3);
    assert_eq!(value["left_out"].as_array().unwrap().len(), 8);
    assert!(ran.stderr.contains("left out are"), "{}", ran.stderr);

    // Other label subsets, though fraction and seed are the same.
    let path = world.path("b/result.json");
    result(&world, "c", &[0.01, 0.1], &[0, 1], 20);
    let text = fs::read_to_string(world.path("c/result.json")).unwrap();
    let fingerprint = subset_fingerprint(1000, &[1, 10]);
    fs::write(&path, text.replace(&fingerprint, "other")).unwrap();
    fs::rename(&path, world.path("c/result.json")).unwrap();
    let ran = world.run("compare a c");
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.error()
            .contains("sgd, 10 % of labels, seed 1: learned from other labels"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_result_is_not_compared_with_bare_predictions() {
    let world = World::new();
    result(&world, "a", &[0.1], &[0, 1], 60);
    result(&world, "b", &[0.1], &[0, 1], 20);
    let ran = world.run("compare a b/predictions.npz");
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.error()
            .contains("b/predictions.npz: expected a folder with result.json"),
        "{}",
        ran.stderr
    );
    // One fit of each, named.
    let value = world
        .run("compare a/predictions.npz b/predictions.npz --json")
        .json();
    near(&value, "mean_difference", 0.2);
    let lines = world.run("compare a/result.json b --json").json();
    assert_eq!(lines["lines"].as_array().unwrap().len(), 3);
}

#[test]
fn the_page_has_a_forest_plot() {
    let world = World::new();
    result(&world, "a", &[0.01, 0.1], &[0, 1, 2], 60);
    result(&world, "b", &[0.01, 0.1], &[0, 1, 2], 20);
    let ran = world.run("compare a b --report page.html --json");
    assert_eq!(ran.json()["report"], "page.html");
    let html = fs::read_to_string(world.path("page.html")).unwrap();
    // Five lines, and the change of each of the two classes.
    assert_eq!(html.matches("class=\"whisker\"").count(), 7);
    assert!(html.contains("not other training seeds"));
    predictions(&world, "c", &classes(200), &predicted(&classes(200), 9, 0));
    let ran = world.run("compare a/predictions.npz c --report bare.html");
    assert!(
        ran.stdout.ends_with("report: bare.html\n"),
        "{}",
        ran.stdout
    );
    let html = fs::read_to_string(world.path("bare.html")).unwrap();
    // One line, and two classes.
    assert_eq!(html.matches("class=\"whisker\"").count(), 3);
}
