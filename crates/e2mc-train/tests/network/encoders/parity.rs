//! Features and gradients of every library's networks, from files with its names.

use std::collections::BTreeMap;

use e2mc_train::Output;
use e2mc_train::layer::{Mode, Precision};
use tch::{Kind, Tensor};

use super::files::{fixture, golden, images, names, network, read, relative_error, weights, write};

const TOLERANCE: f64 = 1e-4;

/// Every feature with a weight of its own.
fn weighted(features: &Tensor) -> Tensor {
    let count = features.numel() as i64;
    let weights = (Tensor::arange(count, (Kind::Double, features.device())) * 0.37).sin();
    (features * weights.to_kind(Kind::Float).view_as(features)).sum(Kind::Float)
}

/// Our tensor of a file's name, and which of its pieces that is: a whole goes by the name of its
/// first one.
fn with_place<'a>(
    by_file: &BTreeMap<&str, &'a Tensor>,
    parameter: &str,
) -> Option<(&'a Tensor, i64)> {
    if let Some(tensor) = by_file.get(parameter) {
        return Some((tensor, 0));
    }
    let pieces = [
        ("attention.key.", "attention.query.", 1),
        ("attention.value.", "attention.query.", 2),
        (".k_proj.", ".q_proj.", 1),
        (".v_proj.", ".q_proj.", 2),
        (".up_proj.", ".gate_proj.", 1),
    ];
    pieces.iter().find_map(|(own, first, place)| {
        let whole = by_file.get(parameter.replace(own, first).as_str())?;
        parameter.contains(own).then_some((*whole, *place))
    })
}

/// Compares everything that the library gave; says how many features and gradients that was.
fn compare(name: &str) -> (usize, usize) {
    let (fixture, golden) = (fixture(name), golden(name));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    write(&path, &weights(&fixture));
    let checkpoint = read(&path, &fixture).unwrap();
    let model = network(&checkpoint);
    let close = |found: &Tensor, expected: &Tensor, what: &str| {
        let error = relative_error(found, expected);
        assert!(error <= TOLERANCE, "{name} {what}: relative error {error}");
    };
    let mode = Mode::evaluation(Precision::F32);
    let features = model.backbone.forward(&images(fixture.side), mode).unwrap();
    close(&features, &golden["features"], "features");
    weighted(&features).backward();
    let own = model.tensors();
    let by_file: BTreeMap<&str, &Tensor> = checkpoint
        .model
        .iter()
        .map(|(name, tensor)| (tensor.name(), &own[name]))
        .collect();
    let largest = golden
        .iter()
        .filter(|(key, _)| key.starts_with("gradient."))
        .map(|(_, gradient)| gradient.abs().max().double_value(&[]))
        .fold(0.0, f64::max);
    let (mut outputs, mut gradients) = (1, 0);
    for (key, expected) in &golden {
        if let Some(side) = key.strip_prefix("features_at_") {
            let found = model.features(&images(side.parse().unwrap())).unwrap();
            close(&found, expected, key);
            outputs += 1;
        } else if let Some(tokens) = key.strip_prefix("class") {
            let output = format!("class:{}", tokens.replace("mean", "+mean"));
            let output: Output = output.parse().unwrap();
            let found = model.output(&images(fixture.side), &output).unwrap();
            close(&found, expected, key);
            outputs += 1;
        } else if let Some(parameter) = key.strip_prefix("gradient.") {
            let Some((tensor, place)) = with_place(&by_file, parameter) else {
                continue;
            };
            // In memory the library may have halves of what its file has in one.
            let gradient = tensor.grad().flatten(0, -1);
            let count = expected.numel() as i64;
            let found = gradient
                .narrow(0, place * count, count)
                .reshape(expected.size());
            if expected.abs().max().double_value(&[]) < 1e-6 * largest {
                // What all keys have in common changes no attention: its gradient is 0.
                let found = found.abs().max().double_value(&[]);
                assert!(found < 1e-5 * largest, "{name} {key}: {found}");
            } else {
                close(&found, expected, key);
            }
            gradients += 1;
        }
    }
    (outputs, gradients)
}

#[test]
fn every_librarys_encoders_give_its_features_and_gradients() {
    let names = names();
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        let (outputs, gradients) = compare(&name);
        assert!(
            outputs >= 1 && gradients >= 8,
            "{name}: {outputs}, {gradients}"
        );
    }
}

#[test]
fn bfloat16_is_close() {
    for name in ["timm-vit-registers", "hf-dinov3", "timm-convnextv2"] {
        let fixture = fixture(name);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.safetensors");
        write(&path, &weights(&fixture));
        let model = network(&read(&path, &fixture).unwrap());
        let mode = Mode::evaluation(Precision::Bf16);
        let features = model.backbone.forward(&images(fixture.side), mode).unwrap();
        assert_eq!(features.kind(), Kind::Float);
        let error = relative_error(&features, &golden(name)["features"]);
        assert!(error < 0.1, "{name}: {error}");
    }
}

#[test]
fn outputs_that_a_network_does_not_have_are_refused() {
    let refused = |name: &str, output: &str, side: i64| {
        let fixture = fixture(name);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.safetensors");
        write(&path, &weights(&fixture));
        let model = network(&read(&path, &fixture).unwrap());
        let output: Output = output.parse().unwrap();
        model
            .output(&images(side), &output)
            .unwrap_err()
            .to_string()
    };
    let error = refused("timm-vit", "class:3", 32);
    assert!(
        error.contains("the class tokens of at most 2 blocks"),
        "{error}"
    );
    let error = refused("timm-vit-gap", "class:1", 32);
    assert!(error.contains("without a class token"), "{error}");
    let error = refused("timm-vit", "nonsense", 32);
    assert!(
        error.contains("such as patch_embed, norm_pre, blocks.0"),
        "{error}"
    );
    let error = refused("timm-vit", "backbone", 36);
    assert!(error.contains("multiples of the patch, 8"), "{error}");
    let error = refused("timm-convnext", "backbone", 16);
    assert!(error.contains("at least 32 x 32 pixels"), "{error}");
}
