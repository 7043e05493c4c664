//! `probe`, `knn`, `finetune` and `results`, on files of embeddings and on checkpoints.

use std::fs;

use e2mc_eval::{Column, read_embeddings, read_labels, write_labels, write_npz};
use serde_json::Value;

use super::common::World;

/// Four clusters of `rows` rows, apart by `salt`.
fn clusters(rows: usize, salt: usize) -> (Vec<f32>, Vec<usize>) {
    let labels: Vec<usize> = (0..rows).map(|row| row % 4).collect();
    let value = |row: usize, d: usize| {
        let noise = (((row * 31 + d * 17 + salt * 101) as f32) * 12.9898).sin();
        noise + if d == row % 4 { 3.0 } else { 0.0 }
    };
    let values = (0..rows)
        .flat_map(|row| (0..6).map(move |d| value(row, d)))
        .collect();
    (values, labels)
}

fn write(world: &World, name: &str, values: &[f32], labels: &[usize]) {
    write_npz(
        world.path(&format!("{name}.npz")),
        &[("x", Column::Floats(values, 6))],
    )
    .unwrap();
    write_labels(world.path(&format!("{name}.npy")), labels).unwrap();
}

fn files() -> World {
    let world = World::new();
    for (name, rows, salt) in [("train", 400, 1), ("test", 100, 2)] {
        let (values, labels) = clusters(rows, salt);
        write(&world, name, &values, &labels);
    }
    world
}

const FILES: &str =
    "--train train.npz:x --train-labels train.npy --test test.npz:x --test-labels test.npy";

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is a number"))
}

#[test]
fn neighbours_of_files_vote_and_are_recorded() {
    let world = files();
    let ran = world.run(&format!("knn {FILES} --k 5,1 --out out --json"));
    let result = ran.json();
    assert_eq!(ran.stderr, "");
    assert_eq!(
        (&result["train_images"], &result["test_images"]),
        (&400.into(), &100.into())
    );
    let results = result["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    for result in results {
        assert!(
            number(&result["top1"]) > 90.0 && number(&result["top5"]) >= number(&result["top1"])
        );
        assert_eq!(result["per_class"].as_array().unwrap().len(), 4);
        let place = result["predictions"].as_str().unwrap();
        let source = format!("{}:prediction", world.path("out").join(place).display());
        let predictions = read_labels(source).unwrap();
        let truth = read_labels(world.path("test.npy")).unwrap();
        let right = predictions
            .iter()
            .zip(&truth)
            .filter(|(a, b)| a == b)
            .count();
        assert!((number(&result["top1"]) - right as f64).abs() < 1e-9);
    }
    assert_eq!(results[0]["predictions"], "predictions.npz");
    let limited = world
        .run(&format!("knn {FILES} --k 5,1 --memory 8M --json"))
        .json();
    assert_eq!(limited["results"][0]["top1"], results[0]["top1"]);
    let ran = world.run(&format!("knn {FILES} --memory 1K"));
    assert!(
        ran.error().contains("the memory limit is 1024 bytes"),
        "{}",
        ran.stderr
    );
    let ran = world.run(&format!("knn {FILES} --k 500"));
    assert!(
        ran.error().contains("there are 400 training rows"),
        "{}",
        ran.stderr
    );
}

#[test]
fn probes_of_files_give_all_figures_and_are_tabulated() {
    let world = files();
    let line = format!("probe {FILES} --fractions 0.1,1 --seeds 2 --sgd-epochs 5 --sgd-rate 1");
    for (folder, preset) in [("runs/a", "vicreg"), ("runs/b", "simsiam")] {
        let ran = world.run(&format!(
            "{line} --preset {preset} --out {folder} --name {preset} --json"
        ));
        let result = ran.json();
        let rows = result["probes"].as_array().unwrap();
        assert_eq!(rows.len(), 4);
        for row in rows {
            assert!(row["runs"][0]["confusion"].is_array() && row["top5"].is_number());
        }
        let logistic = &rows[0];
        assert_eq!(
            (logistic["probe"].as_str(), &logistic["images"]),
            (Some("logistic"), &40.into())
        );
        assert!(number(&logistic["accuracy"]) > 90.0, "{result}");
        let saved = fs::read_to_string(world.path(folder).join("result.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&saved).unwrap(), result);
        let scores = world.path(folder).join("predictions.npz");
        let scores = read_embeddings(format!("{}:scores", scores.display())).unwrap();
        assert_eq!((scores.rows(), scores.cols()), (100, 4));
    }
    world.run(&format!("knn {FILES} --name vicreg --out runs/c"));
    let text = world.run("results runs").stdout;
    for word in [
        "vicreg",
        "simsiam",
        "linear 10 % (logistic)",
        "linear 100 % (sgd)",
        "20-NN weighted",
        "±",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let markdown = world.run("results runs --format markdown").stdout;
    assert!(
        markdown
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("| --- | --- |"),
        "{markdown}"
    );
    let csv = world.run("results runs --format csv").stdout;
    let fields: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert!(
        fields.len() == 3 && fields.iter().all(|&n| n == fields[0]),
        "{csv}"
    );
    let json = world.run("results runs --json").json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);
    let both = world.run("results runs/a runs/b runs/c ./runs/a --json");
    assert_eq!(both.json()["rows"], json["rows"], "{}", both.stderr);
    assert!(!both.stderr.contains("several results"), "{}", both.stderr);
    // The two are compared by what they left.
    let compared = world.run("compare runs/a runs/b --json").json();
    let lines = compared["lines"].as_array().unwrap();
    assert!(lines.len() > 1, "{compared}");
    assert!(
        lines.iter().all(|line| line["samples"] == 100),
        "{compared}"
    );
    assert_eq!(compared["preprocessing"], serde_json::json!([]));
    // Images prepared otherwise are no detail.
    let prepared = |run: &str, mean: f64| {
        let path = world.path(&format!("runs/{run}/result.json"));
        let text = fs::read_to_string(&path).unwrap();
        let mut result: serde_json::Value = serde_json::from_str(&text).unwrap();
        result["preprocessing"] =
            serde_json::json!({"channels": 1, "mean": [mean], "std": [0.25], "crop": 28});
        fs::write(&path, result.to_string()).unwrap();
        (path, text)
    };
    let originals = [prepared("a", 0.25), prepared("b", 0.5)];
    let ran = world.run("compare runs/a runs/b --report other.html");
    assert!(
        ran.stderr.contains(
            "warning: runs/a and runs/b: the images were prepared otherwise for each (mean"
        ),
        "{}",
        ran.stderr
    );
    let page = fs::read_to_string(world.path("other.html")).unwrap();
    assert!(page.contains("prepared otherwise"));
    for (path, text) in originals {
        fs::write(path, text).unwrap();
    }
    fs::create_dir(world.path("empty")).unwrap();
    let ran = world.run("results empty");
    assert!(
        ran.error().contains("expected result.json"),
        "{}",
        ran.stderr
    );
}

#[test]
fn odd_label_sets_are_named_or_warned_of() {
    let world = files();
    let (values, labels) = clusters(100, 2);
    let probe = |world: &World| {
        world.run(&format!(
            "probe {FILES} --fractions 1 --seeds 1 --sgd-epochs 2 --json"
        ))
    };

    // A class that the training rows lack.
    let (train, _) = clusters(400, 1);
    let few: Vec<usize> = (0..400)
        .map(|row| if row % 4 == 3 { 0 } else { row % 4 })
        .collect();
    write(&world, "train", &train, &few);
    let ran = probe(&world);
    assert!(
        ran.stderr
            .contains("warning: 25 of 100 test rows are of classes without training rows"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("1 of 4 classes have no image among 100 %"),
        "{}",
        ran.stderr
    );

    // One class, one sample, one label too few, a label out of range.
    write(&world, "train", &train, &[2; 400]);
    for command in ["knn", "svm"] {
        let ran = world.run(&format!("{command} {FILES}"));
        assert!(
            ran.error().contains("all 400 training labels are class 2"),
            "{}",
            ran.stderr
        );
    }
    assert!(
        probe(&world)
            .error()
            .contains("all 400 training labels are class 2")
    );
    write(&world, "train", &train[..6], &[2]);
    assert!(
        probe(&world)
            .error()
            .contains("all 1 training labels are class 2")
    );
    write(&world, "train", &train, &few[1..]);
    let ran = probe(&world);
    assert!(
        ran.error()
            .contains("train.npz:x has 400 rows, but train.npy has 399 labels"),
        "{}",
        ran.stderr
    );
    let mut far = few.clone();
    far[7] = 1 << 40;
    write(&world, "train", &train, &far);
    let ran = probe(&world);
    assert!(
        ran.error().contains(
            "train.npy holds label 1099511627776 at row 7, expected a class number below 100000"
        ),
        "{}",
        ran.stderr
    );
    let far = [-3_i64; 400].map(i64::to_le_bytes).concat();
    super::score::npy(&world.path("train.npy"), "<i8", false, "(400,)", &far);
    let ran = probe(&world);
    assert!(
        ran.error().contains("holds label -3 at row 0"),
        "{}",
        ran.stderr
    );

    // Test images among the training images.
    write(&world, "train", &values, &labels);
    let ran = probe(&world);
    assert!(
        ran.stderr
            .contains("warning: 100 of 100 test rows equal a training row"),
        "{}",
        ran.stderr
    );
    let ran = world.run(&format!("knn {FILES}"));
    assert!(
        ran.stderr
            .contains("test images are among the training images"),
        "{}",
        ran.stderr
    );
}

#[test]
fn lists_name_the_labelled_images() {
    let world = files();
    fs::write(world.path("list.txt"), "0\n1\n2\n3\n4\n5\n6\n7\n").unwrap();
    let line = format!("probe {FILES} --seeds 1 --sgd-epochs 2 --list");
    let result = world.run(&format!("{line} list.txt --json")).json();
    assert_eq!(result["probes"][0]["images"], 8);
    fs::write(world.path("list.txt"), "0\n400\n").unwrap();
    let ran = world.run(&format!("{line} list.txt"));
    assert!(
        ran.error().contains("expected row numbers below 400"),
        "{}",
        ran.stderr
    );

    world.data("data", 40, 20);
    assert_eq!(world.pretrain("data", "run", "").code, Some(0));
    let line =
        "probe --checkpoint run/model.safetensors --data data --seeds 1 --sgd-epochs 2 --list";
    let names = |range: std::ops::Range<usize>| -> String {
        range
            .map(|i| format!("train-images-idx3-ubyte[{i}]\n"))
            .collect()
    };
    fs::write(world.path("list.txt"), names(0..12)).unwrap();
    let result = world.run(&format!("{line} list.txt --json")).json();
    assert_eq!(result["probes"][0]["images"], 12);
    assert_eq!(result["checkpoint_sha256"].as_str().unwrap().len(), 64);
    fs::write(
        world.path("list.txt"),
        names(0..3) + "t10k-images-idx3-ubyte[2]\n",
    )
    .unwrap();
    let ran = world.run(&format!("{line} list.txt"));
    assert!(ran.error().contains("is a test image"), "{}", ran.stderr);
    let line_of = |name: &str| {
        format!(
            "finetune --checkpoint run/model.safetensors --data data --seeds 1 --epochs 1 --batch \
             8 --list {name} --json"
        )
    };
    let ran = world.run(&line_of("list.txt"));
    assert!(ran.error().contains("is a test image"), "{}", ran.stderr);
    fs::write(world.path("few.txt"), names(0..10)).unwrap();
    let result = world.run(&line_of("few.txt")).json();
    assert_eq!(result["probes"][0]["images"], 10);
    // Images 0, 4 and 8 are of the same class.
    let one = ["0", "4", "8"].map(|i| format!("train-images-idx3-ubyte[{i}]\n"));
    fs::write(world.path("list.txt"), one.concat()).unwrap();
    assert!(
        world
            .run(&line_of("list.txt"))
            .error()
            .contains("all 3 training labels are class 0")
    );
    for kind in ["cached", "fresh"] {
        let ran = world.run(&format!("{line} list.txt --probe sgd --features {kind}"));
        assert!(
            ran.error().contains("all 3 training labels are class 0"),
            "{}",
            ran.stderr
        );
    }
    fs::write(world.path("list.txt"), "nowhere.jpg\n").unwrap();
    let ran = world.run(&format!("{line} list.txt"));
    assert!(
        ran.error().contains("no training image is called"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_probe_on_cached_features_equals_the_probe_batch_by_batch() {
    let world = World::new();
    world.data("data", 60, 40);
    assert_eq!(world.pretrain("data", "run", "").code, Some(0));
    let probe = "probe --checkpoint run/model.safetensors --data data --probe sgd --seeds 1";
    for kind in ["cached", "fresh", "augmented"] {
        let ran = world.run(&format!(
            "{probe} --preset swav --features {kind} --fractions 0.5 --sgd-epochs 4 --sgd-batch 20 \
             --sgd-rate 2 --out {kind} --json"
        ));
        assert_eq!(
            ran.json()["settings"]["features"]
                .as_str()
                .unwrap()
                .split(':')
                .next(),
            Some(kind)
        );
    }
    let scores = |kind: &str| {
        let file = world.path(kind).join("predictions.npz");
        read_embeddings(format!("{}:scores", file.display())).unwrap()
    };
    let (cached, fresh, augmented) = (scores("cached"), scores("fresh"), scores("augmented"));
    let largest = cached.data().iter().fold(0.0_f32, |m, v| v.abs().max(m));
    let apart = |other: &e2mc::Matrix| {
        let pairs = cached.data().iter().zip(other.data());
        pairs.fold(0.0_f32, |m, (a, b)| (a - b).abs().max(m)) / largest
    };
    // Given the same features the two are the same bit for bit (tested in e2mc-eval); the network's
    // last bits depend on how many images it takes at a time.
    assert!(apart(&fresh) < 1e-3, "{}", apart(&fresh));
    assert!(apart(&augmented) > 1e-2, "{}", apart(&augmented));
    // Pooled features are not channels of four places each.
    let ran = world.run(&format!(
        "{probe} --preset inat18 --fractions 1 --sgd-epochs 2"
    ));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("--output map6x6"), "{}", ran.stderr);
}

#[test]
fn finetuning_learns_and_repeats() {
    let world = World::new();
    world.data("data", 120, 40);
    assert_eq!(world.pretrain("data", "run", "").code, Some(0));
    let line = "finetune --checkpoint run/model.safetensors --data data --fractions 0.5 --seeds 1 \
                --batch 16 --trunk-rate 0.5 --head-rate 1 --epochs 8 --flip 0 --json";
    let first = world
        .run(&format!("{line} --out runs/tuned --threads 1"))
        .json();
    let row = &first["probes"][0];
    assert_eq!(
        (&row["images"], &first["train_images"]),
        (&60.into(), &120.into())
    );
    assert_eq!(first["warnings"], serde_json::json!([]));
    assert!(number(&row["accuracy"]) > 60.0, "{row}");
    let second = world
        .run(&format!("{line} --out runs/again --threads 2"))
        .json();
    assert_eq!(
        first["probes"][0]["runs"][0]["loss"],
        second["probes"][0]["runs"][0]["loss"]
    );
    let text = world.run("results runs").stdout;
    assert!(text.contains("semi-sup. 50 %"), "{text}");
}

#[test]
fn finetuning_warns_of_what_a_probe_warns_of() {
    let world = World::new();
    world.data("data", 40, 20);
    assert_eq!(world.pretrain("data", "run", "").code, Some(0));
    // Folders without a test part are both parts at once.
    for index in 0..8 {
        let folder = world.path(&format!("images/{}", index % 2));
        fs::create_dir_all(&folder).unwrap();
        let pixels = image::GrayImage::from_fn(28, 28, |x, y| {
            image::Luma([((x * 7 + y * 13 + index * 29) % 251) as u8])
        });
        pixels.save(folder.join(format!("{index}.png"))).unwrap();
    }
    let tune = |data: &str| {
        let ran = world.run(&format!(
            "finetune --checkpoint run/model.safetensors --data {data} --fractions 1 --seeds 1 \
             --epochs 1 --batch 4 --json"
        ));
        (ran.json()["warnings"].clone(), ran.stderr)
    };
    let (warnings, stderr) = tune("images");
    let expected =
        "8 of 8 test rows equal a training row: test images are among the training images";
    assert_eq!(warnings, serde_json::json!([expected]));
    assert_eq!(stderr.matches(expected).count(), 1, "{stderr}");
    // Only what is learnt from counts, however few these are.
    fs::write(world.path("two.txt"), "0/0.png\n1/1.png\n").unwrap();
    let listed = world.run(
        "finetune --checkpoint run/model.safetensors --data images --list two.txt --seeds 1 \
         --epochs 1 --batch 2 --json",
    );
    let warnings_of_two = listed.json()["warnings"].to_string();
    assert!(
        warnings_of_two.contains("2 of 8 test rows equal"),
        "{warnings_of_two}"
    );

    // Of class 2 there are test images only.
    let labels = world.path("data/train-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).unwrap();
    for label in &mut bytes[8..] {
        *label = [0, 1, 1, 3][usize::from(*label)];
    }
    fs::write(&labels, bytes).unwrap();
    let (warnings, _) = tune("data");
    let expected = [
        "5 of 20 test rows are of classes without training rows and are always wrong",
        "1 of 4 classes have no image among 100 % of the labels",
    ];
    assert_eq!(warnings, serde_json::json!(expected));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_noticed_before_the_work() {
    let world = files();
    fs::write(world.path("occupied"), "").unwrap();
    // What the work itself would complain of, as soon as it reads the values.
    let values: Vec<u8> = [1e300_f64; 2400]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    super::score::npy(
        &world.path("train64.npy"),
        "<f8",
        false,
        "(400, 6)",
        &values,
    );
    let line = FILES.replace("train.npz:x", "train64.npy");
    for command in ["probe", "knn", "svm"] {
        let ran = world.run(&format!("{command} {line}"));
        assert!(
            ran.error().contains("beyond the range of float32"),
            "{}",
            ran.stderr
        );
        for out in ["occupied", "occupied/below"] {
            let ran = world.run(&format!("{command} {line} --out {out}"));
            assert!(
                ran.error().contains(&format!("cannot make {out}")),
                "{}",
                ran.stderr
            );
        }
    }

    world.data("data", 40, 20);
    assert_eq!(world.pretrain("data", "run", "").code, Some(0));
    let ran = world.run(
        "finetune --checkpoint run/model.safetensors --data data --fractions 0.5 --seeds 1 --out \
         occupied",
    );
    assert!(
        ran.error().contains("cannot make occupied"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("epoch"), "{}", ran.stderr);
    fs::create_dir(world.path("folder.npy")).unwrap();
    for (out, part) in [
        (
            "folder.npy",
            "folder.npy: expected a file to write, found a folder",
        ),
        ("occupied/e.npy", "cannot write occupied/e.npy"),
    ] {
        let ran = world.run(&format!(
            "embed --checkpoint run/model.safetensors --data data --out {out}"
        ));
        assert!(ran.error().contains(part), "{}", ran.stderr);
    }
}

#[test]
fn lists_of_about_one_percent_share_its_column() {
    let world = World::new();
    for (model, fraction) in [("a", 0.01), ("b", 12_811.0 / 1_281_167.0)] {
        let row = serde_json::json!({ "probe": "sgd", "fraction": fraction, "accuracy": 50.0 });
        let result = serde_json::json!({
            "command": "probe", "model": model, "evaluation": "linear", "probes": [row],
        });
        let folder = world.path("runs").join(model);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("result.json"), result.to_string()).unwrap();
    }
    let json = world.run("results runs --json").json();
    assert_eq!(json["columns"], serde_json::json!(["linear 1 % (sgd)"]));
}

#[test]
fn fractions_that_would_share_a_folder_are_refused() {
    let world = files();
    let ran = world.run(&format!(
        "probe {FILES} --fractions 0.5,0.1234,0.1231 --out out"
    ));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let expected = "the fractions 0.1234 and 0.1231 both round to 12.3 %";
    assert!(ran.error().contains(expected), "{}", ran.stderr);
    assert!(!world.path("out").exists());
}

#[test]
fn half_given_sources_are_usage_errors() {
    let world = files();
    for line in [
        "probe",
        "knn --train train.npz:x",
        "svm --checkpoint c.safetensors",
        "knn --checkpoint c --data d --train train.npz:x --train-labels train.npy --test t \
         --test-labels t",
    ] {
        assert_eq!(world.run(line).code, Some(2), "{line}");
    }
    let ran = world.run(&format!("probe {FILES} --features augmented"));
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.error().contains("already hold cached features"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_second_result_in_the_same_folder_needs_overwrite() {
    let world = files();
    let first = world.run(&format!("knn {FILES} --k 5,1 --out out"));
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let before = fs::read(world.path("out/result.json")).unwrap();
    for command in ["knn", "svm", "probe --fractions 1 --seeds 1"] {
        let ran = world.run(&format!("{command} {FILES} --out out"));
        assert!(
            ran.error().starts_with("out already holds a result"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("--overwrite"), "{}", ran.stderr);
        assert_eq!(fs::read(world.path("out/result.json")).unwrap(), before);
    }
    let ran = world.run(&format!(
        "knn {FILES} --k 1 --vote majority --out out --overwrite"
    ));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // Nothing of the first is left: it had four fits, three of them in folders.
    let mut left: Vec<_> = fs::read_dir(world.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["predictions.npz", "result.json", "surroundings.npz"]);
}
