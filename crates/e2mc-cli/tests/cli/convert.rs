//! Others' checkpoints through the program: continued, probed, given back.

use std::fs;
use std::path::Path;

use super::common::{World, log};

/// A public-style checkpoint of the training crate's tests, copied into the folder.
fn golden(world: &World, name: &str) {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2mc-train/tests/golden/checkpoints");
    fs::copy(folder.join(name), world.path(name)).unwrap();
}

/// A recipe that leaves the network to the checkpoint, with small views.
fn recipe(world: &World, method: &str) {
    let view = "[[augmentation.views]]\nsize = 32\nscale = [0.3, 1.0]\n";
    let text = format!(
        "name = 'small'\n{method}\n[criterion]\nname = 'e2mc'\ntransform = 'sigmoid'\nbeta = \
         1.0\ngamma = 1.0\n\
         epsilon = 1e-7\n[training]\nepochs = 1\nbatch = 8\nlearning_rate = 0.01\nload_optimizer = \
         true\n\
         [optimizer]\nname = 'lars'\n[schedule]\nname = 'constant'\n[augmentation]\nchannels = 3\n\
         mean = [0.5, 0.5, 0.5]\nstd = [0.2, 0.2, 0.2]\n{view}{view}[evaluation]\nchannels = 3\n\
         mean = [0.5, 0.5, 0.5]\nstd = [0.2, 0.2, 0.2]\nresize = 32\ncrop = 32\n"
    );
    fs::write(world.path("small.toml"), text).unwrap();
}

const CONTINUE: &str =
    "continue --recipe small.toml --data data --knn-every 0 --threads 2 --log-every 1";

#[test]
fn a_public_checkpoint_is_continued_and_given_back() {
    let world = World::new();
    world.data("data", 40, 20);
    golden(&world, "resnet18_vicreg_mu.pth");
    recipe(&world, "");
    let ran = world.run(&format!(
        "{CONTINUE} --checkpoint resnet18_vicreg_mu.pth --out run --json"
    ));
    assert_eq!(ran.json()["outcome"], "finished");
    let found = "resnet18_vicreg_mu.pth: resnet18 of width 1 in the layout `vicreg`, with the \
        heads of vicreg and momentum, after epoch 3; not used: optimizer";
    assert!(ran.stderr.contains(found), "{}", ran.stderr);
    assert!(!ran.stderr.contains("starts fresh"), "{}", ran.stderr);

    let ran = world
        .run("convert run/model.safetensors out.pth --backbone-only --names torchvision --json");
    let json = ran.json();
    assert_eq!(
        (&json["tensors"], &json["format"]),
        (&100.into(), &"PyTorch".into())
    );
    assert!(json["heads"].is_null(), "{json}");
    let ran = world.run("convert out.pth again.safetensors --names timm");
    assert!(
        ran.stdout
            .contains("again.safetensors: 100 tensors of resnet18"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("layout `backbone`, without heads"),
        "{}",
        ran.stderr
    );

    // Both formats are worth the same to a probe, as a checkpoint and as a backbone alone.
    let probe = |file: &str| {
        let line = "probe --data data --fractions 1 --seeds 1 --probe logistic --json --checkpoint";
        let ran = world.run(&format!("{line} {file}")).json();
        (ran["knn"].clone(), ran["probes"].clone())
    };
    assert_eq!(probe("out.pth"), probe("again.safetensors"));
}

#[test]
fn a_backbone_alone_is_continued_with_new_heads() {
    let world = World::new();
    world.data("data", 40, 4);
    golden(&world, "resnet18_moco.pth.tar");
    recipe(&world, "");
    let line = format!("{CONTINUE} --checkpoint resnet18_moco.pth.tar --json --out run");
    let ran = world.run(&line);
    assert!(
        ran.error().contains("the checkpoint has no heads"),
        "{}",
        ran.stderr
    );
    assert!(!world.path("run").exists());

    recipe(&world, "[method]\nname = 'vicreg'\nprojector = [8, 8]");
    let ran = world.run(&line);
    let too_long = "setting `training.head_warmup_steps`: expected fewer than the 5 steps of the \
                    run, found 500";
    assert!(ran.error().contains(too_long), "{}", ran.stderr);
    let ran = world.run(&format!("{line}2 --head-warmup 2"));
    assert_eq!(ran.json()["outcome"], "finished");
    assert!(
        ran.stderr
            .contains("new heads of vicreg train alone for 2 steps"),
        "{}",
        ran.stderr
    );
    assert!(log(&world.path("run2")).len() > 5);
    // The warm-up was of that run alone: continuing its model moves the backbone from the first
    // step.
    let ran = world.run(&format!(
        "{CONTINUE} --checkpoint run2/model.safetensors --dry-run --json --out run3"
    ));
    let training = &ran.json()["recipe"]["training"];
    assert!(training["head_warmup_steps"].is_null(), "{training}");
}

#[test]
fn a_layout_and_differences_are_allowed_by_name() {
    let world = World::new();
    world.data("data", 40, 4);
    golden(&world, "resnet18_vicreg_mu.pth");
    // As a backbone, which any method can continue.
    let line = "convert resnet18_vicreg_mu.pth out.safetensors --overwrite --json";
    assert_eq!(
        world.run(&format!("{line} --layout backbone")).json()["tensors"],
        100
    );
    // Under another's names the heads are unexpected.
    let ran = world.run(&format!("{line} --layout torchvision"));
    assert!(
        ran.error()
            .contains("unexpected  model.module.projector.0.bias"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--allow-unexpected"), "{}", ran.stderr);
    let ran = world.run(&format!(
        "{line} --layout torchvision --allow-unexpected model.module.projector."
    ));
    assert_eq!(ran.json()["tensors"], 100);
    let ran = world.run(&format!("{line} --layout resnet"));
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("simsiam"), "{}", ran.stderr);
}

#[test]
fn conflicts_and_bad_files_are_one_clear_error() {
    let world = World::new();
    world.data("data", 40, 4);
    for name in [
        "vicreg_zip.pth",
        "bad_runs_code.pth",
        "bad_truncated.pth.tar",
    ] {
        golden(&world, name);
    }
    let line = "continue --recipe vicreg-imagenet --data data --out run --checkpoint";
    let ran = world.run(&format!("{line} vicreg_zip.pth --set backbone.width=64"));
    let conflict = "vicreg_zip.pth: expected vicreg on resnet50 as in the recipe \
        `vicreg-imagenet`, found vicreg on resnet50 of width 4";
    assert!(ran.error().contains(conflict), "{}", ran.stderr);
    for (name, part) in [
        (
            "bad_runs_code.pth",
            "found a call of `posix.system`, which was not executed",
        ),
        ("bad_truncated.pth.tar", "expected a whole PyTorch file"),
    ] {
        for line in [
            format!("{line} {name}"),
            format!("probe --data data --checkpoint {name}"),
            format!("convert {name} out.pth --json"),
        ] {
            let ran = world.run(&line);
            assert!(ran.error().contains(part), "{}", ran.stderr);
            assert!(
                ran.stderr.contains(name) && ran.stderr.contains("\nhint: "),
                "{}",
                ran.stderr
            );
            assert_eq!(ran.stdout, "");
        }
    }
    assert!(!world.path("e2mc-was-run-by-a-pickle").exists());
    assert!(!world.path("run").exists() && !world.path("out.pth").exists());
    // A slip must not cost somebody's model.
    let model = fs::read(world.path("bad_truncated.pth.tar")).unwrap();
    let ran = world.run("convert vicreg_zip.pth bad_truncated.pth.tar");
    assert!(
        ran.error().contains("bad_truncated.pth.tar exists already"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("--overwrite"), "{}", ran.stderr);
    assert_eq!(
        fs::read(world.path("bad_truncated.pth.tar")).unwrap(),
        model
    );
    let ran = world.run("convert vicreg_zip.pth out.bin");
    assert!(
        ran.error().contains("a name that ends in .safetensors"),
        "{}",
        ran.stderr
    );
}
