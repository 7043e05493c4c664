//! Bad input: one clear error each, naming the file, what was expected and what was found.

use std::fs;

use super::common::{TINY, World};
use super::score::npy;

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

#[test]
fn embeddings_that_cannot_be_scored() {
    let world = World::new();
    fs::write(world.path("empty.npy"), "").unwrap();
    fs::write(world.path("text.npy"), "1 2 3").unwrap();
    npy(&world.path("int.npy"), "<i8", false, "(2, 2)", &[0; 32]);
    npy(
        &world.path("short.npy"),
        "<f4",
        false,
        "(9999999, 9999)",
        &[0; 16],
    );
    npy(&world.path("flat.npy"), "<f4", false, "(4,)", &[0; 16]);
    npy(&world.path("one.npy"), "<f4", false, "(1, 2)", &[0; 8]);
    npy(
        &world.path("nan.npy"),
        "<f4",
        false,
        "(3, 2)",
        &floats(&[0., 1., 2., f32::NAN, 4., 5.]),
    );
    npy(
        &world.path("fine.npy"),
        "<f4",
        false,
        "(3, 2)",
        &floats(&[0., 1., 2., 3., 4., 9.]),
    );
    for (file, part) in [
        ("missing.npy", "missing.npy"),
        ("empty.npy", "empty"),
        ("text.npy", "text.npy"),
        ("int.npy", "int.npy"),
        ("short.npy", "short.npy"),
        ("flat.npy", "flat.npy"),
        (
            "one.npy",
            "one.npy: embedding has 1 row(s), expected at least 2",
        ),
        ("nan.npy", "nan.npy: embedding holds NaN at row 1, column 1"),
    ] {
        let ran = world.run(&format!("score {file} --json"));
        assert!(ran.error().contains(part), "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains("\nhint: "), "{file}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "nothing but results on standard output");
    }
    let ran = world.run("score fine.npy --beta nan");
    assert!(ran.error().contains("beta"), "{}", ran.stderr);
    let ran = world.run("score fine.npy --gradient no/such/folder/g.npy");
    assert!(ran.error().contains("no/such/folder"), "{}", ran.stderr);
}

#[test]
fn data_that_cannot_be_trained_on() {
    let world = World::new();
    world.data("one", 1, 1);
    world.data("ten", 10, 4);
    fs::create_dir(world.path("nothing")).unwrap();
    world.data("cut", 50, 4);
    let cut = world.path("cut/train-images-idx3-ubyte");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    for (data, parts) in [
        ("missing", vec!["missing"]),
        ("nothing", vec!["nothing"]),
        (
            "one",
            vec!["one: a batch of 16 is larger than the data set of 1 image, 0 of"],
        ),
        (
            "ten",
            vec!["ten: a batch of 16 is larger than the data set of 10 images"],
        ),
        ("cut", vec!["train-images-idx3-ubyte", "expected", "found"]),
    ] {
        let ran = world.pretrain(data, "out", "");
        for part in parts {
            assert!(ran.error().contains(part), "{data}: {}", ran.stderr);
        }
        assert!(ran.stderr.contains("\nhint: "), "{data}: {}", ran.stderr);
        assert!(!world.path("out").exists(), "{data}: a folder was made");
    }
}

#[test]
fn settings_that_cannot_be() {
    let world = World::new();
    world.data("data", 100, 20);
    for (words, part) in [
        (
            "--epochs 0",
            "setting `training.epochs`: expected at least 1, found 0",
        ),
        ("--batch 1", "setting `training.batch`: expected at least 2"),
        ("--set training.learning_rate=-1", "training.learning_rate"),
        ("--set training.bacth=3", "bacth"),
        ("--set nonsense", "expected KEY=VALUE, found `nonsense`"),
        ("--set backbone.channels=3", "channels"),
        ("--set method.projector=[]", "method.projector"),
        ("--device cuda:77", "device `cuda:77` is not available"),
    ] {
        let ran = world.pretrain("data", "out", words);
        assert!(ran.error().contains(part), "{words}: {}", ran.stderr);
        assert!(!world.path("out").exists(), "{words}: a folder was made");
    }
    let ran = world.run("pretrain --recipe no-such-recipe --data data --out out");
    assert!(
        ran.error().contains("no recipe is called `no-such-recipe`"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.code, Some(2));
    fs::write(world.path("bad.toml"), "name = ").unwrap();
    let ran = world.run("pretrain --recipe bad.toml --data data --out out");
    assert!(
        ran.error().contains("bad.toml is not valid TOML"),
        "{}",
        ran.stderr
    );
}

#[test]
fn checkpoints_that_cannot_be_used() {
    let world = World::new();
    world.data("data", 100, 20);
    assert_eq!(world.pretrain("data", "base", "").code, Some(0));
    let whole = fs::read(world.path("base/model.safetensors")).unwrap();
    fs::write(world.path("cut.safetensors"), &whole[..whole.len() - 100]).unwrap();
    fs::write(world.path("empty.safetensors"), "").unwrap();
    fs::write(world.path("pickle.pth"), b"\x80\x02}q\x00.").unwrap();
    for (file, part) in [
        ("missing.safetensors", "cannot read missing.safetensors"),
        ("cut.safetensors", "cut.safetensors: expected"),
        (
            "empty.safetensors",
            "empty.safetensors: expected a checkpoint, found an empty file",
        ),
        (
            "pickle.pth",
            "pickle.pth: expected a file that torch.save wrote",
        ),
    ] {
        for line in [
            format!(
                "continue --recipe vicreg-small --batch 16 --data data --out out --checkpoint \
                 {file}"
            ),
            format!("probe --data data --checkpoint {file}"),
        ] {
            let ran = world.run(&line);
            assert!(ran.error().contains(part), "{line}: {}", ran.stderr);
            assert!(ran.stderr.contains("\nhint: "), "{line}: {}", ran.stderr);
        }
    }
    let other = "continue --recipe vicreg-small --set backbone.width=8 --data data --out out \
                 --checkpoint base/model.safetensors";
    let ran = world.run(other);
    assert!(ran.error().contains("expected vicreg on"), "{}", ran.stderr);
    assert!(ran.stderr.contains("\nhint: "), "{}", ran.stderr);
    let ran = world.run(
        "continue --recipe vicreg-small --batch 16 --data data --out out \
         --set method.projector=[32,32] --checkpoint base/model.safetensors",
    );
    assert!(ran.error().contains("mis-shaped"), "{}", ran.stderr);
    assert!(!world.path("out").exists());
    // A folder that holds a run is not overwritten.
    let ran = world.pretrain("data", "base", "");
    assert!(
        ran.error().contains("base already holds a run"),
        "{}",
        ran.stderr
    );
}

/// A limit on the size of files stands in for a full disk: the write fails in the same place.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing_and_leaves_no_half_file() {
    let world = World::new();
    world.data("data", 100, 20);
    let words = format!("pretrain {TINY} --data data --out run --epochs 2 --knn-every 0");
    assert_eq!(world.run(&words).code, Some(0));
    let path = world.path("run/checkpoint.safetensors");
    let before = fs::read(&path).unwrap();

    let program = super::common::program();
    // 64 blocks: enough for the log, too little for a checkpoint.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {} pretrain --out run --resume --epochs 3",
        program.display()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(world.path("."))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("error: cannot write run/checkpoint.safetensors"),
        "{stderr}"
    );
    assert!(stderr.contains("hint: free some space"), "{stderr}");
    assert!(
        fs::read(&path).unwrap() == before,
        "the older checkpoint changed"
    );
    let left: Vec<_> = fs::read_dir(world.path("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".e2mc-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
