//! `adapt`: maps that help, maps that do not, and `--map` wherever embeddings are read.

use std::fs;

use e2mc::{Matrix, MatrixView};
use e2mc_eval::adapt::Map;
use e2mc_eval::{read_embeddings, write_labels, write_npy};
use serde_json::Value;

use super::common::World;

/// Values that look normal, the same each time.
struct Random(u32);

impl Random {
    fn normal(&mut self) -> f32 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / (1 << 24) as f32
        };
        (0..12).map(|_| uniform()).sum::<f32>() - 6.0
    }
}

/// Four classes in weak dimensions under strong ones that say nothing, or the other way round.
fn classes(rows: usize, salt: u32, (telling, silent): (f32, f32)) -> (Matrix, Vec<usize>) {
    let mut random = Random(salt);
    let labels: Vec<usize> = (0..rows).map(|row| row % 4).collect();
    let mut values = Vec::new();
    for &label in &labels {
        for dim in 0..4 {
            let place = if dim == label { 2.5 } else { 0.0 };
            values.push(telling * (random.normal() + place));
        }
        values.extend((0..4).map(|_| silent * random.normal()));
    }
    (Matrix::new(values, rows, 8).unwrap(), labels)
}

fn write(world: &World, name: &str, (z, labels): &(Matrix, Vec<usize>)) {
    write_npy(world.path(&format!("{name}.npy")), z.view()).unwrap();
    write_labels(world.path(&format!("{name}.labels.npy")), labels).unwrap();
}

const WEAK: (f32, f32) = (0.1, 2.0);
const STRONG: (f32, f32) = (8.0, 0.2);

fn world(scales: (f32, f32)) -> World {
    let world = World::new();
    write(&world, "train", &classes(600, 1, scales));
    write(&world, "test", &classes(200, 2, scales));
    world
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_gain_is_verified_and_holds_on_rows_that_nobody_saw() {
    let world = world(WEAK);
    let line = "adapt train.npy --labels train.labels.npy --out m.safetensors";
    let result = world.run(&format!("{line} --json")).json();
    let outcome = &result["outcomes"][0];
    assert_eq!(outcome["use"], "neighbours");
    assert_eq!(outcome["verdict"], "gain", "{result}");
    assert_eq!(outcome["candidates"][0]["method"]["name"], "none");
    assert!(outcome["candidates"].as_array().unwrap().len() > 10);
    let verified = &outcome["verified"];
    assert!(number(&verified["interval"][0]) > 0.0 && number(&verified["gain"]) > 0.1);
    assert_eq!(verified["looks"], 1);
    assert_eq!(outcome["map"]["path"], "m.safetensors");
    assert_eq!(outcome["map"]["identity"], false);
    let sha256 = &outcome["map"]["sha256"];
    assert_eq!(sha256.as_str().unwrap().len(), 64);
    let looks = fs::read_to_string(world.path("m.looks.json")).unwrap();
    assert!(
        looks.contains(outcome["fingerprint"].as_str().unwrap()),
        "{looks}"
    );
    // A second map by that name would replace the first.
    let ran = world.run(line);
    assert!(
        ran.error().contains("m.safetensors exists already") && ran.stderr.contains("--overwrite"),
        "{}",
        ran.stderr
    );
    let text = world.run(&format!("{line} --overwrite")).stdout;
    for part in [
        "For neighbours: ",
        "a gain of +",
        "95 % interval +",
        "Evaluations on B so far: 2.",
        "map: m.safetensors",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    // Applied to a file, and by every command that reads embeddings.
    for name in ["train", "test"] {
        let line = format!("adapt --apply m.safetensors {name}.npy --out {name}.mapped.npy --json");
        let applied = world.run(&line).json();
        assert_eq!(applied["map"]["sha256"], *sha256);
        let map = Map::load(world.path("m.safetensors")).unwrap();
        let z = read_embeddings(world.path(&format!("{name}.npy"))).unwrap();
        let found = read_embeddings(world.path(&format!("{name}.mapped.npy"))).unwrap();
        assert_eq!(found, map.apply(z.view()).unwrap());
        assert!(!world.path(&format!("{name}.mapped.npy.part")).exists());
        let again = world.run(&line);
        assert!(again.error().contains("exists already"), "{}", again.stderr);
        let again = world.run(&format!("{line} --overwrite"));
        assert_eq!(again.code, Some(0), "{}", again.stderr);
    }
    let judge = |command: &str, name: &str, more: &str| {
        let line = format!(
            "{command} --train train{name}.npy --train-labels train.labels.npy --test \
             test{name}.npy --test-labels test.labels.npy {more} --json"
        );
        world.run(&line).json()
    };
    let top1 = |result: &Value| number(&result["results"][0]["top1"]);
    let (plain, with) = (
        judge("knn", "", ""),
        judge("knn", "", "--map m.safetensors"),
    );
    assert!(top1(&with) > top1(&plain) + 10.0, "{plain} {with}");
    assert_eq!(top1(&with), top1(&judge("knn", ".mapped", "")));
    assert_eq!(with["map"]["path"], "m.safetensors");
    assert_eq!(with["map"]["sha256"], *sha256);
    assert!(plain.get("map").is_none());
    let svm = judge("svm", "", "--map m.safetensors");
    assert_eq!(svm["map"]["sha256"], *sha256);
    assert_eq!(svm["top1"], judge("svm", ".mapped", "")["top1"]);
    let words = "--probe logistic --fractions 1 --seeds 1";
    let probe = judge("probe", "", &format!("{words} --map m.safetensors"));
    assert_eq!(probe["map"]["sha256"], *sha256);
    assert_eq!(
        probe["probes"][0]["accuracy"],
        judge("probe", ".mapped", words)["probes"][0]["accuracy"]
    );
    let seen = world
        .run("inspect train.npy --map m.safetensors --json")
        .json();
    let direct = world.run("inspect train.mapped.npy --json").json();
    assert_eq!(seen["rankme"], direct["rankme"]);
    assert_eq!(seen["map"]["sha256"], *sha256);

    // Half precision is a choice.
    let line = "adapt --apply m.safetensors test.npy --out half.safetensors --dtype float16";
    let ran = world.run(line);
    assert!(
        ran.stdout
            .contains("200 rows of 8 numbers in half.safetensors"),
        "{}",
        ran.stderr
    );
    let half = read_embeddings(world.path("half.safetensors")).unwrap();
    let whole = read_embeddings(world.path("test.mapped.npy")).unwrap();
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * b.abs() + 1e-6;
    assert!(half.data().iter().zip(whole.data()).all(close));
    assert_ne!(half, whole);
}

#[test]
fn where_nothing_helps_the_embeddings_stay_as_they_are() {
    let world = world(STRONG);
    let line = "adapt train.npy --labels train.labels.npy --out m.safetensors";
    let result = world.run(&format!("{line} --json")).json();
    let outcome = &result["outcomes"][0];
    assert_ne!(outcome["verdict"], "gain", "{result}");
    assert_eq!(outcome["map"]["identity"], true);
    assert!(number(&outcome["detectable"]) > 0.0);
    let ran = world.run(&format!("{line} --overwrite"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("the embeddings stay unchanged"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("on B would be detected four times in five"),
        "{}",
        ran.stdout
    );
    world.run("adapt --apply m.safetensors test.npy --out same.npy");
    assert_eq!(
        fs::read(world.path("same.npy")).unwrap(),
        fs::read(world.path("test.npy")).unwrap()
    );
}

#[test]
fn a_method_that_is_named_is_fitted_and_not_judged() {
    let world = world(WEAK);
    let line = "adapt train.npy --method whiten --strength 0.5 --floor 0.01 --unit-length \
                --out m.safetensors";
    let ran = world.run(line);
    assert_eq!(
        ran.stdout,
        "train.npy: 600 rows of 8 dimensions\nwhiten, strength 0.5, floor 0.01, unit length in \
         m.safetensors; the gain was not verified\n",
        "{}",
        ran.stderr
    );
    let map = Map::load(world.path("m.safetensors")).unwrap();
    assert!(map.unit_length());
    let result = world.run(&format!("{line} --overwrite --json")).json();
    assert_eq!(result["map"]["method"]["strength"], 0.5);
    assert!(!world.path("m.looks.json").exists());
}

#[test]
fn each_use_gets_a_map_and_a_second_view_shows_neighbours_alone() {
    let world = World::new();
    write(&world, "train", &classes(300, 1, WEAK));
    let line = "adapt train.npy --labels train.labels.npy --for neighbours,sgd-head";
    let result = world
        .run(&format!("{line} --out m.safetensors --json"))
        .json();
    for (place, usage) in ["neighbours", "sgd-head"].into_iter().enumerate() {
        let outcome = &result["outcomes"][place];
        assert_eq!(outcome["use"], usage);
        assert_eq!(outcome["map"]["path"], format!("m.{usage}.safetensors"));
        Map::load(world.path(&format!("m.{usage}.safetensors"))).unwrap();
    }
    assert!(!world.path("m.safetensors").exists());
    let again = world.run(&format!("{line} --out m.safetensors"));
    assert!(
        again
            .error()
            .contains("m.neighbours.safetensors exists already"),
        "{}",
        again.stderr
    );

    // The silent dimensions of another view are others; the telling ones are nearly the same.
    let (first, _) = classes(300, 1, WEAK);
    let mut random = Random(9);
    let second = first.data().chunks(8).flat_map(|row| {
        let near = |v: f32, random: &mut Random| v + 0.02 * random.normal();
        let mut view: Vec<f32> = row[..4].iter().map(|&v| near(v, &mut random)).collect();
        view.extend((0..4).map(|_| 2.0 * random.normal()));
        view
    });
    let second = Matrix::new(second.collect(), 300, 8).unwrap();
    write_npy(world.path("second.npy"), second.view()).unwrap();
    let line = "adapt train.npy --second-view second.npy --out v.safetensors";
    let result = world.run(&format!("{line} --json")).json();
    assert_eq!(result["outcomes"][0]["verdict"], "gain", "{result}");
    let ran = world.run(&format!("{line} --for sgd-head --overwrite"));
    assert!(
        ran.error().contains("a second view shows retrieval only"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: give --labels"), "{}", ran.stderr);
}

#[test]
fn bad_input_is_one_clear_error_with_a_hint() {
    let world = world(WEAK);
    let matrix = |name: &str, values: &[f32], cols: usize| {
        let view = MatrixView::new(values, values.len() / cols, cols).unwrap();
        write_npy(world.path(name), view).unwrap();
    };
    let (z, labels) = classes(600, 1, WEAK);
    let mut damaged = z.data().to_vec();
    damaged[8 * 150 + 3] = f32::NAN;
    matrix("nan.npy", &damaged, 8);
    matrix("wide.npy", &[0.5; 40], 10);
    matrix("few.npy", &z.data()[..40], 8);
    matrix("equal.npy", &[0.5; 40], 8);
    write_labels(world.path("short.npy"), &labels[..599]).unwrap();
    write_labels(world.path("four.npy"), &labels[..4]).unwrap();
    let ran = world.run("adapt train.npy --method center --out c.safetensors");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // Fewer rows than dimensions, and constant dimensions: a bound each, and numbers that are
    // finite.
    let mut constant = z.data().to_vec();
    constant
        .iter_mut()
        .skip(5)
        .step_by(8)
        .for_each(|v| *v = 1.5);
    matrix("constant.npy", &constant, 8);
    for (file, method) in [
        ("few", "whiten"),
        ("few", "whiten --floor 0.01"),
        ("few", "e2mc"),
        ("constant", "standardise"),
        ("constant", "whiten"),
        ("constant", "whiten --floor 0"),
        ("constant", "abtt"),
        ("constant", "e2mc"),
    ] {
        let line = format!("adapt {file}.npy --method {method} --out b.safetensors --overwrite");
        let ran = world.run(&line);
        assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
        world.run("adapt --apply b.safetensors constant.npy --out b.npy --overwrite");
        let mapped = read_embeddings(world.path("b.npy")).unwrap();
        assert!(
            mapped.data().iter().all(|v| v.is_finite() && v.abs() < 1e4),
            "{line}"
        );
        let dead = mapped.data().iter().skip(5).step_by(8).all(|&v| v == 0.0);
        assert_eq!(dead, file == "constant", "{line}");
    }
    let judged = "--labels train.labels.npy --out m.safetensors";
    for (line, code, part, hint) in [
        (
            "adapt --apply c.safetensors wide.npy --out o.npy".to_owned(),
            1,
            "wide.npy: the map takes embeddings of 8 dimensions, found 10",
            "e2mc adapt",
        ),
        (
            "adapt --apply c.safetensors nan.npy --out o.npy".to_owned(),
            1,
            "nan.npy: the embeddings hold NaN at row 150, column 3",
            "damaged",
        ),
        (
            "adapt --apply train.npy train.npy --out o.npy".to_owned(),
            1,
            "train.npy: expected a map",
            "fitted map",
        ),
        (
            "adapt --apply train.npy c.safetensors --out o.npy".to_owned(),
            2,
            "c.safetensors is a map, train.npy is not",
            "--apply c.safetensors train.npy",
        ),
        (
            format!("adapt nan.npy {judged}"),
            1,
            "nan.npy: the embeddings hold NaN at row 150, column 3",
            "damaged",
        ),
        (
            "adapt train.npy --second-view nan.npy --out m.safetensors".to_owned(),
            1,
            "train.npy: the second view's embeddings hold NaN at row 150, column 3",
            "damaged",
        ),
        (
            "adapt train.npy --labels short.npy --out m.safetensors".to_owned(),
            1,
            "train.npy has 600 rows, but short.npy has 599 labels",
            "one label for each row",
        ),
        (
            "adapt train.npy --labels none.npy --out m.safetensors".to_owned(),
            1,
            "none.npy",
            "check the path",
        ),
        (
            "adapt train.npy --out m.safetensors".to_owned(),
            2,
            "choosing a map needs labels, and none were given",
            "--labels",
        ),
        (
            "adapt few.npy --method whiten --floor 0 --out m.safetensors".to_owned(),
            1,
            "few.npy: the embeddings have 5 rows of 8 dimensions, expected at least 9",
            "--floor",
        ),
        (
            "adapt equal.npy --method whiten --out m.safetensors".to_owned(),
            1,
            "equal.npy: the embeddings have 5 equal rows",
            "--method center",
        ),
        (
            "adapt train.npy --method whiten --strength 2 --out m.safetensors".to_owned(),
            1,
            "strength of whitening is 2, expected from 0 to 1",
            "",
        ),
        (
            "adapt train.npy --method center --strength 1 --out m.safetensors".to_owned(),
            2,
            "apply only to whitening",
            "--method whiten",
        ),
        (
            format!("adapt train.npy --method center {judged}"),
            2,
            "a named method is not verified",
            "omit --method",
        ),
        (
            "adapt train.npy --labels train.labels.npy --out m.npy".to_owned(),
            2,
            "m.npy is not a name for a map",
            "--apply",
        ),
        (
            "adapt train.npy --method center --out no/such/m.safetensors".to_owned(),
            1,
            "cannot write no/such/m.safetensors",
            "folder",
        ),
        (
            "knn --train wide.npy --train-labels four.npy --test wide.npy --test-labels four.npy \
             --map c.safetensors"
                .to_owned(),
            1,
            "the map takes embeddings of 8 dimensions, found 10",
            "e2mc adapt",
        ),
        (
            "inspect wide.npy --map c.safetensors".to_owned(),
            1,
            "wide.npy: the map takes embeddings of 8 dimensions, found 10",
            "e2mc adapt",
        ),
    ] {
        let ran = world.run(&line);
        assert!(ran.error().contains(part), "{line}: {}", ran.stderr);
        assert_eq!(ran.code, Some(code), "{line}: {}", ran.stderr);
        let said = ran.stderr.split("hint: ").nth(1).unwrap_or_default();
        assert!(said.contains(hint), "{line}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{line}");
    }
    assert!(!world.path("m.safetensors").exists() && !world.path("o.npy").exists());
    // Mapping conflicts with fitting.
    let ran = world.run("adapt --apply c.safetensors train.npy --labels short.npy --out o.npy");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}
