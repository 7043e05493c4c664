//! Maps of a checkpoint's features: fitted, seen through by every command, and folded into a
//! network.

use std::fs;

use e2mc::Matrix;
use e2mc_eval::adapt::Map;
use e2mc_eval::{read_embeddings, write_npy};
use serde_json::Value;

use super::common::World;

const OF: &str = "--checkpoint run/model.safetensors --data data";

/// A tiny model of 32 features, its features of both splits in files, and a map of them.
fn world() -> World {
    let world = World::new();
    world.data("data", 120, 40);
    assert_eq!(world.pretrain("data", "run", "").code, Some(0));
    for split in ["train", "test"] {
        let ran = world.run(&format!("embed {OF} --split {split} --out {split}.npy"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let ran = world.run(&format!(
        "adapt {OF} --method whiten --strength 0.5 --out m.safetensors"
    ));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    world
}

fn read(world: &World, name: &str) -> Matrix {
    read_embeddings(world.path(name)).unwrap()
}

fn close(found: &Matrix, expected: &Matrix, what: &str) {
    let shape = |m: &Matrix| (m.rows(), m.cols());
    assert_eq!(shape(found), shape(expected), "{what}");
    let largest = expected.data().iter().fold(0.0_f32, |m, v| v.abs().max(m));
    for (a, b) in found.data().iter().zip(expected.data()) {
        assert!(
            (a - b).abs() <= 1e-5 * largest,
            "{what}: {a} {b} of {largest}"
        );
    }
}

/// A map of 8 dimensions, which the features do not have.
fn narrow(world: &World) {
    let values = (0..80).map(|i| (i as f32 * 0.7).sin()).collect();
    let z = Matrix::new(values, 10, 8).unwrap();
    write_npy(world.path("narrow.npy"), z.view()).unwrap();
    let ran = world.run("adapt narrow.npy --method center --out narrow.safetensors");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn every_command_sees_a_checkpoints_features_through_a_map_as_it_sees_files() {
    let world = world();
    // The map of a checkpoint's features is the map of the file of them.
    let line = "adapt train.npy --method whiten --strength 0.5 --out f.safetensors";
    assert_eq!(world.run(line).code, Some(0));
    let bytes = |name: &str| fs::read(world.path(name)).unwrap();
    assert!(bytes("m.safetensors") == bytes("f.safetensors"));
    let sha256 = e2mc_record::sha256(&world.path("m.safetensors")).unwrap();
    let with = "--map m.safetensors";
    for split in ["train", "test"] {
        let line = format!("embed {OF} --split {split} --out {split}.mapped.npy {with} --json");
        let result = world.run(&line).json();
        assert_eq!(result["map"]["path"], "m.safetensors");
        assert_eq!(result["map"]["sha256"], *sha256);
        let map = Map::load(world.path("m.safetensors")).unwrap();
        let expected = map
            .apply(read(&world, &format!("{split}.npy")).view())
            .unwrap();
        assert_eq!(read(&world, &format!("{split}.mapped.npy")), expected);
    }
    let files = "--train train.mapped.npy --train-labels train.labels.npy --test test.mapped.npy \
                 --test-labels test.labels.npy";
    let both = |line: &str, key: &str| {
        let ours = world.run(&format!("{line} {OF} {with} --json")).json();
        assert_eq!(ours["map"]["sha256"], *sha256, "{line}");
        let theirs = world.run(&format!("{line} {files} --json")).json();
        assert_eq!(ours.pointer(key), theirs.pointer(key), "{line}");
        assert!(ours.pointer(key).is_some_and(Value::is_number), "{ours}");
        let plain = world.run(&format!("{line} {OF} --json")).json();
        assert!(plain.get("map").is_none(), "{line}");
    };
    both("knn", "/results/0/top1");
    both("svm", "/top1");
    let line = "probe --fractions 1 --seeds 1 --probe sgd --sgd-epochs 2";
    both(line, "/probes/0/accuracy");
    // Features that are computed anew for every batch go through the map, too.
    let fresh = world.run(&format!("{line} {OF} {with} --features fresh --json"));
    let cached = world.run(&format!("{line} {OF} {with} --json"));
    let accuracy = |result: &Value| result["probes"][0]["accuracy"].as_f64().unwrap();
    let difference = accuracy(&fresh.json()) - accuracy(&cached.json());
    assert!(difference.abs() <= 2.5, "{difference}");
    let line = "--json --threads 2";
    let ours = world
        .run(&format!("inspect {OF} --output backbone {with} {line}"))
        .json();
    let theirs = world.run(&format!("inspect test.mapped.npy {line}")).json();
    assert_eq!(ours["rankme"], theirs["rankme"]);
    assert_eq!(ours["map"]["sha256"], *sha256);
}

#[test]
fn a_map_of_another_width_is_one_error_with_both_widths() {
    let world = world();
    narrow(&world);
    let expected = "narrow.safetensors takes 8 dimensions, found 32 from backbone of \
                    run/model.safetensors";
    for line in [
        format!("knn {OF} --map narrow.safetensors"),
        format!("svm {OF} --map narrow.safetensors"),
        format!("probe {OF} --map narrow.safetensors"),
        format!("inspect {OF} --output backbone --map narrow.safetensors"),
        format!("embed {OF} --out e.npy --map narrow.safetensors"),
        "convert run/model.safetensors out.pth --with-map narrow.safetensors".to_owned(),
    ] {
        let ran = world.run(&line);
        assert!(ran.error().contains(expected), "{line}: {}", ran.stderr);
        assert_eq!(ran.code, Some(1), "{line}");
        assert!(ran.stderr.contains("hint: give a map that was fitted"));
    }
    assert!(!world.path("e.npy").exists() && !world.path("out.pth").exists());
    let ran = world.run(&format!("knn {OF} --map run/model.safetensors"));
    assert!(ran.error().contains("expected a map"), "{}", ran.stderr);
}

#[test]
fn a_map_is_chosen_for_a_checkpoint_by_labels_or_by_random_views() {
    let world = world();
    let result = world
        .run(&format!("adapt {OF} --out c.safetensors --json"))
        .json();
    assert_eq!(result["checkpoint"], "run/model.safetensors");
    assert_eq!(
        (&result["judged_by"], &result["rows"]),
        (&"labels".into(), &120.into())
    );
    let same = world
        .run("adapt train.npy --labels train.labels.npy --out d.safetensors --json")
        .json();
    assert_eq!(
        result["outcomes"][0]["candidates"],
        same["outcomes"][0]["candidates"]
    );
    assert_eq!(
        result["outcomes"][0]["fingerprint"],
        same["outcomes"][0]["fingerprint"]
    );

    // Images without labels: a folder of pictures.
    fs::create_dir(world.path("loose")).unwrap();
    for index in 0..130u32 {
        let pixels = image::GrayImage::from_fn(28, 28, |x, y| {
            image::Luma([((x * 7 + y * 13 + index * 29) % 251) as u8])
        });
        pixels
            .save(world.path(&format!("loose/{index:03}.png")))
            .unwrap();
    }
    let loose = "adapt --checkpoint run/model.safetensors --data loose --out v.safetensors";
    let result = world.run(&format!("{loose} --json")).json();
    assert_eq!(result["judged_by"], "random views");
    assert!(
        result["outcomes"][0]["candidates"]
            .as_array()
            .unwrap()
            .len()
            > 5
    );
    for (line, code, part) in [
        (
            format!("{loose} --for sgd-head --overwrite"),
            1,
            "choosing a map for sgd-head needs labels, and the images have none",
        ),
        (
            "adapt --checkpoint run/model.safetensors --out v.safetensors".into(),
            2,
            "--data",
        ),
        (
            format!("adapt {OF} --apply m.safetensors --out v.npy"),
            2,
            "cannot be used with",
        ),
        (
            format!("adapt {OF} --out run/model.safetensors"),
            2,
            "--out would overwrite the input run/model.safetensors",
        ),
        (
            format!("adapt {OF} --output layer9 --method center --out w.safetensors"),
            1,
            "layer9",
        ),
    ] {
        let ran = world.run(&line);
        assert_eq!(ran.code, Some(code), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{line}: {}", ran.stderr);
    }
}

#[test]
fn a_map_is_folded_into_a_network_and_used_where_the_file_is_read() {
    let world = world();
    let line = "adapt --apply m.safetensors test.npy --out mapped.npy";
    assert_eq!(world.run(line).code, Some(0));
    let mapped = read(&world, "mapped.npy");
    for (out, more, layer) in [
        ("own.safetensors", "", "map"),
        ("own.pth", "", "map"),
        ("theirs.pth", "--names torchvision --backbone-only", "fc"),
        ("theirs.safetensors", "--names timm --backbone-only", "fc"),
        ("half.pth", "--names torchvision --half", "fc"),
    ] {
        let line = format!("convert run/model.safetensors {out} --with-map m.safetensors {more}");
        let result = world.run(&format!("{line} --json")).json();
        let map = &result["map"];
        assert_eq!(
            (&map["layer"], &map["output_dims"]),
            (&layer.into(), &32.into())
        );
        assert_eq!(map["unit_length_left_out"], false);
        assert!(
            world
                .run(&format!("{line} --overwrite"))
                .stdout
                .contains(&format!("its last layer, `{layer}`, 32 to 32"))
        );
        let line =
            format!("embed --checkpoint {out} --data data --split test --out e.npy --overwrite");
        // Others' names say nothing of how images are prepared: so do not compare those here.
        let ran = world.run(&line);
        let said = "its features go through a folded map (whiten, strength 0.5";
        assert!(ran.stderr.contains(said), "{out}: {}", ran.stderr);
        if layer == "map" {
            close(&read(&world, "e.npy"), &mapped, out);
            let knn = |checkpoint: &str, more: &str| {
                let line = format!("knn --checkpoint {checkpoint} --data data --json {more}");
                world.run(&line).json()["results"].clone()
            };
            assert_eq!(
                knn(out, ""),
                knn("run/model.safetensors", "--map m.safetensors")
            );
        }
        let ran = world.run(&format!("finetune --checkpoint {out} --data data"));
        assert!(
            ran.error().contains("contains a folded map"),
            "{}",
            ran.stderr
        );
        let ran = world.run(&format!(
            "continue --recipe vicreg-small --checkpoint {out} --data data --out again"
        ));
        assert!(
            ran.error().contains("contains a folded map"),
            "{}",
            ran.stderr
        );
    }
    // Converted again, the map stays.
    let ran = world.run("convert theirs.pth again.safetensors --json");
    assert_eq!(ran.json()["map"]["layer"], "map");

    let line = "adapt train.npy --method center --unit-length --out u.safetensors";
    assert_eq!(world.run(line).code, Some(0));
    let line = "convert run/model.safetensors u.pth --with-map u.safetensors";
    let ran = world.run(line);
    assert!(
        ran.stdout
            .contains("the map's unit length is not in the file"),
        "{} {}",
        ran.stdout,
        ran.stderr
    );
    let result = world.run(&format!("{line} --overwrite --json")).json();
    assert_eq!(result["map"]["unit_length_left_out"], true);
}
