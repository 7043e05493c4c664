//! Reading others' checkpoints and giving networks back to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2mc_train::backbone::{Architecture, ResnetConfig, Stem};
use e2mc_train::checkpoint::{Checkpoint, Export, Layout, Names, ReadOptions, Storage, export};
use e2mc_train::method::MethodConfig;
use e2mc_train::{Error, Model, Trainer};
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use crate::common::{in_python, python, waves};

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints");
    folder.join(name)
}

/// What the authors' code gives, and its input.
fn expected() -> BTreeMap<String, Tensor> {
    let bytes = fs::read(golden("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            assert_eq!(view.dtype(), Dtype::F32);
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            let tensor = Tensor::f_from_data_size(view.data(), &shape, Kind::Float).unwrap();
            (name.to_owned(), tensor)
        })
        .collect()
}

fn assert_close(found: &Tensor, expected: &Tensor, relative: f64, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let error = (found - expected).abs().max().double_value(&[]);
    let scale = expected.abs().max().double_value(&[]);
    assert!(
        scale > 0.0 && error <= relative * scale,
        "{what}: {error} of {scale}"
    );
}

fn model_of(checkpoint: &Checkpoint) -> Model {
    let model = Model::new(&checkpoint.recipe, Device::Cpu, 0).unwrap();
    checkpoint.apply_to(&model).unwrap();
    model
}

fn with_layout(name: &str, layout: Layout) -> Result<Checkpoint, Error> {
    let options = ReadOptions {
        layout: Some(layout),
        ..ReadOptions::default()
    };
    Checkpoint::read_with(&golden(name), options)
}

/// The network of the golden checkpoints.
fn resnet50_of_width_4() -> ResnetConfig {
    ResnetConfig {
        architecture: Architecture::Resnet50,
        width: 4,
        stem: Stem::Imagenet,
        channels: 3,
    }
}

#[test]
fn public_vicreg_files_give_the_authors_outputs() {
    let expected = expected();
    for name in ["vicreg_zip.pth", "vicreg_legacy.pth.tar"] {
        let checkpoint = Checkpoint::read(&golden(name)).unwrap();
        let foreign = checkpoint.foreign.as_ref().unwrap();
        assert_eq!(
            (foreign.layout, foreign.epoch),
            (Layout::Vicreg, Some(1000))
        );
        assert_eq!(foreign.ignored, ["optimizer"]);
        assert_eq!(checkpoint.recipe.backbone, resnet50_of_width_4().into());
        let MethodConfig::Vicreg(config) = &checkpoint.recipe.method else {
            panic!("{:?}", checkpoint.recipe.method)
        };
        assert_eq!(config.projector, [32, 32, 32]);
        let model = model_of(&checkpoint);
        let features = model.features(&expected["input"]).unwrap();
        assert_close(&features, &expected["vicreg.backbone"], 1e-4, name);
        let embeddings = model.embeddings(&expected["input"]).unwrap();
        assert_close(&embeddings, &expected["vicreg.projector"], 1e-4, name);
    }
}

#[test]
fn public_swav_files_give_the_authors_outputs() {
    let expected = expected();
    for name in ["swav_zip.pth", "swav_legacy.pth.tar"] {
        let checkpoint = Checkpoint::read(&golden(name)).unwrap();
        assert_eq!(checkpoint.foreign.as_ref().unwrap().layout, Layout::Swav);
        assert_eq!(checkpoint.recipe.backbone, resnet50_of_width_4().into());
        let MethodConfig::Swav(config) = &checkpoint.recipe.method else {
            panic!("{:?}", checkpoint.recipe.method)
        };
        assert_eq!(
            (config.projector.as_slice(), config.prototypes),
            (&[24, 16][..], 30)
        );
        assert_eq!(checkpoint.optimizer.len(), 166 + 1);
        let model = model_of(&checkpoint);
        let features = model.features(&expected["input"]).unwrap();
        assert_close(&features, &expected["swav.backbone"], 1e-4, name);
        let embeddings = model.embeddings(&expected["input"]).unwrap();
        assert_close(&embeddings, &expected["swav.projection"], 1e-4, name);
        // The prototypes look at directions alone.
        let lengths = embeddings.norm_scalaropt_dim(2.0, [1i64], true);
        let normalised = &embeddings / &lengths;
        let scores = normalised.matmul(&model.tensors()["prototypes.weight"].tr());
        assert_close(&scores.detach(), &expected["swav.scores"], 1e-4, name);
    }
}

#[test]
fn public_simsiam_files_give_the_authors_outputs() {
    let expected = expected();
    for name in ["simsiam_zip.pth", "simsiam_legacy.pth.tar"] {
        let checkpoint = Checkpoint::read(&golden(name)).unwrap();
        assert_eq!(checkpoint.foreign.as_ref().unwrap().layout, Layout::Simsiam);
        let MethodConfig::Simsiam(config) = &checkpoint.recipe.method else {
            panic!("{:?}", checkpoint.recipe.method)
        };
        assert_eq!(
            (config.projector.as_slice(), config.predictor),
            (&[128, 128, 20][..], 8)
        );
        // The projector's last bias does not train.
        assert_eq!(checkpoint.optimizer.len(), 171 + 1);
        let model = model_of(&checkpoint);
        let features = model.features(&expected["input"]).unwrap();
        assert_close(&features, &expected["simsiam.backbone"], 1e-4, name);
        let z = model.embeddings(&expected["input"]).unwrap();
        assert_close(&z, &expected["simsiam.projection"], 1e-4, name);
        let tensors = model.tensors();
        let of = |name: &str| &tensors[&format!("predictor.{name}")];
        let hidden = z.linear::<&Tensor>(of("0.weight"), None).batch_norm(
            Some(of("1.weight")),
            Some(of("1.bias")),
            Some(of("1.running_mean")),
            Some(of("1.running_var")),
            false,
            0.1,
            1e-5,
            false,
        );
        let p = hidden.relu().linear(of("3.weight"), Some(of("3.bias")));
        assert_close(&p.detach(), &expected["simsiam.prediction"], 1e-4, name);
    }
}

#[test]
fn backbones_alone_give_the_authors_features() {
    let expected = expected();
    // Half precision has 11 bits.
    for (name, relative) in [("backbone_only.pth", 1e-4), ("backbone_half.pth", 1e-2)] {
        let checkpoint = Checkpoint::read(&golden(name)).unwrap();
        assert_eq!(
            checkpoint.foreign.as_ref().unwrap().layout,
            Layout::Backbone
        );
        assert!(checkpoint.is_headless() && checkpoint.optimizer.is_empty());
        let features = model_of(&checkpoint).features(&expected["input"]).unwrap();
        assert_close(&features, &expected["vicreg.backbone"], relative, name);
    }
}

#[test]
fn any_layout_can_be_read_as_a_backbone() {
    let expected = expected();
    for (name, method) in [
        ("vicreg_zip.pth", "vicreg"),
        ("swav_zip.pth", "swav"),
        ("swav_legacy.pth.tar", "swav"),
        ("simsiam_zip.pth", "simsiam"),
        ("simsiam_legacy.pth.tar", "simsiam"),
    ] {
        let checkpoint = with_layout(name, Layout::Backbone).unwrap();
        assert_eq!(
            checkpoint.recipe.backbone,
            resnet50_of_width_4().into(),
            "{name}"
        );
        assert!(checkpoint.is_headless(), "{name}");
        let features = model_of(&checkpoint).features(&expected["input"]).unwrap();
        assert_close(
            &features,
            &expected[&format!("{method}.backbone")],
            1e-4,
            name,
        );
    }
}

/// The parameters of one ResNet-18 in PyTorch's order, and its features.
fn resnet18() -> (Vec<String>, Tensor) {
    let text = fs::read_to_string(golden("resnet18.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names = serde_json::from_value(json["parameters"].clone()).unwrap();
    let rows: Vec<Vec<f32>> = serde_json::from_value(json["features"].clone()).unwrap();
    let features = Tensor::from_slice(&rows.concat()).reshape([rows.len() as i64, -1]);
    (names, features)
}

#[test]
fn wrappers_and_prefixes_are_found() {
    let (_, features) = resnet18();
    for (name, layout, ignored) in [
        ("resnet18_vicreg_mu.pth", Layout::Vicreg, vec!["optimizer"]),
        (
            "resnet18_torchvision.pth",
            Layout::Torchvision,
            vec!["the classifier `fc`"],
        ),
        (
            "resnet18_moco.pth.tar",
            Layout::Moco,
            vec!["MoCo's head, queue and second encoder"],
        ),
        ("resnet18_net_legacy.pt", Layout::Backbone, vec![]),
    ] {
        let checkpoint = Checkpoint::read(&golden(name)).unwrap();
        let foreign = checkpoint.foreign.as_ref().unwrap();
        assert_eq!(foreign.layout, layout, "{name}");
        assert_eq!(foreign.ignored, ignored, "{name}");
        assert_eq!(
            checkpoint.recipe.backbone.to_string(),
            "resnet18 of width 1"
        );
        let found = model_of(&checkpoint).features(&waves()).unwrap();
        assert_close(&found, &features, 1e-4, name);
    }
    let timm = with_layout("resnet18_torchvision.pth", Layout::Timm).unwrap();
    assert_close(
        &model_of(&timm).features(&waves()).unwrap(),
        &features,
        1e-4,
        "timm",
    );
}

#[test]
fn momentum_goes_to_the_parameter_that_it_belongs_to() {
    let (names, _) = resnet18();
    let checkpoint = Checkpoint::read(&golden("resnet18_vicreg_mu.pth")).unwrap();
    let momentum: BTreeMap<_, _> = checkpoint.optimizer.iter().cloned().collect();
    assert_eq!(momentum.len(), names.len() + 1);
    for (index, name) in names.iter().enumerate() {
        let buffer = momentum[&format!("{name}.momentum")].read().unwrap();
        assert_eq!(buffer.size(), checkpoint.model[name].size(), "{name}");
        let (least, most) = (buffer.min(), buffer.max());
        assert_eq!(least.double_value(&[]), index as f64, "{name}");
        assert_eq!(most.double_value(&[]), index as f64, "{name}");
    }
    // The public layout, with the buffers of torch's SGD.
    for name in ["vicreg_zip.pth", "vicreg_legacy.pth.tar"] {
        let checkpoint = Checkpoint::read(&golden(name)).unwrap();
        assert_eq!(checkpoint.optimizer.len(), 168 + 1);
        for (name, buffer) in &checkpoint.optimizer {
            let ones = buffer.read().unwrap();
            assert!(
                name == "steps" || bool::try_from(ones.eq(1.0).all()).unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn vicregs_optimiser_state_is_taken_over_where_the_recipe_asks_for_it() {
    let (names, _) = resnet18();
    let checkpoint = Checkpoint::read(&golden("resnet18_vicreg_mu.pth")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for asked in [true, false] {
        let mut recipe = checkpoint.recipe.clone();
        recipe.training.load_optimizer = asked;
        let (trainer, taken) = Trainer::from_weights(recipe, &checkpoint, Device::Cpu, 0).unwrap();
        assert_eq!(taken, asked);
        let path = folder.path().join("saved.safetensors");
        trainer.save(&path).unwrap();
        let saved = Checkpoint::read(&path).unwrap();
        let last = names.len() - 1;
        let wanted = format!("{}.momentum", names[last]);
        let (_, buffer) = saved
            .optimizer
            .iter()
            .find(|(name, _)| *name == wanted)
            .unwrap();
        let value = buffer.read().unwrap().max().double_value(&[]);
        assert_eq!(value, if asked { last as f64 } else { 0.0 });
    }
}

#[test]
fn damaged_and_hostile_files_are_clear_errors() {
    let folder = tempfile::tempdir().unwrap();
    let before = std::env::current_dir().unwrap();
    for (name, part) in [
        ("bad_truncated.pth", "expected a whole PyTorch file"),
        ("bad_truncated.pth.tar", "expected a whole PyTorch file"),
        (
            "bad_runs_code.pth",
            "a call of `posix.system`, which was not executed",
        ),
    ] {
        let error = Checkpoint::read(&golden(name)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(part), "{text}");
        assert!(error.advice().is_some(), "{text}");
    }
    for place in [before.as_path(), folder.path(), golden("").as_path()] {
        assert!(!place.join("e2mc-was-run-by-a-pickle").exists());
    }
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Checkpoint::read(&path).unwrap_err().to_string()
    };
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(write("old.pth.tar", &tar).contains("a TAR archive"));
    assert!(write("plain.pth", b"\x80\x02}q\x00.").contains("a plain pickle"));
    assert!(write("text.pth", b"weights").contains("another format"));
    assert!(write("empty.pth", b"").contains("an empty file"));
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    assert!(write("lfs.pth", pointer).contains("Git LFS"));
    assert!(write("page.pth", b"\n<!DOCTYPE html><html>").contains("a web page"));
    assert!(write("packed.pth.gz", b"\x1f\x8b\x08\0\0").contains("packed by gzip"));
    // Every cut of a whole file is an error, not a crash, and none is read as something else.
    for name in ["resnet18_moco.pth.tar", "resnet18_net_legacy.pt"] {
        let whole = fs::read(golden(name)).unwrap();
        for step in 0..50 {
            let cut = &whole[..whole.len() * step / 50];
            assert!(
                write("cut.pth", cut).contains("expected"),
                "{name} cut to {}",
                cut.len()
            );
        }
    }
}

#[test]
fn a_damaged_tensor_is_found_by_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.pth");
    let mut bytes = fs::read(golden("resnet18_torchvision.pth")).unwrap();
    let checkpoint = Checkpoint::read(&golden("resnet18_torchvision.pth")).unwrap();
    let weight = checkpoint.model["backbone.conv1.weight"].read().unwrap();
    let mut stored = vec![0; 4 * weight.numel()];
    weight.copy_data_u8(&mut stored, weight.numel());
    let at = bytes
        .windows(stored.len())
        .position(|bytes| bytes == stored)
        .unwrap();
    bytes[at + 3] ^= 1;
    fs::write(&path, bytes).unwrap();
    let damaged = Checkpoint::read(&path).unwrap();
    let model = Model::new(&damaged.recipe, Device::Cpu, 0).unwrap();
    let error = damaged.apply_to(&model).unwrap_err().to_string();
    assert!(
        error.contains("`conv1.weight`") && error.contains("checksum"),
        "{error}"
    );
}

/// A safetensors file of zeros, as others write it.
fn plain(path: &Path, tensors: &[(String, Vec<i64>)]) {
    let tensors: Vec<(String, Tensor)> = tensors
        .iter()
        .map(|(name, shape)| {
            (
                name.clone(),
                Tensor::zeros(shape, (Kind::Float, Device::Cpu)),
            )
        })
        .collect();
    let named: Vec<(&str, &Tensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
    write_safetensors(path, &named);
}

fn write_safetensors(path: &Path, tensors: &[(&str, &Tensor)]) {
    let stored: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let mut bytes = vec![0; 4 * tensor.numel()];
            tensor.copy_data_u8(&mut bytes, tensor.numel());
            let shape = tensor.size().iter().map(|&size| size as usize).collect();
            ((*name).to_owned(), shape, bytes)
        })
        .collect();
    let views = stored.iter().map(|(name, shape, bytes)| {
        let view = safetensors::tensor::TensorView::new(Dtype::F32, shape.clone(), bytes);
        (name.as_str(), view.unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The tensors of a checkpoint's network under changed names.
fn renamed(checkpoint: &Checkpoint, rename: impl Fn(&str) -> String) -> Vec<(String, Vec<i64>)> {
    let tensors = checkpoint.model.iter();
    tensors
        .map(|(name, tensor)| (rename(name), tensor.size().to_vec()))
        .collect()
}

#[test]
fn what_does_not_fit_is_listed_and_allowed_only_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.safetensors");
    let whole = Checkpoint::read(&golden("resnet18_vicreg_mu.pth")).unwrap();
    let mut tensors = renamed(&whole, |name| format!("state_dict.{name}"));
    tensors.retain(|(name, _)| {
        !name.contains("layer4.1.bn2") && !name.ends_with("projector.3.weight")
    });
    tensors.push(("state_dict.bn.running_mean".into(), vec![5]));
    plain(&path, &tensors);
    let read = |options| {
        let checkpoint = Checkpoint::read_with(&path, options)?;
        let mut recipe = checkpoint.recipe.clone();
        recipe.method = whole.recipe.method.clone();
        let model = Model::new(&recipe, Device::Cpu, 0)?;
        checkpoint.apply_to(&model)?;
        Ok::<_, Error>((checkpoint.missing_in(&model), checkpoint))
    };
    let error = read(ReadOptions::default()).unwrap_err().to_string();
    for part in [
        "(5 missing, 1 unexpected, 0 mis-shaped)",
        "missing     backbone.layer4.1.bn2.running_var [8]",
        "missing     projector.3.weight [5, 6]",
        "unexpected  state_dict.bn.running_mean",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let mut options = ReadOptions {
        allow_missing: vec!["projector.3.".into()],
        allow_unexpected: vec!["state_dict.bn.".into()],
        ..ReadOptions::default()
    };
    let error = read(options.clone()).unwrap_err().to_string();
    assert!(error.contains("(4 missing, 0 unexpected"), "{error}");
    options.allow_missing.push("backbone.layer4.1.bn2".into());
    let (missing, _) = read(options).unwrap();
    assert_eq!(missing.len(), 5);
    assert!(missing.contains(&"projector.3.weight".to_owned()));
}

#[test]
fn networks_that_are_no_resnet_of_ours_are_refused_with_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.safetensors");
    let whole = Checkpoint::read(&golden("resnet18_torchvision.pth")).unwrap();
    let base = renamed(&whole, |name| {
        name.trim_start_matches("backbone.").to_owned()
    });
    type Shapes = Vec<(String, Vec<i64>)>;
    let error_of = |change: &dyn Fn(&mut Shapes)| {
        let mut tensors = base.clone();
        change(&mut tensors);
        plain(&path, &tensors);
        Checkpoint::read(&path).unwrap_err().to_string()
    };
    let rename = |tensors: &mut Vec<(String, Vec<i64>)>, from: &str, to: &str| {
        for (name, _) in tensors
            .iter_mut()
            .filter(|(name, _)| name.starts_with(from))
        {
            *name = name.replacen(from, to, 1);
        }
    };
    let error = error_of(&|tensors| tensors.retain(|(name, _)| name.starts_with("bn1")));
    assert!(
        error.contains("expected the tensors of a ResNet"),
        "{error}"
    );
    assert!(error.contains("4 tensors (`bn1.bias`"), "{error}");
    let error = error_of(&|tensors| rename(tensors, "conv1.", "conv1.0."));
    assert!(error.contains("no `conv1.weight` beside"), "{error}");
    let error = error_of(&|tensors| rename(tensors, "layer2.1.", "layer2.2."));
    assert!(error.contains("[2, 1, 2, 2] basic blocks"), "{error}");
    let error = error_of(&|tensors| tensors.extend(renamed(&whole, |name| format!("b.{name}"))));
    assert!(error.contains("several, under"), "{error}");
    // The names of a network that would need gigabytes, with tensors of a few numbers.
    let error = error_of(&|tensors| {
        for (name, shape) in tensors {
            match name.as_str() {
                "conv1.weight" => *shape = vec![1024, 3, 7, 7],
                "layer1.0.conv1.weight" => *shape = vec![1024, 1, 1, 1],
                _ => {}
            }
        }
    });
    assert!(error.contains("weights of resnet18x16"), "{error}");
}

#[test]
fn heads_whose_layers_do_not_chain_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.safetensors");
    let whole = Checkpoint::read(&golden("resnet18_vicreg_mu.pth")).unwrap();
    for (name, shape, part) in [
        (
            "projector.0.weight",
            vec![6, 9],
            "`projector.0.weight` with 8 inputs",
        ),
        (
            "projector.3.weight",
            vec![5, 7],
            "`projector.3.weight` with 6 inputs",
        ),
        (
            "projector.3.weight",
            vec![0, 6],
            "`projector.3.weight` with 6 inputs",
        ),
    ] {
        let mut tensors = renamed(&whole, str::to_owned);
        tensors
            .iter_mut()
            .filter(|tensor| tensor.0 == name)
            .for_each(|tensor| tensor.1 = shape.clone());
        plain(&path, &tensors);
        let error = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (_, features) = resnet18();
    let source = Checkpoint::read(&golden("resnet18_vicreg_mu.pth")).unwrap();
    let model = model_of(&source);
    let embeddings = model.embeddings(&waves()).unwrap();
    for file in ["out.safetensors", "out.pth", "out.pth.tar", "out.pt"] {
        for names in [Names::E2mc, Names::TORCHVISION] {
            for backbone_only in [false, true] {
                for storage in [Storage::F32, Storage::F16] {
                    let path = folder.path().join(file);
                    let options = Export {
                        names,
                        backbone_only,
                        storage,
                    };
                    let what = format!("{file} {options:?}");
                    let (_, count) = export(&source, &path, options).unwrap();
                    assert_eq!(count, if backbone_only { 100 } else { 107 }, "{what}");
                    let read = Checkpoint::read(&path).unwrap();
                    assert_eq!(read.is_headless(), backbone_only, "{what}");
                    let again = model_of(&read);
                    let close: f64 = if storage == Storage::F32 { 1e-6 } else { 1e-2 };
                    assert_close(
                        &again.features(&waves()).unwrap(),
                        &features,
                        close.max(1e-4),
                        &what,
                    );
                    if !backbone_only {
                        assert_close(
                            &again.embeddings(&waves()).unwrap(),
                            &embeddings,
                            close,
                            &what,
                        );
                    }
                }
            }
        }
    }
    let error = export(&source, &folder.path().join("out.bin"), Export::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a name that ends in .safetensors"),
        "{error}"
    );
}

#[test]
fn our_own_network_keeps_its_recipe_in_either_format() {
    let folder = tempfile::tempdir().unwrap();
    let source = Checkpoint::read(&golden("resnet18_vicreg_mu.pth")).unwrap();
    let mut recipe = source.recipe.clone();
    // What no tensor's shape tells.
    recipe.name = "mine".into();
    recipe.backbone.resnet_mut().unwrap().stem = Stem::SmallStride2;
    let model = Model::new(&recipe, Device::Cpu, 5).unwrap();
    let own = folder.path().join("own.safetensors");
    e2mc_train::checkpoint::save_model(&own, &recipe, &model, Storage::F32).unwrap();
    for file in ["copy.pth", "copy.safetensors"] {
        let path = folder.path().join(file);
        export(&Checkpoint::read(&own).unwrap(), &path, Export::default()).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        assert!(read.foreign.is_none());
        assert_eq!(read.recipe, recipe);
        let features = [&model, &model_of(&read)].map(|model| model.features(&waves()).unwrap());
        assert_eq!(features[0], features[1]);
        // As a backbone for other heads.
        let options = ReadOptions {
            layout: Some(Layout::Backbone),
            ..ReadOptions::default()
        };
        let backbone = Checkpoint::read_with(&path, options).unwrap();
        assert!(backbone.is_headless() && backbone.model.len() == 100);
        assert_eq!(backbone.recipe.backbone, recipe.backbone);
    }
}

/// Loads a file of torchvision names as a user does, and prints the features of `waves()`.
const IN_PYTORCH: &str = r#"
import json, sys, torch
from torchvision.models import resnet18
weights = torch.load(sys.argv[1], weights_only=True)
assert all(tensor.dtype == torch.float32 for tensor in weights.values())
network = resnet18()
network.fc = torch.nn.Identity()
network.load_state_dict(weights, strict=True)
grid = torch.arange(2 * 3 * 64 * 64, dtype=torch.float64)
images = torch.sin(0.37 * grid).float().reshape(2, 3, 64, 64)
print(json.dumps(network.eval()(images).tolist()))
"#;

/// Loads a file of our names, and prints its texts and its tensors' sums.
const DICTIONARY_IN_PYTORCH: &str = r#"
import json, sys, torch
file = torch.load(sys.argv[1], weights_only=True)
sums = {name: tensor.double().sum().item() for name, tensor in file["state_dict"].items()}
print(json.dumps({"recipe": json.loads(file["e2mc"])["recipe"]["name"], "sums": sums}))
"#;

#[test]
fn pytorch_loads_what_is_written_and_gives_the_same_features() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = Checkpoint::read(&golden("resnet18_vicreg_mu.pth")).unwrap();
    let mut recipe = source.recipe.clone();
    recipe.backbone.resnet_mut().unwrap().width = 64;
    let model = Model::new(&recipe, Device::Cpu, 3).unwrap();
    let own = folder.path().join("own.safetensors");
    e2mc_train::checkpoint::save_model(&own, &recipe, &model, Storage::F32).unwrap();
    let own = Checkpoint::read(&own).unwrap();

    let path = folder.path().join("torchvision.pth");
    let options = Export {
        names: Names::TORCHVISION,
        backbone_only: true,
        ..Export::default()
    };
    export(&own, &path, options).unwrap();
    let rows = in_python(&python, IN_PYTORCH, &[path.to_str().unwrap()]);
    let rows: Vec<Vec<f32>> = serde_json::from_value(rows).unwrap();
    let features = Tensor::from_slice(&rows.concat()).reshape([2, -1]);
    let ours = model.features(&waves()).unwrap();
    assert_close(&ours, &features, 1e-4, "features in PyTorch");

    let path = folder.path().join("own.pth");
    export(&own, &path, Export::default()).unwrap();
    let file = in_python(&python, DICTIONARY_IN_PYTORCH, &[path.to_str().unwrap()]);
    assert_eq!(file["recipe"], recipe.name);
    for (name, tensor) in model.tensors() {
        let sum = tensor
            .to_kind(Kind::Double)
            .sum(Kind::Double)
            .double_value(&[]);
        let found = file["sums"][&name].as_f64().unwrap();
        assert!(
            (sum - found).abs() <= 1e-9 * sum.abs().max(1.0),
            "{name}: {sum} {found}"
        );
    }
    assert_eq!(
        file["sums"].as_object().unwrap().len(),
        model.tensors().len()
    );
}
