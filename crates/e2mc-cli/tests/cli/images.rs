//! `throughput`, `augment`, and training on folders with images that cannot be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;

use super::common::{TINY, World, log};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../e2mc-data/tests/golden")
        .join(name)
}

#[test]
fn throughput_measures_the_pipeline_alone() {
    let world = World::new();
    fs::create_dir(world.path("jpegs")).unwrap();
    for number in 0..3 {
        fs::copy(
            golden("source.jpg"),
            world.path(&format!("jpegs/{number}.jpg")),
        )
        .unwrap();
    }
    for (recipe, views) in [("swav", 8), ("evaluation", 1), ("vicreg-imagenet", 2)] {
        let line = format!("throughput jpegs --recipe {recipe} --threads 2 --seconds 0.05 --json");
        let result = world.run(&line).json();
        assert!(result["images_per_s"].as_f64().unwrap() > 0.0, "{result}");
        assert!(result["decode_ms"].as_f64().unwrap() > 0.0, "{result}");
        assert!(result["augment_ms"].as_f64().unwrap() > 0.0, "{result}");
        assert_eq!(
            (result["views"].as_u64(), result["threads"].as_u64()),
            (Some(views), Some(2))
        );
    }
    let text = world.run("throughput jpegs --recipe probe --threads 1 --seconds 0.05");
    assert!(
        text.stdout.contains("images/s on 1 thread (1 view each"),
        "{}",
        text.stdout
    );

    let failed = world.run("throughput jpegs --recipe byol --seconds 1");
    assert!(
        failed
            .error()
            .contains("vicreg, swav, simsiam, dino, probe, small-grey"),
        "{}",
        failed.stderr
    );
    let failed = world.run("throughput nowhere");
    assert!(failed.error().contains("nowhere") && failed.error().contains("hint: "));
    assert_eq!(world.run("throughput jpegs --seconds 0").code, Some(2));
}

#[test]
fn one_operation_gives_what_torchvision_gives() {
    let world = World::new();
    let source = golden("source.png");
    let manifest = fs::read_to_string(golden("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let expected = fs::read(golden("expected.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&expected).unwrap();
    for (name, case) in manifest.as_object().unwrap() {
        let mut parameters = case.clone();
        let op = parameters["op"].as_str().unwrap().to_owned();
        let floats = op == "normalize";
        if !floats {
            // With the name and a note, as in the manifest, or without.
            parameters.as_object_mut().unwrap().remove("op");
        }
        let out = world.path(if floats { "out.npy" } else { "out.png" });
        let mut command = world.command();
        command
            .arg("augment")
            .arg(&source)
            .arg("--op")
            .arg(&op)
            .arg("--json");
        command
            .arg("--params")
            .arg(parameters.to_string())
            .arg("--out")
            .arg(&out);
        let ran = command.output().unwrap();
        assert!(
            ran.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(told["operation"]["op"], op.as_str());
        let expected = expected.tensor(name).unwrap();
        if floats {
            let bytes = fs::read(&out).unwrap();
            assert!(bytes.starts_with(b"\x93NUMPY"));
            let values = bytes[bytes.len() - expected.data().len()..]
                .as_chunks::<4>()
                .0;
            for (found, wanted) in values.iter().zip(expected.data().as_chunks::<4>().0) {
                let (found, wanted) = (f32::from_le_bytes(*found), f32::from_le_bytes(*wanted));
                assert!(
                    (found - wanted).abs() < 1e-6,
                    "{name}: {found} for {wanted}"
                );
            }
        } else {
            let image = image::open(&out).unwrap().into_rgb8();
            assert_eq!(image.as_raw(), expected.data(), "{name}");
        }
    }
}

#[test]
fn a_sheet_shows_every_view_of_every_draw() {
    let world = World::new();
    fs::copy(golden("source.jpg"), world.path("photo.jpg")).unwrap();
    let result = world
        .run("augment photo.jpg --recipe swav --draws 3 --seed 5 --out grid.png --json")
        .json();
    let views = result["views"].as_array().unwrap();
    assert_eq!(views.len(), 3 * 8);
    assert!(
        views
            .iter()
            .all(|view| view["parameters"][0].as_str().unwrap().starts_with("crop "))
    );
    let sheet = image::open(world.path("grid.png")).unwrap();
    assert!(sheet.width() > 224 * 3 && sheet.height() > 224 * 3);
    // The same again, and another.
    let first = fs::read(world.path("grid.png")).unwrap();
    world
        .run("augment photo.jpg --recipe swav --draws 3 --seed 5 --out again.png --json")
        .json();
    assert_eq!(first, fs::read(world.path("again.png")).unwrap());
    world
        .run("augment photo.jpg --recipe swav --draws 3 --seed 6 --out other.png --json")
        .json();
    assert_ne!(first, fs::read(world.path("other.png")).unwrap());
    // A training recipe, and grey; one that leaves its views to a checkpoint has none to show.
    let result = world
        .run("augment photo.jpg --recipe vicreg-small-pretrain --draws 1 --out small.png --json")
        .json();
    assert_eq!(result["views"].as_array().unwrap().len(), 2);
    for command in ["augment photo.jpg --out no.png", "throughput ."] {
        let failed = world.run(&format!("{command} --recipe vicreg-small"));
        assert_eq!(failed.code, Some(2));
        let error = failed.error();
        assert!(
            error.contains("vicreg-small takes its views from the checkpoint")
                && error.contains("use vicreg-small-pretrain"),
            "{error}"
        );
    }
}

#[test]
fn augment_says_what_is_wrong() {
    let world = World::new();
    fs::copy(golden("source.png"), world.path("a.png")).unwrap();
    fs::copy(golden("bad_truncated.jpg"), world.path("cut.jpg")).unwrap();
    fs::write(world.path("params.json"), "{}").unwrap();
    for (line, code, part) in [
        (
            "a.png --op sharpen --out o.png",
            2,
            "no operation is called `sharpen`",
        ),
        (
            "a.png --op hue --params {\"factor\":0.9} --out o.png",
            1,
            "`factor`: expected a number from -0.5 to 0.5, found 0.9",
        ),
        (
            "a.png --op hue --params {\"angle\":0.1} --out o.png",
            2,
            "--params for hue: unknown field `angle`",
        ),
        (
            "a.png --op hue --params [1] --out o.png",
            2,
            "--params: expected a JSON object",
        ),
        (
            "a.png --op hue --params {\"op\":\"blur\"} --out o.png",
            2,
            "expected `op` to be hue",
        ),
        (
            "a.png --op hflip --out o.jpg",
            2,
            "expected a .png file, found o.jpg",
        ),
        (
            "a.png --op hflip --out gone/o.png",
            1,
            "cannot write gone/o.png",
        ),
        (
            "cut.jpg --op hflip --out o.png",
            1,
            "cannot decode cut.jpg: the file is cut off",
        ),
        ("b.png --op hflip --out o.png", 1, "cannot read b.png"),
        ("a.png --recipe byol --out o.png", 2, "byol"),
    ] {
        let ran = world.run(&format!("augment {line}"));
        assert_eq!(ran.code, Some(code), "{line}: {}", ran.stderr);
        assert!(ran.error().contains(part), "{line}: {}", ran.stderr);
    }
    assert_eq!(world.run("augment a.png --out o.png").code, Some(2));
    assert_eq!(
        world
            .run("augment a.png --op hflip --recipe swav --out o.png")
            .code,
        Some(2)
    );
    assert!(!world.path("o.png").exists());
}

/// Two class folders of 24 grey images each, in `data`.
pub(super) fn two_classes(world: &World) {
    for class in ["a", "b"] {
        fs::create_dir_all(world.path(&format!("data/{class}"))).unwrap();
        for number in 0..24_u8 {
            let shade =
                |x: u32, y: u32| image::Luma([(x * 9) as u8 ^ (y as u8).wrapping_mul(number)]);
            let image = image::GrayImage::from_fn(28, 28, shade);
            image
                .save(world.path(&format!("data/{class}/{number:02}.png")))
                .unwrap();
        }
    }
}

#[test]
fn a_split_that_lacks_a_class_keeps_the_numbers_of_the_others() {
    let world = World::new();
    for (folder, classes) in [("train", ["a", "b", "c"].as_slice()), ("val", &["a", "c"])] {
        for class in classes {
            let folder = world.path(&format!("data/{folder}/{class}"));
            fs::create_dir_all(&folder).unwrap();
            for number in 0..8_u8 {
                let shade = class.as_bytes()[0].wrapping_mul(40).wrapping_add(number);
                let image = image::GrayImage::from_pixel(28, 28, image::Luma([shade]));
                image.save(folder.join(format!("{number}.png"))).unwrap();
            }
        }
    }
    let ran = world.pretrain("data", "run", "--knn-every 0");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let from = "--checkpoint run/model.safetensors --data data";
    let ran = world.run(&format!("knn {from} --k 1"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lacking = "warning: the test split has no image of 1 class: b";
    assert!(ran.stderr.contains(lacking), "{}", ran.stderr);
    let ran = world.run(&format!("embed {from} --split test --out test.npy"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let labels = e2mc_eval::read_labels(world.path("test.labels.npy")).unwrap();
    assert_eq!(labels, [[0; 8], [2; 8]].concat());
}

#[test]
fn a_part_is_set_apart_from_images_that_have_none() {
    let world = World::new();
    two_classes(&world);
    let ran = world.run(&format!(
        "pretrain {TINY} --data data --out run --knn-every 0 --val-fraction 0.25"
    ));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("data wait"), "{}", ran.stderr);
    let log = log(&world.path("run"));
    for event in ["step", "epoch"] {
        let entry = log.iter().find(|entry| entry["event"] == event).unwrap();
        let waiting = entry["waiting"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&waiting), "{entry}");
    }
    let plan = world
        .run(&format!(
            "pretrain {TINY} --data data --out new --val-fraction 0.25 --dry-run --json"
        ))
        .json();
    assert_eq!(plan["images"], 36);

    // What one command trains on is not what another judges by.
    let from = "--checkpoint run/model.safetensors --data data";
    let names = |part: &str, more: &str| -> BTreeSet<String> {
        let line = format!("embed {from} --part {part} --out {part}.npy --overwrite {more}");
        assert_eq!(world.run(&line).code, Some(0), "{line}");
        let text = fs::read_to_string(world.path(&format!("{part}.names.txt"))).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let (train, test) = (
        names("train", "--val-fraction 0.25"),
        names("test", "--val-fraction 0.25"),
    );
    assert_eq!((train.len(), test.len()), (36, 12));
    assert!(train.is_disjoint(&test));
    assert_eq!(test.iter().filter(|name| name.contains("/a/")).count(), 6);
    assert_ne!(names("test", "--val-fraction 0.25 --val-seed 1"), test);

    // Labelled images by name, as in ImageNet's files.
    let list: String = (train.iter().step_by(3))
        .map(|path| format!("{}\n", path.split_once("data/").unwrap().1))
        .collect();
    fs::write(world.path("list.txt"), list).unwrap();
    let tuned = world
        .run(&format!(
            "finetune {from} --val-fraction 0.25 --list list.txt --seeds 1 --epochs 1 --batch 4 \
             --json"
        ))
        .json();
    assert_eq!(tuned["probes"][0]["images"], 12);
    assert_eq!(tuned["test_images"], 12);
    let whole: String = test.iter().map(|path| format!("{path}\n")).collect();
    fs::write(world.path("list.txt"), whole).unwrap();
    let ran = world.run(&format!(
        "finetune {from} --val-fraction 0.25 --list list.txt"
    ));
    assert!(ran.error().contains("is a test image"), "{}", ran.stderr);

    world.data("idx", 20, 20);
    let ran = world.run("throughput idx --recipe small-grey --val-fraction 0.5 --seconds 0.1");
    assert!(
        ran.error().contains("idx has a test split"),
        "{}",
        ran.stderr
    );
    let ran = world.run("throughput data --recipe small-grey --val-fraction 1 --seconds 0.1");
    assert!(
        ran.error().contains("expected a fraction between 0 and 1"),
        "{}",
        ran.stderr
    );
}

#[test]
fn throughput_counts_bad_images_as_they_are() {
    let world = World::new();
    two_classes(&world);
    fs::write(world.path("data/b/07.png"), b"not an image").unwrap();
    let line = "throughput data --recipe small-grey --seconds 0.2 --threads 2";
    let ran = world.run(line);
    assert!(
        ran.error().starts_with("cannot decode data/b/07.png"),
        "{}",
        ran.stderr
    );
    let ran = world.run(&format!("{line} --max-bad-images 0.05"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("b/07.png").count(), 1, "{}", ran.stderr);
}

#[test]
fn unreadable_images_are_named_and_replaced_up_to_a_limit() {
    let world = World::new();
    two_classes(&world);
    fs::write(world.path("data/b/07.png"), b"not an image").unwrap();
    let run = |out: &str, more: &str| {
        world.run(&format!(
            "pretrain {TINY} --data data --out {out} --knn-every 0 {more}"
        ))
    };
    let strict = run("strict", "");
    assert!(strict.error().contains("b/07.png"), "{}", strict.stderr);
    let lenient = run("lenient", "--max-bad-images 0.05");
    assert_eq!(lenient.code, Some(0), "{}", lenient.stderr);
    assert_eq!(
        lenient.stderr.matches("b/07.png").count(),
        1,
        "{}",
        lenient.stderr
    );
    fs::write(world.path("data/a/01.png"), b"").unwrap();
    fs::write(world.path("data/a/02.png"), b"").unwrap();
    let over = run("over", "--max-bad-images 0.05");
    assert!(
        over.error()
            .contains("3 images cannot be read so far: expected at most 2 of 48"),
        "{}",
        over.stderr
    );
    assert!(over.error().contains("--max-bad-images"), "{}", over.stderr);
    let wrong = run("wrong", "--max-bad-images 2");
    assert!(
        wrong
            .error()
            .contains("largest fraction of bad images: expected 0 to 1, found 2"),
        "{}",
        wrong.stderr
    );
}
