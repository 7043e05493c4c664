//! `svm` on files and on VOC's layout.

use std::fs;
use std::path::Path;

use super::common::World;

/// A split of the golden multi-label problem into files.
fn multilabel(world: &World) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2mc-eval/tests/golden/multilabel.npz");
    let x = e2mc_eval::read_embeddings(format!("{}:x", file.display())).unwrap();
    let y = e2mc_eval::read_targets(format!("{}:y", file.display())).unwrap();
    let e2mc_eval::Targets::Multi(y) = y else {
        panic!("four labels")
    };
    let y = y.to_integers();
    for (part, rows) in [("train", 0..200), ("test", 200..300)] {
        let x = &x.data()[rows.start * 20..rows.end * 20];
        let columns = [
            ("x", e2mc_eval::Column::Floats(x, 20)),
            (
                "y",
                e2mc_eval::Column::Integers(&y[rows.start * 4..rows.end * 4], 4),
            ),
        ];
        e2mc_eval::write_npz(world.path(&format!("{part}.npz")), &columns).unwrap();
    }
}

const FILES: &str =
    "--train train.npz:x --train-labels train.npz:y --test test.npz:x --test-labels test.npz:y";

#[test]
fn several_labels_have_the_golden_average_precisions() {
    let world = World::new();
    multilabel(&world);
    let golden = [
        ("0.01", [97.582_04, 97.877_70, 97.196_54, 95.816_80]),
        ("1", [98.798_38, 97.581_21, 97.015_45, 95.248_38]),
    ];
    for (cost, expected) in golden {
        let result = world
            .run(&format!("svm {FILES} -C {cost} --json --out out-{cost}"))
            .json();
        for (found, expected) in result["average_precision"]
            .as_array()
            .unwrap()
            .iter()
            .zip(expected)
        {
            assert!(
                (found.as_f64().unwrap() - expected).abs() < 0.1,
                "{found} {expected}"
            );
        }
        let tried = &result["settings"]["C"];
        assert_eq!(*tried, serde_json::json!([cost.parse::<f64>().unwrap()]));
        let scores = world.path(&format!("out-{cost}/predictions.npz"));
        let scores = e2mc_eval::read_embeddings(format!("{}:scores", scores.display())).unwrap();
        assert_eq!((scores.rows(), scores.cols()), (100, 4));
    }
    let text = world
        .run(&format!("svm {FILES} --precision voc07 --scale standard"))
        .stdout;
    assert!(text.contains("mean"), "{text}");
}

#[test]
fn the_result_says_which_costs_were_tried() {
    let world = World::new();
    multilabel(&world);
    let tried = |more: &str| {
        let result = world.run(&format!("svm {FILES} {more} --json")).json();
        let tried = result["settings"]["C"].as_array().unwrap().clone();
        tried
            .iter()
            .map(|c| c.as_f64().unwrap())
            .collect::<Vec<f64>>()
    };
    let default = tried("");
    assert_eq!(default.len(), 10);
    for (found, power) in default.iter().zip(-6..=3) {
        assert!(
            (found.log10() - f64::from(power)).abs() < 1e-9,
            "{default:?}"
        );
    }
    assert_eq!(tried("-C 0.1,0.01"), [0.1, 0.01]);
}

#[test]
fn labels_of_different_kinds_are_refused() {
    let world = World::new();
    multilabel(&world);
    let classes: Vec<usize> = (0..100).map(|i| i % 2).collect();
    e2mc_eval::write_labels(world.path("l.npy"), &classes).unwrap();
    let line = FILES.replace("--test-labels test.npz:y", "--test-labels l.npy");
    let ran = world.run(&format!("svm {line}"));
    assert!(
        ran.error().contains(
            "have different forms: train.npz:y holds 4 column(s) of 0/1, l.npy holds class \
             numbers"
        ),
        "{}",
        ran.stderr
    );
    let ran = world.run(&format!("knn {FILES}"));
    assert!(ran.error().contains("two dimensions"), "{}", ran.stderr);
    assert!(ran.error().contains("train.npz:y"), "{}", ran.stderr);
}

#[test]
fn a_voc_folder_is_read_with_its_annotations() {
    let world = World::new();
    world.data("data", 40, 20);
    assert_eq!(world.pretrain("data", "run", "").code, Some(0));
    for folder in ["voc/Annotations", "voc/ImageSets/Main", "voc/JPEGImages"] {
        fs::create_dir_all(world.path(folder)).unwrap();
    }
    let mut lists = [String::new(), String::new()];
    for index in 0..40_u32 {
        let name = format!("{index:06}");
        let dog = index % 2 == 0;
        let object = |name: &str, difficult: u8| {
            format!("<object><name>{name}</name><difficult>{difficult}</difficult></object>")
        };
        let objects = match index {
            1 => object("cat", 0) + &object("dog", 1),
            _ if dog => object("dog", 0),
            _ => object("cat", 0),
        };
        let xml = format!("<annotation>{objects}</annotation>");
        fs::write(world.path(&format!("voc/Annotations/{name}.xml")), xml).unwrap();
        let pixels = image::GrayImage::from_fn(28, 28, |x, y| {
            let noise = (x * 7 + y * 13 + index * 29) % 60;
            image::Luma([(noise + if dog && x < 14 { 150 } else { 0 }) as u8])
        });
        let mut png = std::io::Cursor::new(Vec::new());
        pixels.write_to(&mut png, image::ImageFormat::Png).unwrap();
        fs::write(
            world.path(&format!("voc/JPEGImages/{name}.jpg")),
            png.into_inner(),
        )
        .unwrap();
        lists[usize::from(index >= 30)].push_str(&format!("{name}\n"));
    }
    for (list, split) in lists.iter().zip(["trainval", "test"]) {
        fs::write(world.path(&format!("voc/ImageSets/Main/{split}.txt")), list).unwrap();
    }
    let line = "svm --checkpoint run/model.safetensors --data voc -C 1 --json";
    let result = world.run(line).json();
    assert_eq!(result["average_precision"].as_array().unwrap().len(), 20);
    assert_eq!(result["svms"].as_array().unwrap().len(), 2, "{result}");
    assert!(result["mean_average_precision"].as_f64().unwrap() > 50.0);
    let ran = world.run("knn --checkpoint run/model.safetensors --data voc");
    assert!(ran.error().contains("several labels"), "{}", ran.stderr);
}
