//! A map that is folded into a network: the layer in a file, here and in PyTorch.

use std::fs;
use std::path::Path;

use e2mc::Matrix;
use e2mc_train::checkpoint::{
    Checkpoint, Export, FoldedMap, MapNote, Names, Storage, export, save_model,
};
use e2mc_train::{Error, Model, Output};
use tch::{Device, Kind, Tensor};

use crate::common::{in_python, python, waves};

/// A ResNet-18 of width 1, which has 8 features, as its authors' file and as ours.
fn networks(folder: &Path) -> [Checkpoint; 2] {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints");
    let foreign = Checkpoint::read(&golden.join("resnet18_vicreg_mu.pth")).unwrap();
    let own = folder.join("own.safetensors");
    let model = model_of(&foreign);
    save_model(&own, &foreign.recipe, &model, Storage::F32).unwrap();
    [foreign, Checkpoint::read(&own).unwrap()]
}

fn model_of(checkpoint: &Checkpoint) -> Model {
    let mut model = Model::new(&checkpoint.recipe, Device::Cpu, 0).unwrap();
    checkpoint.apply_to(&model).unwrap();
    if let Some(map) = &checkpoint.folded {
        model.fold(map).unwrap();
    }
    model
}

fn note() -> MapNote {
    MapNote {
        method: "whiten, strength 1".into(),
        unit_length_left_out: true,
        sha256: "00ff".into(),
    }
}

/// A map of `cols` dimensions to `rows`: weight and bias.
fn numbers(rows: usize, cols: usize) -> (Matrix, Vec<f64>) {
    let wave = |i: usize| (0.7 * i as f64).sin();
    let weight = (0..rows * cols).map(|i| wave(i) as f32).collect();
    let weight = Matrix::new(weight, rows, cols).unwrap();
    (weight, (0..rows).map(|i| 3.0 * wave(i + 1)).collect())
}

fn map(rows: usize, cols: usize) -> FoldedMap {
    let (weight, bias) = numbers(rows, cols);
    FoldedMap::new(&weight, &bias, note()).unwrap()
}

/// `W x + b` of each row, in float64.
fn by_hand(features: &Tensor, (weight, bias): &(Matrix, Vec<f64>)) -> Tensor {
    let shape = [weight.rows() as i64, weight.cols() as i64];
    let weight = Tensor::from_slice(weight.data()).reshape(shape);
    let (x, weight) = (features.to_kind(Kind::Double), weight.to_kind(Kind::Double));
    x.matmul(&weight.tr()) + Tensor::from_slice(bias)
}

fn backbone(model: &Model) -> Tensor {
    model.output(&waves(), &Output::Backbone).unwrap()
}

fn assert_close(found: &Tensor, expected: &Tensor, relative: f64, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let error = (found - expected).abs().max().double_value(&[]);
    let scale = expected.abs().max().double_value(&[]);
    assert!(error <= relative * scale, "{what}: {error} of {scale}");
}

#[test]
fn a_folded_map_is_in_every_form_of_a_file_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for mut source in networks(folder.path()) {
        let plain = model_of(&source);
        let expected = by_hand(&plain.features(&waves()).unwrap(), &numbers(24, 8));
        let embeddings = plain.embeddings(&waves()).unwrap();
        source.fold(map(24, 8)).unwrap();
        assert_eq!(source.output_dims(), 24);
        for file in ["out.safetensors", "out.pth"] {
            for names in [Names::E2mc, Names::TORCHVISION] {
                for (backbone_only, storage) in [
                    (false, Storage::F32),
                    (true, Storage::F32),
                    (true, Storage::F16),
                ] {
                    let path = folder.path().join(file);
                    let options = Export {
                        names,
                        backbone_only,
                        storage,
                    };
                    let what = format!("{file} {options:?}");
                    let (_, count) = export(&source, &path, options).unwrap();
                    assert_eq!(count, if backbone_only { 102 } else { 109 }, "{what}");
                    let read = Checkpoint::read(&path).unwrap();
                    assert_eq!(read.is_headless(), backbone_only, "{what}");
                    let found = read.folded.as_ref().expect(&what);
                    assert_eq!(*found.note(), note(), "{what}");
                    assert_eq!((found.input_dims(), found.output_dims()), (8, 24));
                    let again = model_of(&read);
                    let close = match storage {
                        Storage::F32 => 1e-5,
                        Storage::F16 => 2e-2,
                    };
                    assert_close(&backbone(&again), &expected, close, &what);
                    if !backbone_only {
                        // Heads see the features as they are.
                        let seen = again.output(&waves(), &Output::Projector).unwrap();
                        assert_close(&seen, &embeddings, 1e-6, &what);
                    }
                }
            }
        }
        // What was read is written again, and another map comes after it.
        let path = folder.path().join("out.pth");
        let mut read = Checkpoint::read(&path).unwrap();
        let before = backbone(&model_of(&read));
        read.fold(map(5, 24)).unwrap();
        let path = folder.path().join("again.safetensors");
        export(&read, &path, Export::default()).unwrap();
        let again = Checkpoint::read(&path).unwrap();
        let expected = by_hand(&before, &numbers(5, 24));
        assert_close(&backbone(&model_of(&again)), &expected, 1e-5, "again");
        let method = &again.folded.unwrap().note().method.clone();
        assert_eq!(method, "whiten, strength 1, then whiten, strength 1");
    }
}

#[test]
fn a_map_that_does_not_fit_is_refused_with_both_widths() {
    let folder = tempfile::tempdir().unwrap();
    let [mut source, _] = networks(folder.path());
    let error = source.fold(map(24, 7)).unwrap_err().to_string();
    assert!(error.contains("of 8 dimensions, found 7"), "{error}");
    let error = model_of(&source).fold(&map(24, 7)).unwrap_err();
    assert!(error.to_string().contains("of 8 dimensions, found 7"));
    let (weight, bias) = numbers(3, 8);
    let error = FoldedMap::new(&weight, &bias[..2], note()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected 3 numbers in the bias, found 2")
    );
    let bias = [1.0, f64::MAX, 0.0];
    let error = FoldedMap::new(&weight, &bias, note()).unwrap_err();
    assert!(error.to_string().contains("finite in float32"), "{error}");
}

/// A file of the tensors of another, changed.
fn changed(path: &Path, change: impl Fn(&str, &[u8], &[usize]) -> Option<(Vec<u8>, Vec<usize>)>) {
    let bytes = fs::read(path).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let kept = file.iter().filter_map(|(name, view)| {
        let (data, shape) = change(name, view.data(), view.shape())?;
        Some((name.to_owned(), view.dtype(), shape, data))
    });
    let kept: Vec<_> = kept.collect();
    let views = kept.iter().map(|(name, dtype, shape, data)| {
        let view = safetensors::tensor::TensorView::new(*dtype, shape.clone(), data);
        (name, view.unwrap())
    });
    let bytes = safetensors::serialize(views, metadata.metadata().clone()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_layers_are_errors_that_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [_, mut source] = networks(folder.path());
    source.fold(map(24, 8)).unwrap();
    let path = folder.path().join("out.safetensors");
    type Changed = Option<(Vec<u8>, Vec<usize>)>;
    type Change<'a> = &'a dyn Fn(&str, &[u8], &[usize]) -> Changed;
    let same = |data: &[u8], shape: &[usize]| Some((data.to_vec(), shape.to_vec()));
    for (names, layer) in [(Names::E2mc, "map"), (Names::TORCHVISION, "fc")] {
        let (weight, bias) = (format!("{layer}.weight"), format!("{layer}.bias"));
        let lacking = |name: &str, data: &[u8], shape: &[usize]| -> Changed {
            (name != bias).then(|| same(data, shape)).flatten()
        };
        let short = |name: &str, data: &[u8], shape: &[usize]| match name == bias {
            true => same(&data[4..], &[23]),
            false => same(data, shape),
        };
        let narrow = |name: &str, data: &[u8], shape: &[usize]| match name == weight {
            true => same(&data[..4 * 24 * 7], &[24, 7]),
            false => same(data, shape),
        };
        let infinite = |name: &str, data: &[u8], shape: &[usize]| match name == bias {
            true => same(&[0, 0, 128, 127].repeat(24), shape),
            false => same(data, shape),
        };
        let flat = |name: &str, data: &[u8], shape: &[usize]| match name == weight {
            true => same(data, &[24 * 8]),
            false => same(data, shape),
        };
        let changes: [(Change<'_>, &str); 5] = [
            (&lacking, "expected the folded map's `"),
            (
                &short,
                "one bias for each row of its weight, found [24, 8] and [23]",
            ),
            (
                &narrow,
                "a folded map of 8 dimensions, as the network gives, found one of 7",
            ),
            (&infinite, "finite in float32"),
            (&flat, "of shape [192]"),
        ];
        for (change, part) in changes {
            let options = Export {
                names,
                ..Export::default()
            };
            export(&source, &path, options).unwrap();
            changed(&path, change);
            let error = Checkpoint::read(&path).unwrap_err();
            assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
            let error = error.to_string();
            assert!(error.contains(part), "{layer}: {error}");
            assert!(error.contains("out.safetensors"), "{error}");
        }
    }
}

#[test]
fn without_its_note_the_layer_is_named_and_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let [_, mut source] = networks(folder.path());
    source.fold(map(24, 8)).unwrap();
    let path = folder.path().join("out.safetensors");
    let ours = "`map`, a folded map whose note is lost";
    for (names, backbone_only, said) in [
        (Names::TORCHVISION, true, "the classifier `fc`"),
        (Names::E2mc, true, ours),
        (Names::E2mc, false, ours),
    ] {
        let options = Export {
            names,
            backbone_only,
            ..Export::default()
        };
        export(&source, &path, options).unwrap();
        let bytes = fs::read(&path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        fs::write(&path, safetensors::serialize(file.iter(), None).unwrap()).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        assert!(read.folded.is_none());
        let _ = model_of(&read);
        let ignored = read.foreign.unwrap().ignored;
        assert!(ignored.iter().any(|what| what == said), "{ignored:?}");
    }
}

/// Loads a file of torchvision names as a user does, with the map in the classifier's place, and
/// prints what the network gives for `waves()`.
const IN_PYTORCH: &str = r#"
import json, sys, torch
from torchvision.models import resnet18
weights = torch.load(sys.argv[1], weights_only=True)
network = resnet18(num_classes=24)
network.load_state_dict(weights, strict=True)
grid = torch.arange(2 * 3 * 64 * 64, dtype=torch.float64)
images = torch.sin(0.37 * grid).float().reshape(2, 3, 64, 64)
print(json.dumps(network.eval()(images).tolist()))
"#;

#[test]
fn pytorch_loads_the_file_strictly_and_gives_mapped_features() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [foreign, _] = networks(folder.path());
    let mut recipe = foreign.recipe.clone();
    recipe.backbone.resnet_mut().unwrap().width = 64;
    let model = Model::new(&recipe, Device::Cpu, 3).unwrap();
    let own = folder.path().join("own.safetensors");
    save_model(&own, &recipe, &model, Storage::F32).unwrap();
    let mut source = Checkpoint::read(&own).unwrap();
    source.fold(map(24, 512)).unwrap();
    let path = folder.path().join("torchvision.pth");
    let options = Export {
        names: Names::TORCHVISION,
        backbone_only: true,
        ..Export::default()
    };
    export(&source, &path, options).unwrap();
    let rows = in_python(&python, IN_PYTORCH, &[path.to_str().unwrap()]);
    let rows: Vec<Vec<f32>> = serde_json::from_value(rows).unwrap();
    let found = Tensor::from_slice(&rows.concat()).reshape([2, -1]);
    let expected = by_hand(&model.features(&waves()).unwrap(), &numbers(24, 512));
    assert_close(&found, &expected, 1e-5, "in PyTorch");
    let ours = backbone(&model_of(&Checkpoint::read(&path).unwrap()));
    assert_close(&ours, &found, 1e-5, "read back");
}
