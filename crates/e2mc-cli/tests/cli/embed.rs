//! `embed`: files of features, whole or resumed.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::common::World;

fn world(train: usize) -> World {
    let world = World::new();
    world.data("small", 40, 10);
    assert_eq!(world.pretrain("small", "run", "").code, Some(0));
    world.data("data", train, 30);
    world
}

const MODEL: &str = "embed --checkpoint run/model.safetensors";

#[test]
fn features_labels_and_names_are_written_in_both_formats() {
    let world = world(70);
    let json = world
        .run(&format!(
            "{MODEL} --data data --out e.npy --batch 16 --json"
        ))
        .json();
    assert_eq!((&json["rows"], &json["dims"]), (&70.into(), &32.into()));
    let read = |name: &str| e2mc_eval::read_embeddings(world.path(name)).unwrap();
    let e = read("e.npy");
    let labels = e2mc_eval::read_labels(world.path("e.labels.npy")).unwrap();
    assert!(labels.iter().enumerate().all(|(i, &label)| label == i % 4));
    let names = fs::read_to_string(world.path("e.names.txt")).unwrap();
    assert_eq!(names.lines().count(), 70);

    for line in [
        "--data data --out h.safetensors --dtype float16 --batch 16",
        "--data data --part test --out t.npy",
        "--data data --out p.npy --output projector",
        "--data data --out l.npy --output layer2.1.bn2",
        "--data data --out l4.npy --output layer4",
    ] {
        let ran = world.run(&format!("{MODEL} {line}"));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let half = read("h.safetensors");
    for (a, b) in half.data().iter().zip(e.data()) {
        assert!((a - b).abs() <= 1e-3 * b.abs() + 1e-6, "{a} {b}");
    }
    assert_eq!(read("t.npy").rows(), 30);
    assert_eq!(read("p.npy").cols(), 16);
    assert_eq!(read("l.npy").cols(), 8);
    // The last stage, averaged, is the backbone's output.
    for (a, b) in read("l4.npy").data().iter().zip(e.data()) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    let ran = world.run(&format!("{MODEL} --data data --out x.npy --output layer9"));
    assert!(ran.error().contains("layer4"), "{}", ran.stderr);
    let ran = world.run(&format!("{MODEL} --data data --out x.npy --output map6x6"));
    assert!(ran.error().contains("at least 6 x 6"), "{}", ran.stderr);
    // Neither the rows nor what lies beside them are replaced unasked.
    let line = format!("{MODEL} --data data --batch 16 --out e.npy");
    let refused = |file: &str| {
        let ran = world.run(&line);
        let expected = format!("{file} exists already");
        assert!(ran.error().contains(&expected), "{}", ran.stderr);
        assert!(ran.stderr.contains("--overwrite"), "{}", ran.stderr);
    };
    let rows = fs::read(world.path("e.npy")).unwrap();
    refused("e.npy");
    fs::remove_file(world.path("e.npy")).unwrap();
    refused("e.labels.npy");
    assert!(!world.path("e.npy").exists());
    let ran = world.run(&format!("{line} --overwrite"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(fs::read(world.path("e.npy")).unwrap(), rows);
    let said = "images: as they are, 28 x 28, mean";
    assert!(
        ran.stderr.contains(said) && ran.stderr.contains("(the recipe in the checkpoint)"),
        "{}",
        ran.stderr
    );
    fs::write(world.path("one.png"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
    let ran = world.run(&format!("{MODEL} --data one.png --out x.npy"));
    assert!(
        ran.error().contains("one.png is a picture"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("give the folder"), "{}", ran.stderr);
    let ran = world.run(&format!("{MODEL} --data data --out x.csv"));
    assert!(
        ran.error().contains("expected a name that ends in"),
        "{}",
        ran.stderr
    );
}

/// Writes grey image `index`; its class is `index % 2`.
fn image(world: &World, index: u32) {
    let pixels = image::GrayImage::from_fn(28, 28, |x, y| {
        image::Luma([((x * 7 + y * 13 + index * 29) % 251) as u8])
    });
    let path = world.path(&format!("images/{index:02}.png"));
    pixels.save(path).unwrap();
}

#[test]
fn a_killed_run_goes_on_and_leaves_the_same_bytes() {
    let world = world(8);
    fs::create_dir(world.path("images")).unwrap();
    let mut list = String::new();
    for index in 0..50 {
        image(&world, index);
        list.push_str(&format!("images/{index:02}.png {}\n", index % 2));
    }
    fs::write(world.path("list.txt"), list).unwrap();
    let line = format!("{MODEL} --data list.txt --batch 8 --threads 1 --out");
    assert_eq!(world.run(&format!("{line} whole.npy")).code, Some(0));

    // Image 40 is a pipe that nobody writes to: the run waits there until it is killed.
    let pipe = world.path("images/40.png");
    fs::remove_file(&pipe).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut child = std::process::Command::new(super::common::program())
        .envs(super::common::ONE_THREAD)
        .current_dir(world.path(""))
        .args(format!("{line} e.npy").split_whitespace())
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let state = world.path("e.npy.part.json");
    while !state.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was not killed");
    assert!(state.exists() && !world.path("e.npy").exists());

    fs::remove_file(&pipe).unwrap();
    image(&world, 40);
    let again = world.run(&format!("{line} e.npy"));
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains("resuming after"), "{}", again.stderr);
    for end in ["npy", "labels.npy", "names.txt"] {
        let bytes = |name: &str| fs::read(world.path(&format!("{name}.{end}"))).unwrap();
        assert!(bytes("e") == bytes("whole"), "{end}");
    }
    assert!(!state.exists());
}

#[test]
fn public_checkpoints_give_the_authors_outputs() {
    let world = World::new();
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2mc-train/tests/golden/checkpoints");
    let golden = golden.display();
    let embed = |file: &str, output: &str| {
        world.run(&format!(
            "embed --checkpoint {golden}/{file} --tensor {golden}/expected.safetensors:input --out \
             {output}.npy --output {output} --overwrite"
        ))
    };
    for (file, output, expected) in [
        ("vicreg_zip.pth", "backbone", "vicreg.backbone"),
        ("vicreg_legacy.pth.tar", "projector", "vicreg.projector"),
        ("swav_legacy.pth.tar", "backbone", "swav.backbone"),
        ("swav_legacy.pth.tar", "projector", "swav.projection"),
        ("swav_zip.pth", "prototypes", "swav.scores"),
        ("simsiam_zip.pth", "layer4", "simsiam.backbone"),
        ("simsiam_legacy.pth.tar", "projector", "simsiam.projection"),
        ("simsiam_zip.pth", "predictor", "simsiam.prediction"),
    ] {
        let ran = embed(file, output);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let found = e2mc_eval::read_embeddings(world.path(&format!("{output}.npy"))).unwrap();
        let expected =
            e2mc_eval::read_embeddings(format!("{golden}/expected.safetensors:{expected}"))
                .unwrap();
        assert_eq!((found.rows(), found.cols()), (3, expected.cols()));
        let largest = expected.data().iter().fold(0.0_f32, |m, v| v.abs().max(m));
        for (a, b) in found.data().iter().zip(expected.data()) {
            assert!((a - b).abs() <= 1e-4 * largest, "{file} {output}: {a} {b}");
        }
    }
    for (file, output, message) in [
        (
            "backbone_only.pth",
            "projector",
            "has no projector: it holds only a backbone",
        ),
        (
            "vicreg_zip.pth",
            "predictor",
            "expected a layer that the checkpoint's method has",
        ),
    ] {
        let ran = embed(file, output);
        assert!(ran.error().contains(message), "{}", ran.stderr);
        assert!(ran.stderr.contains("--output"), "{}", ran.stderr);
    }
}

#[test]
fn a_tensor_of_normalised_images_is_embedded_as_the_data_set_is() {
    let world = world(40);
    let json = world
        .run(&format!(
            "{MODEL} --data data --part test --out e.npy --json"
        ))
        .json();
    // The test images again, normalised by hand with the recipe's statistics.
    let bytes = fs::read(world.path("data/t10k-images-idx3-ubyte")).unwrap();
    let pixels = bytes[16..]
        .iter()
        .map(|&p| (f32::from(p) / 255.0 - 0.286) / 0.353);
    let values: Vec<u8> = pixels.flat_map(f32::to_le_bytes).collect();
    let shape = vec![30, 1, 28, 28];
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &values).unwrap();
    let file = safetensors::serialize([("input", view)], None).unwrap();
    fs::write(world.path("x.safetensors"), file).unwrap();
    let ran = world.run(&format!(
        "{MODEL} --tensor x.safetensors:input --out t.npy --json"
    ));
    assert_eq!(ran.json()["rows"], json["rows"]);
    let read = |name: &str| e2mc_eval::read_embeddings(world.path(name)).unwrap();
    for (a, b) in read("t.npy").data().iter().zip(read("e.npy").data()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let ran = world.run(&format!("{MODEL} --tensor x.safetensors:other --out u.npy"));
    assert!(
        ran.error().contains("no tensor \"other\""),
        "{}",
        ran.stderr
    );
    let ran = world.run(&format!("{MODEL} --tensor e.npy --out u.npy"));
    assert!(
        ran.error()
            .contains("images of shape (n, channels, height, width)"),
        "{}",
        ran.stderr
    );
}
