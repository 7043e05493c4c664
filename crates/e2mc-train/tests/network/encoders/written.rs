//! Networks given back under the names of libraries.

use std::fs;

use e2mc_train::checkpoint::{Checkpoint, Export, Names, export};

use super::files::{fixture, images, network, read, relative_error, weights, write};

/// Writes a model's file, gives it to a library, reads that, and compares the features.
fn round_trip(name: &str, library: &'static str, out: &str) -> Vec<String> {
    let fixture = fixture(name);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    write(&path, &weights(&fixture));
    let checkpoint = read(&path, &fixture).unwrap();
    let expected = network(&checkpoint)
        .features(&images(fixture.side))
        .unwrap();
    let out = folder.path().join(out);
    let options = Export {
        names: Names::Public(library),
        backbone_only: true,
        ..Export::default()
    };
    export(&checkpoint, &out, options).unwrap();
    // A folder says of the network what the hints say here.
    let again = match out.is_dir() {
        true => Checkpoint::read(&out),
        false => read(&out, &fixture),
    };
    let again = again.unwrap();
    let found = network(&again).features(&images(fixture.side)).unwrap();
    let error = relative_error(&found, &expected);
    // A file does not say the epsilon of a norm.
    let tolerance = if out.is_dir() { 1e-5 } else { 5e-5 };
    assert!(error < tolerance, "{name} as {library}: {error}");
    assert_eq!(
        again.recipe.backbone.features(),
        checkpoint.recipe.backbone.features()
    );
    again
        .model
        .values()
        .map(|tensor| tensor.name().to_owned())
        .collect()
}

#[test]
fn networks_go_to_every_library_that_has_them_and_back() {
    let mut trips = 0;
    for (name, libraries) in [
        ("timm-vit", &["timm", "torchvision", "hf"][..]),
        ("timm-vit-gap", &["timm"]),
        ("timm-vit-registers", &["timm", "hf"]),
        ("timm-vit-swiglu", &["timm", "hf"]),
        ("timm-vit-clip", &["timm"]),
        ("timm-dinov3", &["timm", "hf"]),
        ("torchvision-vit", &["timm", "torchvision", "hf"]),
        ("hf-vit", &["timm", "hf"]),
        ("hf-dinov2", &["timm", "hf"]),
        ("hf-dinov2-swiglu", &["timm", "hf"]),
        ("hf-dinov2-registers", &["timm", "hf"]),
        ("hf-dinov3", &["timm", "hf"]),
        ("hf-dinov3-gated", &["timm", "hf"]),
        ("timm-dinov3-plus", &["timm", "hf"]),
        ("timm-convnext", &["timm", "torchvision", "hf", "convnext"]),
        ("timm-convnextv2", &["timm", "hf", "convnext"]),
        ("torchvision-convnext", &["timm", "torchvision", "hf"]),
        ("hf-convnext", &["timm", "hf"]),
    ] {
        for &library in libraries {
            round_trip(name, library, "out.safetensors");
            trips += 1;
            if matches!(library, "timm" | "hf") {
                round_trip(name, library, "folder");
                trips += 1;
            }
        }
    }
    assert!(trips > 60, "{trips}");
}

#[test]
fn tensors_are_cut_and_named_as_the_library_has_them() {
    let names = round_trip("timm-vit", "hf", "out.safetensors");
    let query = "encoder.layer.0.attention.attention.query.weight".to_owned();
    assert!(names.contains(&query), "{names:?}");
    let names = round_trip("timm-convnext", "torchvision", "out.pth");
    assert!(
        names.contains(&"features.1.0.layer_scale".to_owned()),
        "{names:?}"
    );
}

#[test]
fn a_folder_says_what_the_library_asks() {
    let fixture = fixture("hf-dinov2-registers");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    write(&path, &weights(&fixture));
    let checkpoint = read(&path, &fixture).unwrap();
    let options = |library| Export {
        names: Names::Public(library),
        ..Export::default()
    };
    let json = |name: &str| -> serde_json::Value {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    export(&checkpoint, &folder.path().join("hf"), options("hf")).unwrap();
    let config = json("hf/config.json");
    assert_eq!(config["model_type"], "dinov2_with_registers");
    assert_eq!(config["num_register_tokens"], 4);
    assert_eq!(config["num_attention_heads"], 2);
    let processor = json("hf/preprocessor_config.json");
    assert_eq!(processor["resample"], 3);
    assert_eq!(processor["image_mean"][0], 0.485);
    export(&checkpoint, &folder.path().join("timm"), options("timm")).unwrap();
    let config = json("timm/config.json");
    assert_eq!(config["model_args"]["reg_tokens"], 4);
    assert_eq!(config["pretrained_cfg"]["interpolation"], "bicubic");
    // torchvision has files alone, and no registers.
    let out = folder.path().join("tv");
    let error = export(&checkpoint, &out, options("torchvision")).unwrap_err();
    assert!(error.to_string().contains("found `torchvision`"), "{error}");
    assert!(!out.exists());
}
