//! Checkpoints as people save them: a sound network, and beside it what a reader may stumble over.
//! `golden/field/generate.py` makes the files, with the sums of the tensors by torch.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2mc_train::checkpoint::{Checkpoint, ReadOptions};
use e2mc_train::{Error, Model};
use safetensors::{Dtype, tensor::TensorView};
use tch::{Device, Kind};

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/field");
    folder.join(name)
}

fn read(path: &Path, network: Option<&str>) -> Result<Checkpoint, Error> {
    let options = ReadOptions {
        network: network.map(str::to_owned),
        ..ReadOptions::default()
    };
    Checkpoint::read_with(path, options)
}

/// Holds every tensor of the backbone against torch's sum of it, plus `more` for each number, and
/// puts all into a model.
fn assert_network(checkpoint: &Checkpoint, more: f64, what: &str) {
    let text = fs::read_to_string(golden("expected.json")).unwrap();
    let expected: BTreeMap<String, (f64, f64)> = serde_json::from_str(&text).unwrap();
    assert_network_shape(checkpoint);
    for (name, (sum, count)) in &expected {
        let tensor = checkpoint.model[&format!("backbone.{name}")]
            .read()
            .unwrap();
        let found = tensor.sum(Kind::Double).double_value(&[]);
        // Half precision rounds each number once more where one was added.
        let tolerance = 1e-6 + 1e-3 * more * count;
        let wanted = sum + more * count;
        assert!(
            (found - wanted).abs() <= tolerance,
            "{what}: {name} is {found}, not {wanted}"
        );
    }
    let model = Model::new(&checkpoint.recipe, Device::Cpu, 0).unwrap();
    checkpoint.apply_to(&model).unwrap();
}

#[test]
fn the_weights_are_read_whatever_lies_beside_them() {
    for (name, said) in [
        ("defaultdict.pth", None),
        ("odd_values.pth", Some("an object of `mine.Log`")),
        ("dict_subclass.pth", Some("an object of `myconfig.Config`")),
        ("list_root.pth", None),
        (
            "optimizer_object.pth",
            Some("an object of `torch.optim.sgd.SGD`"),
        ),
        ("whole_module.pth", Some("an object of `mine.Net`")),
        (
            "namespace_root.pth",
            Some("an object of `argparse.Namespace`"),
        ),
        ("float8_beside.pth", Some("`x` of type float8_e4m3fn")),
        (
            "other_tensors.pth",
            Some("`others.complex` of type complex64"),
        ),
        ("other_tensors.pth", Some("2 more such tensors")),
        ("sequential_names.pth", None),
        ("wrappers_in_any_order.pth", None),
        ("simclr_small.pth", None),
        (
            "solo_learn.pth",
            Some("solo-learn's classifier and second network"),
        ),
        ("lightly.pth", Some("heads")),
        ("lightning_objects.ckpt", Some("optimizer_states")),
        ("lightning_objects.ckpt", Some("an object of `mine.Config`")),
        ("ordered_subclass.pth", Some("an object of `mine.Weights`")),
        ("ema_list.pth", Some("ema")),
        ("fsdp_and_compiled.pth", None),
        ("one_storage.pth", None),
        ("one_storage_legacy.pth", None),
        ("parameters_and_subclasses.pth", None),
        ("mixed_precision.pth", None),
        ("no_checksums.pth", None),
        ("pickle_5.pth", None),
    ] {
        let checkpoint = read(&golden(name), None).unwrap();
        assert_network(&checkpoint, 0.0, name);
        let ignored = &checkpoint.foreign.as_ref().unwrap().ignored;
        let is_said = |said: &str| ignored.iter().any(|words| words.contains(said));
        assert!(said.is_none_or(is_said), "{name}: {ignored:?}");
    }
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_reason() {
    for (name, said) in [
        ("big_endian.pth", "found those of a big-endian one"),
        (
            "list_of_networks.pth",
            "found several, under `models.0.`, `models.1.`",
        ),
        ("meta.pth", "of type meta"),
        (
            "numpy_arrays.pth",
            "found no tensor, but an object of `numpy",
        ),
    ] {
        let error = read(&golden(name), None).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    for (network, more) in [("models.0", 0.0), ("models.1", 1.0)] {
        let checkpoint = read(&golden("list_of_networks.pth"), Some(network)).unwrap();
        assert_network(&checkpoint, more, network);
    }
}

#[test]
fn heads_of_a_compiled_model_are_kept() {
    let checkpoint = read(&golden("compiled_submodules.pth"), None).unwrap();
    assert!(!checkpoint.is_headless());
    assert_network(&checkpoint, 0.0, "compiled");
}

#[test]
fn one_of_several_networks_is_chosen_by_whole_words() {
    for (name, network, more, said) in [
        (
            "dino_student_teacher.pth",
            None,
            1.0,
            "`teacher.backbone.` is taken",
        ),
        (
            "dino_student_teacher.pth",
            Some("teacher"),
            1.0,
            "not `student.backbone.`",
        ),
        (
            "dino_student_teacher.pth",
            Some("student"),
            0.0,
            "`student.backbone.` is taken",
        ),
        (
            "dino_student_teacher.pth",
            Some("student.module"),
            0.0,
            "`student.backbone.`",
        ),
        (
            "ema_beside.pth",
            None,
            1.0,
            "`model.` is taken, not `model_ema.`",
        ),
        ("ema_beside.pth", Some("ema"), 0.0, "`model_ema.` is taken"),
        (
            "semantic_is_taken_for_ema.pth",
            Some("semantic"),
            1.0,
            "not `aux.`",
        ),
        (
            "semantic_is_taken_for_ema.pth",
            Some("aux"),
            0.0,
            "not `semantic.`",
        ),
    ] {
        let checkpoint = read(&golden(name), network).unwrap();
        let what = format!("{name} {network:?}");
        assert_network(&checkpoint, more, &what);
        let chosen = checkpoint.foreign.unwrap().chosen.unwrap();
        assert!(chosen.contains(said), "{what}: {chosen}");
    }
    let error = read(&golden("semantic_is_taken_for_ema.pth"), None).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("several, under `aux.`, `semantic.`"),
        "{text}"
    );
    let error = read(&golden("semantic_is_taken_for_ema.pth"), Some("ema")).unwrap_err();
    assert!(
        error.to_string().contains("a network called `ema`"),
        "{error}"
    );
}

/// A legacy file whose object is a list of 40 MB of bytes and the object of another file.
fn with_bytes(length: u32) -> Vec<u8> {
    let file = fs::read(golden("defaultdict.pth")).unwrap();
    let system = b"long";
    let place = file.windows(4).position(|bytes| bytes == system).unwrap();
    let end = file[place..]
        .windows(3)
        .position(|bytes| bytes == b".\x80\x02")
        .unwrap();
    let start = place + end + 3;
    let mut changed = file[..start].to_vec();
    changed.extend(b"](B");
    changed.extend(length.to_le_bytes());
    changed.resize(changed.len() + length as usize, 7);
    // The object's pickle ends where that of the keys starts.
    let end = file[start..]
        .windows(4)
        .position(|bytes| bytes == b".\x80\x02]")
        .unwrap();
    changed.extend(&file[start..start + end]);
    changed.push(b'e');
    changed.extend(&file[start + end..]);
    changed
}

#[test]
fn forty_megabytes_of_bytes_are_passed_over_and_missing_ones_are_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob.pth");
    let whole = with_bytes(40_000_000);
    fs::write(&path, &whole).unwrap();
    assert_network(&read(&path, None).unwrap(), 0.0, "bytes");
    for cut in [30_000_000, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = read(&path, None).unwrap_err().to_string();
        assert!(error.contains("expected a whole PyTorch file"), "{error}");
    }
}

/// A safetensors file of the network's tensors under changed names, and others.
fn renamed(path: &Path, rename: impl Fn(&str) -> String, others: &[(&str, Dtype, Vec<usize>)]) {
    let source = read(&golden("list_root.pth"), None).unwrap();
    let mut tensors: BTreeMap<String, (Dtype, Vec<usize>)> = source
        .model
        .iter()
        .map(|(name, tensor)| {
            let shape = tensor.size().iter().map(|&size| size as usize).collect();
            (rename(name), (Dtype::F32, shape))
        })
        .collect();
    for (name, dtype, shape) in others {
        tensors.insert((*name).to_owned(), (*dtype, shape.clone()));
    }
    let zeros = vec![0; 1 << 20];
    let views = tensors.iter().map(|(name, (dtype, shape))| {
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let view = TensorView::new(*dtype, shape.clone(), &zeros[..bytes]);
        (name.as_str(), view.unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn one_file_of_several_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model-00001-of-00002.safetensors");
    // The names of half of the network lie elsewhere.
    let elsewhere = |name: &str| match name.contains("layer3") || name.contains("layer4") {
        true => format!("elsewhere.{name}"),
        false => name.to_owned(),
    };
    renamed(&path, elsewhere, &[]);
    let error = read(&path, None).unwrap_err();
    assert!(
        error.to_string().contains("found file 1 of 2 alone"),
        "{error}"
    );
    let advice = format!("{:?}", error.advice());
    assert!(advice.contains("give the folder of all files"), "{advice}");
    // A whole network is read whatever its file is called.
    renamed(&path, str::to_owned, &[]);
    assert_network_shape(&read(&path, None).unwrap());
}

fn assert_network_shape(checkpoint: &Checkpoint) {
    let found = checkpoint.recipe.backbone.to_string();
    assert_eq!(found, "resnet18 of width 1");
}

#[test]
fn a_type_that_is_needed_and_not_computed_with_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("float8.safetensors");
    let needed = "backbone.layer1.0.conv1.weight";
    renamed(
        &path,
        str::to_owned,
        &[(needed, Dtype::F8_E4M3, vec![1, 1, 3, 3])],
    );
    let error = read(&path, None).unwrap_err().to_string();
    assert!(
        error.contains("`backbone.layer1.0.conv1.weight` of type F8_E4M3"),
        "{error}"
    );
    renamed(&path, str::to_owned, &[("scale", Dtype::U16, vec![3])]);
    let checkpoint = read(&path, None).unwrap();
    assert_eq!(
        checkpoint.foreign.unwrap().ignored,
        ["heads", "`scale` of type U16"]
    );
}

#[test]
fn unexpected_tensors_are_allowed_with_or_without_what_wraps_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("classifier.safetensors");
    let others = [
        ("state_dict.module.extra.weight", Dtype::F32, vec![4, 8]),
        (
            "state_dict.module.projector.0.weight",
            Dtype::F32,
            vec![5, 8],
        ),
    ];
    renamed(&path, |name| format!("state_dict.module.{name}"), &others);
    let apply = |allowed: &[&str]| {
        let options = ReadOptions {
            allow_unexpected: allowed.iter().map(|&name| name.to_owned()).collect(),
            ..ReadOptions::default()
        };
        let checkpoint = Checkpoint::read_with(&path, options)?;
        let model = Model::new(&checkpoint.recipe, Device::Cpu, 0)?;
        checkpoint.apply_to(&model)
    };
    let error = apply(&[]).unwrap_err().to_string();
    assert!(
        error.contains("unexpected  state_dict.module.extra.weight"),
        "{error}"
    );
    for allowed in ["extra", "state_dict.module.extra."] {
        apply(&[allowed]).unwrap();
    }
    assert!(apply(&["xtra"]).is_err());
}

#[test]
fn the_authors_deviation_belongs_to_their_files_alone() {
    let red = |path: PathBuf| {
        let checkpoint = Checkpoint::read(&path).unwrap();
        (checkpoint.recipe.evaluation.std[0] * 1e3).round() as i64
    };
    let others = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints");
    for (name, expected) in [
        ("vicreg_zip.pth", 228),
        ("swav_legacy.pth.tar", 228),
        ("simsiam_zip.pth", 228),
        ("resnet18_torchvision.pth", 229),
        ("resnet18_moco.pth.tar", 229),
    ] {
        assert_eq!(red(others.join(name)), expected, "{name}");
    }
    for name in ["solo_learn.pth", "lightly.pth", "sequential_names.pth"] {
        assert_eq!(red(golden(name)), 229, "{name}");
    }
}
