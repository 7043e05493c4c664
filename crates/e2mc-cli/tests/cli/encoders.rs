//! Encoders that are no ResNets through the program: trained, given to a library, taken back from
//! it, continued with E2MC, probed, looked at and given back.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::common::{World, program};

const SMALL: &str = "--set method.name=vicreg --set method.projector=[16,16] --batch 16 --epochs 1 \
    --threads 2 --log-every 1";
/// A vision transformer of two blocks and 16 patches.
const VIT: &str = "--recipe vit-small-28 --set backbone.patch=7 --set backbone.width=64 \
    --set backbone.depth=2 --set backbone.heads=2 --set backbone.hidden=64";
/// A ConvNeXt of four blocks.
const CONVNEXT: &str = "--recipe vicreg-small-pretrain --set \
    backbone={family='convnext',depths=[1,1,1,1],widths=[8,8,12,16],patch=2,channels=1}";

fn whole_way(network: &str, name: &str, libraries: &[&str], features: usize) -> World {
    let world = World::new();
    world.data("data", 64, 24);
    let ran = world.run(&format!(
        "pretrain {network} {SMALL} --knn-every 0 --data data --out base --json"
    ));
    assert_eq!(ran.json()["outcome"], "finished", "{}", ran.stderr);
    let probe = |file: &str, more: &str| {
        let line = "probe --data data --fractions 1 --seeds 1 --probe logistic --json";
        let ran = world.run(&format!("{line} --checkpoint {file} {more}"));
        (ran.json(), ran.stderr)
    };
    let (base, _) = probe("base/model.safetensors", "");
    for library in libraries {
        let line = format!("convert base/model.safetensors {library} --names {library} --json");
        let ran = world.run(&line);
        assert_eq!(ran.json()["format"], "folder");
        assert!(world.path(library).join("config.json").is_file());
        // The folder says all that decides the features, and how images are prepared.
        let (taken, said) = probe(library, "");
        assert_eq!(taken["probes"], base["probes"], "{library}");
        assert_eq!(taken["knn"], base["knn"], "{library}");
        // timm always resizes, here to the same size.
        let resize = if *library == "timm" {
            28.into()
        } else {
            Value::Null
        };
        assert_eq!(taken["preprocessing"]["resize"], resize, "{library}");
        for key in ["channels", "crop", "mean", "std"] {
            let what = (&taken["preprocessing"][key], &base["preprocessing"][key]);
            assert_eq!(what.0, what.1, "{library} {key}");
        }
        assert_eq!(taken["checkpoint_sha256"].as_str().unwrap().len(), 64);
        assert!(said.contains(&format!("{library}: {name}")), "{said}");
        assert!(said.contains("28 x 28, mean 0.286, std 0.353"), "{said}");
    }
    let library = libraries[0];
    let ran = world.run(&format!(
        "continue --recipe vicreg-small --checkpoint {library} {SMALL} --head-warmup 1 --held-out \
         16 --set training.layer_decay=0.7 --set training.freeze_blocks=1 --data data --out run \
         --json"
    ));
    assert_eq!(ran.json()["outcome"], "finished", "{}", ran.stderr);
    let recipe = fs::read_to_string(world.path("run/recipe.toml")).unwrap();
    assert!(recipe.contains("name = \"e2mc\""), "{recipe}");
    assert!(recipe.contains("layer_decay = 0.7"), "{recipe}");
    probe("run/model.safetensors", "");
    let ran = world.run(
        "inspect --checkpoint run/model.safetensors --data data --output backbone --queries 20 \
         --json",
    );
    assert!(ran.json().is_object(), "{}", ran.stderr);
    let ran = world.run(&format!(
        "convert run/model.safetensors again --names {library} --json"
    ));
    assert_eq!(ran.json()["format"], "folder");
    probe("again", "");
    let rows = |checkpoint: &str| {
        let line = format!("embed --checkpoint {checkpoint} --data data --out {checkpoint}.npy");
        let ran = world.run(&line);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        fs::read(world.path(&format!("{checkpoint}.npy"))).unwrap()
    };
    assert_ne!(rows("again"), rows(library));
    let ran = world.run("embed --checkpoint hf --data data --out e.npy --image-size 42 --json");
    assert!(
        ran.error().contains("42"),
        "images are not resized: {}",
        ran.stderr
    );
    let ran = world.run(
        "embed --checkpoint again --data data --out e.npy --resize 42 --crop 42 --mean 0.5 --std \
         0.5 --json",
    );
    assert_eq!(ran.json()["dims"], features);
    let said = "images: shorter side to 42 pixels (bilinear), centre 42 x 42, mean 0.5, std 0.5 \
                (as asked for)";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    world
}

#[test]
fn every_evaluation_prepares_images_as_asked_and_records_it() {
    let world = World::new();
    world.data("data", 64, 24);
    let ran = world.run(&format!(
        "pretrain --recipe vicreg-small-pretrain --set backbone.width=4 {SMALL} --knn-every 0 \
         --data data --out base --json"
    ));
    assert_eq!(ran.json()["outcome"], "finished", "{}", ran.stderr);
    for command in [
        "embed --out e.npy",
        "inspect --output backbone --queries 20",
        "adapt --method whiten --out m.safetensors",
        "knn",
        "svm --cost 0.01",
        "probe --fractions 1 --seeds 1 --probe logistic",
        "finetune --fractions 1 --seeds 1 --epochs 1",
    ] {
        let ran = world.run(&format!(
            "{command} --checkpoint base/model.safetensors --data data --resize 32 --crop 28 \
             --mean 0.4 --std 0.25 --json"
        ));
        assert_eq!(ran.code, Some(0), "{command}: {}", ran.stderr);
        let found = &ran.json()["preprocessing"];
        let expected = serde_json::json!({
            "channels": 1, "resize": 32, "crop": 28, "filter": "bilinear", "mean": [0.4], "std": [0.25],
        });
        for (key, value) in expected.as_object().unwrap() {
            let close = match (found[key].pointer("/0"), value.pointer("/0")) {
                (Some(found), Some(value)) => {
                    (found.as_f64().unwrap() - value.as_f64().unwrap()).abs() < 1e-6
                }
                _ => found[key] == *value,
            };
            assert!(close, "{command}, {key}: {found}");
        }
    }
}

#[test]
fn a_vision_transformer_goes_the_whole_way() {
    let name = "vit/7 of width 64 and depth 2";
    let world = whole_way(VIT, name, &["hf", "timm"], 64);
    let ran = world.run(
        "embed --checkpoint run/model.safetensors --data data --out f.npy --output class:2+mean \
         --json",
    );
    assert_eq!(ran.json()["dims"], 192);
    let ran = world
        .run("convert run/model.safetensors vit.pth --backbone-only --names torchvision --json");
    assert_eq!(ran.json()["format"], "PyTorch");
    let found = world.run("convert vit.pth own.safetensors --heads 2 --json");
    assert!(
        found.stderr.contains("layer norms of epsilon 1e-6, GELU"),
        "{}",
        found.stderr
    );
    assert!(
        found
            .stderr
            .contains("30 of 30 tensors of the backbone are used"),
        "{}",
        found.stderr
    );
    // DINO's linear evaluation, and an attentive probe.
    let line =
        "probe --checkpoint run/model.safetensors --data data --fractions 1 --seeds 1 --json";
    let ran = world.run(&format!(
        "{line} --probe sgd --preset dino --output class:2"
    ));
    let result = ran.json();
    assert_eq!(result["settings"]["preset"], "dino");
    assert_eq!(result["settings"]["sgd"][0]["batch"], 1024);
    let result = world.run(&format!("{line} --probe attentive")).json();
    assert_eq!(result["probes"][0]["probe"], "attentive", "{result}");
    assert_eq!(result["settings"]["attentive"]["epochs"], 20);
    assert!(result["knn"].is_f64(), "{result}");
    attentive_probes_are_refused_without_tokens(&world, line);
    // A layout is refused where it does not fit a patch.
    let ran = world.run(
        "embed --checkpoint run/model.safetensors --data data --out g.npy --resize 30 --crop 30",
    );
    assert!(
        ran.error().contains("a multiple of 7 pixels"),
        "{}",
        ran.stderr
    );
}

#[test]
fn more_tokens_than_there_may_be_are_refused() {
    let world = World::new();
    world.data("data", 40, 8);
    let vit = VIT.replace("patch=7", "patch=2");
    let base = world.run(&format!(
        "pretrain {vit} {SMALL} --knn-every 0 --data data --out base"
    ));
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    let model = "--checkpoint base/model.safetensors --data data --out out";
    let large = "--resize 514 --image-size 514";
    for line in [
        format!("embed {model}.npy {large}"),
        format!("knn {model} {large}"),
        format!("probe {model} {large} --probe attentive"),
        format!("inspect --checkpoint base/model.safetensors --data data --report r.html {large}"),
        format!("continue --recipe vicreg-small {model} {SMALL} {large}"),
        format!("finetune {model} {large}"),
        format!("pretrain {vit} {SMALL} --set backbone.image_size=514 --data data --out out"),
    ] {
        let ran = world.run(&line);
        let error = ran.error();
        assert!(error.contains("at most 512"), "{line}: {error}");
        assert!(error.contains("found 514"), "{line}: {error}");
        assert!(error.contains("\nhint: change it"), "{line}: {error}");
        assert!(!world.path("out").exists(), "{line}");
    }
}

/// The tokens of all images are kept in memory, and those of these images have no room in any.
#[test]
fn tokens_beyond_the_memory_are_refused_before_they_are_computed() {
    let world = World::new();
    world.data("data", 40, 8);
    let base = world.pretrain("data", "base", "--knn-every 0");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    let count: u32 = 60_000;
    let images = fs::File::create(world.path("data/train-images-idx3-ubyte")).unwrap();
    let sizes = [2051, count, 28, 28].map(u32::to_be_bytes).concat();
    (&images).write_all(&sizes).unwrap();
    // The file is longer than what is written into it.
    images.set_len(16 + u64::from(count) * 28 * 28).unwrap();
    let labels: Vec<u8> = (0..count).map(|index| (index % 4) as u8).collect();
    let head = [2049, count].map(u32::to_be_bytes).concat();
    fs::write(
        world.path("data/train-labels-idx1-ubyte"),
        [head, labels].concat(),
    )
    .unwrap();
    let ran = world.run(
        "probe --checkpoint base/model.safetensors --data data --out out --probe attentive --resize \
         2240 --crop 2240",
    );
    let error = ran.error();
    let expected = "for the tokens of all 60008 images: expected at most half of the free memory";
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("hint: use fewer images"), "{error}");
    assert!(!world.path("out").exists());
}

/// Files of embeddings, maps and sweeps have no tokens: each has its sentence.
fn attentive_probes_are_refused_without_tokens(world: &World, probe: &str) {
    let map = world.run("adapt f.npy --method center --out map.safetensors");
    assert_eq!(map.code, Some(0), "{}", map.stderr);
    for (line, said) in [
        (
            "probe --train f.npy --test f.npy --train-labels f.labels.npy --test-labels f.labels.npy",
            "needs a network's tokens, found only features",
        ),
        (
            &format!("{probe} --output class:2+mean --map map.safetensors"),
            "uses tokens, but a map applies to the features",
        ),
        (
            "sweep --checkpoint run/model.safetensors --recipe vicreg-small --data data --grid criterion.beta=0,1 \
             --out sweep",
            "not by the attentive probe",
        ),
    ] {
        let ran = world.run(&format!("{line} --probe attentive"));
        assert!(ran.error().contains(said), "{line}: {}", ran.stderr);
    }
}

#[test]
fn a_convnext_goes_the_whole_way() {
    let name = "convnext of widths [8, 8, 12, 16] and depths [1, 1, 1, 1]";
    let world = whole_way(CONVNEXT, name, &["timm", "hf"], 16);
    let ran = world.run("convert run/model.safetensors tv --names torchvision");
    assert!(ran.error().contains("torchvision"), "{}", ran.stderr);
}

#[test]
fn a_full_checkpoint_of_dino_goes_on_with_everything() {
    let world = World::new();
    world.data("data", 64, 24);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2mc-train/tests/golden/dino");
    fs::copy(golden.join("full.pth"), world.path("full.pth")).unwrap();
    let grey = "--set augmentation={channels=1,mean=[0.286],std=[0.353],\
                views=[{count=2,size=14},{count=2,size=7}]}";
    let line = |more: &str| {
        world.run(&format!(
            "continue --checkpoint full.pth --heads 2 {grey} --data data --batch 16 --epochs 1 \
             --threads 2 --held-out 16 {more} --json"
        ))
    };
    let whole = line("--recipe dino-imagenet --out run");
    let result = whole.json();
    assert!(result["terms"]["cross_entropy"].is_f64(), "{result}");
    assert!(result["terms"]["entropy"].is_f64(), "{result}");
    let said = &whole.stderr;
    for words in [
        "in the layout `dino`, with the heads of dino, after epoch 7",
        "the student is taken, with its teacher, their heads and the centre",
        "18 of 18 tensors of the backbone are used",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(
        !said.contains("newly initialised") && !said.contains("new heads"),
        "{said}"
    );
    let recipe = fs::read_to_string(world.path("run/recipe.toml")).unwrap();
    assert!(recipe.contains("projector = [12, 12, 6]"), "{recipe}");
    // Another method takes the teacher, as every evaluation does.
    let other = line(
        "--recipe vicreg-small --set method.name=vicreg --set method.projector=[8,8] --head-warmup \
         1 --set augmentation.views=[{count=2,size=14}] --out other",
    );
    assert_eq!(other.code, Some(0), "{}", other.stderr);
    assert!(
        other.stderr.contains("`teacher.backbone.` is taken"),
        "{}",
        other.stderr
    );
    let refused = line("--recipe dino-imagenet --set method.prototypes=9 --out no");
    let error = refused.error();
    assert!(
        error.contains("prototypes.weight_v: model [9, 6], file [10, 6]"),
        "{error}"
    );
    let refused = line("--recipe dino-imagenet --layout dino --network student --out no");
    assert!(
        refused.error().contains("takes student and teacher"),
        "{}",
        refused.stderr
    );
    // What is given to others is the student's encoder, without the teacher.
    let ran = world.run("convert run/model.safetensors vit.pth --names timm --json");
    assert_eq!(ran.json()["tensors"], 18 + 8, "{}", ran.stderr);
}

#[test]
fn views_change_with_the_size_of_images() {
    let world = World::new();
    world.data("data", 40, 4);
    let line = "pretrain --recipe photos-96 --batch 16 --data data --out run --dry-run --json";
    let ran = world.run(&format!(
        "{line} --image-size 64 --set augmentation.views.1.flip=0.25"
    ));
    let recipe = &ran.json()["recipe"];
    assert_eq!(recipe["augmentation"]["views"][0]["size"], 64);
    assert_eq!(recipe["augmentation"]["views"][1]["flip"], 0.25);
    assert_eq!(recipe["evaluation"]["crop"], 64);
    assert_eq!(recipe["evaluation"]["resize"], 74);
    let one = world.run(&format!("{line} --set augmentation.views.0.size=48"));
    let views = &one.json()["recipe"]["augmentation"]["views"];
    assert_eq!(
        (&views[0]["size"], &views[1]["size"]),
        (&48.into(), &96.into())
    );
    let ran = world.run(&format!("{line} --set augmentation.views.2.size=64"));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.error().contains("`views` is a list of 2"),
        "{}",
        ran.stderr
    );
    let ran =
        world.run("pretrain --recipe vit-small-28 --image-size 30 --data data --out run --dry-run");
    assert!(
        ran.error().contains("a multiple of 4 pixels"),
        "{}",
        ran.stderr
    );
}

/// Where timm, torchvision and transformers are installed, they load what is written for them. The
/// Python that has them is the one in `E2MC_PYTHON`, or `python3`.
#[test]
fn the_libraries_load_what_is_written_for_them() {
    let python = std::env::var("E2MC_PYTHON").unwrap_or("python3".to_owned());
    let run = |arguments: &[&std::ffi::OsStr]| {
        let mut command = Command::new(&python);
        command.env("HF_HUB_OFFLINE", "1").args(arguments).output()
    };
    let imports = "import timm, torchvision, transformers, safetensors";
    let installed = run(&["-c".as_ref(), imports.as_ref()]);
    if !installed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no timm, torchvision and transformers");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check_round_trips.py");
    let output = run(&[script.as_ref(), program().as_ref()]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
    assert!(said.lines().count() > 30, "{said}");
}
